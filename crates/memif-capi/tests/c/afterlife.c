/* What is left of a link: everything within on_disconnect, nothing after it. */
#include "wire.h"

static memif_socket_handle_t sock;
static int watched, efd, efd_deleted;

static int
watch (memif_fd_event_t fde, void *ctx)
{
  (void) ctx;
  if (fde.fd == efd && (fde.type & MEMIF_FD_EVENT_DEL))
    {
      /* Not closed yet. */
      CHECK (fcntl (fde.fd, F_GETFD) >= 0);
      efd_deleted++;
    }
  if (fde.type & MEMIF_FD_EVENT_READ)
    watched = fde.fd;
  return 0;
}

static void
turn (void)
{
  struct pollfd ready = { .fd = watched, .events = POLLIN };

  if (poll (&ready, 1, 100) > 0)
    OK (memif_control_fd_handler (sock, MEMIF_FD_EVENT_READ));
}

/* Link details and eventfds are as they were until this has returned. */
static int
still_there (memif_conn_handle_t conn, void *ctx)
{
  memif_details_t details;
  char buf[4096];
  uint16_t n;
  int fd = -1, i;

  /* It runs for the deletion, too. */
  if (((struct end *) ctx)->disconnected++)
    return 0;
  memset (&details, 0, sizeof (details));
  OK (memif_get_details (conn, &details, buf, sizeof (buf)));
  CHECK (details.link_up_down == 1 && details.rx_queues_num == 2 && details.tx_queues_num == 2);
  CHECK (details.rx_queues[1].qid == 1 && details.rx_queues[1].ring_size == 16);
  CHECK (details.tx_queues[1].qid == 1 && details.regions_num == 2);
  CHECK (strcmp ((char *) details.remote_if_name, "left") == 0);
  /* A burst finds the end of the link, and takes nothing away from this callback. */
  memif_rx_burst (conn, 1, NULL, 0, &n);
  for (i = 0; i < 2; i++)
    {
      OK (memif_get_queue_efd (conn, (uint16_t) i, &fd));
      CHECK (fd >= 0 && fcntl (fd, F_GETFD) >= 0);
    }
  CODE (memif_get_queue_efd (conn, 2, &fd), MEMIF_ERR_QID);
  return 0;
}

static void
gone (memif_conn_handle_t conn)
{
  memif_details_t details;
  memif_buffer_t buf, other;
  char mem[2048];
  uint16_t n = 7;
  int fd = 7;

  memset (&buf, 0, sizeof (buf));
  other = buf;
  CODE (memif_get_queue_efd (conn, 0, &fd), MEMIF_ERR_DISCONNECTED);
  CHECK (fd == -1);
  CODE (memif_set_rx_mode (conn, MEMIF_RX_MODE_POLLING, 0), MEMIF_ERR_QID);
  CODE (memif_set_next_free_buffer (conn, 0, &buf), MEMIF_ERR_QID);
  CODE (memif_tx_burst (conn, 0, &buf, 0, &n), MEMIF_ERR_DISCONNECTED);
  CODE (memif_rx_burst (conn, 0, &buf, 1, &n), MEMIF_ERR_DISCONNECTED);
  CODE (memif_buffer_alloc (conn, 0, &buf, 1, &n, 64), MEMIF_ERR_DISCONNECTED);
  CODE (memif_refill_queue (conn, 0, 1, 0), MEMIF_ERR_DISCONNECTED);
  CODE (memif_buffer_enq_tx (conn, 0, &buf, 1, &n), MEMIF_ERR_DISCONNECTED);
  if (!reference)
    CODE (memif_buffer_requeue (conn, &buf, &other), MEMIF_ERR_DISCONNECTED);
  memset (&details, 0, sizeof (details));
  OK (memif_get_details (conn, &details, mem, sizeof (mem)));
  CHECK (details.link_up_down == 0 && details.rx_queues_num == 0 && details.tx_queues_num == 0);
}

static void
make (struct end *end, int master, uint8_t rings, memif_connection_update_t *on_disconnect)
{
  memif_conn_args_t args = conn_args (sock, master);

  args.num_s2m_rings = args.num_m2s_rings = rings;
  end->conn = NULL;
  OK (memif_create (&end->conn, &args, end_connected, on_disconnect, NULL, end));
}

static void
within_and_after (void)
{
  memif_socket_args_t args = socket_args ("afterlife");
  struct end master = { 0 }, slave = { 0 };

  args.on_control_fd_update = watch;
  OK (memif_create_socket (&sock, &args, NULL));
  make (&master, 1, 2, end_disconnected);
  make (&slave, 0, 2, still_there);
  while (!master.connected || !slave.connected)
    turn ();
  OK (memif_get_queue_efd (slave.conn, 0, &efd));
  OK (memif_delete (&master.conn));
  while (!slave.disconnected)
    turn ();
  CHECK (efd_deleted == 1);
  gone (slave.conn);
  OK (memif_delete (&slave.conn));
  OK (memif_delete_socket (&sock));
}

/* Links with ever fewer queues, and an application that calls nothing after a link ended: nothing of the others stays. */
static void
fewer_queues (void)
{
  struct end master = { 0 }, slave = { 0 };
  uint8_t rings;
  uint16_t n;
  int before = 0;

  sock = new_socket ("fewer");
  make (&master, 1, 8, end_disconnected);
  for (rings = 8; rings >= 1; rings--)
    {
      slave = (struct end){ 0 };
      make (&slave, 0, rings, end_disconnected);
      POLL_UNTIL (sock, slave.connected && master.connected == 9 - rings);
      CODE (memif_rx_burst (master.conn, rings, NULL, 0, &n), MEMIF_ERR_QID);
      CODE (memif_set_rx_mode (master.conn, MEMIF_RX_MODE_POLLING, rings), MEMIF_ERR_QID);
      OK (memif_delete (&slave.conn));
      POLL_UNTIL (sock, master.disconnected == 9 - rings);
      if (before == 0)
        before = open_files ();
      CHECK (open_files () == before);
    }
  OK (memif_delete (&master.conn));
  OK (memif_delete_socket (&sock));
}

MAIN
{
  /* Undefined with the reference: it closes the eventfds before the callback. */
  if (reference)
    return;
  within_and_after ();
  fewer_queues ();
}
