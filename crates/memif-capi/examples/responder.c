/* Answers ARP and ping for every address, in either role, copying. The library polls.
 *
 *   responder SOCKET master|slave [ID]
 */
#include "answer.h"
#include "common.h"

static int
on_connect (memif_conn_handle_t conn, void *ctx)
{
  (void) ctx;
  /* A slave posts its receive buffers. */
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

/* Copies the packet of received buffers from `first` on, answers, and sends. Returns how many buffers it had. */
static uint16_t
answer_packet (memif_conn_handle_t conn, uint16_t qid, const memif_buffer_t *in)
{
  static uint8_t packet[65536];
  memif_buffer_t out[BURST];
  uint16_t n = 0, allocated = 0, sent = 0, i;
  uint32_t len = 0, done = 0;

  do
    {
      memcpy (packet + len, in[n].data, in[n].len);
      len += in[n].len;
    }
  while (in[n++].flags & MEMIF_BUFFER_FLAG_NEXT);
  if (answer (packet, len) && memif_buffer_alloc (conn, qid, out, 1, &allocated, (uint16_t) len) == 0)
    {
      for (i = 0; i < allocated; i++)
        {
          memcpy (out[i].data, packet + done, out[i].len);
          done += out[i].len;
        }
      memif_tx_burst (conn, qid, out, allocated, &sent);
    }
  return n;
}

static int
on_interrupt (memif_conn_handle_t conn, void *ctx, uint16_t qid)
{
  /* A chain that was cut waits for its rest. */
  static memif_buffer_t in[2 * BURST];
  static uint16_t kept;
  uint16_t received, whole = 0, i;
  int err;

  (void) ctx;
  do
    {
      err = memif_rx_burst (conn, qid, in + kept, BURST, &received);
      if (err != MEMIF_ERR_SUCCESS && err != MEMIF_ERR_NOBUF)
        {
          kept = 0;
          return 0;
        }
      for (i = 0, whole = 0; i < kept + received; i++)
        if (!(in[i].flags & MEMIF_BUFFER_FLAG_NEXT))
          whole = i + 1;
      for (i = 0; i < whole;)
        i += answer_packet (conn, qid, in + i);
      memif_refill_queue (conn, qid, whole, 0);
      kept += received - whole;
      memmove (in, in + whole, kept * sizeof (in[0]));
      if (kept > BURST)
        kept = 0;
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
  must ("memif_create", memif_create (&conn, &args, on_connect, on_disconnect, on_interrupt, NULL));
  printf ("ready\n");
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
