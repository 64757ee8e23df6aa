/* Several sockets, each with a thread of its own: they come, exchange packets and go, and have nothing to do with each
 * other. */
#include "check.h"
#include <pthread.h>

#define THREADS 4
#define ROUNDS 10
#define PACKETS 300

/* Moves what it can; returns how many packets came. */
static int
exchange_packets (struct end *end, unsigned *sent, unsigned *received, unsigned salt)
{
  memif_buffer_t bufs[4];
  uint16_t n, done, i;

  n = 0;
  if (*sent < PACKETS && memif_buffer_alloc (end->conn, 0, bufs, 1, &n, 200) == MEMIF_ERR_SUCCESS)
    {
      paint (&bufs[0], salt + *sent);
      OK (memif_tx_burst (end->conn, 0, bufs, n, &done));
      *sent += done;
    }
  n = 0;
  memif_rx_burst (end->conn, 0, bufs, 4, &n);
  for (i = 0; i < n; i++)
    CHECK (painted (&bufs[i], salt + (*received)++));
  OK (memif_refill_queue (end->conn, 0, n, 0));
  return n;
}

/* Both ends in one thread. */
static void *
alone (void *number)
{
  unsigned salt = (unsigned) (size_t) number * 1000;
  int round;

  for (round = 0; round < ROUNDS; round++)
    {
      struct end master = NOTHING, slave = NOTHING;
      char tag[16];
      memif_socket_handle_t sock;
      unsigned sent[2] = { 0, 0 }, received[2] = { 0, 0 };

      snprintf (tag, sizeof (tag), "alone-%u", salt);
      sock = new_socket (tag);
      pair (sock, &master, &slave);
      while (received[0] < PACKETS || received[1] < PACKETS)
        {
          exchange_packets (&master, &sent[0], &received[0], salt);
          exchange_packets (&slave, &sent[1], &received[1], salt);
        }
      take_down (sock, &master, &slave);
    }
  return NULL;
}

/* One end of a link, the other of which is the other thread's. */
struct side
{
  const char *path;
  int master;
  int done; /* rounds that are over */
  struct side *other;
};

static void *
one_end (void *ctx)
{
  struct side *side = (struct side *) ctx;
  memif_socket_args_t args = socket_args ("side");
  memif_socket_handle_t sock = NULL;
  int round;

  strcpy (args.path, side->path);
  OK (memif_create_socket (&sock, &args, NULL));
  for (round = 1; round <= ROUNDS; round++)
    {
      struct end end = NOTHING;
      unsigned sent = 0, received = 0;

      add (sock, side->master, &end, NULL);
      POLL_UNTIL (sock, end.connected);
      while (sent < PACKETS || received < PACKETS)
        if (exchange_packets (&end, &sent, &received, (unsigned) round) == 0)
          OK (memif_poll_event (sock, 0));
      __atomic_store_n (&side->done, round, __ATOMIC_RELEASE);
      while (__atomic_load_n (&side->other->done, __ATOMIC_ACQUIRE) < round)
        OK (memif_poll_event (sock, 1));
      /* The master goes first; the slave sees it go. */
      if (!side->master)
        POLL_UNTIL (sock, end.disconnected);
      OK (memif_delete (&end.conn));
    }
  OK (memif_delete_socket (&sock));
  return NULL;
}

MAIN
{
  pthread_t threads[THREADS + 2];
  memif_socket_args_t args = socket_args ("shared");
  struct side sides[2] = { NOTHING, NOTHING };
  size_t i;

  for (i = 0; i < THREADS; i++)
    CHECK (pthread_create (&threads[i], NULL, alone, (void *) i) == 0);
  for (i = 0; i < 2; i++)
    {
      sides[i].path = args.path;
      sides[i].master = i == 0;
      sides[i].other = &sides[!i];
      /* The reference goes on listening when its master is gone. */
      if (!reference)
        CHECK (pthread_create (&threads[THREADS + i], NULL, one_end, &sides[i]) == 0);
    }
  for (i = 0; i < (reference ? THREADS : THREADS + 2); i++)
    CHECK (pthread_join (threads[i], NULL) == 0);
}
