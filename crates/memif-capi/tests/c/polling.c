/* A queue that was switched to polling is not waited for any more, whatever signals came before or come late. */
#include "wire.h"

static int
readable (int fd)
{
  struct pollfd ready = { .fd = fd, .events = POLLIN };

  return poll (&ready, 1, 0) > 0;
}

/* Polls the ring from now on, as adaptive programs do. */
static int
switch_to_polling (memif_conn_handle_t conn, void *ctx, uint16_t qid)
{
  memif_buffer_t bufs[16];
  uint16_t n;

  if (((struct end *) ctx)->interrupts++ == 0)
    OK (memif_set_rx_mode (conn, MEMIF_RX_MODE_POLLING, qid));
  OK (memif_rx_burst (conn, qid, bufs, 16, &n));
  OK (memif_refill_queue (conn, qid, n, 0));
  return 0;
}

static void
send_one (struct end *from)
{
  memif_buffer_t buf;
  uint16_t n, sent;

  OK (memif_buffer_alloc (from->conn, 0, &buf, 1, &n, 64));
  OK (memif_tx_burst (from->conn, 0, &buf, 1, &sent));
  CHECK (sent == 1);
}

static int
take_one (memif_conn_handle_t conn, void *ctx, uint16_t qid)
{
  memif_buffer_t buf;
  uint16_t n;

  ((struct end *) ctx)->interrupts++;
  memif_rx_burst (conn, qid, &buf, 1, &n);
  CHECK (n == 1);
  OK (memif_refill_queue (conn, qid, 1, 0));
  return 0;
}

/* Whoever takes a long packet part by part is called each time: that is no storm of signals. */
static void
part_by_part (void)
{
  memif_socket_handle_t sock = new_socket ("parts");
  struct end master = { 0 }, slave = { 0 };
  memif_conn_args_t args = conn_args (sock, 1);
  memif_buffer_t bufs[32];
  uint16_t n, sent;
  int i;

  args.log2_ring_size = 6;
  OK (memif_create (&master.conn, &args, end_connected, end_disconnected, take_one, &master));
  args = conn_args (sock, 0);
  args.log2_ring_size = 6;
  OK (memif_create (&slave.conn, &args, end_connected, end_disconnected, NULL, &slave));
  POLL_UNTIL (sock, master.connected && slave.connected);
  OK (memif_buffer_alloc (slave.conn, 0, bufs, 1, &n, 65535));
  CHECK (n == 32);
  OK (memif_tx_burst (slave.conn, 0, bufs, n, &sent));
  CHECK (sent == 32);
  for (i = 1; i <= 32; i++)
    {
      OK (memif_poll_event (sock, 0));
      CHECK (master.interrupts == i);
    }
  take_down (sock, &master, &slave);
}

MAIN
{
  memif_socket_handle_t sock = new_socket ("polling");
  struct end master = { 0 }, slave = { 0 };
  uint64_t one = 1;
  int fd, i;

  part_by_part ();
  add (sock, 1, &master, switch_to_polling);
  add (sock, 0, &slave, NULL);
  POLL_UNTIL (sock, master.connected && slave.connected);
  OK (memif_get_queue_efd (master.conn, 0, &fd));
  /* A signal that waits. */
  send_one (&slave);
  CHECK (readable (fd));
  POLL_UNTIL (sock, master.interrupts);
  CHECK (!readable (fd));
  for (i = 0; i < 50; i++)
    OK (memif_poll_event (sock, 1));
  CHECK (master.interrupts == 1);
  /* One from a peer that had looked before. */
  CHECK (write (fd, &one, sizeof (one)) == sizeof (one));
  for (i = 0; i < 50; i++)
    OK (memif_poll_event (sock, 1));
  CHECK (master.interrupts <= 2 && !readable (fd));
  /* The same for a loop of the application, that sees the eventfd alone. */
  OK (memif_get_queue_efd (slave.conn, 0, &fd));
  send_one (&master);
  CHECK (readable (fd));
  OK (memif_set_rx_mode (slave.conn, MEMIF_RX_MODE_POLLING, 0));
  if (!reference)
    CHECK (!readable (fd));
  take_down (sock, &master, &slave);
}
