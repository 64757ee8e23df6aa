/* memif_delete from another thread than the one that polls: no callback of the interface runs when it has returned, or
 * later. */
#include "wire.h"

#include <pthread.h>

static memif_socket_handle_t sock;
static int quit, inside, deleting;

static void *
poller (void *nothing)
{
  while (!__atomic_load_n (&quit, __ATOMIC_ACQUIRE))
    memif_poll_event (sock, 5);
  return nothing;
}

/* Still runs when the deletion begins. */
static int
slow (memif_conn_handle_t conn, void *ctx)
{
  (void) conn;
  CHECK (*(int *) ctx == 1);
  __atomic_store_n (&inside, 1, __ATOMIC_RELEASE);
  while (!__atomic_load_n (&deleting, __ATOMIC_ACQUIRE))
    usleep (100);
  usleep (20000);
  CHECK (*(int *) ctx == 1);
  __atomic_store_n (&inside, 0, __ATOMIC_RELEASE);
  return 0;
}

static int
slow_interrupt (memif_conn_handle_t conn, void *ctx, uint16_t qid)
{
  (void) qid;
  return slow (conn, ctx);
}

/* The link may be gone again. */
static int
joined (memif_conn_handle_t conn, void *ctx)
{
  memif_refill_queue (conn, 0, -1, 0);
  __atomic_store_n (&((struct end *) ctx)->connected, 1, __ATOMIC_RELEASE);
  return 0;
}

/* kind: which callback runs when the interface is deleted. */
static void
deleted_meanwhile (int kind, int round)
{
  struct end other = { 0 };
  memif_conn_args_t args = conn_args (sock, round % 2);
  memif_conn_handle_t conn = NULL;
  int *alive = malloc (sizeof (*alive));

  CHECK (alive != NULL);
  *alive = 1;
  __atomic_store_n (&deleting, 0, __ATOMIC_RELEASE);
  OK (memif_create (&conn, &args, kind == 0 ? slow : NULL, kind == 1 ? slow : NULL, kind == 2 ? slow_interrupt : NULL,
                    alive));
  args = conn_args (sock, !(round % 2));
  OK (memif_create (&other.conn, &args, joined, NULL, NULL, &other));
  while (kind > 0 && !__atomic_load_n (&other.connected, __ATOMIC_ACQUIRE))
    usleep (100);
  if (kind == 1)
    OK (memif_delete (&other.conn));
  if (kind == 2)
    {
      memif_buffer_t buf;
      uint16_t n = 0, sent;

      while (n == 0)
        memif_buffer_alloc (other.conn, 0, &buf, 1, &n, 64);
      OK (memif_tx_burst (other.conn, 0, &buf, 1, &sent));
    }
  while (!__atomic_load_n (&inside, __ATOMIC_ACQUIRE))
    usleep (100);
  __atomic_store_n (&deleting, 1, __ATOMIC_RELEASE);
  OK (memif_delete (&conn));
  CHECK (__atomic_load_n (&inside, __ATOMIC_ACQUIRE) == 0);
  *alive = 0;
  free (alive);
  if (other.conn != NULL)
    OK (memif_delete (&other.conn));
}

MAIN
{
  pthread_t thread;
  int kind, round;

  if (reference)
    return;
  sock = new_socket ("deleting");
  pthread_create (&thread, NULL, poller, NULL);
  for (round = 0; round < 4; round++)
    for (kind = 0; kind < 3; kind++)
      /* A master's buffers are posted by nobody when a slave under test has no on_connect. */
      if (kind != 2 || round % 2)
        deleted_meanwhile (kind, round);
  __atomic_store_n (&quit, 1, __ATOMIC_RELEASE);
  pthread_join (thread, NULL);
  OK (memif_delete_socket (&sock));
}
