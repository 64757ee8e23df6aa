/* Two threads receive and send while this one disconnects, deletes and creates: with threads that know nothing of it, and with a peer of its own thread. */
#include "check.h"
#include <fcntl.h>
#include <pthread.h>

static memif_conn_handle_t handles[2];
static int quit;
static unsigned long moved;

/* Any call may find no link, or no interface. */
static void *
sender (void *number)
{
  size_t which = (size_t) number;
  memif_buffer_t bufs[16];
  uint16_t n, sent, i;

  while (!__atomic_load_n (&quit, __ATOMIC_ACQUIRE))
    {
      memif_conn_handle_t conn = __atomic_load_n (&handles[which], __ATOMIC_ACQUIRE);
      n = 0;
      memif_buffer_alloc (conn, 0, bufs, 16, &n, 64);
      /* Filled by nobody: data may be gone when the link is, see docs/c-library.md. */
      for (i = 0; i < n; i++)
        memif_tx_burst (conn, 0, bufs + i, 1, &sent);
      if (n == 0)
        usleep (10);
    }
  return NULL;
}

static void *
receiver (void *number)
{
  size_t which = (size_t) number;
  memif_buffer_t bufs[16];
  uint16_t n;

  while (!__atomic_load_n (&quit, __ATOMIC_ACQUIRE))
    {
      memif_conn_handle_t conn = __atomic_load_n (&handles[which], __ATOMIC_ACQUIRE);
      n = 0;
      memif_rx_burst (conn, 0, bufs, 16, &n);
      memif_refill_queue (conn, 0, n, 0);
      __atomic_add_fetch (&moved, n, __ATOMIC_RELAXED);
      if (n == 0)
        usleep (10);
    }
  return NULL;
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
  pthread_t threads[4];
  size_t i;

  before = open_files ();
  for (i = 0; i < 4; i++)
    pthread_create (&threads[i], NULL, i % 2 ? receiver : sender, (void *) (i / 2));
  for (round = 0; round < rounds; round++)
    {
      memif_socket_handle_t sock = new_socket ("hammer");
      struct end master = { 0 }, slave = { 0 };
      unsigned long seen;
      int which;

      add (sock, 1, &master, NULL);
      add (sock, 0, &slave, NULL);
      __atomic_store_n (&handles[0], master.conn, __ATOMIC_RELEASE);
      __atomic_store_n (&handles[1], slave.conn, __ATOMIC_RELEASE);
      POLL_UNTIL (sock, master.connected && slave.connected);
      seen = __atomic_load_n (&moved, __ATOMIC_RELAXED);
      POLL_UNTIL (sock, __atomic_load_n (&moved, __ATOMIC_RELAXED) > seen + 100);
      /* One goes, the other notices and, as slave, comes back to a new master. */
      which = round % 2;
      OK (memif_delete (which ? &slave.conn : &master.conn));
      POLL_UNTIL (sock, which ? master.disconnected : slave.disconnected);
      add (sock, !which, which ? &slave : &master, NULL);
      __atomic_store_n (&handles[which], which ? slave.conn : master.conn, __ATOMIC_RELEASE);
      POLL_UNTIL (sock, which ? master.connected == 2 : slave.connected == 2);
      OK (memif_delete (&slave.conn));
      OK (memif_delete (&master.conn));
      OK (memif_delete_socket (&sock));
    }
  __atomic_store_n (&quit, 1, __ATOMIC_RELEASE);
  for (i = 0; i < 4; i++)
    pthread_join (threads[i], NULL);
  CHECK (open_files () == before);
  printf ("%lu packets\n", moved);
  return 0;
}
