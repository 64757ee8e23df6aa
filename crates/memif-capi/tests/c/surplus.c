/* A slave that waits until the details tell that its master transmits on more queues than the link has.
 *
 *   surplus SOCKET
 */
#include "check.h"

static int
nothing (memif_conn_handle_t conn, void *ctx, uint16_t qid)
{
  memif_buffer_t bufs[16];
  uint16_t got = 0;

  (void) ctx;
  memif_rx_burst (conn, qid, bufs, 16, &got);
  CHECK (got == 0);
  return 0;
}

int
main (int argc, char **argv)
{
  memif_socket_args_t args = socket_args ("surplus");
  memif_socket_handle_t sock = NULL;
  struct end end = NOTHING;
  memif_conn_args_t conn;
  memif_details_t details;
  char text[2048];

  CHECK (argc == 2 && strlen (argv[1]) < sizeof (args.path));
  strcpy (args.path, argv[1]);
  OK (memif_create_socket (&sock, &args, NULL));
  conn = conn_args (sock, 0);
  OK (memif_create (&end.conn, &conn, end_connected, end_disconnected, nothing, &end));
  do
    {
      OK (memif_poll_event (sock, 1000));
      memset (&details, 0, sizeof (details));
      OK (memif_get_details (end.conn, &details, text, sizeof (text)));
    }
  while (!details.link_up_down || strstr ((char *) details.error, "more queues than 1") == NULL);
  printf ("%s\n", (char *) details.error);
  OK (memif_delete (&end.conn));
  OK (memif_delete_socket (&sock));
  return 0;
}
