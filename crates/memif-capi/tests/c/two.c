/* Two interfaces that send every packet back: what happens to one is nothing to the other.
 *
 *   two SOCKET         masters 0 and 1 on that socket
 *   two SOCKET OTHER   master 1 on that socket, slave 0 on the other one
 */
#include "check.h"

/* The longest packet that goes back: with buffers of 2048 it takes two. */
#define LONGEST 4096

static int
echo (memif_conn_handle_t conn, void *ctx, uint16_t qid)
{
  memif_buffer_t in[16], out[2];
  uint8_t bytes[LONGEST];
  uint16_t n, got = 0, sent, i, part, at;
  int err;

  (void) ctx;
  do
    {
      err = memif_rx_burst (conn, qid, in, 16, &got);
      for (i = 0; i < got; i++)
        {
          if (in[i].len > LONGEST
              || memif_buffer_alloc (conn, qid, out, 1, &n, (uint16_t) in[i].len) != MEMIF_ERR_SUCCESS)
            continue;
          /* Read and written wherever the memory is by now. */
          memcpy (bytes, in[i].data, in[i].len);
          for (part = 0, at = 0; part < n; at = (uint16_t) (at + out[part++].len))
            memcpy (out[part].data, bytes + at, out[part].len);
          memif_tx_burst (conn, qid, out, n, &sent);
        }
      memif_refill_queue (conn, qid, got, 0);
    }
  while (err == MEMIF_ERR_NOBUF);
  return 0;
}

/* A peer that left in the middle of things may be gone by now. */
static int
connected (memif_conn_handle_t conn, void *ctx)
{
  int err = memif_refill_queue (conn, 0, -1, 0);

  ((struct end *) ctx)->connected++;
  CHECK (err == MEMIF_ERR_SUCCESS || err == MEMIF_ERR_DISCONNECTED);
  return 0;
}

static memif_socket_handle_t
open_at (const char *path)
{
  memif_socket_args_t args = socket_args ("two");
  memif_socket_handle_t sock = NULL;

  CHECK (strlen (path) < sizeof (args.path));
  strcpy (args.path, path);
  OK (memif_create_socket (&sock, &args, NULL));
  return sock;
}

int
main (int argc, char **argv)
{
  memif_socket_handle_t socks[2];
  struct end ends[2] = { NOTHING, NOTHING };
  memif_conn_args_t conn;
  uint32_t i;

  CHECK (argc > 1);
  socks[0] = socks[1] = open_at (argv[1]);
  if (argc > 2)
    socks[0] = open_at (argv[2]);
  for (i = 0; i < 2; i++)
    {
      conn = conn_args (socks[i], i == 1 || argc == 2);
      conn.interface_id = i;
      conn.log2_ring_size = 8;
      OK (memif_create (&ends[i].conn, &conn, connected, end_disconnected, echo, &ends[i]));
    }
  setvbuf (stdout, NULL, _IOLBF, 0);
  printf ("ready\n");
  for (;;)
    for (i = 0; i < 2; i++)
      memif_poll_event (socks[i], argc == 2 ? -1 : 1);
}
