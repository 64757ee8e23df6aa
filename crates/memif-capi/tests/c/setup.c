/* How connections come about, and fail to: descriptors of the loop, queues of listeners, patience, names, reasons. */
#include "wire.h"

#include <sys/resource.h>

static int reported, withdrawn, epoch;
static int reported_in[8];

static int
watch (memif_fd_event_t fde, void *ctx)
{
  (void) ctx;
  if (fde.type & MEMIF_FD_EVENT_DEL)
    withdrawn++;
  else
    {
      reported++;
      reported_in[epoch]++;
    }
  return 0;
}

/* An application may make its loop after its socket: nothing is to be watched before there is something to watch for. */
static void
reported_late (void)
{
  memif_socket_args_t args = socket_args ("late");
  struct itimerspec timer = args.connection_request_timer;
  memif_socket_handle_t sock = NULL;
  struct end master = { 0 };
  int with_timer;

  for (with_timer = 0; with_timer < 3; with_timer++)
    {
      memset (reported_in, 0, sizeof (reported_in));
      reported = withdrawn = epoch = 0;
      args = socket_args ("late");
      args.on_control_fd_update = watch;
      if (with_timer != 1)
        memset (&args.connection_request_timer, 0, sizeof (args.connection_request_timer));
      OK (memif_create_socket (&sock, &args, NULL));
      epoch = 1;
      if (with_timer == 2)
        OK (memif_set_connection_request_timer (sock, timer));
      epoch = 2;
      add (sock, 1, &master, NULL);
      CHECK (reported_in[with_timer == 0 ? 2 : with_timer == 1 ? 0 : 1] > 0);
      CHECK (with_timer == 1 || reported_in[0] == 0);
      OK (memif_delete (&master.conn));
      OK (memif_delete_socket (&sock));
      if (!reference)
        CHECK (reported == 1 && withdrawn == 1);
    }
  /* Never used, never reported. */
  if (!reference)
    {
      reported = withdrawn = 0;
      args = socket_args ("late");
      args.on_control_fd_update = watch;
      memset (&args.connection_request_timer, 0, sizeof (args.connection_request_timer));
      OK (memif_create_socket (&sock, &args, NULL));
      OK (memif_delete_socket (&sock));
      CHECK (reported == 0 && withdrawn == 0);
    }
}

/* A master that has no room for another connection at the moment: the slave waits for its turn. */
static void
full_queue (void)
{
  memif_socket_args_t args = socket_args ("full");
  memif_socket_handle_t sock = NULL;
  struct end slave = { 0 };
  int listener, others[64], count = 0, i;

  memset (&args.connection_request_timer, 0, sizeof (args.connection_request_timer));
  OK (memif_create_socket (&sock, &args, NULL));
  listener = wire_listen (args.path, 0);
  while ((others[count] = wire_connect (args.path, SOCK_NONBLOCK)) >= 0)
    CHECK (++count < 64);
  CHECK (errno == EAGAIN);
  add (sock, 0, &slave, NULL);
  CODE (memif_request_connection (slave.conn), MEMIF_ERR_ALRCONN);
  for (i = 0; i < count; i++)
    {
      int accepted = accept (listener, NULL, NULL);

      CHECK (accepted >= 0);
      close (accepted);
      close (others[i]);
    }
  i = wire_master_accept (listener, sock);
  CODE (memif_request_connection (slave.conn), MEMIF_ERR_ALRCONN);
  close (i);
  POLL_UNTIL (sock, slave.disconnected);
  /* Nobody listens any more while it waits: then it does not wait any more. */
  count = 0;
  while ((others[count] = wire_connect (args.path, SOCK_NONBLOCK)) >= 0)
    CHECK (++count < 64);
  OK (memif_request_connection (slave.conn));
  close (listener);
  while (memif_request_connection (slave.conn) == MEMIF_ERR_ALRCONN)
    OK (memif_poll_event (sock, 100));
  CODE (memif_request_connection (slave.conn), MEMIF_ERR_CONNREFUSED);
  CHECK (slave.disconnected == 1 && slave.connected == 0);
  for (i = 0; i < count; i++)
    close (others[i]);
  OK (memif_delete (&slave.conn));
  OK (memif_delete_socket (&sock));
}

/* No descriptors are left: the caller hears of it, and can try again. */
static void
no_descriptors (void)
{
  memif_socket_handle_t sock = new_socket ("none");
  struct end master = { 0 }, slave = { 0 };
  memif_conn_args_t args;
  struct rlimit limit, none;
  int role, i;

  CHECK (getrlimit (RLIMIT_NOFILE, &limit) == 0);
  none = limit;
  none.rlim_cur = 3;
  for (i = 0; i < 2; i++)
    {
      for (role = 0; role < 2; role++)
        {
          struct end *end = role ? &master : &slave;

          args = conn_args (sock, role);
          CHECK (setrlimit (RLIMIT_NOFILE, &none) == 0);
          CODE (memif_create (&end->conn, &args, end_connected, end_disconnected, NULL, end),
                MEMIF_ERR_PROC_FILE_LIMIT);
          CHECK (end->conn == NULL && end->disconnected == 0);
          CHECK (setrlimit (RLIMIT_NOFILE, &limit) == 0);
        }
    }
  pair (sock, &master, &slave);
  take_down (sock, &master, &slave);
}

/* Nobody polls for longer than a handshake may take elsewhere. */
static void
patient (void)
{
  memif_socket_args_t args = socket_args ("patient");
  memif_socket_handle_t left = NULL, right = NULL;
  struct end master = { 0 }, slave = { 0 };

  memset (&args.connection_request_timer, 0, sizeof (args.connection_request_timer));
  OK (memif_create_socket (&left, &args, NULL));
  OK (memif_create_socket (&right, &args, NULL));
  add (left, 1, &master, NULL);
  add (right, 0, &slave, NULL);
  usleep (5200000);
  while (!slave.connected || !master.connected)
    {
      OK (memif_poll_event (left, 5));
      OK (memif_poll_event (right, 5));
      CHECK (slave.disconnected == 0);
    }
  OK (memif_delete (&slave.conn));
  OK (memif_delete (&master.conn));
  OK (memif_delete_socket (&left));
  OK (memif_delete_socket (&right));
}

/* An abstract name behind a zero byte is all of the field, one behind '@' ends where its text does: two names. */
static void
padded_name (void)
{
  memif_socket_args_t args = socket_args ("padded");
  memif_socket_handle_t sock = NULL;
  struct end end = { 0 };
  struct sockaddr_un un;
  int listener, fd;

  args.path[0] = 0;
  memset (&un, 0, sizeof (un));
  un.sun_family = AF_UNIX;
  memcpy (un.sun_path, args.path, sizeof (un.sun_path));
  listener = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  CHECK (bind (listener, (struct sockaddr *) &un, sizeof (un)) == 0 && listen (listener, 4) == 0);
  OK (memif_create_socket (&sock, &args, NULL));
  CHECK (memcmp (memif_get_socket_path (sock), args.path, sizeof (args.path)) == 0);
  add (sock, 0, &end, NULL);
  fd = wire_master_accept (listener, sock);
  close (fd);
  close (listener);
  OK (memif_delete (&end.conn));
  /* And as master. */
  add (sock, 1, &end, NULL);
  fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  CHECK (connect (fd, (struct sockaddr *) &un, sizeof (un)) == 0);
  close (fd);
  args.path[0] = '@';
  CHECK (wire_connect (args.path, 0) < 0 && errno == ECONNREFUSED);
  OK (memif_delete (&end.conn));
  OK (memif_delete_socket (&sock));
}

static void
error_is (memif_conn_handle_t conn, const char *text)
{
  memif_details_t details;
  char buf[2048];

  memset (&details, 0, sizeof (details));
  OK (memif_get_details (conn, &details, buf, sizeof (buf)));
  if (strcmp ((char *) details.error, text) != 0)
    fprintf (stderr, "\"%s\"\n", (char *) details.error);
  CHECK (strcmp ((char *) details.error, text) == 0);
}

/* What the peer said when it ended the link, as it said it, also while the next link is up. */
static void
last_words (void)
{
  memif_socket_handle_t sock = new_socket ("words");
  struct end slave = { 0 }, master = { 0 };
  struct wire bye = wire (WIRE_DISCONNECT), message;
  const char *path = memif_get_socket_path (sock);
  int listener, fd;

  memcpy (bye.bytes + 6, "not today", 10);
  listener = wire_listen (path, 4);
  add (sock, 0, &slave, NULL);
  error_is (slave.conn, "");
  fd = wire_master_accept (listener, sock);
  CHECK (wire_send (fd, &bye, -1));
  POLL_UNTIL (sock, slave.disconnected);
  error_is (slave.conn, "not today");
  close (fd);
  close (listener);
  if (!reference)
    {
      struct wire_slave hand;

      add (sock, 1, &master, NULL);
      POLL_UNTIL (sock, slave.connected && master.connected);
      error_is (slave.conn, "not today");
      OK (memif_delete (&slave.conn));
      POLL_UNTIL (sock, master.disconnected);
      wire_put (&bye, 2, 5, 4);
      wire_slave_open (&hand, WIRE_COOKIE);
      wire_slave_connect (&hand, path, sock, 0, 1, NULL);
      CHECK (wire_receive (hand.sock, sock, &message) == WIRE_CONNECTED);
      CHECK (wire_send (hand.sock, &bye, -1));
      POLL_UNTIL (sock, master.disconnected == 2);
      error_is (master.conn, "not today");
      close (hand.sock);
      wire_slave_close (&hand);
      OK (memif_delete (&master.conn));
    }
  else
    OK (memif_delete (&slave.conn));
  OK (memif_delete_socket (&sock));
}

MAIN
{
  reported_late ();
  /* The reference waits within memif_create, or listens on until the process ends. */
  if (!reference)
    {
      full_queue ();
      no_descriptors ();
      patient ();
      padded_name ();
    }
  last_words ();
}
