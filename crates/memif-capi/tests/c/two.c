/* Two masters on one socket that send every packet back: what happens to one is nothing to the other. */
#include "check.h"

static int
echo (memif_conn_handle_t conn, void *ctx, uint16_t qid)
{
  memif_buffer_t in[16], out;
  uint16_t n, got = 0, sent, i;
  int err;

  (void) ctx;
  do
    {
      err = memif_rx_burst (conn, qid, in, 16, &got);
      for (i = 0; i < got; i++)
        {
          CHECK (in[i].len <= 4096);
          if (memif_buffer_alloc (conn, qid, &out, 1, &n, (uint16_t) in[i].len) != MEMIF_ERR_SUCCESS)
            break;
          memcpy (out.data, in[i].data, in[i].len);
          memif_tx_burst (conn, qid, &out, 1, &sent);
        }
      memif_refill_queue (conn, qid, got, 0);
    }
  while (err == MEMIF_ERR_NOBUF);
  return 0;
}

int
main (int argc, char **argv)
{
  memif_socket_args_t args = socket_args ("two");
  memif_socket_handle_t sock = NULL;
  struct end ends[2] = { NOTHING, NOTHING };
  memif_conn_args_t conn;
  uint32_t i;

  CHECK (argc > 1 && strlen (argv[1]) < sizeof (args.path));
  strcpy (args.path, argv[1]);
  OK (memif_create_socket (&sock, &args, NULL));
  for (i = 0; i < 2; i++)
    {
      conn = conn_args (sock, 1);
      conn.interface_id = i;
      OK (memif_create (&ends[i].conn, &conn, end_connected, end_disconnected, echo, &ends[i]));
    }
  setvbuf (stdout, NULL, _IOLBF, 0);
  printf ("ready\n");
  for (;;)
    memif_poll_event (sock, -1);
}
