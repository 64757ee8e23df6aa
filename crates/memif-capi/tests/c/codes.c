/* Each function: what it returns when it works, and every code that it can fail with. */
#include "check.h"
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#ifdef __cplusplus
extern "C"
#endif
/* The reference has it, and does not declare it. */
const char *memif_get_socket_filename (memif_socket_handle_t sock);

static int allocations;

static void *
counting_alloc (size_t size)
{
  allocations++;
  return malloc (size);
}

static void
counting_free (void *ptr)
{
  if (ptr != NULL)
    allocations--;
  free (ptr);
}

/* How many allocations succeed from now on. */
static int allowed;

static void *
limited_alloc (size_t size)
{
  return allowed-- > 0 ? malloc (size) : NULL;
}

static void
texts (void)
{
  int code;

  for (code = 0; code < 40; code++)
    CHECK (strlen (memif_strerror (code)) > 3);
  if (!reference)
    {
      CHECK (strcmp (memif_strerror (40), "no code of this library") == 0);
      CHECK (strcmp (memif_strerror (-1), "no code of this library") == 0);
      CHECK (strcmp (memif_strerror (39), "no code of this library") != 0);
    }
}

static void
sockets (void)
{
  memif_socket_args_t args = socket_args ("codes");
  memif_socket_handle_t sock = NULL, again = NULL;
  struct itimerspec timer;

  OK (memif_create_socket (&sock, &args, NULL));
  CHECK (strcmp (memif_get_socket_path (sock), args.path) == 0);
  CHECK (strcmp (memif_get_socket_filename (sock), args.path) == 0);
  CHECK (memif_get_socket_path (NULL) == NULL && memif_get_socket_filename (NULL) == NULL);
  CHECK (memif_get_socket_handle (NULL) == NULL);
  CHECK (memif_get_listener_fd (sock) == -1 && memif_get_listener_fd (NULL) == -1);
  CODE (memif_set_listener_fd (NULL, 0), MEMIF_ERR_INVAL_ARG);
  CODE (memif_set_listener_fd (sock, -1), MEMIF_ERR_INVAL_ARG);
  memset (&timer, 0, sizeof (timer));
  CODE (memif_set_connection_request_timer (NULL, timer), MEMIF_ERR_INVAL_ARG);
  OK (memif_set_connection_request_timer (sock, timer));
  timer.it_value.tv_nsec = 1000000000;
  timer.it_interval.tv_sec = 1;
  CODE (memif_set_connection_request_timer (sock, timer), MEMIF_ERR_SYSCALL);
  CODE (memif_poll_event (NULL, 0), MEMIF_ERR_INVAL_ARG);
  OK (memif_poll_event (sock, 0));
  OK (memif_cancel_poll_event (sock));
  CODE (memif_poll_event (sock, -1), MEMIF_ERR_POLL_CANCEL);
  CODE (memif_control_fd_handler (NULL, MEMIF_FD_EVENT_READ), MEMIF_ERR_INVAL_ARG);
  if (!reference)
    {
      /* One request, one return; handles that are none. */
      OK (memif_poll_event (sock, 0));
      again = sock;
      CODE (memif_create_socket (NULL, &args, NULL), MEMIF_ERR_INVAL_ARG);
      CODE (memif_create_socket (&again, NULL, NULL), MEMIF_ERR_INVAL_ARG);
      CODE (memif_cancel_poll_event (NULL), MEMIF_ERR_INVAL_ARG);
      CODE (memif_poll_event (&args, 0), MEMIF_ERR_INVAL_ARG);
      CODE (memif_control_fd_handler (&args, MEMIF_FD_EVENT_READ), MEMIF_ERR_INVAL_ARG);
      memif_register_external_region (NULL, NULL, NULL, NULL, NULL);
      CODE (memif_delete_socket (NULL), MEMIF_ERR_INVAL_ARG);
    }
  OK (memif_delete_socket (&sock));
  CHECK (sock == NULL);
  CODE (memif_delete_socket (&sock), MEMIF_ERR_INVAL_ARG);
  if (!reference)
    {
      /* Deleted. */
      CODE (memif_poll_event (again, 0), MEMIF_ERR_INVAL_ARG);
      CODE (memif_delete_socket (&again), MEMIF_ERR_INVAL_ARG);
      memset (args.path, 0, sizeof (args.path));
      CODE (memif_create_socket (&sock, &args, NULL), MEMIF_ERR_INVAL_ARG);
      memset (args.path, 'x', sizeof (args.path));
      CODE (memif_create_socket (&sock, &args, NULL), MEMIF_ERR_INVAL_ARG);
      CHECK (sock == NULL);
    }
}

static void
allocators (void)
{
  memif_socket_args_t args = socket_args ("alloc");
  memif_socket_handle_t sock = NULL;
  memif_conn_args_t conn;
  memif_conn_handle_t handle = NULL;

  args.alloc = limited_alloc;
  allowed = 0;
  CODE (memif_create_socket (&sock, &args, NULL), MEMIF_ERR_NOMEM);
  CHECK (sock == NULL || reference);
  /* Enough for a socket, and then none for an interface. */
  sock = NULL;
  allowed = 1000;
  OK (memif_create_socket (&sock, &args, NULL));
  allowed = 0;
  conn = conn_args (sock, 1);
  CODE (memif_create (&handle, &conn, NULL, NULL, NULL, NULL), MEMIF_ERR_NOMEM);
  if (reference)
    return;
  CHECK (handle == NULL && memif_get_listener_fd (sock) == -1);
  allowed = 1;
  OK (memif_create (&handle, &conn, NULL, NULL, NULL, NULL));
  OK (memif_delete (&handle));
  OK (memif_delete_socket (&sock));
  args.alloc = counting_alloc;
  args.free = counting_free;
  OK (memif_create_socket (&sock, &args, NULL));
  CHECK (allocations == 1);
  conn = conn_args (sock, 1);
  OK (memif_create (&handle, &conn, NULL, NULL, NULL, NULL));
  CHECK (allocations == 2);
  OK (memif_delete (&handle));
  CHECK (allocations == 1);
  OK (memif_delete_socket (&sock));
  CHECK (allocations == 0);
}

static void
interfaces (void)
{
  memif_socket_handle_t sock = new_socket ("interfaces");
  memif_conn_args_t args = conn_args (sock, 1);
  memif_conn_handle_t conn = NULL, none = NULL, stale;
  struct end end = NOTHING;
  memif_details_t details;
  char buf[2048];

  args.log2_ring_size = 15;
  CODE (memif_create (&conn, &args, end_connected, end_disconnected, NULL, &end), MEMIF_ERR_MAX_RING);
  CHECK (conn == NULL);
  args = conn_args (NULL, 1);
  CODE (memif_create (&conn, &args, end_connected, end_disconnected, NULL, &end), MEMIF_ERR_INVAL_ARG);
  args = conn_args (sock, 1);
  args.log2_ring_size = 0;
  OK (memif_create (&conn, &args, end_connected, end_disconnected, NULL, &end));
  CHECK (args.log2_ring_size == 10 && args.buffer_size == 2048);
  CHECK (args.num_s2m_rings == 1 && args.num_m2s_rings == 1);
  CODE (memif_create (&conn, &args, end_connected, end_disconnected, NULL, &end), MEMIF_ERR_CONN);
  CHECK (memif_get_socket_handle (conn) == sock);
  CHECK (memif_get_listener_fd (sock) >= 0);
  CODE (memif_delete_socket (&sock), MEMIF_ERR_INVAL_ARG);
  OK (memif_request_connection (conn));
  CODE (memif_request_connection (NULL), MEMIF_ERR_NOCONN);
  memset (&details, 0, sizeof (details));
  OK (memif_get_details (conn, &details, buf, sizeof (buf)));
  CHECK (details.link_up_down == 0 && details.role == 0 && details.rx_queues_num == 0);
  CODE (memif_get_details (NULL, &details, buf, sizeof (buf)), MEMIF_ERR_NOCONN);
  CODE (memif_get_details (conn, &details, buf, 3), MEMIF_ERR_NOBUF_DET);
  if (!reference)
    {
      CODE (memif_create (NULL, &args, NULL, NULL, NULL, NULL), MEMIF_ERR_INVAL_ARG);
      CODE (memif_create (&none, NULL, NULL, NULL, NULL, NULL), MEMIF_ERR_INVAL_ARG);
      args.mode = (memif_interface_mode_t) 3;
      CODE (memif_create (&none, &args, NULL, NULL, NULL, NULL), MEMIF_ERR_INVAL_ARG);
      args.mode = MEMIF_INTERFACE_MODE_ETHERNET;
      /* The id is taken. */
      CODE (memif_create (&none, &args, NULL, NULL, NULL, NULL), MEMIF_ERR_INVAL_ARG);
      CHECK (none == NULL);
      CODE (memif_get_details (conn, NULL, buf, sizeof (buf)), MEMIF_ERR_INVAL_ARG);
      CODE (memif_get_details (conn, &details, NULL, sizeof (buf)), MEMIF_ERR_INVAL_ARG);
      /* Every length of memory is filled without a byte behind it. */
      for (ssize_t len = 0; len < 512; len++)
        {
          memset (buf, 0x55, sizeof (buf));
          memif_get_details (conn, &details, buf, len);
          CHECK (buf[len] == 0x55);
        }
    }
  stale = conn;
  OK (memif_delete (&conn));
  CHECK (conn == NULL && end.disconnected == 1);
  CODE (memif_delete (&conn), MEMIF_ERR_NOCONN);
  if (!reference)
    {
      CODE (memif_delete (NULL), MEMIF_ERR_NOCONN);
      CODE (memif_delete (&stale), MEMIF_ERR_NOCONN);
      CODE (memif_request_connection (stale), MEMIF_ERR_NOCONN);
      CODE (memif_request_connection (sock), MEMIF_ERR_NOCONN);
    }
  OK (memif_delete_socket (&sock));
}

static void
paths (void)
{
  memif_socket_args_t args = socket_args ("paths");
  memif_socket_handle_t sock = NULL;
  memif_conn_args_t conn;
  memif_conn_handle_t handle = NULL;
  struct end end = NOTHING;
  char file[64];
  FILE *made;

  strcpy (args.path, "/nonexistent/memif.sock");
  OK (memif_create_socket (&sock, &args, NULL));
  conn = conn_args (sock, 1);
  CODE (memif_create (&handle, &conn, end_connected, end_disconnected, NULL, NULL), MEMIF_ERR_NO_FILE);
  CHECK (handle == NULL);
  /* A slave waits for the master. */
  conn = conn_args (sock, 0);
  OK (memif_create (&handle, &conn, end_connected, end_disconnected, NULL, &end));
  CODE (memif_request_connection (handle), MEMIF_ERR_CONNREFUSED);
  OK (memif_delete (&handle));
  OK (memif_delete_socket (&sock));
  /* A file that is no socket. */
  snprintf (file, sizeof (file), "/tmp/memif-capi-file-%d", (int) getpid ());
  made = fopen (file, "w");
  CHECK (made != NULL);
  fclose (made);
  strcpy (args.path, file);
  OK (memif_create_socket (&sock, &args, NULL));
  conn = conn_args (sock, 1);
  CODE (memif_create (&handle, &conn, NULL, NULL, NULL, NULL),
        reference ? MEMIF_ERR_SYSCALL : MEMIF_ERR_FILE_NOT_SOCK);
  CHECK (handle == NULL);
  OK (memif_delete_socket (&sock));
  unlink (file);
}

/* A directory in which this user may not make a socket. */
static void
forbidden (void)
{
  memif_socket_args_t args = socket_args ("forbidden");
  memif_socket_handle_t sock = NULL;
  memif_conn_args_t conn;
  memif_conn_handle_t handle = NULL;
  char directory[] = "/tmp/memif-capi-XXXXXX";
  int root = geteuid () == 0;

  CHECK (mkdtemp (directory) != NULL && chmod (directory, 0555) == 0);
  snprintf (args.path, sizeof (args.path), "%s/sock", directory);
  OK (memif_create_socket (&sock, &args, NULL));
  conn = conn_args (sock, 1);
  CHECK (!root || seteuid (65534) == 0);
  CODE (memif_create (&handle, &conn, NULL, NULL, NULL, NULL), MEMIF_ERR_ACCES);
  CHECK (!root || seteuid (0) == 0);
  CHECK (handle == NULL);
  OK (memif_delete_socket (&sock));
  CHECK (chmod (directory, 0755) == 0 && rmdir (directory) == 0);
}

/* Somebody else listens: on a path, and on an abstract name. */
static void
taken (void)
{
  int abstract;

  for (abstract = 0; abstract < 2; abstract++)
    {
      memif_socket_args_t args = socket_args ("taken");
      memif_socket_handle_t first = NULL, second = NULL;
      memif_conn_handle_t one = NULL, two = NULL;
      memif_conn_args_t conn;
      struct end end = NOTHING;

      if (!abstract)
        snprintf (args.path, sizeof (args.path), "/tmp/memif-capi-taken-%d", (int) getpid ());
      OK (memif_create_socket (&first, &args, NULL));
      OK (memif_create_socket (&second, &args, NULL));
      conn = conn_args (first, 1);
      OK (memif_create (&one, &conn, end_connected, end_disconnected, NULL, &end));
      conn = conn_args (second, 1);
      CODE (memif_create (&two, &conn, end_connected, end_disconnected, NULL, &end), MEMIF_ERR_SYSCALL);
      CHECK (two == NULL && memif_get_listener_fd (second) == -1);
      /* It is the first one's still, until that goes. */
      CHECK (memif_get_listener_fd (first) >= 0);
      CHECK (abstract || access (args.path, F_OK) == 0);
      OK (memif_delete (&one));
      if (!reference)
        {
          OK (memif_create (&two, &conn, end_connected, end_disconnected, NULL, &end));
          OK (memif_delete (&two));
          CHECK (abstract || access (args.path, F_OK) != 0);
        }
      OK (memif_delete_socket (&first));
      OK (memif_delete_socket (&second));
      if (!abstract)
        unlink (args.path);
    }
}

/* Descriptors that cannot be listened on; the reference takes any number. */
static void
listeners (void)
{
  memif_socket_handle_t sock = new_socket ("listeners");
  int stream = socket (AF_UNIX, SOCK_STREAM, 0), mute = socket (AF_UNIX, SOCK_SEQPACKET, 0);
  int file = open ("/dev/null", O_RDWR);

  CHECK (stream >= 0 && mute >= 0 && file >= 0);
  CODE (memif_set_listener_fd (sock, 1000), MEMIF_ERR_BAD_FD);
  CODE (memif_set_listener_fd (sock, file), MEMIF_ERR_INVAL_ARG);
  CODE (memif_set_listener_fd (sock, stream), MEMIF_ERR_INVAL_ARG);
  CODE (memif_set_listener_fd (sock, mute), MEMIF_ERR_INVAL_ARG);
  CHECK (memif_get_listener_fd (sock) == -1);
  CHECK (close (stream) == 0 && close (mute) == 0 && close (file) == 0);
  OK (memif_delete_socket (&sock));
}

/* The process may open no descriptor more. */
static void
descriptors (void)
{
  memif_socket_args_t args = socket_args ("descriptors");
  memif_socket_handle_t sock = NULL;
  struct rlimit before, none;
  int fd = open ("/dev/null", O_RDONLY);

  CHECK (fd >= 0 && getrlimit (RLIMIT_NOFILE, &before) == 0);
  none = before;
  none.rlim_cur = (rlim_t) fd;
  CHECK (close (fd) == 0 && setrlimit (RLIMIT_NOFILE, &none) == 0);
  CODE (memif_create_socket (&sock, &args, NULL), MEMIF_ERR_PROC_FILE_LIMIT);
  CHECK (sock == NULL && setrlimit (RLIMIT_NOFILE, &before) == 0);
}

static void
unlinked (void)
{
  memif_socket_handle_t sock = new_socket ("unlinked");
  struct end end = NOTHING;
  memif_buffer_t buf, other;
  uint16_t n = 7;
  int fd = 7;

  memset (&buf, 0, sizeof (buf));
  other = buf;
  CODE (memif_rx_burst (NULL, 0, &buf, 1, &n), MEMIF_ERR_NOCONN);
  CODE (memif_tx_burst (NULL, 0, &buf, 1, &n), MEMIF_ERR_NOCONN);
  CODE (memif_buffer_alloc (NULL, 0, &buf, 1, &n, 64), MEMIF_ERR_NOCONN);
  CODE (memif_refill_queue (NULL, 0, 1, 0), MEMIF_ERR_NOCONN);
  CODE (memif_buffer_enq_tx (NULL, 0, &buf, 1, &n), MEMIF_ERR_NOCONN);
  CODE (memif_buffer_requeue (NULL, &buf, &other), MEMIF_ERR_NOCONN);
  CODE (memif_set_next_free_buffer (NULL, 0, &buf), MEMIF_ERR_NOCONN);
  CODE (memif_set_rx_mode (NULL, MEMIF_RX_MODE_POLLING, 0), MEMIF_ERR_NOCONN);
  CODE (memif_get_queue_efd (NULL, 0, &fd), MEMIF_ERR_NOCONN);
  CHECK (fd == -1);
  add (sock, 1, &end, NULL);
  CODE (memif_rx_burst (end.conn, 0, &buf, 1, &n), MEMIF_ERR_DISCONNECTED);
  CODE (memif_tx_burst (end.conn, 0, &buf, 1, &n), MEMIF_ERR_DISCONNECTED);
  CODE (memif_buffer_alloc (end.conn, 0, &buf, 1, &n, 64), MEMIF_ERR_DISCONNECTED);
  CODE (memif_refill_queue (end.conn, 0, 1, 0), MEMIF_ERR_DISCONNECTED);
  CODE (memif_buffer_enq_tx (end.conn, 0, &buf, 1, &n), MEMIF_ERR_DISCONNECTED);
  CODE (memif_set_next_free_buffer (end.conn, 0, &buf), MEMIF_ERR_QID);
  CODE (memif_set_rx_mode (end.conn, MEMIF_RX_MODE_POLLING, 0), MEMIF_ERR_QID);
  CODE (memif_get_queue_efd (end.conn, 0, &fd), MEMIF_ERR_DISCONNECTED);
  OK (memif_delete (&end.conn));
  OK (memif_delete_socket (&sock));
}

static void
linked (void)
{
  memif_socket_handle_t sock = new_socket ("linked");
  struct end master = NOTHING, slave = NOTHING;
  memif_buffer_t bufs[20];
  memif_details_t details;
  char buf[2048];
  uint16_t n;
  int fd;

  pair (sock, &master, &slave);
  CODE (memif_request_connection (slave.conn), MEMIF_ERR_ALRCONN);
  CODE (memif_request_connection (master.conn), MEMIF_ERR_ALRCONN);
  CODE (memif_rx_burst (slave.conn, 1, bufs, 1, &n), MEMIF_ERR_QID);
  CODE (memif_tx_burst (slave.conn, 1, bufs, 1, &n), MEMIF_ERR_QID);
  CODE (memif_buffer_alloc (slave.conn, 1, bufs, 1, &n, 64), MEMIF_ERR_QID);
  CODE (memif_refill_queue (slave.conn, 1, 1, 0), MEMIF_ERR_QID);
  CODE (memif_buffer_enq_tx (slave.conn, 1, bufs, 1, &n), MEMIF_ERR_QID);
  CODE (memif_set_next_free_buffer (slave.conn, 1, bufs), MEMIF_ERR_QID);
  CODE (memif_set_rx_mode (slave.conn, MEMIF_RX_MODE_POLLING, 1), MEMIF_ERR_QID);
  CODE (memif_get_queue_efd (slave.conn, 1, &fd), MEMIF_ERR_QID);
  CODE (memif_rx_burst (slave.conn, 0, bufs, 1, NULL), MEMIF_ERR_INVAL_ARG);
  CODE (memif_tx_burst (slave.conn, 0, bufs, 1, NULL), MEMIF_ERR_INVAL_ARG);
  CODE (memif_buffer_alloc (slave.conn, 0, bufs, 1, NULL, 64), MEMIF_ERR_INVAL_ARG);
  CODE (memif_buffer_enq_tx (slave.conn, 0, bufs, 1, NULL), MEMIF_ERR_INVAL_ARG);
  CODE (memif_buffer_enq_tx (master.conn, 0, bufs, 1, &n), MEMIF_ERR_INVAL_ARG);
  CODE (memif_buffer_requeue (master.conn, bufs, bufs), MEMIF_ERR_INVAL_ARG);
  CODE (memif_buffer_requeue (slave.conn, NULL, bufs), MEMIF_ERR_INVAL_ARG);
  CODE (memif_set_next_free_buffer (slave.conn, 0, NULL), MEMIF_ERR_INVAL_ARG);
  OK (memif_get_queue_efd (slave.conn, 0, &fd));
  CHECK (fd >= 0);
  OK (memif_set_rx_mode (slave.conn, MEMIF_RX_MODE_POLLING, 0));
  memset (&details, 0, sizeof (details));
  OK (memif_get_details (slave.conn, &details, buf, sizeof (buf)));
  CHECK (details.rx_queues_num == 1 && (details.rx_queues[0].flags & MEMIF_QUEUE_FLAG_POLLING));
  CHECK (details.rx_queues[0].ring_size == 16 && details.rx_queues[0].buffer_size == 2048);
  CHECK (details.rx_queues[0].head == 16 && details.rx_queues[0].tail == 0);
  CHECK (details.tx_queues_num == 1 && details.tx_queues[0].qid == 0 && details.tx_queues[0].flags == 0);
  CHECK (details.regions_num == 2 && details.regions[1].index == 1 && details.regions[1].addr != NULL);
  CHECK (details.regions[1].size >= 2 * 16 * 2048 && !details.regions[1].is_external);
  CHECK (strcmp ((char *) details.if_name, "right") == 0);
  CHECK (strcmp ((char *) details.remote_if_name, "left") == 0);
  CHECK (strcmp ((char *) details.inst_name, "tests") == 0);
  CHECK (strcmp ((char *) details.remote_inst_name, "tests") == 0);
  CHECK (details.secret == NULL && details.role == 1 && details.mode == 0 && details.link_up_down == 1);
  CHECK (strcmp ((char *) details.socket_path, memif_get_socket_path (sock)) == 0);
  OK (memif_set_rx_mode (slave.conn, MEMIF_RX_MODE_INTERRUPT, 0));
  /* Nothing to do is no error. */
  OK (memif_rx_burst (slave.conn, 0, bufs, 1, &n));
  CHECK (n == 0);
  OK (memif_tx_burst (slave.conn, 0, bufs, 0, &n));
  OK (memif_buffer_alloc (slave.conn, 0, bufs, 1, &n, 0));
  CHECK (n == 0);
  OK (memif_buffer_alloc (slave.conn, 0, bufs, 0, &n, 64));
  CHECK (n == 0);
  OK (memif_refill_queue (slave.conn, 0, 0, 0));
  if (!reference)
    {
      CODE (memif_set_rx_mode (slave.conn, (memif_rx_mode_t) 7, 0), MEMIF_ERR_INVAL_ARG);
      CODE (memif_get_queue_efd (slave.conn, 0, NULL), MEMIF_ERR_INVAL_ARG);
      CODE (memif_rx_burst (slave.conn, 0, NULL, 1, &n), MEMIF_ERR_INVAL_ARG);
      CODE (memif_tx_burst (slave.conn, 0, NULL, 1, &n), MEMIF_ERR_INVAL_ARG);
      CODE (memif_buffer_alloc (slave.conn, 0, NULL, 1, &n, 64), MEMIF_ERR_INVAL_ARG);
      CODE (memif_buffer_enq_tx (slave.conn, 0, NULL, 1, &n), MEMIF_ERR_INVAL_ARG);
      /* Buffers that nobody gave. */
      memset (bufs, 0, sizeof (bufs));
      CODE (memif_tx_burst (slave.conn, 0, bufs, 1, &n), MEMIF_ERR_INVAL_ARG);
      CODE (memif_buffer_enq_tx (slave.conn, 0, bufs, 1, &n), MEMIF_ERR_INVAL_ARG);
      memset (bufs, 0xff, sizeof (bufs));
      CODE (memif_tx_burst (slave.conn, 0, bufs, 1, &n), MEMIF_ERR_INVAL_ARG);
      CODE (memif_buffer_enq_tx (slave.conn, 0, bufs, 1, &n), MEMIF_ERR_INVAL_ARG);
      CODE (memif_buffer_requeue (slave.conn, bufs, bufs + 1), MEMIF_ERR_INVAL_ARG);
      CODE (memif_set_next_free_buffer (slave.conn, 0, bufs), MEMIF_ERR_INVAL_ARG);
    }
  /* The ring has 16. */
  CODE (memif_buffer_alloc (slave.conn, 0, bufs, 20, &n, 64), MEMIF_ERR_NOBUF_RING);
  CHECK (n == 16);
  if (!reference)
    {
      bufs[0].len = 2049;
      CODE (memif_tx_burst (slave.conn, 0, bufs, 1, &n), MEMIF_ERR_INVAL_ARG);
      CHECK (n == 0);
      bufs[0].len = 64;
      bufs[0].data = (uint8_t *) bufs[0].data - 1;
      CODE (memif_tx_burst (slave.conn, 0, bufs, 1, &n), MEMIF_ERR_INVAL_ARG);
      bufs[0].data = (uint8_t *) bufs[0].data + 1 + 2048 - 63;
      CODE (memif_tx_burst (slave.conn, 0, bufs, 1, &n), MEMIF_ERR_INVAL_ARG);
      CODE (memif_tx_burst (slave.conn, 0, bufs + 1, 1, &n), MEMIF_ERR_INVAL_ARG);
      OK (memif_refill_queue (slave.conn, 0, 1, 0));
    }
  take_down (sock, &master, &slave);
}

MAIN
{
  texts ();
  sockets ();
  allocators ();
  interfaces ();
  paths ();
  forbidden ();
  taken ();
  if (!reference)
    {
      listeners ();
      descriptors ();
    }
  unlinked ();
  linked ();
}
