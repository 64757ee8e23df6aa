/* A slave by hand whose posted buffers are small, close together, broken or none: what a master makes of them. */
#include "wire.h"

#define SLOTS 16
#define M2S 1

static memif_socket_handle_t sock;
static struct end master;
static struct wire_slave slave;
static struct wire_region buffers;

static void
post (uint16_t slot, uint16_t region, uint32_t offset, uint32_t length)
{
  uint8_t *descriptor = slave.rings.bytes + WIRE_RING (M2S) + 128 + 16 * (slot % SLOTS);

  memset (descriptor, 0, 16);
  memcpy (descriptor + 2, &region, 2);
  memcpy (descriptor + 4, &length, 4);
  memcpy (descriptor + 8, &offset, 4);
}

static void
publish (uint16_t head)
{
  __atomic_store_n ((uint16_t *) (slave.rings.bytes + WIRE_RING (M2S) + 6), head, __ATOMIC_RELEASE);
}

static uint32_t
sent_length (uint16_t slot)
{
  uint32_t length;

  memcpy (&length, slave.rings.bytes + WIRE_RING (M2S) + 128 + 16 * (slot % SLOTS) + 4, 4);
  return length;
}

/* A link with buffers of `length` bytes, `stride` apart, in all slots. */
static void
open_link (uint32_t length, uint32_t stride)
{
  memif_socket_args_t args = socket_args ("posted");
  struct wire message;
  uint16_t slot;

  memset (&master, 0, sizeof (master));
  memset (&slave, 0, sizeof (slave));
  sock = NULL;
  OK (memif_create_socket (&sock, &args, NULL));
  add (sock, 1, &master, NULL);
  buffers = wire_region (SLOTS * 4096);
  wire_slave_open (&slave, WIRE_COOKIE);
  wire_slave_connect (&slave, args.path, sock, 0, 2, &buffers);
  CHECK (wire_receive (slave.sock, sock, &message) == WIRE_CONNECTED);
  CHECK (master.connected == 1);
  OK (memif_set_rx_mode (master.conn, MEMIF_RX_MODE_POLLING, 0));
  for (slot = 0; slot < SLOTS; slot++)
    post (slot, 1, slot * stride, length);
  publish (SLOTS);
}

static void
close_link (void)
{
  if (slave.sock >= 0)
    close (slave.sock);
  POLL_UNTIL (sock, master.disconnected);
  wire_slave_close (&slave);
  CHECK (munmap (buffers.bytes, buffers.size) == 0);
  close (buffers.fd);
  OK (memif_delete (&master.conn));
  OK (memif_delete_socket (&sock));
}

/* Sends the next buffer with that length, and takes it back when it is refused. */
static int
send_length (uint32_t length)
{
  memif_buffer_t buf;
  uint16_t n, sent = 7;
  int err;

  OK (memif_buffer_alloc (master.conn, 0, &buf, 1, &n, 1000));
  CHECK (n == 1);
  buf.len = length;
  err = memif_tx_burst (master.conn, 0, &buf, 1, &sent);
  CHECK (sent == (err == MEMIF_ERR_SUCCESS));
  if (err != MEMIF_ERR_SUCCESS)
    {
      CHECK (err == MEMIF_ERR_INVAL_ARG);
      OK (memif_set_next_free_buffer (master.conn, 0, &buf));
    }
  return err == MEMIF_ERR_SUCCESS;
}

/* A program that copies slot by slot and looks at no length: VPP's first parts are longer than the buffers that it
 * posts. */
static void
a_little_longer (void)
{
  open_link (2048, 2048 + 64);
  CHECK (send_length (2062) && send_length (2048 + 64));
  CHECK (!send_length (2048 + 65) && !send_length (65536) && !send_length (UINT32_MAX));
  CHECK (sent_length (0) == 2062 && sent_length (1) == 2112 && sent_length (2) == 2048);
  close_link ();
  /* The next buffer begins there. */
  open_link (2048, 2048 + 14);
  CHECK (send_length (2062) && !send_length (2063));
  close_link ();
  /* One behind the last that the master has seen, and the end of the region. */
  open_link (2048, 4096);
  publish (1);
  CHECK (send_length (2049));
  post (1, 1, 4096, 2048);
  post (2, 1, 4096 + 2048, 2048);
  post (3, 1, SLOTS * 4096 - 2048 - 5, 2048);
  publish (2);
  {
    memif_buffer_t buf;
    uint16_t n, sent;

    OK (memif_buffer_alloc (master.conn, 0, &buf, 1, &n, 2048));
    publish (4);
    buf.len = 2049;
    CODE (memif_tx_burst (master.conn, 0, &buf, 1, &sent), MEMIF_ERR_INVAL_ARG);
    buf.len = 2048;
    OK (memif_tx_burst (master.conn, 0, &buf, 1, &sent));
  }
  CHECK (send_length (2049) && send_length (2053));
  close_link ();
}

/* Chains as long as the array has room for all packets, and never longer. */
static void
smaller_buffers (void)
{
  memif_buffer_t bufs[SLOTS + 1];
  uint16_t n, sent, count, i;

  for (count = 1; count <= SLOTS; count++)
    {
      open_link (1024, 4096);
      memset (bufs, 0xa5, sizeof (bufs));
      /* One buffer of our own size, two of theirs. */
      CODE (memif_buffer_alloc (master.conn, 0, bufs, count, &n, 1500), MEMIF_ERR_NOBUF_RING);
      CHECK (n == count / 2 * 2);
      for (i = 0; i < n; i++)
        CHECK (bufs[i].len == (i % 2 ? 476u : 1024u) && bufs[i].flags == (i % 2 ? 0 : MEMIF_BUFFER_FLAG_NEXT));
      CHECK (((uint8_t *) &bufs[n])[0] == 0xa5 && ((uint8_t *) &bufs[count])[0] == 0xa5);
      OK (memif_tx_burst (master.conn, 0, bufs, n, &sent));
      CHECK (sent == n);
      /* Shorter packets take what is left. */
      if (n < SLOTS)
        OK (memif_buffer_alloc (master.conn, 0, bufs, 1, &n, 1024));
      close_link ();
    }
}

static void
details_error (char *text, size_t size)
{
  memif_details_t details;
  char buf[4096];

  memset (&details, 0, sizeof (details));
  OK (memif_get_details (master.conn, &details, buf, sizeof (buf)));
  snprintf (text, size, "%s", (char *) details.error);
}

/* What breaks the rules ends the link, and the peer and the details say what it was. */
static void
broken_buffers (void)
{
  static const struct
  {
    uint16_t region;
    uint32_t offset, length;
    const char *text;
  } bad[] = {
    { 7, 0, 2048, "tx 0 slot 2: posted 2048 bytes at 0 of region 7" },
    { 1, 0, 0, "tx 0 slot 2: posted 0 bytes at 0 of region 1" },
    { 1, SLOTS * 4096 - 100, 2048, "tx 0 slot 2: posted 2048 bytes at 65436 of region 1" },
    { 1, UINT32_MAX, UINT32_MAX, "tx 0 slot 2: posted 4294967295 bytes at 4294967295 of region 1" },
  };
  size_t i;

  for (i = 0; i < sizeof (bad) / sizeof (bad[0]); i++)
    {
      memif_buffer_t bufs[SLOTS];
      struct wire message;
      char text[128];
      uint16_t n, sent;

      open_link (2048, 4096);
      post (2, bad[i].region, bad[i].offset, bad[i].length);
      OK (memif_buffer_alloc (master.conn, 0, bufs, 2, &n, 64));
      OK (memif_tx_burst (master.conn, 0, bufs, n, &sent));
      CHECK (sent == 2);
      CODE (memif_buffer_alloc (master.conn, 0, bufs, SLOTS, &n, 64), MEMIF_ERR_DISCONNECTED);
      CHECK (n == 0);
      CODE (memif_rx_burst (master.conn, 0, bufs, 1, &n), MEMIF_ERR_DISCONNECTED);
      CHECK (wire_receive (slave.sock, sock, &message) == WIRE_DISCONNECT);
      CHECK (strcmp ((char *) message.bytes + 6, bad[i].text) == 0);
      POLL_UNTIL (sock, master.disconnected);
      details_error (text, sizeof (text));
      CHECK (strstr (text, bad[i].text) != NULL);
      close_link ();
    }
}

/* A program that waits for room and for nothing else. */
static void
no_room (void)
{
  static const uint32_t lengths[] = { 2048, 32 };
  memif_buffer_t bufs[SLOTS];
  uint16_t n;
  size_t i;
  int asked, err;

  for (i = 0; i < 2; i++)
    {
      open_link (lengths[i], 4096);
      if (i == 0)
        OK (memif_buffer_alloc (master.conn, 0, bufs, SLOTS, &n, 64));
      for (asked = 0; asked < 5000; asked++)
        CODE (memif_buffer_alloc (master.conn, 0, bufs, 1, &n, 64), MEMIF_ERR_NOBUF_RING);
      close (slave.sock);
      slave.sock = -1;
      asked = 0;
      while ((err = memif_buffer_alloc (master.conn, 0, bufs, 1, &n, 64)) == MEMIF_ERR_NOBUF_RING)
        CHECK (++asked < 1024);
      CHECK (err == MEMIF_ERR_DISCONNECTED && n == 0 && master.disconnected == 0);
      CODE (memif_buffer_alloc (master.conn, 0, bufs, 1, &n, 64), MEMIF_ERR_DISCONNECTED);
      close_link ();
    }
}

MAIN
{
  /* Undefined with the reference, or without an end. */
  if (reference)
    return;
  a_little_longer ();
  smaller_buffers ();
  broken_buffers ();
  no_room ();
}
