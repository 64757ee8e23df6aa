/* The traffic that is measured, through the C library: both ends in one thread, bursts there and nothing back. */
#include "check.h"

#define BURST 64
#define SIZE 64

static memif_buffer_t bufs[BURST];

__attribute__ ((always_inline)) static inline void
send_burst (memif_conn_handle_t conn)
{
  uint16_t n, sent;

  OK (memif_buffer_alloc (conn, 0, bufs, BURST, &n, SIZE));
  OK (memif_tx_burst (conn, 0, bufs, n, &sent));
  CHECK (sent == BURST);
}

__attribute__ ((always_inline)) static inline void
receive_burst (memif_conn_handle_t conn)
{
  uint16_t n;

  OK (memif_rx_burst (conn, 0, bufs, BURST, &n));
  CHECK (n == BURST && bufs[0].len == SIZE);
  OK (memif_refill_queue (conn, 0, n, 0));
}

__attribute__ ((noinline, noclone)) static void
measured_send (memif_conn_handle_t conn)
{
  send_burst (conn);
}

__attribute__ ((noinline, noclone)) static void
measured_receive (memif_conn_handle_t conn)
{
  receive_burst (conn);
}

int
main (int argc, char **argv)
{
  memif_socket_handle_t sock = new_socket ("gate");
  struct end master = { 0 }, slave = { 0 };
  struct end *ends[2] = { &master, &slave };
  int i, s2m, bursts;

  CHECK (argc == 4);
  s2m = strcmp (argv[2], "s2m") == 0;
  bursts = atoi (argv[3]);
  for (i = 0; i < 2; i++)
    {
      memif_conn_args_t args = conn_args (sock, i == 0);

      args.log2_ring_size = 10;
      OK (memif_create (&ends[i]->conn, &args, end_connected, end_disconnected, NULL, ends[i]));
    }
  POLL_UNTIL (sock, master.connected && slave.connected);
  for (i = 0; i < 2; i++)
    OK (memif_set_rx_mode (ends[i]->conn, MEMIF_RX_MODE_POLLING, 0));
  /* What the first packets bring, queues make once. */
  send_burst (s2m ? slave.conn : master.conn);
  receive_burst (s2m ? master.conn : slave.conn);
  for (i = 0; i < bursts; i++)
    {
      measured_send (s2m ? slave.conn : master.conn);
      measured_receive (s2m ? master.conn : slave.conn);
    }
  take_down (sock, &master, &slave);
  return 0;
}
