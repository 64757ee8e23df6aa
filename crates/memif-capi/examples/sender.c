/* Pings 192.168.1.1 from 192.168.1.2, as many times and as fast as it can, and tells how many packets came back. Ring
 * polling, no signals.  sender SOCKET master|slave PACKETS [SIZE [ID]] */
#include <arpa/inet.h>
#include <time.h>

#include "common.h"

static int up;

/* The checksum of IP, over words as they lie in memory; `len` is even. */
static uint16_t
checksum (const uint8_t *at, size_t len)
{
  uint32_t sum = 0;
  uint16_t word;
  size_t i;

  for (i = 0; i < len; i += 2)
    {
      memcpy (&word, at + i, 2);
      sum += word;
    }
  while (sum >> 16)
    sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t) ~sum;
}

/* An echo request to the ethernet address that `memif responder --ip 192.168.1.1` has; the other examples take any.
 * What follows its 42 bytes is zero. */
static void
write_request (uint8_t *p, uint16_t size, uint16_t number)
{
  static const uint8_t start[42] = {
    2, 0xfe, 192, 168, 1, 1, 2, 0xfe, 192, 168, 1, 2, 8, 0,                   /* ethernet */
    0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 1, 0, 0, 192, 168, 1, 2, 192, 168, 1, 1, /* IP */
    8, 0, 0, 0, 0x12, 0x34, 0, 0                                             /* ICMP */
  };
  uint16_t length = htons ((uint16_t) (size - 14)), sum;

  memcpy (p, start, sizeof (start));
  memcpy (p + 16, &length, 2);
  sum = checksum (p + 14, 20);
  memcpy (p + 24, &sum, 2);
  number = htons (number);
  memcpy (p + 40, &number, 2);
  sum = checksum (p + 34, 8);
  memcpy (p + 36, &sum, 2);
}

static int
on_connect (memif_conn_handle_t conn, void *ctx)
{
  (void) ctx;
  post_buffers (conn, 0);
  must_unless_gone ("memif_set_rx_mode", memif_set_rx_mode (conn, MEMIF_RX_MODE_POLLING, 0));
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
  uint32_t len = 0;
  uint16_t size, each, n, done, i;
  time_t last;

  if (argc < 4)
    {
      fprintf (stderr, "usage: %s SOCKET master|slave PACKETS [SIZE [ID]]\n", argv[0]);
      return 2;
    }
  packets = strtoul (argv[3], NULL, 10);
  size = (uint16_t) (argc > 4 ? atoi (argv[4]) : 64);
  if (size < 42 || size > 9000)
    {
      fprintf (stderr, "SIZE: 42 to 9000\n");
      return 2;
    }
  /* Buffers of a packet. */
  each = (uint16_t) ((size + BUFFER_SIZE - 1) / BUFFER_SIZE);
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
      /* As many as both rings have room for. */
      if (sent < packets && (sent - back) * each < 512)
        memif_buffer_alloc (conn, 0, bufs, packets - sent < BURST / each ? (uint16_t) (packets - sent) : BURST / each, &n,
                            size);
      for (i = 0; i < n; i++)
        {
          memset (bufs[i].data, 0, bufs[i].len);
          if (i % each == 0)
            write_request ((uint8_t *) bufs[i].data, size, (uint16_t) (sent + i / each));
        }
      if (n > 0 && memif_tx_burst (conn, 0, bufs, n, &done) == MEMIF_ERR_SUCCESS)
        sent += done / each;
      n = 0;
      memif_rx_burst (conn, 0, bufs, BURST, &n);
      if (n > 0)
        {
          for (i = 0; i < n; i++)
            {
              len += bufs[i].len;
              if (bufs[i].flags & MEMIF_BUFFER_FLAG_NEXT)
                continue;
              back += len == size;
              len = 0;
            }
          memif_refill_queue (conn, 0, n, 0);
          last = time (NULL);
        }
    }
  printf ("sent %lu, back %lu\n", sent, back);
  memif_delete (&conn);
  memif_delete_socket (&sock);
  return back == packets ? 0 : 1;
}
