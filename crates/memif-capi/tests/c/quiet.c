/* Bursts between marks that strace shows: no call while polling, few with signals. Neither allocates. */
#include "check.h"

/* Of this program and of the library, which has no allocator of its own. */
static unsigned long allocations;

extern void *__libc_malloc (size_t size);
extern void *__libc_calloc (size_t count, size_t size);
extern void *__libc_realloc (void *old, size_t size);
extern void *__libc_memalign (size_t alignment, size_t size);

void *
malloc (size_t size)
{
  allocations++;
  return __libc_malloc (size);
}

void *
calloc (size_t count, size_t size)
{
  allocations++;
  return __libc_calloc (count, size);
}

void *
realloc (void *old, size_t size)
{
  allocations++;
  return __libc_realloc (old, size);
}

void *
aligned_alloc (size_t alignment, size_t size)
{
  allocations++;
  return __libc_memalign (alignment, size);
}

int
posix_memalign (void **result, size_t alignment, size_t size)
{
  *result = aligned_alloc (alignment, size);
  return *result == NULL;
}

static void
mark (const char *what)
{
  CHECK (write (1, what, strlen (what)) > 0);
}

static void
move (struct end *from, struct end *to, uint16_t count)
{
  static memif_buffer_t bufs[4096];
  uint16_t n, sent;

  OK (memif_buffer_alloc (from->conn, 0, bufs, count, &n, 64));
  OK (memif_tx_burst (from->conn, 0, bufs, n, &sent));
  CHECK (sent == count);
  OK (memif_rx_burst (to->conn, 0, bufs, 4096, &n));
  CHECK (n == count);
  OK (memif_refill_queue (to->conn, 0, n, 0));
}

/* Chains of three, the slave's way back without a copy, and looks at empty and full rings. */
static void
move_everything (struct end *master, struct end *slave)
{
  static memif_buffer_t bufs[4096];
  uint16_t n, sent;

  OK (memif_buffer_alloc (master->conn, 0, bufs, 64, &n, 5000));
  CHECK (n == 3 * 64);
  OK (memif_tx_burst (master->conn, 0, bufs, n, &sent));
  OK (memif_rx_burst (slave->conn, 0, bufs, 4096, &n));
  CHECK (n == sent);
  OK (memif_buffer_enq_tx (slave->conn, 0, bufs, n, &sent));
  OK (memif_tx_burst (slave->conn, 0, bufs, n, &sent));
  OK (memif_refill_queue (slave->conn, 0, n, 0));
  OK (memif_rx_burst (master->conn, 0, bufs, 4096, &n));
  CHECK (n == sent);
  OK (memif_refill_queue (master->conn, 0, n, 0));
  OK (memif_rx_burst (master->conn, 0, bufs, 4096, &n));
  CHECK (n == 0);
  OK (memif_buffer_alloc (slave->conn, 0, bufs, 4050, &n, 64));
  CODE (memif_buffer_alloc (slave->conn, 0, bufs + n, 64, &sent, 64), MEMIF_ERR_NOBUF_RING);
  n += sent;
  OK (memif_tx_burst (slave->conn, 0, bufs, n, &sent));
  OK (memif_rx_burst (master->conn, 0, bufs, 4096, &n));
  CHECK (n == sent);
  OK (memif_refill_queue (master->conn, 0, n, 0));
}

/* 200 packets there and back, each of which is slept for, after one each way: what a link needs for packets is made
   with the first. */
static void
trips (void)
{
  memif_socket_args_t args = socket_args ("trips");
  memif_socket_handle_t sock = NULL;
  struct end master = NOTHING, slave = NOTHING;
  struct end *ends[2] = { &master, &slave };
  int i;

  /* No timer that ends a sleep now and then. */
  memset (&args.connection_request_timer, 0, sizeof (args.connection_request_timer));
  OK (memif_create_socket (&sock, &args, NULL));
  for (i = 0; i < 2; i++)
    add (sock, i == 0, ends[i], end_interrupted);
  POLL_UNTIL (sock, master.connected && slave.connected);
  for (i = 0; i < 202; i++)
    {
      struct end *from = ends[i % 2], *to = ends[(i + 1) % 2];
      memif_buffer_t buf;
      uint16_t n;

      if (i == 2)
        mark ("trips\n");
      OK (memif_buffer_alloc (from->conn, 0, &buf, 1, &n, 64));
      OK (memif_tx_burst (from->conn, 0, &buf, 1, &n));
      POLL_UNTIL (sock, to->interrupts == i / 2 + 1);
      OK (memif_rx_burst (to->conn, 0, &buf, 1, &n));
      CHECK (n == 1);
      OK (memif_refill_queue (to->conn, 0, n, 0));
    }
  mark ("tripped\n");
  CHECK (master.interrupts == 101 && slave.interrupts == 101);
  take_down (sock, &master, &slave);
}

MAIN
{
  memif_socket_handle_t sock = new_socket ("quiet");
  struct end master = NOTHING, slave = NOTHING;
  struct end *ends[2] = { &master, &slave };
  memif_conn_args_t args;
  unsigned long before;
  int i, round;

  for (i = 0; i < 2; i++)
    {
      args = conn_args (sock, i == 0);
      args.log2_ring_size = 12;
      OK (memif_create (&ends[i]->conn, &args, end_connected, end_disconnected, NULL, ends[i]));
    }
  POLL_UNTIL (sock, master.connected && slave.connected);
  for (i = 0; i < 2; i++)
    OK (memif_set_rx_mode (ends[i]->conn, MEMIF_RX_MODE_POLLING, 0));
  /* That it counts. */
  CHECK (allocations > 0);
  /* What a link needs for packets is made with the first. */
  move_everything (&master, &slave);
  before = allocations;
  mark ("polling\n");
  for (round = 0; round < 300; round++)
    {
      move (&master, &slave, 64);
      move (&slave, &master, 64);
      move_everything (&master, &slave);
    }
  mark ("polled\n");
  CHECK (allocations == before);
  for (i = 0; i < 2; i++)
    OK (memif_set_rx_mode (ends[i]->conn, MEMIF_RX_MODE_INTERRUPT, 0));
  before = allocations;
  mark ("signals\n");
  /* 6 receive calls, and 2 * (1 + 2 + 16) writes for 100, 500 and 4096 packets. */
  for (i = 0; i < 2; i++)
    {
      move (ends[i], ends[!i], 100);
      move (ends[i], ends[!i], 500);
      move (ends[i], ends[!i], 4096);
    }
  mark ("signalled\n");
  CHECK (allocations == before);
  take_down (sock, &master, &slave);
  trips ();
}
