/* Sends every packet back where it came from, ARP requests and pings as their answers: a slave without a copy, a master
 * with one.  forwarder SOCKET master|slave [ID] */
#include "answer.h"
#include "common.h"

static int master;
static struct inbox in;

static int
on_connect (memif_conn_handle_t conn, void *ctx)
{
  (void) ctx;
  memset (&in, 0, sizeof (in));
  post_buffers (conn, 0);
  printf ("connected\n");
  return 0;
}

/* The buffers themselves go to the transmit queue, its buffers to the receive queue. */
static void
forward (memif_conn_handle_t conn, memif_buffer_t *bufs, uint16_t count)
{
  uint16_t queued = 0, whole, sent;

  memif_buffer_enq_tx (conn, 0, bufs, count, &queued);
  /* Of a chain there may have been room for the beginning alone: that does not go out. */
  for (whole = queued; whole > 0 && (bufs[whole - 1].flags & MEMIF_BUFFER_FLAG_NEXT); whole--)
    ;
  memif_tx_burst (conn, 0, bufs, whole, &sent);
  if (whole < queued)
    memif_set_next_free_buffer (conn, 0, &bufs[whole]);
}

static int
on_interrupt (memif_conn_handle_t conn, void *ctx, uint16_t qid)
{
  uint16_t i, n;
  int err;

  (void) ctx;
  do
    {
      err = receive (conn, qid, &in);
      for (i = 0; i < in.whole; i += n)
        {
          n = parts (in.bufs + i);
          answer ((uint8_t *) in.bufs[i].data, in.bufs[i].len);
          if (master)
            send_copy (conn, qid, in.bufs + i, n);
        }
      if (!master)
        forward (conn, in.bufs, in.whole);
      release (conn, qid, &in);
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
  must ("memif_create", memif_create (&conn, &args, on_connect, say_disconnected, on_interrupt, NULL));
  printf ("ready\n");
  while (!stopped)
    memif_poll_event (sock, -1);
  memif_delete (&conn);
  memif_delete_socket (&sock);
  return 0;
}
