/* Packets both ways: split calls, moved data, chains, small counts, different paces, wrap of the ring and of its
 * numbers. */
#include "check.h"
#include <poll.h>

static memif_socket_handle_t sock;
static struct end master, slave;
/* For buffers that nobody looks at. */
static memif_buffer_t spare[18];

/* Sends `count` packets of `size` bytes, numbered from `first`. */
static void
send_some (struct end *end, unsigned first, uint16_t count, uint16_t size)
{
  memif_buffer_t bufs[16];
  uint16_t n, sent, i;

  OK (memif_buffer_alloc (end->conn, 0, bufs, count, &n, size));
  CHECK (n == count);
  for (i = 0; i < n; i++)
    {
      CHECK (bufs[i].len == size && bufs[i].flags == 0);
      paint (&bufs[i], first + i);
    }
  OK (memif_tx_burst (end->conn, 0, bufs, n, &sent));
  CHECK (sent == n);
}

static void
receive_some (struct end *end, unsigned first, uint16_t count, uint16_t size)
{
  memif_buffer_t bufs[16];
  uint16_t n, i;

  OK (memif_rx_burst (end->conn, 0, bufs, 16, &n));
  CHECK (n == count);
  for (i = 0; i < n; i++)
    CHECK (bufs[i].len == size && bufs[i].flags == 0 && painted (&bufs[i], first + i));
  OK (memif_refill_queue (end->conn, 0, n, 0));
}

static void
many (struct end *from, struct end *to)
{
  unsigned number;

  /* Past the end of the 16-bit numbers of slots. The reference's master gives no slots back around there. */
  for (number = 0; number < (reference ? 60000u : 70000u); number += 7)
    {
      send_some (from, number, 7, 60);
      receive_some (to, number, 7, 60);
    }
}

static void
full_ring (struct end *from, struct end *to)
{
  memif_buffer_t bufs[16];
  uint16_t n;

  send_some (from, 0, 16, 1500);
  CODE (memif_buffer_alloc (from->conn, 0, bufs, 1, &n, 64), MEMIF_ERR_NOBUF_RING);
  CHECK (n == 0);
  receive_some (to, 0, 16, 1500);
  send_some (from, 1, 1, 64);
  receive_some (to, 1, 1, 64);
}

/* Allocated once, sent in three calls, received in three, given back late. */
static void
split (struct end *from, struct end *to)
{
  memif_buffer_t out[9], in[9];
  uint16_t n, sent, i;

  OK (memif_buffer_alloc (from->conn, 0, out, 9, &n, 100));
  for (i = 0; i < 9; i++)
    paint (&out[i], i);
  OK (memif_tx_burst (from->conn, 0, out, 2, &sent));
  CHECK (sent == 2);
  OK (memif_rx_burst (to->conn, 0, in, 9, &n));
  CHECK (n == 2);
  OK (memif_tx_burst (from->conn, 0, out + 2, 6, &sent));
  CHECK (sent == 6);
  CODE (memif_rx_burst (to->conn, 0, in + 2, 3, &n), MEMIF_ERR_NOBUF);
  CHECK (n == 3);
  OK (memif_tx_burst (from->conn, 0, out + 8, 1, &sent));
  OK (memif_rx_burst (to->conn, 0, in + 5, 4, &n));
  CHECK (n == 4);
  for (i = 0; i < 9; i++)
    CHECK (painted (&in[i], i));
  OK (memif_refill_queue (to->conn, 0, 4, 0));
  for (i = 4; i < 9; i++)
    CHECK (painted (&in[i], i));
  OK (memif_refill_queue (to->conn, 0, 5, 0));
}

/* A packet over several buffers, and a receive call that cuts it. */
static void
chains (struct end *from, struct end *to)
{
  memif_buffer_t out[8], in[8];
  uint16_t n, sent, i;

  OK (memif_buffer_alloc (from->conn, 0, out, 2, &n, 5000));
  CHECK (n == 6);
  for (i = 0; i < 6; i++)
    {
      CHECK (out[i].len == (i % 3 == 2 ? 5000u - 2 * 2048 : 2048u));
      CHECK ((out[i].flags & MEMIF_BUFFER_FLAG_NEXT) == (i % 3 != 2));
      paint (&out[i], i);
    }
  OK (memif_tx_burst (from->conn, 0, out, 6, &sent));
  CHECK (sent == 6);
  CODE (memif_rx_burst (to->conn, 0, in, 2, &n), MEMIF_ERR_NOBUF);
  CHECK (n == 2 && in[0].flags == MEMIF_BUFFER_FLAG_NEXT && in[1].flags == MEMIF_BUFFER_FLAG_NEXT);
  OK (memif_rx_burst (to->conn, 0, in + 2, 6, &n));
  CHECK (n == 4);
  for (i = 0; i < 6; i++)
    CHECK (in[i].len == out[i].len && in[i].flags == out[i].flags && painted (&in[i], i));
  OK (memif_refill_queue (to->conn, 0, 6, 0));
  /* All or nothing: 5 packets of 3 fit into 16. */
  CODE (memif_buffer_alloc (from->conn, 0, spare, 6, &n, 5000), MEMIF_ERR_NOBUF_RING);
  CHECK (n == 15);
}

/* What was allocated and not sent is taken back. */
static void
take_back (struct end *from, struct end *to)
{
  memif_buffer_t out[16];
  uint16_t n, sent;

  OK (memif_buffer_alloc (from->conn, 0, out, 8, &n, 64));
  paint (&out[0], 1);
  OK (memif_tx_burst (from->conn, 0, out, 1, &sent));
  OK (memif_set_next_free_buffer (from->conn, 0, &out[1]));
  send_some (from, 2, 3, 64);
  if (!reference)
    /* Sent already. */
    CODE (memif_set_next_free_buffer (from->conn, 0, &out[0]), MEMIF_ERR_INVAL_ARG);
  receive_some (to, 1, 4, 64);
}

/* A slave's data may start later and be shorter; its receive buffers may start later. */
static void
moved (void)
{
  memif_buffer_t buf;
  uint16_t n, sent, i;

  OK (memif_buffer_alloc (slave.conn, 0, &buf, 1, &n, 500));
  buf.data = (uint8_t *) buf.data + 100;
  buf.len = 300;
  paint (&buf, 9);
  OK (memif_tx_burst (slave.conn, 0, &buf, 1, &sent));
  receive_some (&master, 9, 1, 300);
  /* Once around, so that all receive buffers have headroom. */
  for (i = 0; i < 16; i++)
    {
      send_some (&master, i, 1, 64);
      OK (memif_rx_burst (slave.conn, 0, &buf, 1, &n));
      CHECK (n == 1);
      OK (memif_refill_queue (slave.conn, 0, 1, 128));
    }
  /* 1920 are left of 2048. */
  send_some (&master, 5, 1, 1920);
  OK (memif_rx_burst (slave.conn, 0, &buf, 1, &n));
  CHECK (n == 1 && buf.len == 1920 && painted (&buf, 5));
  /* None would be left; the reference posts the buffer. */
  if (!reference)
    CODE (memif_refill_queue (slave.conn, 0, 1, 2048), MEMIF_ERR_INVAL_ARG);
  OK (memif_refill_queue (slave.conn, 0, -1, 0));
}

static int
is_readable (int fd)
{
  struct pollfd ready = { fd, POLLIN, 0 };

  return poll (&ready, 1, 0) == 1;
}

/* Interrupt mode: the descriptor is readable until the queue was found empty. */
static void
signals (struct end *from, struct end *to)
{
  memif_buffer_t bufs[16];
  uint64_t count;
  uint16_t n;
  int fd;

  OK (memif_get_queue_efd (to->conn, 0, &fd));
  OK (memif_rx_burst (to->conn, 0, bufs, 16, &n));
  CHECK (n == 0);
  send_some (from, 0, 3, 64);
  CHECK (read (fd, &count, sizeof (count)) == sizeof (count));
  OK (memif_rx_burst (to->conn, 0, bufs, 16, &n));
  CHECK (n == 3);
  OK (memif_refill_queue (to->conn, 0, 3, 0));
  send_some (from, 0, 1, 64);
  OK (memif_rx_burst (to->conn, 0, bufs, 16, &n));
  CHECK (n == 1);
  CHECK (read (fd, &count, sizeof (count)) < 0);
  OK (memif_refill_queue (to->conn, 0, 1, 0));
  OK (memif_set_rx_mode (to->conn, MEMIF_RX_MODE_POLLING, 0));
  send_some (from, 0, 1, 64);
  CHECK (read (fd, &count, sizeof (count)) < 0);
  OK (memif_rx_burst (to->conn, 0, bufs, 16, &n));
  CHECK (n == 1);
  OK (memif_refill_queue (to->conn, 0, -1, 0));
  /* A signal that waited when the queue was told to poll is gone once packets are taken. */
  OK (memif_set_rx_mode (to->conn, MEMIF_RX_MODE_INTERRUPT, 0));
  send_some (from, 0, 1, 64);
  CHECK (is_readable (fd));
  OK (memif_set_rx_mode (to->conn, MEMIF_RX_MODE_POLLING, 0));
  receive_some (to, 0, 1, 64);
  CHECK (!is_readable (fd));
  OK (memif_set_rx_mode (to->conn, MEMIF_RX_MODE_INTERRUPT, 0));
}

/* A slave that has posted nothing gets nothing. */
static void
not_posted (void)
{
  memif_socket_handle_t own = new_socket ("posted");
  struct end left = NOTHING, right = NOTHING;
  memif_buffer_t buf;
  uint16_t n;

  right.keep = 1;
  pair (own, &left, &right);
  CODE (memif_buffer_alloc (left.conn, 0, &buf, 1, &n, 64), MEMIF_ERR_NOBUF_RING);
  OK (memif_refill_queue (right.conn, 0, 5, 0));
  OK (memif_buffer_alloc (left.conn, 0, spare, 5, &n, 64));
  CODE (memif_buffer_alloc (left.conn, 0, &buf, 1, &n, 64), MEMIF_ERR_NOBUF_RING);
  take_down (own, &left, &right);
}

MAIN
{
  struct end *ends[2][2] = { { &master, &slave }, { &slave, &master } };
  int i;

  sock = new_socket ("traffic");
  pair (sock, &master, &slave);
  for (i = 0; i < 2; i++)
    {
      full_ring (ends[i][0], ends[i][1]);
      split (ends[i][0], ends[i][1]);
      take_back (ends[i][0], ends[i][1]);
      signals (ends[i][0], ends[i][1]);
      many (ends[i][0], ends[i][1]);
    }
  moved ();
  take_down (sock, &master, &slave);
  for (i = 0; i < 2; i++)
    {
      memset (&master, 0, sizeof (master));
      memset (&slave, 0, sizeof (slave));
      sock = new_socket ("chains");
      pair (sock, &master, &slave);
      chains (ends[i][0], ends[i][1]);
      take_down (sock, &master, &slave);
    }
  not_posted ();
}
