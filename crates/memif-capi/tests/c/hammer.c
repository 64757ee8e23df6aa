/* Two threads receive and send per interface, while this one disconnects, deletes and creates. They read and write
 * packet data whenever they can be sure of it, which is until on_disconnect has returned, and go on calling when they
 * cannot. */
#include "check.h"
#include <fcntl.h>
#include <pthread.h>

/* An interface, whoever it is at present. */
struct seat
{
  struct end end;
  int open;        /* from on_connect to on_disconnect */
  int touching[2]; /* its sender, its receiver: at packet data */
  uint8_t *last[2]; /* the packet of this link that each had last */
};

static struct seat seats[2];
static int quit;
static unsigned long moved;
/* The sum of all that were received. */
static unsigned long bytes;

/* Whether packet data may be touched until `leave`. The handle is asked for afterwards, so that it is that of the link. */
static int
enter (struct seat *seat, int who)
{
  __atomic_store_n (&seat->touching[who], 1, __ATOMIC_SEQ_CST);
  return __atomic_load_n (&seat->open, __ATOMIC_SEQ_CST);
}

static void
leave (struct seat *seat, int who)
{
  __atomic_store_n (&seat->touching[who], 0, __ATOMIC_SEQ_CST);
}

static int
on_connect (memif_conn_handle_t conn, void *ctx)
{
  struct seat *seat = (struct seat *) ctx;

  __atomic_store_n (&seat->open, 1, __ATOMIC_SEQ_CST);
  return end_connected (conn, &seat->end);
}

static int
on_disconnect (memif_conn_handle_t conn, void *ctx)
{
  struct seat *seat = (struct seat *) ctx;
  int who;

  __atomic_store_n (&seat->open, 0, __ATOMIC_SEQ_CST);
  while (__atomic_load_n (&seat->touching[0], __ATOMIC_SEQ_CST) || __atomic_load_n (&seat->touching[1], __ATOMIC_SEQ_CST))
    sched_yield ();
  /* All that the link had is there yet. */
  for (who = 0; who < 2; who++)
    if (seat->last[who] != NULL)
      seat->last[who][0]++;
  seat->last[0] = seat->last[1] = NULL;
  return end_disconnected (conn, &seat->end);
}

/* Any call may find no link, or no interface. */
static void *
sender (void *number)
{
  struct seat *seat = &seats[(size_t) number];
  memif_buffer_t bufs[16];
  uint16_t n, sent, i;

  while (!__atomic_load_n (&quit, __ATOMIC_ACQUIRE))
    {
      int touch = enter (seat, 0);
      memif_conn_handle_t conn = __atomic_load_n (&seat->end.conn, __ATOMIC_ACQUIRE);

      n = 0;
      memif_buffer_alloc (conn, 0, bufs, 16, &n, 64);
      for (i = 0; touch && i < n; i++)
        {
          memset (bufs[i].data, i, bufs[i].len);
          seat->last[0] = (uint8_t *) bufs[i].data;
        }
      for (i = 0; i < n; i++)
        memif_tx_burst (conn, 0, bufs + i, 1, &sent);
      leave (seat, 0);
      if (n == 0)
        usleep (10);
    }
  return NULL;
}

static void *
receiver (void *number)
{
  struct seat *seat = &seats[(size_t) number];
  memif_buffer_t bufs[16];
  uint16_t n, i;
  uint32_t at;
  unsigned long sum = 0;

  while (!__atomic_load_n (&quit, __ATOMIC_ACQUIRE))
    {
      int touch = enter (seat, 1);
      memif_conn_handle_t conn = __atomic_load_n (&seat->end.conn, __ATOMIC_ACQUIRE);

      n = 0;
      memif_rx_burst (conn, 0, bufs, 16, &n);
      for (i = 0; touch && i < n; i++)
        {
          for (at = 0; at < bufs[i].len; at++)
            sum += ((uint8_t *) bufs[i].data)[at]++;
          seat->last[1] = (uint8_t *) bufs[i].data;
        }
      memif_refill_queue (conn, 0, n, 0);
      leave (seat, 1);
      __atomic_add_fetch (&moved, n, __ATOMIC_RELAXED);
      if (n == 0)
        usleep (10);
    }
  /* So that it is read. */
  __atomic_add_fetch (&bytes, sum, __ATOMIC_RELAXED);
  return NULL;
}

static void
sit (memif_socket_handle_t sock, int which)
{
  memif_conn_args_t args = conn_args (sock, which == 0);
  memif_conn_handle_t conn = NULL;

  OK (memif_create (&conn, &args, on_connect, on_disconnect, NULL, &seats[which]));
  __atomic_store_n (&seats[which].end.conn, conn, __ATOMIC_RELEASE);
}

/* The threads may have the handle for a while yet. */
static void
rise (int which)
{
  memif_conn_handle_t conn = seats[which].end.conn;

  OK (memif_delete (&conn));
}

static int
open_files (void)
{
  int fd, count = 0;

  for (fd = 0; fd < 1024; fd++)
    count += fcntl (fd, F_GETFD) >= 0;
  return count;
}

int
main (int argc, char **argv)
{
  int rounds = argc > 1 ? atoi (argv[1]) : 100, round, before;
  struct end *master = &seats[0].end, *slave = &seats[1].end;
  pthread_t threads[4];
  size_t i;

  before = open_files ();
  for (i = 0; i < 4; i++)
    pthread_create (&threads[i], NULL, i % 2 ? receiver : sender, (void *) (i / 2));
  for (round = 0; round < rounds; round++)
    {
      memif_socket_handle_t sock = new_socket ("hammer");
      unsigned long seen;
      int which;

      master->connected = slave->connected = master->disconnected = slave->disconnected = 0;
      sit (sock, 0);
      sit (sock, 1);
      POLL_UNTIL (sock, master->connected && slave->connected);
      seen = __atomic_load_n (&moved, __ATOMIC_RELAXED);
      POLL_UNTIL (sock, __atomic_load_n (&moved, __ATOMIC_RELAXED) > seen + 100);
      /* One goes; the other notices and, as slave, comes back to a new master. */
      which = round % 2;
      rise (which);
      POLL_UNTIL (sock, seats[!which].end.disconnected);
      sit (sock, which);
      POLL_UNTIL (sock, master->connected == 2 && slave->connected == 2);
      seen = __atomic_load_n (&moved, __ATOMIC_RELAXED);
      POLL_UNTIL (sock, __atomic_load_n (&moved, __ATOMIC_RELAXED) > seen + 100);
      rise (1);
      rise (0);
      OK (memif_delete_socket (&sock));
    }
  __atomic_store_n (&quit, 1, __ATOMIC_RELEASE);
  for (i = 0; i < 4; i++)
    pthread_join (threads[i], NULL);
  CHECK (open_files () == before);
  printf ("%lu packets, %lu\n", moved, bytes);
  return 0;
}
