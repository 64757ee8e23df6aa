/* Slaves that bring more queues than their master has, or none in a direction. */
#include "wire.h"

/* A slave that brings more is refused, and one that brings as many is not. */
static void
surplus (uint8_t s2m, uint8_t m2s, const char *words)
{
  memif_socket_handle_t sock = new_socket ("surplus");
  struct end master = { 0 }, slave = { 0 };
  memif_details_t details;
  memif_conn_args_t args;
  char text[4096];

  args = conn_args (sock, 1);
  args.num_s2m_rings = args.num_m2s_rings = 2;
  OK (memif_create (&master.conn, &args, end_connected, end_disconnected, NULL, &master));
  args = conn_args (sock, 0);
  args.num_s2m_rings = s2m;
  args.num_m2s_rings = m2s;
  OK (memif_create (&slave.conn, &args, end_connected, end_disconnected, NULL, &slave));
  do
    {
      OK (memif_poll_event (sock, 10));
      memset (&details, 0, sizeof (details));
      OK (memif_get_details (slave.conn, &details, text, sizeof (text)));
    }
  while (details.error == NULL || strstr ((const char *) details.error, words) == NULL);
  CHECK (!master.connected && !slave.connected);
  OK (memif_delete (&slave.conn));
  /* Each refusal called it. */
  slave.disconnected = 0;
  args.num_s2m_rings = args.num_m2s_rings = 2;
  OK (memif_create (&slave.conn, &args, end_connected, end_disconnected, NULL, &slave));
  POLL_UNTIL (sock, master.connected && slave.connected);
  take_down (sock, &master, &slave);
}

/* A slave that has rings in one direction alone makes a link with no queue in the other. */
static void
one_direction (unsigned rings)
{
  memif_socket_handle_t sock = new_socket ("one-direction");
  struct end master = { .keep = 1 };
  struct wire_slave hand;
  struct wire message;
  memif_details_t details;
  memif_buffer_t buf;
  char text[4096];
  uint16_t n;

  add (sock, 1, &master, NULL);
  wire_slave_open (&hand, WIRE_COOKIE);
  wire_slave_connect_with (&hand, memif_get_socket_path (sock), sock, 0, 1, NULL, rings);
  CHECK (wire_receive (hand.sock, sock, &message) == WIRE_CONNECTED);
  POLL_UNTIL (sock, master.connected);
  memset (&details, 0, sizeof (details));
  OK (memif_get_details (master.conn, &details, text, sizeof (text)));
  CHECK (details.rx_queues_num == (rings == WIRE_S2M) && details.tx_queues_num == (rings == WIRE_M2S));
  if (rings == WIRE_S2M)
    CODE (memif_buffer_alloc (master.conn, 0, &buf, 1, &n, 64), MEMIF_ERR_QID);
  else
    CODE (memif_rx_burst (master.conn, 0, &buf, 1, &n), MEMIF_ERR_QID);
  close (hand.sock);
  POLL_UNTIL (sock, master.disconnected);
  wire_slave_close (&hand);
  OK (memif_delete (&master.conn));
  OK (memif_delete_socket (&sock));
}

MAIN
{
  if (!reference)
    {
      surplus (3, 2, "bring at most 2 (tx-queues)");
      surplus (1, 3, "bring at most 2 (rx-queues)");
      one_direction (WIRE_M2S);
    }
  one_direction (WIRE_S2M);
}
