/* Bursts between marks that strace shows: no call while polling, few with signals. */
#include "check.h"

static void
mark (const char *what)
{
  CHECK (write (1, what, strlen (what)) > 0);
}

static void
move (struct end *from, struct end *to, uint16_t count)
{
  static memif_buffer_t bufs[512];
  uint16_t n, sent;

  OK (memif_buffer_alloc (from->conn, 0, bufs, count, &n, 64));
  OK (memif_tx_burst (from->conn, 0, bufs, n, &sent));
  CHECK (sent == count);
  OK (memif_rx_burst (to->conn, 0, bufs, 512, &n));
  CHECK (n == count);
  OK (memif_refill_queue (to->conn, 0, n, 0));
}

MAIN
{
  memif_socket_handle_t sock = new_socket ("quiet");
  struct end master = { 0 }, slave = { 0 };
  struct end *ends[2] = { &master, &slave };
  memif_conn_args_t args;
  int i, round;

  for (i = 0; i < 2; i++)
    {
      args = conn_args (sock, i == 0);
      args.log2_ring_size = 10;
      OK (memif_create (&ends[i]->conn, &args, end_connected, end_disconnected, NULL, ends[i]));
    }
  POLL_UNTIL (sock, master.connected && slave.connected);
  for (i = 0; i < 2; i++)
    OK (memif_set_rx_mode (ends[i]->conn, MEMIF_RX_MODE_POLLING, 0));
  mark ("polling\n");
  for (round = 0; round < 1000; round++)
    {
      move (&master, &slave, 64);
      move (&slave, &master, 64);
    }
  mark ("polled\n");
  for (i = 0; i < 2; i++)
    OK (memif_set_rx_mode (ends[i]->conn, MEMIF_RX_MODE_INTERRUPT, 0));
  mark ("signals\n");
  /* 4 receive calls, and 2 * (1 + 2) writes for 100 and 500 packets. */
  for (i = 0; i < 2; i++)
    {
      move (ends[i], ends[!i], 100);
      move (ends[i], ends[!i], 500);
    }
  mark ("signalled\n");
  take_down (sock, &master, &slave);
}
