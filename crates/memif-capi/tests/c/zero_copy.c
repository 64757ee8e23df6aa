/* A slave that sends received buffers on without a copy, and reorders buffers. */
#include "check.h"

static memif_socket_handle_t sock;
static struct end master, slave;

static void
master_sends (unsigned first, uint16_t count)
{
  memif_buffer_t bufs[16];
  uint16_t n, sent, i;

  OK (memif_buffer_alloc (master.conn, 0, bufs, count, &n, 200));
  for (i = 0; i < n; i++)
    paint (&bufs[i], first + i);
  OK (memif_tx_burst (master.conn, 0, bufs, n, &sent));
  CHECK (sent == count);
}

static void
master_receives (const unsigned *numbers, uint16_t count, uint32_t len)
{
  memif_buffer_t bufs[16];
  uint16_t n, i;

  OK (memif_rx_burst (master.conn, 0, bufs, 16, &n));
  CHECK (n == count);
  for (i = 0; i < n; i++)
    CHECK (bufs[i].len == len && painted (&bufs[i], numbers[i]));
  OK (memif_refill_queue (master.conn, 0, n, 0));
}

MAIN
{
  memif_buffer_t bufs[16], spare[16], own[2];
  unsigned numbers[16], round, i;
  uint16_t n, queued, sent;

  sock = new_socket ("zero-copy");
  pair (sock, &master, &slave);
  /* Buffers wander between the two rings for long. */
  for (round = 0; round < 500; round++)
    {
      master_sends (round, 5);
      OK (memif_rx_burst (slave.conn, 0, bufs, 16, &n));
      CHECK (n == 5);
      OK (memif_buffer_enq_tx (slave.conn, 0, bufs, n, &queued));
      CHECK (queued == 5);
      OK (memif_refill_queue (slave.conn, 0, queued, 0));
      for (i = 0; i < 5; i++)
        {
          CHECK (painted (&bufs[i], round + i));
          numbers[i] = round + i;
        }
      OK (memif_tx_burst (slave.conn, 0, bufs, n, &sent));
      CHECK (sent == 5);
      master_receives (numbers, 5, 200);
    }
  /* In another order: the first and the last change places. */
  master_sends (50, 3);
  OK (memif_rx_burst (slave.conn, 0, bufs, 16, &n));
  OK (memif_buffer_enq_tx (slave.conn, 0, bufs, 3, &queued));
  OK (memif_buffer_requeue (slave.conn, &bufs[0], &bufs[2]));
  CHECK ((uint16_t) (bufs[0].desc_index - bufs[2].desc_index) == 2);
  own[0] = bufs[2];
  bufs[2] = bufs[0];
  bufs[0] = own[0];
  OK (memif_refill_queue (slave.conn, 0, 3, 0));
  OK (memif_tx_burst (slave.conn, 0, bufs, 3, &sent));
  CHECK (sent == 3);
  numbers[0] = 52;
  numbers[1] = 51;
  numbers[2] = 50;
  master_receives (numbers, 3, 200);
  /* Shorter, and from a later byte on. */
  master_sends (7, 1);
  OK (memif_rx_burst (slave.conn, 0, bufs, 1, &n));
  OK (memif_buffer_enq_tx (slave.conn, 0, bufs, 1, &queued));
  bufs[0].data = (uint8_t *) bufs[0].data + 60;
  bufs[0].len = 20;
  paint (&bufs[0], 8);
  OK (memif_refill_queue (slave.conn, 0, 1, 0));
  OK (memif_tx_burst (slave.conn, 0, bufs, 1, &sent));
  numbers[0] = 8;
  master_receives (numbers, 1, 20);
  /* The transmit ring is full. */
  master_sends (1, 2);
  OK (memif_rx_burst (slave.conn, 0, bufs, 16, &n));
  CHECK (n == 2);
  OK (memif_buffer_alloc (slave.conn, 0, spare, 15, &n, 64));
  CODE (memif_buffer_enq_tx (slave.conn, 0, bufs, 2, &queued), MEMIF_ERR_NOBUF_RING);
  CHECK (queued == 1);
  if (!reference)
    {
      /* Not a received one any more; given back; of nobody. */
      CODE (memif_buffer_enq_tx (slave.conn, 0, bufs, 1, &queued), MEMIF_ERR_INVAL_ARG);
      OK (memif_refill_queue (slave.conn, 0, -1, 0));
      own[1] = bufs[1];
      CODE (memif_buffer_requeue (slave.conn, &bufs[0], &own[1]), MEMIF_ERR_INVAL_ARG);
      own[1].queue = &sock;
      CODE (memif_buffer_requeue (slave.conn, &bufs[0], &own[1]), MEMIF_ERR_INVAL_ARG);
      CODE (memif_buffer_enq_tx (slave.conn, 0, &own[1], 1, &queued), MEMIF_ERR_INVAL_ARG);
    }
  take_down (sock, &master, &slave);
}
