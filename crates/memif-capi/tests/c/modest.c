/* Threads with little stack, and buffers that a caller keeps where it likes. */
#include "check.h"

#include <limits.h>
#include <pthread.h>

struct packed
{
  char odd;
  memif_buffer_t bufs[4];
} __attribute__ ((packed));

static void *
everything (void *nothing)
{
  memif_socket_handle_t sock = new_socket ("modest");
  struct end master = { 0 }, slave = { 0 };
  struct packed *out = calloc (1, sizeof (*out)), *in = calloc (1, sizeof (*in));
  memif_buffer_t *to = (memif_buffer_t *) (&out->odd + 1), *from = (memif_buffer_t *) (&in->odd + 1);
  uint16_t n, sent;

  CHECK (out != NULL && in != NULL);
  pair (sock, &master, &slave);
  OK (memif_buffer_alloc (master.conn, 0, to, 4, &n, 64));
  OK (memif_tx_burst (master.conn, 0, to, 3, &sent));
  CHECK (n == 4 && sent == 3);
  OK (memif_set_next_free_buffer (master.conn, 0, to + 3));
  OK (memif_rx_burst (slave.conn, 0, from, 4, &n));
  CHECK (n == 3);
  OK (memif_buffer_requeue (slave.conn, from, from + 1));
  OK (memif_buffer_enq_tx (slave.conn, 0, from, 2, &n));
  CHECK (n == 2);
  OK (memif_tx_burst (slave.conn, 0, from, 2, &sent));
  CHECK (sent == 2);
  OK (memif_refill_queue (slave.conn, 0, -1, 0));
  OK (memif_rx_burst (master.conn, 0, from, 4, &n));
  CHECK (n == 2);
  take_down (sock, &master, &slave);
  free (out);
  free (in);
  return nothing;
}

MAIN
{
  pthread_attr_t small;
  pthread_t thread;

  if (reference)
    return;
  pthread_attr_init (&small);
  CHECK (pthread_attr_setstacksize (&small, 48 << 10) == 0);
  CHECK (pthread_create (&thread, &small, everything, NULL) == 0);
  pthread_join (thread, NULL);
  pthread_attr_destroy (&small);
}
