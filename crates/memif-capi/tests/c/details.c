/* memif_get_details: what every field holds, without a link, with one, and after it; and memory of every length. */
#include "check.h"

static memif_details_t details;
static char text[4096];

static void
look (struct end *end)
{
  memset (&details, 0xff, sizeof (details));
  memset (text, 0x55, sizeof (text));
  OK (memif_get_details (end->conn, &details, text, sizeof (text)));
}

static int
is (const uint8_t *found, const char *expected)
{
  return found != NULL && strcmp ((const char *) found, expected) == 0;
}

static void
check_settings (memif_socket_handle_t sock, int master)
{
  CHECK (is (details.if_name, master ? "left" : "right") && is (details.inst_name, "tests"));
  CHECK (details.id == 7 && is (details.secret, "secret"));
  CHECK (details.role == !master && details.mode == MEMIF_INTERFACE_MODE_IP);
  CHECK (is (details.socket_path, memif_get_socket_path (sock)));
}

static void
check_no_link (void)
{
  /* The reference's is up while a slave is connecting. */
  CHECK (reference || details.link_up_down == 0);
  CHECK (details.rx_queues_num == 0 && details.tx_queues_num == 0 && details.regions_num == 0);
}

static void
check_queues (const memif_queue_details_t *queues, uint8_t count)
{
  uint8_t i;

  for (i = 0; i < count; i++)
    {
      CHECK (queues[i].qid == i && queues[i].ring_size == 32 && queues[i].region == 0);
      /* The reference's master does not know. */
      CHECK (queues[i].flags == 0 && (reference || queues[i].buffer_size == 1024));
      CHECK (queues[i].head == 0 || queues[i].head == 32);
      CHECK (queues[i].tail == 0);
    }
}

static void
check_link (int master)
{
  CHECK (is (details.remote_if_name, master ? "right" : "left") && is (details.remote_inst_name, "tests"));
  CHECK (is (details.error, "") && details.link_up_down == 1);
  CHECK (details.rx_queues_num == (master ? 3 : 2) && details.tx_queues_num == (master ? 2 : 3));
  check_queues (details.rx_queues, details.rx_queues_num);
  check_queues (details.tx_queues, details.tx_queues_num);
  CHECK (details.regions_num == 2);
  CHECK (details.regions[0].index == 0 && details.regions[1].index == 1);
  CHECK (details.regions[0].addr != NULL && details.regions[1].addr != NULL);
  /* Rings of 32 slots, and a buffer for each. */
  CHECK (details.regions[0].size >= 5 * (128 + 32 * 16) && details.regions[1].size >= 5 * 32 * 1024);
  CHECK (!details.regions[0].is_external && !details.regions[1].is_external);
}

static int
inside (const void *at, size_t bytes, ssize_t len)
{
  return (const char *) at >= text && (const char *) at + bytes <= text + len;
}

/* A text that is whole within the memory, or none. */
static int
text_or_null (const uint8_t *at, const char *whole, ssize_t len)
{
  if (at == NULL)
    return 0;
  CHECK (inside (at, strlen (whole) + 1, len) && is (at, whole));
  return 1;
}

/* A table that is whole within the memory and aligned, or none. */
static int
table_or_null (const void *at, uint8_t count, uint8_t whole, size_t size, size_t align, ssize_t len)
{
  if (count == 0)
    {
      CHECK (at == NULL);
      return 0;
    }
  CHECK (count == whole && inside (at, count * size, len) && (size_t) at % align == 0);
  return 1;
}

/* What fits is there, what does not is not, and no byte behind is touched. */
static void
every_length (struct end *end, memif_socket_handle_t sock)
{
  ssize_t len, needed = sizeof (text);
  int err = MEMIF_ERR_NOBUF_DET, before = 0;

  for (len = 0; len < 1024; len++)
    {
      int fit = 0, odd = (int) (len % 3);
      char *start = text + odd;

      memset (text, 0x55, sizeof (text));
      memset (&details, 0xff, sizeof (details));
      err = memif_get_details (end->conn, &details, start, len);
      CHECK (start[len] == 0x55);
      fit += text_or_null (details.if_name, "right", odd + len);
      fit += text_or_null (details.inst_name, "tests", odd + len);
      fit += text_or_null (details.remote_if_name, "left", odd + len);
      fit += text_or_null (details.remote_inst_name, "tests", odd + len);
      fit += text_or_null (details.secret, "secret", odd + len);
      fit += text_or_null (details.socket_path, memif_get_socket_path (sock), odd + len);
      fit += text_or_null (details.error, "", odd + len);
      fit += table_or_null (details.regions, details.regions_num, 2, sizeof (memif_region_details_t),
                            8, odd + len);
      fit += table_or_null (details.rx_queues, details.rx_queues_num, 2, sizeof (memif_queue_details_t),
                            4, odd + len);
      fit += table_or_null (details.tx_queues, details.tx_queues_num, 3, sizeof (memif_queue_details_t),
                            4, odd + len);
      CHECK (err == (fit == 10 ? MEMIF_ERR_SUCCESS : MEMIF_ERR_NOBUF_DET));
      CHECK (details.id == 7 && details.role == 1 && details.link_up_down == 1);
      if (fit == 10 && len < needed)
        needed = len;
      before += fit > 0 && fit < 10;
    }
  CHECK (err == MEMIF_ERR_SUCCESS && needed < 512 && before > 100);
}

MAIN
{
  memif_socket_handle_t sock = new_socket ("details");
  struct end ends[2] = { NOTHING, NOTHING };
  struct end *master = &ends[0], *slave = &ends[1];
  int i;

  for (i = 0; i < 2; i++)
    {
      memif_conn_args_t args = conn_args (sock, i == 0);

      args.interface_id = 7;
      args.num_s2m_rings = 3;
      args.num_m2s_rings = 2;
      args.log2_ring_size = 5;
      args.buffer_size = 1024;
      args.mode = MEMIF_INTERFACE_MODE_IP;
      strcpy ((char *) args.secret, "secret");
      OK (memif_create (&ends[i].conn, &args, end_connected, end_disconnected, NULL, &ends[i]));
      look (&ends[i]);
      check_settings (sock, i == 0);
      check_no_link ();
      CHECK (is (details.remote_if_name, "") && is (details.remote_inst_name, "") && is (details.error, ""));
    }
  POLL_UNTIL (sock, master->connected && slave->connected);
  for (i = 0; i < 2; i++)
    {
      look (&ends[i]);
      check_settings (sock, i == 0);
      check_link (i == 0);
    }
  if (!reference)
    every_length (slave, sock);
  /* Why it ended stays; the reference tells only what the peer said, which is nothing here. */
  OK (memif_delete (&slave->conn));
  POLL_UNTIL (sock, master->disconnected);
  look (master);
  check_settings (sock, 1);
  check_no_link ();
  CHECK (reference || strlen ((char *) details.error) > 5);
  OK (memif_delete (&master->conn));
  OK (memif_delete_socket (&sock));
}
