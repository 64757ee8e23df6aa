/* The control side: a loop of the application, deletion from callbacks, reconnection. */
#include "check.h"
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

static int epfd, added, removed, edge_triggered;
static int context;

static int
on_control (memif_fd_event_t fde, void *ctx)
{
  struct epoll_event event = { .events = EPOLLIN, .data.ptr = fde.private_ctx };

  CHECK (ctx == &context && fde.fd >= 0);
  if (fde.type & MEMIF_FD_EVENT_DEL)
    {
      removed++;
      /* Still open. */
      if (!reference)
        CHECK (epoll_ctl (epfd, EPOLL_CTL_DEL, fde.fd, NULL) == 0);
      else
        epoll_ctl (epfd, EPOLL_CTL_DEL, fde.fd, NULL);
      return 0;
    }
  CHECK (fde.type & MEMIF_FD_EVENT_READ);
  if (edge_triggered)
    event.events |= EPOLLET;
  added++;
  CHECK (epoll_ctl (epfd, EPOLL_CTL_ADD, fde.fd, &event) == 0);
  return 0;
}

static void
turn (void)
{
  struct epoll_event events[4];
  int i, n = epoll_wait (epfd, events, 4, 100);

  for (i = 0; i < n; i++)
    memif_control_fd_handler (events[i].data.ptr, MEMIF_FD_EVENT_READ);
}

static int
interrupted_and_taken (memif_conn_handle_t conn, void *ctx, uint16_t qid)
{
  memif_buffer_t buf;
  uint16_t n;

  ((struct end *) ctx)->interrupts++;
  memif_rx_burst (conn, qid, &buf, 1, &n);
  OK (memif_refill_queue (conn, qid, n, 0));
  return 0;
}

/* The application watches what it is told to watch. One packet per interrupt: it comes again until all are taken. */
static void
own_loop (void)
{
  memif_socket_args_t args = socket_args ("own-loop");
  memif_socket_handle_t sock = NULL;
  struct end master = { 0 }, slave = { 0 };
  memif_buffer_t bufs[5];
  uint16_t n, sent;

  epfd = epoll_create1 (0);
  args.on_control_fd_update = on_control;
  OK (memif_create_socket (&sock, &args, &context));
  CHECK (added > 0);
  CODE (memif_poll_event (sock, 0), MEMIF_ERR_BAD_FD);
  CODE (memif_cancel_poll_event (sock), MEMIF_ERR_INVAL_ARG);
  add (sock, 1, &master, interrupted_and_taken);
  add (sock, 0, &slave, NULL);
  while (!master.connected || !slave.connected)
    turn ();
  OK (memif_buffer_alloc (slave.conn, 0, bufs, 5, &n, 64));
  OK (memif_tx_burst (slave.conn, 0, bufs, 5, &sent));
  while (master.interrupts < 5)
    turn ();
  OK (memif_delete (&slave.conn));
  while (!master.disconnected)
    turn ();
  OK (memif_delete (&master.conn));
  OK (memif_delete_socket (&sock));
  if (!reference)
    CHECK (added == removed);
  close (epfd);
}

/* What is ready now, as an edge-triggered loop hears of it. */
static void
follow_edges (void)
{
  struct epoll_event event;

  while (epoll_wait (epfd, &event, 1, 0) == 1)
    memif_control_fd_handler (event.data.ptr, MEMIF_FD_EVENT_READ);
}

/* An edge-triggered loop hears of all that one call leaves: of connections behind others that say nothing, of events,
 * and of packets that the application did not take. */
static void
own_loop_of_edges (void)
{
  enum { SILENT = 40 };
  memif_socket_args_t args = socket_args ("edges");
  memif_socket_handle_t sock = NULL, other = NULL;
  struct end master = { 0 }, slave = { 0 };
  struct sockaddr_un un = { .sun_family = AF_UNIX };
  memif_buffer_t bufs[5];
  uint16_t n, sent;
  char hello[128];
  int silent[SILENT], i;

  epfd = epoll_create1 (0);
  OK (memif_create_socket (&other, &args, NULL));
  args.on_control_fd_update = on_control;
  edge_triggered = 1;
  OK (memif_create_socket (&sock, &args, &context));
  add (sock, 1, &master, interrupted_and_taken);
  memcpy (un.sun_path + 1, args.path + 1, strlen (args.path) - 1);
  for (i = 0; i < SILENT; i++)
    {
      silent[i] = socket (AF_UNIX, SOCK_SEQPACKET, 0);
      CHECK (connect (silent[i], (struct sockaddr *) &un, (socklen_t) (sizeof (un.sun_family) + strlen (args.path)))
             == 0);
    }
  follow_edges ();
  for (i = 0; i < SILENT; i++)
    CHECK (recv (silent[i], hello, sizeof (hello), MSG_DONTWAIT) == sizeof (hello));
  add (other, 0, &slave, NULL);
  while (!master.connected || !slave.connected)
    {
      OK (memif_poll_event (other, 1));
      follow_edges ();
    }
  OK (memif_buffer_alloc (slave.conn, 0, bufs, 5, &n, 64));
  OK (memif_tx_burst (slave.conn, 0, bufs, 5, &sent));
  follow_edges ();
  CHECK (master.interrupts >= 5);
  OK (memif_delete (&slave.conn));
  follow_edges ();
  CHECK (master.disconnected == 1);
  OK (memif_delete (&master.conn));
  OK (memif_delete_socket (&sock));
  OK (memif_delete_socket (&other));
  for (i = 0; i < SILENT; i++)
    close (silent[i]);
  close (epfd);
}

static struct end one, two;
static memif_socket_handle_t shared;

static int
delete_all (memif_conn_handle_t conn, void *ctx)
{
  (void) ctx;
  CHECK (conn == one.conn);
  one.connected++;
  OK (memif_delete (&one.conn));
  OK (memif_delete (&two.conn));
  OK (memif_delete_socket (&shared));
  return 0;
}

static int
delete_on_interrupt (memif_conn_handle_t conn, void *ctx, uint16_t qid)
{
  (void) qid;
  return delete_all (conn, ctx) + 3;
}

static int
count_disconnect (memif_conn_handle_t conn, void *ctx)
{
  struct end *end = (struct end *) ctx;

  end->disconnected++;
  /* Deleting what is being deleted is fine. */
  if (end == &one && conn == one.conn)
    OK (memif_delete (&one.conn));
  return 0;
}

/* Interfaces and socket vanish within on_connect, on_disconnect and on_interrupt. */
static void
deleted_from_within (void)
{
  memif_conn_args_t args;
  memif_buffer_t buf;
  uint16_t n, sent;
  int kind, err;

  for (kind = 0; kind < 3; kind++)
    {
      memset (&one, 0, sizeof (one));
      memset (&two, 0, sizeof (two));
      shared = new_socket ("within");
      args = conn_args (shared, 1);
      OK (memif_create (&one.conn, &args, kind == 0 ? delete_all : end_connected,
                        kind == 1 ? delete_all : count_disconnect, kind == 2 ? delete_on_interrupt : NULL, &one));
      args = conn_args (shared, 0);
      OK (memif_create (&two.conn, &args, end_connected, end_disconnected, NULL, &two));
      err = 0;
      if (kind > 0)
        POLL_UNTIL (shared, one.connected && two.connected);
      if (kind == 1)
        /* The master notices that its slave is gone. */
        OK (memif_delete (&two.conn));
      if (kind == 1)
        {
          args = conn_args (shared, 0);
          args.interface_id = 77;
          OK (memif_create (&two.conn, &args, end_connected, end_disconnected, NULL, &two));
        }
      if (kind == 2)
        {
          OK (memif_buffer_alloc (two.conn, 0, &buf, 1, &n, 64));
          OK (memif_tx_burst (two.conn, 0, &buf, 1, &sent));
        }
      while (shared != NULL)
        err = memif_poll_event (shared, 100);
      CHECK (err == (kind == 2 ? 3 : 0));
      CHECK (one.conn == NULL && two.conn == NULL);
    }
}

/* A slave whose master comes late, goes, and comes again; with the timer, and by request. */
static void
reconnected (int by_request)
{
  memif_socket_args_t args = socket_args ("reconnected");
  memif_socket_handle_t left = NULL, right = NULL;
  struct end master = { 0 }, slave = { 0 };
  int round;

  if (by_request)
    memset (&args.connection_request_timer, 0, sizeof (args.connection_request_timer));
  OK (memif_create_socket (&left, &args, NULL));
  OK (memif_create_socket (&right, &args, NULL));
  add (right, 0, &slave, NULL);
  for (round = 1; round <= 3; round++)
    {
      if (by_request)
        {
          memif_poll_event (right, 30);
          CHECK (slave.connected == round - 1);
          if (!reference || round == 1)
            CODE (memif_request_connection (slave.conn), MEMIF_ERR_CONNREFUSED);
        }
      add (left, 1, &master, NULL);
      if (by_request)
        OK (memif_request_connection (slave.conn));
      while (slave.connected < round || master.connected < round)
        {
          OK (memif_poll_event (left, 5));
          OK (memif_poll_event (right, 5));
        }
      OK (memif_delete (&master.conn));
      OK (memif_delete_socket (&left));
      POLL_UNTIL (right, slave.disconnected == round);
      if (reference)
        break;
      OK (memif_create_socket (&left, &args, NULL));
    }
  if (left != NULL)
    OK (memif_delete_socket (&left));
  OK (memif_delete (&slave.conn));
  OK (memif_delete_socket (&right));
}

/* A wrong secret: no link, and both sides can tell why. */
static void
secrets (void)
{
  memif_socket_handle_t sock = new_socket ("secrets");
  struct end master = { 0 }, slave = { 0 };
  memif_conn_args_t args = conn_args (sock, 1);
  memif_details_t details;
  char buf[2048];

  strcpy ((char *) args.secret, "right");
  OK (memif_create (&master.conn, &args, end_connected, end_disconnected, NULL, &master));
  args = conn_args (sock, 0);
  strcpy ((char *) args.secret, "wrong");
  OK (memif_create (&slave.conn, &args, end_connected, end_disconnected, NULL, &slave));
  POLL_UNTIL (sock, slave.disconnected);
  CHECK (slave.connected == 0 && master.connected == 0);
  memset (&details, 0, sizeof (details));
  OK (memif_get_details (slave.conn, &details, buf, sizeof (buf)));
  CHECK (strlen ((char *) details.error) > 5);
  CHECK (strcmp ((char *) details.secret, "wrong") == 0);
  OK (memif_delete (&slave.conn));
  args = conn_args (sock, 0);
  strcpy ((char *) args.secret, "right");
  OK (memif_create (&slave.conn, &args, end_connected, end_disconnected, NULL, &slave));
  POLL_UNTIL (sock, slave.connected && master.connected);
  OK (memif_delete (&slave.conn));
  OK (memif_delete (&master.conn));
  OK (memif_delete_socket (&sock));
}

/* A listener that the application opened. */
static void
given_listener (void)
{
  struct sockaddr_un un = { .sun_family = AF_UNIX };
  memif_socket_handle_t sock = new_socket ("listener");
  struct end master = { 0 }, slave = { 0 };
  const char *path = memif_get_socket_path (sock);
  int fd = socket (AF_UNIX, SOCK_SEQPACKET, 0);

  memcpy (un.sun_path + 1, path + 1, strlen (path) - 1);
  CHECK (bind (fd, (struct sockaddr *) &un, (socklen_t) (sizeof (un.sun_family) + strlen (path))) == 0);
  CHECK (listen (fd, 4) == 0);
  OK (memif_set_listener_fd (sock, fd));
  CHECK (memif_get_listener_fd (sock) == fd);
  if (!reference)
    CODE (memif_set_listener_fd (sock, 0), MEMIF_ERR_INVAL_ARG);
  pair (sock, &master, &slave);
  OK (memif_delete (&slave.conn));
  OK (memif_delete (&master.conn));
  OK (memif_delete_socket (&sock));
  CHECK (close (fd) == 0);
}

/* An abstract name behind a zero byte: all of the field on both sides, see paths.c. */
static void
zero_byte (void)
{
  memif_socket_args_t args = socket_args ("zero");
  memif_socket_handle_t left = NULL, right = NULL;
  struct end master = { 0 }, slave = { 0 };

  args.path[0] = 0;
  OK (memif_create_socket (&left, &args, NULL));
  OK (memif_create_socket (&right, &args, NULL));
  add (left, 1, &master, NULL);
  add (right, 0, &slave, NULL);
  while (!slave.connected || !master.connected)
    {
      OK (memif_poll_event (left, 5));
      OK (memif_poll_event (right, 5));
    }
  OK (memif_delete (&slave.conn));
  OK (memif_delete (&master.conn));
  OK (memif_delete_socket (&left));
  OK (memif_delete_socket (&right));
}

MAIN
{
  own_loop ();
  secrets ();
  reconnected (0);
  reconnected (1);
  given_listener ();
  if (!reference)
    {
      own_loop_of_edges ();
      deleted_from_within ();
      zero_byte ();
    }
}
