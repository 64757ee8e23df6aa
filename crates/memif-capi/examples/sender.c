/* Sends numbered packets, receives what comes back, and tells how many did. Ring polling, no signals.
 *
 *   sender SOCKET master|slave PACKETS [SIZE [ID]]
 */
#include <time.h>

#include "common.h"

static int up;

static int
on_connect (memif_conn_handle_t conn, void *ctx)
{
  (void) ctx;
  must ("memif_refill_queue", memif_refill_queue (conn, 0, -1, 0));
  must ("memif_set_rx_mode", memif_set_rx_mode (conn, MEMIF_RX_MODE_POLLING, 0));
  up = 1;
  printf ("connected\n");
  return 0;
}

static int
on_disconnect (memif_conn_handle_t conn, void *ctx)
{
  (void) conn;
  (void) ctx;
  up = 0;
  return 0;
}

int
main (int argc, char **argv)
{
  memif_socket_handle_t sock;
  memif_conn_handle_t conn = NULL;
  memif_conn_args_t args;
  memif_buffer_t bufs[BURST];
  unsigned long packets, sent = 0, back = 0;
  uint16_t size, n, done, i;
  time_t last;

  if (argc < 4)
    {
      fprintf (stderr, "usage: %s SOCKET master|slave PACKETS [SIZE [ID]]\n", argv[0]);
      return 2;
    }
  packets = strtoul (argv[3], NULL, 10);
  size = (uint16_t) (argc > 4 ? atoi (argv[4]) : 64);
  if (size < 20 || size > 2048)
    {
      fprintf (stderr, "SIZE: 20 to 2048\n");
      return 2;
    }
  set_up ();
  sock = open_socket (argv[1], "sender", NULL, NULL);
  args = interface_args (sock, argv[2], argc > 5 ? (uint32_t) atoi (argv[5]) : 0);
  must ("memif_create", memif_create (&conn, &args, on_connect, on_disconnect, NULL, NULL));
  while (!up && !stopped)
    memif_poll_event (sock, 1000);
  last = time (NULL);
  while (up && !stopped && back < packets && time (NULL) - last < 5)
    {
      memif_poll_event (sock, 0);
      n = 0;
      if (sent < packets && sent - back < 512)
        memif_buffer_alloc (conn, 0, bufs, packets - sent < BURST ? (uint16_t) (packets - sent) : BURST, &n, size);
      for (i = 0; i < n; i++)
        {
          unsigned long number = sent + i;
          memset (bufs[i].data, 0, size);
          /* Broadcast, of a type for local experiments. */
          memset (bufs[i].data, 0xff, 6);
          memcpy ((uint8_t *) bufs[i].data + 6, "\2\0\0\0\0\2\x88\xb5", 8);
          memcpy ((uint8_t *) bufs[i].data + 14, &number, 4);
        }
      if (n > 0 && memif_tx_burst (conn, 0, bufs, n, &done) == MEMIF_ERR_SUCCESS)
        sent += done;
      n = 0;
      memif_rx_burst (conn, 0, bufs, BURST, &n);
      if (n > 0)
        {
          for (i = 0; i < n; i++)
            back += bufs[i].len == size;
          memif_refill_queue (conn, 0, n, 0);
          last = time (NULL);
        }
    }
  printf ("sent %lu, back %lu\n", sent, back);
  memif_delete (&conn);
  memif_delete_socket (&sock);
  return back == packets ? 0 : 1;
}
