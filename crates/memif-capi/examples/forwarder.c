/* Sends every packet back where it came from: a slave without a copy, a master with one.
 *
 *   forwarder SOCKET master|slave [ID]
 */
#include "common.h"

static int master;

static int
on_connect (memif_conn_handle_t conn, void *ctx)
{
  (void) ctx;
  must ("memif_refill_queue", memif_refill_queue (conn, 0, -1, 0));
  printf ("connected\n");
  return 0;
}

static int
on_disconnect (memif_conn_handle_t conn, void *ctx)
{
  (void) conn;
  (void) ctx;
  printf ("disconnected\n");
  return 0;
}

/* The buffers themselves go to the transmit queue, its buffers to the receive queue. */
static void
forward (memif_conn_handle_t conn, memif_buffer_t *in, uint16_t received)
{
  uint16_t queued = 0, sent;

  memif_buffer_enq_tx (conn, 0, in, received, &queued);
  memif_tx_burst (conn, 0, in, queued, &sent);
}

static void
copy (memif_conn_handle_t conn, const memif_buffer_t *in, uint16_t received)
{
  memif_buffer_t out;
  uint16_t i, n, sent;

  for (i = 0; i < received; i++)
    {
      /* One buffer at a time, so that a chain stays what it is: what is not its end says so. */
      if (memif_buffer_alloc (conn, 0, &out, 1, &n, (uint16_t) in[i].len) != MEMIF_ERR_SUCCESS)
        break;
      memcpy (out.data, in[i].data, in[i].len);
      out.flags = in[i].flags;
      memif_tx_burst (conn, 0, &out, 1, &sent);
    }
}

static int
on_interrupt (memif_conn_handle_t conn, void *ctx, uint16_t qid)
{
  memif_buffer_t bufs[BURST];
  uint16_t received;
  int err;

  (void) ctx;
  do
    {
      err = memif_rx_burst (conn, qid, bufs, BURST, &received);
      if (err != MEMIF_ERR_SUCCESS && err != MEMIF_ERR_NOBUF)
        return 0;
      if (master)
        copy (conn, bufs, received);
      else
        forward (conn, bufs, received);
      memif_refill_queue (conn, qid, received, 0);
    }
  while (err == MEMIF_ERR_NOBUF);
  return 0;
}

int
main (int argc, char **argv)
{
  memif_socket_handle_t sock;
  memif_conn_handle_t conn = NULL;
  memif_conn_args_t args;

  if (argc < 3)
    {
      fprintf (stderr, "usage: %s SOCKET master|slave [ID]\n", argv[0]);
      return 2;
    }
  set_up ();
  sock = open_socket (argv[1], "forwarder", NULL, NULL);
  args = interface_args (sock, argv[2], argc > 3 ? (uint32_t) atoi (argv[3]) : 0);
  master = args.is_master;
  must ("memif_create", memif_create (&conn, &args, on_connect, on_disconnect, on_interrupt, NULL));
  printf ("ready\n");
  while (!stopped)
    memif_poll_event (sock, -1);
  memif_delete (&conn);
  memif_delete_socket (&sock);
  return 0;
}
