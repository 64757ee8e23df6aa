/* Several queues: each has its own packets and signals; buffers change places within one, between two, and between
 * receiving and sending. */
#include "check.h"

#define MOST 4
#define NONE 99

static memif_socket_handle_t sock;
static struct end master, slave;
/* Which queue of the master was signalled last. */
static unsigned signalled;

static int
on_connect (memif_conn_handle_t conn, void *ctx)
{
  memif_details_t details;
  char buf[4096];
  uint16_t qid;

  ((struct end *) ctx)->connected++;
  memset (&details, 0, sizeof (details));
  OK (memif_get_details (conn, &details, buf, sizeof (buf)));
  for (qid = 0; qid < details.rx_queues_num; qid++)
    OK (memif_refill_queue (conn, qid, -1, 0));
  CODE (memif_refill_queue (conn, qid, -1, 0), MEMIF_ERR_QID);
  return 0;
}

static int
on_interrupt (memif_conn_handle_t conn, void *ctx, uint16_t qid)
{
  memif_buffer_t bufs[16];
  uint16_t n;

  (void) ctx;
  OK (memif_rx_burst (conn, qid, bufs, 16, &n));
  CHECK (n == 1 && painted (&bufs[0], qid));
  OK (memif_refill_queue (conn, qid, n, 0));
  signalled = qid;
  return 0;
}

/* A link whose sides wish for different numbers of queues. */
static void
start (uint8_t master_s2m, uint8_t master_m2s, uint8_t slave_s2m, uint8_t slave_m2s, memif_on_interrupt_t *interrupt)
{
  memif_conn_args_t args;

  sock = new_socket ("queues");
  memset (&master, 0, sizeof (master));
  memset (&slave, 0, sizeof (slave));
  args = conn_args (sock, 1);
  args.num_s2m_rings = master_s2m;
  args.num_m2s_rings = master_m2s;
  OK (memif_create (&master.conn, &args, on_connect, end_disconnected, interrupt, &master));
  args = conn_args (sock, 0);
  args.num_s2m_rings = slave_s2m;
  args.num_m2s_rings = slave_m2s;
  OK (memif_create (&slave.conn, &args, on_connect, end_disconnected, NULL, &slave));
  POLL_UNTIL (sock, master.connected && slave.connected);
}

static void
put (struct end *end, uint16_t qid, unsigned number, uint16_t size)
{
  memif_buffer_t bufs[4];
  uint16_t n, sent, i;

  OK (memif_buffer_alloc (end->conn, qid, bufs, 1, &n, size));
  for (i = 0; i < n; i++)
    paint (&bufs[i], number + i);
  OK (memif_tx_burst (end->conn, qid, bufs, n, &sent));
  CHECK (sent == n);
}

/* Takes one packet of one buffer, or nothing. */
static void
take (struct end *end, uint16_t qid, unsigned number)
{
  memif_buffer_t bufs[2];
  uint16_t n;

  OK (memif_rx_burst (end->conn, qid, bufs, 2, &n));
  if (number == NONE)
    {
      CHECK (n == 0);
      return;
    }
  CHECK (n == 1 && painted (&bufs[0], number));
  OK (memif_refill_queue (end->conn, qid, 1, 0));
}

/* Takes one packet, of several perhaps, and keeps its buffer. */
static memif_buffer_t
keep (struct end *end, uint16_t qid, unsigned number)
{
  memif_buffer_t buf;
  uint16_t n = 0;

  memif_rx_burst (end->conn, qid, &buf, 1, &n);
  CHECK (n == 1 && painted (&buf, number));
  return buf;
}

static memif_buffer_t
allocate (struct end *end, uint16_t qid)
{
  memif_buffer_t buf;
  uint16_t n;

  OK (memif_buffer_alloc (end->conn, qid, &buf, 1, &n, 64));
  CHECK (n == 1);
  return buf;
}

static void
send_one (struct end *end, uint16_t qid, memif_buffer_t *buf)
{
  uint16_t sent;

  OK (memif_tx_burst (end->conn, qid, buf, 1, &sent));
  CHECK (sent == 1);
}

/* The slave brings as many as its master has, or fewer. */
static void
counts (uint8_t master_s2m, uint8_t master_m2s, uint8_t slave_s2m, uint8_t slave_m2s, uint8_t s2m, uint8_t m2s)
{
  struct end *ends[2] = { &master, &slave };
  memif_buffer_t buf;
  memif_details_t details;
  char text[4096];
  uint16_t n, qid;
  int i, fds[2], fd;

  start (master_s2m, master_m2s, slave_s2m, slave_m2s, NULL);
  for (i = 0; i < 2; i++)
    {
      uint8_t rx = i ? m2s : s2m, tx = i ? s2m : m2s;
      memif_conn_handle_t conn = ends[i]->conn;

      memset (&details, 0, sizeof (details));
      OK (memif_get_details (conn, &details, text, sizeof (text)));
      CHECK (details.rx_queues_num == rx && details.tx_queues_num == tx);
      for (qid = 0; qid < rx; qid++)
        CHECK (details.rx_queues[qid].qid == qid);
      for (qid = 0; qid < tx; qid++)
        CHECK (details.tx_queues[qid].qid == qid);
      CODE (memif_rx_burst (conn, rx, &buf, 1, &n), MEMIF_ERR_QID);
      CODE (memif_set_rx_mode (conn, MEMIF_RX_MODE_POLLING, rx), MEMIF_ERR_QID);
      CODE (memif_get_queue_efd (conn, rx, &fd), MEMIF_ERR_QID);
      CODE (memif_buffer_alloc (conn, tx, &buf, 1, &n, 64), MEMIF_ERR_QID);
      CODE (memif_tx_burst (conn, tx, &buf, 1, &n), MEMIF_ERR_QID);
      CODE (memif_set_next_free_buffer (conn, tx, &buf), MEMIF_ERR_QID);
      /* A mode and a descriptor for each queue. */
      for (qid = 0; qid < rx; qid++)
        {
          OK (memif_get_queue_efd (conn, qid, &fds[qid > 0]));
          CHECK (qid == 0 || fds[0] != fds[1]);
        }
      OK (memif_set_rx_mode (conn, MEMIF_RX_MODE_POLLING, (uint16_t) (rx - 1)));
      memset (&details, 0, sizeof (details));
      OK (memif_get_details (conn, &details, text, sizeof (text)));
      for (qid = 0; qid < rx; qid++)
        CHECK (!(details.rx_queues[qid].flags & MEMIF_QUEUE_FLAG_POLLING) == (qid != rx - 1));
      /* What goes into one queue comes out of it alone. */
      for (qid = 0; qid < tx; qid++)
        {
          uint16_t other;
          put (ends[i], qid, qid, 64);
          for (other = 0; other < tx; other++)
            take (ends[!i], other, other == qid ? qid : NONE);
        }
    }
  take_down (sock, &master, &slave);
}

static void
signals (void)
{
  uint16_t qid;

  start (MOST, 1, MOST, 1, on_interrupt);
  for (qid = reference ? 1 : MOST; qid-- > 0;)
    {
      signalled = NONE;
      put (&slave, qid, qid, 64);
      POLL_UNTIL (sock, signalled != NONE);
      CHECK (signalled == qid);
    }
  take_down (sock, &master, &slave);
}

/* All buffers are where they should be when packets pass everywhere, all slots of all rings around. */
static void
all_rings (void)
{
  unsigned round;
  uint16_t qid;

  for (round = 0; round < 40; round++)
    for (qid = 0; qid < 2; qid++)
      {
        put (&master, qid, round, 2000);
        put (&slave, qid, round + 1, 2000);
        take (&slave, qid, round);
        take (&master, qid, round + 1);
      }
}

/* All slots full at once: no two hold the same buffer. */
static void
full_rings (void)
{
  unsigned number;
  uint16_t qid;

  for (number = 0; number < 16; number++)
    for (qid = 0; qid < 2; qid++)
      {
        put (&master, qid, 2 * number + qid, 2000);
        put (&slave, qid, 100 + 2 * number + qid, 2000);
      }
  for (number = 0; number < 16; number++)
    for (qid = 0; qid < 2; qid++)
      {
        memif_buffer_t buf;
        uint16_t n;

        memif_rx_burst (slave.conn, qid, &buf, 1, &n);
        CHECK (n == 1 && painted (&buf, 2 * number + qid));
        memif_rx_burst (master.conn, qid, &buf, 1, &n);
        CHECK (n == 1 && painted (&buf, 100 + 2 * number + qid));
      }
  for (qid = 0; qid < 2; qid++)
    {
      OK (memif_refill_queue (slave.conn, qid, -1, 0));
      OK (memif_refill_queue (master.conn, qid, -1, 0));
    }
}

/* Two buffers change their places; their bytes stay with them. */
static void
exchange_places (memif_buffer_t *a, memif_buffer_t *b)
{
  memif_buffer_t first = *a, second = *b;

  OK (memif_buffer_requeue (slave.conn, a, b));
  CHECK (a->data == first.data && b->data == second.data && a->len == first.len && b->len == second.len);
  CHECK (a->desc_index == second.desc_index && b->desc_index == first.desc_index);
}

static void
requeued (void)
{
  memif_buffer_t a, b, c, d;

  start (2, 2, 2, 2, NULL);
  /* Two received ones: within a queue, and of two queues. */
  put (&master, 1, 1, 64);
  put (&master, 1, 2, 64);
  put (&master, 0, 3, 64);
  a = keep (&slave, 1, 1);
  b = keep (&slave, 1, 2);
  c = keep (&slave, 0, 3);
  exchange_places (&a, &b);
  exchange_places (&a, &c);
  exchange_places (&c, &b);
  CHECK (painted (&a, 1) && painted (&b, 2) && painted (&c, 3));
  OK (memif_refill_queue (slave.conn, 0, 1, 0));
  OK (memif_refill_queue (slave.conn, 1, 2, 0));
  all_rings ();
  full_rings ();
  if (reference)
    {
      /* It does not say of allocated buffers whose they are. */
      take_down (sock, &master, &slave);
      return;
    }
  /* Two that are to be sent, likewise: each goes out where and when the other one would have. */
  a = allocate (&slave, 1);
  b = allocate (&slave, 1);
  c = allocate (&slave, 0);
  paint (&a, 4);
  paint (&b, 5);
  paint (&c, 6);
  exchange_places (&a, &b); /* a is the second of queue 1, b its first. */
  exchange_places (&a, &c); /* a is the first of queue 0, c the second of queue 1. */
  send_one (&slave, 1, &b);
  send_one (&slave, 1, &c);
  send_one (&slave, 0, &a);
  b = keep (&master, 1, 5);
  c = keep (&master, 1, 6);
  OK (memif_refill_queue (master.conn, 1, 2, 0));
  take (&master, 0, 4);
  all_rings ();
  full_rings ();
  /* A received one and one that is to be sent, of each pair of queues: the received packet goes out. */
  for (int from = 0; from < 2; from++)
    for (int to = 0; to < 2; to++)
      {
        put (&master, (uint16_t) from, 7, 64);
        a = keep (&slave, (uint16_t) from, 7);
        d = allocate (&slave, (uint16_t) to);
        if (from)
          exchange_places (&a, &d);
        else
          exchange_places (&d, &a);
        OK (memif_refill_queue (slave.conn, (uint16_t) from, 1, 0));
        send_one (&slave, (uint16_t) to, &a);
        take (&master, (uint16_t) to, 7);
      }
  all_rings ();
  full_rings ();
  take_down (sock, &master, &slave);
}

/* Received packets go out through another queue: a chain, and those of two queues in one call. */
static void
enqueued (void)
{
  memif_buffer_t bufs[4], out[4];
  uint16_t n, queued, sent, i;

  start (2, 2, 2, 2, NULL);
  put (&master, 1, 20, 5000);
  put (&master, 0, 30, 64);
  OK (memif_rx_burst (slave.conn, 1, bufs, 3, &n));
  CHECK (n == 3);
  bufs[3] = keep (&slave, 0, 30);
  OK (memif_buffer_enq_tx (slave.conn, 0, bufs, 4, &queued));
  CHECK (queued == 4);
  for (i = 0; i < 4; i++)
    CHECK (bufs[i].flags == (i < 2 ? MEMIF_BUFFER_FLAG_NEXT : 0) && painted (&bufs[i], i < 3 ? 20u + i : 30u));
  OK (memif_refill_queue (slave.conn, 1, 3, 0));
  OK (memif_refill_queue (slave.conn, 0, 1, 0));
  OK (memif_tx_burst (slave.conn, 0, bufs, 4, &sent));
  CHECK (sent == 4);
  take (&master, 1, NONE);
  OK (memif_rx_burst (master.conn, 0, out, 4, &n));
  CHECK (n == 4);
  for (i = 0; i < 4; i++)
    CHECK (out[i].len == (i < 2 ? 2048u : i == 2 ? 5000u - 2 * 2048 : 64u) && out[i].flags == bufs[i].flags
           && painted (&out[i], i < 3 ? 20u + i : 30u));
  OK (memif_refill_queue (master.conn, 0, 4, 0));
  all_rings ();
  full_rings ();
  take_down (sock, &master, &slave);
}

MAIN
{
  counts (3, 2, 3, 2, 3, 2);
  counts (MOST, MOST, 1, 3, 1, 3);
  signals ();
  requeued ();
  enqueued ();
}
