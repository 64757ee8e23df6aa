/* Answers ARP and ping for every address, in either role, copying. The library polls.
 *
 *   responder SOCKET master|slave [ID]
 */
#include "answer.h"
#include "common.h"

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
          if (answer ((uint8_t *) in.bufs[i].data, in.bufs[i].len))
            send_copy (conn, qid, in.bufs + i, n);
        }
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
  int err;

  if (argc < 3)
    {
      fprintf (stderr, "usage: %s SOCKET master|slave [ID]\n", argv[0]);
      return 2;
    }
  set_up ();
  sock = open_socket (argv[1], "responder", NULL, NULL);
  args = interface_args (sock, argv[2], argc > 3 ? (uint32_t) atoi (argv[3]) : 0);
  must ("memif_create", memif_create (&conn, &args, on_connect, say_disconnected, on_interrupt, NULL));
  /* For this whoever started it may wait. */
  if (printf ("ready\n") < 0)
    {
      perror ("standard output");
      return 1;
    }
  while (!stopped)
    {
      err = memif_poll_event (sock, -1);
      if (err != MEMIF_ERR_SUCCESS && !stopped)
        must ("memif_poll_event", err);
    }
  memif_delete (&conn);
  memif_delete_socket (&sock);
  return 0;
}
