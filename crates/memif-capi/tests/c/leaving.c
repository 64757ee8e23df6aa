/* Peers that send ten packets and go: by deleting their interface, by ending, by being killed. All of the packets
 * arrive, in whichever way the application receives: in on_interrupt with one call or until the ring is empty, in
 * on_disconnect, in an event loop of its own, in a thread that waits for the eventfd of the queue, in one that polls.
 * What is received in calls that clients written for libmemif make is checked as strictly as the strictest of them do:
 * any code but success ends them.  leaving [reference] [ROUNDS] */
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define PACKETS 10

/* How a sender ends. */
enum { DELETES, EXITS, KILLED, ENDS };

/* ---- The sender, in a process of its own. ---- */

/* `go` is told of the link, and tells when to go on; -1 where nobody waits. */
static void
sender (const memif_socket_args_t *socket, int master, int end, int go)
{
  struct end self = NOTHING;
  memif_socket_handle_t sock = NULL;
  memif_buffer_t bufs[PACKETS];
  uint16_t n = 0, got, sent;
  char byte = 0;

  OK (memif_create_socket (&sock, (memif_socket_args_t *) socket, NULL));
  add (sock, master, &self, NULL);
  POLL_UNTIL (sock, self.connected);
  if (go >= 0)
    CHECK (write (go, &byte, 1) == 1 && read (go, &byte, 1) == 1);
  /* A slave posts its buffers a moment later. */
  while (n < PACKETS)
    {
      int err = memif_buffer_alloc (self.conn, 0, bufs + n, (uint16_t) (PACKETS - n), &got, 60);

      CHECK (err == MEMIF_ERR_SUCCESS || err == MEMIF_ERR_NOBUF_RING);
      n += got;
    }
  for (n = 0; n < PACKETS; n++)
    paint (&bufs[n], n);
  OK (memif_tx_burst (self.conn, 0, bufs, PACKETS, &sent));
  CHECK (sent == PACKETS);
  if (end == KILLED)
    raise (SIGKILL);
  if (end == EXITS)
    /* Without a word, and without whatever looks for leaks at the end of a process. */
    execl ("/bin/true", "true", (char *) NULL);
  OK (memif_delete (&self.conn));
  OK (memif_delete_socket (&sock));
  _exit (0);
}

static pid_t
start (const memif_socket_args_t *socket, int master, int end, int go)
{
  pid_t child = fork ();

  CHECK (child >= 0);
  if (child == 0)
    sender (socket, master, end, go);
  return child;
}

static void
wait_for (pid_t child, int end)
{
  int status;

  CHECK (waitpid (child, &status, 0) == child);
  CHECK (end == KILLED ? WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL : status == 0);
}

/* ---- The receiver. ---- */

struct receiver
{
  struct end end;
  int (*receive) (struct receiver *self, uint16_t qid);
  int received;
  int stop; /* ends the thread */
  pthread_t thread;
};

/* One call, as large as some clients make it. */
static int
receive_many (struct receiver *self, uint16_t qid, int beside)
{
  memif_buffer_t bufs[16];
  uint16_t n = 0, i;
  int err = memif_rx_burst (self->end.conn, qid, bufs, 16, &n);

  /* In a thread on_disconnect may have begun, and everything be taken. */
  if (beside && err == MEMIF_ERR_DISCONNECTED)
    return 0;
  OK (err);
  for (i = 0; i < n; i++)
    CHECK (bufs[i].len == 60 && painted (&bufs[i], (unsigned) (self->received++ % PACKETS)));
  OK (memif_refill_queue (self->end.conn, qid, n, 0));
  return n;
}

static int
receive_once (struct receiver *self, uint16_t qid)
{
  return receive_many (self, qid, 0);
}

/* Calls that take less than there is. */
static int
receive_some (struct receiver *self, uint16_t qid)
{
  memif_buffer_t bufs[3];
  uint16_t n, i;
  int err;

  do
    {
      err = memif_rx_burst (self->end.conn, qid, bufs, 3, &n);
      CHECK (err == MEMIF_ERR_SUCCESS || err == MEMIF_ERR_NOBUF);
      for (i = 0; i < n; i++)
        CHECK (painted (&bufs[i], (unsigned) (self->received++ % PACKETS)));
      OK (memif_refill_queue (self->end.conn, qid, n, 0));
    }
  while (n > 0);
  return 0;
}

/* One packet per call of on_interrupt, and no more. */
static int
receive_one (struct receiver *self, uint16_t qid)
{
  memif_buffer_t buf;
  uint16_t n;
  int err = memif_rx_burst (self->end.conn, qid, &buf, 1, &n);

  CHECK (err == MEMIF_ERR_SUCCESS || err == MEMIF_ERR_NOBUF);
  if (n == 1)
    CHECK (painted (&buf, (unsigned) (self->received++ % PACKETS)));
  OK (memif_refill_queue (self->end.conn, qid, n, 0));
  return 0;
}

/* Within on_disconnect. */
static int
receive_last (struct receiver *self, uint16_t qid)
{
  memif_buffer_t bufs[4];
  uint16_t n, i;
  int err;

  for (;;)
    {
      n = 0;
      err = memif_rx_burst (self->end.conn, qid, bufs, 4, &n);
      if (n == 0)
        break;
      CHECK (err == MEMIF_ERR_SUCCESS || err == MEMIF_ERR_NOBUF);
      for (i = 0; i < n; i++)
        CHECK (painted (&bufs[i], (unsigned) (self->received++ % PACKETS)));
      OK (memif_refill_queue (self->end.conn, qid, n, 0));
    }
  if (!reference)
    CHECK (err == MEMIF_ERR_DISCONNECTED);
  OK (memif_refill_queue (self->end.conn, qid, 1, 0));
  return 0;
}

/* Sends back what it received, and takes nothing but success. */
static int
echo (struct receiver *self, uint16_t qid)
{
  memif_buffer_t in[16], out[16];
  uint16_t n = 0, got, sent, i;

  OK (memif_rx_burst (self->end.conn, qid, in, 16, &n));
  OK (memif_buffer_alloc (self->end.conn, 0, out, n, &got, 60));
  CHECK (got == n);
  for (i = 0; i < n; i++)
    memcpy (out[i].data, in[i].data, in[i].len);
  OK (memif_tx_burst (self->end.conn, 0, out, n, &sent));
  CHECK (sent == n);
  OK (memif_refill_queue (self->end.conn, qid, n, 0));
  self->received += n;
  return 0;
}

/* The eventfd of the queue, and the order to stop. */
static void *
wait_for_signals (void *ctx)
{
  struct receiver *self = (struct receiver *) ctx;
  struct pollfd fds[2];

  memset (fds, 0, sizeof (fds));
  OK (memif_get_queue_efd (self->end.conn, 0, &fds[0].fd));
  fds[1].fd = self->stop;
  fds[0].events = fds[1].events = POLLIN;
  do
    {
      CHECK (poll (fds, 2, -1) > 0);
      if (fds[0].revents)
        while (receive_many (self, 0, 1) > 0 && !fds[1].revents)
          ;
    }
  while (!fds[1].revents);
  /* The order comes from on_disconnect. */
  receive_last (self, 0);
  return NULL;
}

static void *
look_all_the_time (void *ctx)
{
  struct receiver *self = (struct receiver *) ctx;
  memif_buffer_t bufs[4];
  uint16_t n, i;
  int err, last;

  for (;;)
    {
      n = 0;
      /* One look after the order to stop, for what came just before. */
      last = __atomic_load_n (&self->stop, __ATOMIC_ACQUIRE) > 0;
      err = memif_rx_burst (self->end.conn, 0, bufs, 4, &n);
      if (err == MEMIF_ERR_DISCONNECTED || (n == 0 && last))
        return NULL;
      CHECK (err == MEMIF_ERR_SUCCESS || err == MEMIF_ERR_NOBUF);
      for (i = 0; i < n; i++)
        CHECK (painted (&bufs[i], (unsigned) (self->received++ % PACKETS)));
      OK (memif_refill_queue (self->end.conn, 0, n, 0));
      if (n == 0)
        sched_yield ();
    }
}

static int
up (memif_conn_handle_t conn, void *ctx)
{
  struct receiver *self = (struct receiver *) ctx;

  self->end.conn = conn;
  return end_connected (conn, &self->end);
}

static int
interrupted (memif_conn_handle_t conn, void *ctx, uint16_t qid)
{
  struct receiver *self = (struct receiver *) ctx;

  CHECK (conn == self->end.conn && self->end.connected == self->end.disconnected + 1);
  self->receive (self, qid);
  return 0;
}

static int
down (memif_conn_handle_t conn, void *ctx)
{
  return end_disconnected (conn, &((struct receiver *) ctx)->end);
}

static int
down_and_receive (memif_conn_handle_t conn, void *ctx)
{
  struct receiver *self = (struct receiver *) ctx;

  /* It runs for the deletion, too. */
  if (self->end.disconnected == 0)
    receive_last (self, 0);
  return down (conn, ctx);
}

static int
up_with_thread (memif_conn_handle_t conn, void *ctx)
{
  struct receiver *self = (struct receiver *) ctx;

  up (conn, ctx);
  self->stop = eventfd (0, EFD_CLOEXEC);
  return pthread_create (&self->thread, NULL, wait_for_signals, self);
}

static int
down_with_thread (memif_conn_handle_t conn, void *ctx)
{
  struct receiver *self = (struct receiver *) ctx;
  uint64_t one = 1;

  if (self->end.disconnected == 0)
    {
      CHECK (write (self->stop, &one, sizeof (one)) == sizeof (one));
      CHECK (pthread_join (self->thread, NULL) == 0);
      close (self->stop);
    }
  return down (conn, ctx);
}

static int
up_and_polling (memif_conn_handle_t conn, void *ctx)
{
  struct receiver *self = (struct receiver *) ctx;

  up (conn, ctx);
  OK (memif_set_rx_mode (conn, MEMIF_RX_MODE_POLLING, 0));
  return pthread_create (&self->thread, NULL, look_all_the_time, self);
}

static int
down_and_polling (memif_conn_handle_t conn, void *ctx)
{
  struct receiver *self = (struct receiver *) ctx;

  if (self->end.disconnected == 0)
    {
      __atomic_store_n (&self->stop, 1, __ATOMIC_RELEASE);
      CHECK (pthread_join (self->thread, NULL) == 0);
    }
  return down (conn, ctx);
}

/* Descriptors that the application watches for the library, and what each is handled with. */
static struct pollfd fds[16];
static void *contexts[16];
static nfds_t count;

static int
watch (memif_fd_event_t fde, void *ctx)
{
  nfds_t at = 0;

  (void) ctx;
  while (at < count && fds[at].fd != fde.fd)
    at++;
  if (fde.type & MEMIF_FD_EVENT_DEL)
    {
      CHECK (at < count);
      count--;
      fds[at] = fds[count];
      contexts[at] = contexts[count];
      return 0;
    }
  if (at == count)
    count++;
  CHECK (count <= 16);
  memset (&fds[at], 0, sizeof (fds[at]));
  fds[at].fd = fde.fd;
  fds[at].events = (short) ((fde.type & MEMIF_FD_EVENT_READ ? POLLIN : 0) | (fde.type & MEMIF_FD_EVENT_WRITE ? POLLOUT : 0));
  contexts[at] = fde.private_ctx;
  return 0;
}

/* One descriptor per turn: handling one may take others away. */
static void
turn (void)
{
  static nfds_t first;
  nfds_t i;

  if (poll (fds, count, 100) <= 0)
    return;
  for (i = 0; i < count; i++)
    {
      nfds_t at = (first + i) % count;

      if (fds[at].revents)
        {
          first = at + 1;
          OK (memif_control_fd_handler (contexts[at], MEMIF_FD_EVENT_READ));
          return;
        }
    }
}

struct way
{
  memif_connection_update_t *up, *down;
  memif_on_interrupt_t *on_interrupt;
  int (*receive) (struct receiver *self, uint16_t qid);
  int own_loop;
};

#define TURN_UNTIL(way, sock, condition)                                                                              \
  while (!(condition))                                                                                                \
    if ((way)->own_loop)                                                                                              \
      turn ();                                                                                                        \
    else                                                                                                              \
      OK (memif_poll_event (sock, 100))

/* One sender comes, sends and goes. `halted`: nothing is seen of it between the link and its end. */
static int
lone_sender (const struct way *way, int master, int end, int halted)
{
  memif_socket_args_t socket = socket_args ("leaving");
  struct receiver self = NOTHING;
  memif_socket_handle_t sock = NULL;
  memif_conn_args_t args;
  memif_conn_handle_t conn = NULL;
  int go[2] = { -1, -1 };
  pid_t child;
  char byte;

  self.receive = way->receive;
  if (halted)
    CHECK (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, go) == 0);
  child = start (&socket, !master, end, go[1]);
  if (way->own_loop)
    socket.on_control_fd_update = watch;
  OK (memif_create_socket (&sock, &socket, NULL));
  args = conn_args (sock, master);
  OK (memif_create (&conn, &args, way->up, way->down, way->on_interrupt, &self));
  if (halted)
    {
      TURN_UNTIL (way, sock, self.end.connected && recv (go[0], &byte, 1, MSG_DONTWAIT) == 1);
      CHECK (write (go[0], &byte, 1) == 1);
      wait_for (child, end);
      close (go[0]);
      close (go[1]);
    }
  TURN_UNTIL (way, sock, self.end.disconnected);
  if (!halted)
    wait_for (child, end);
  OK (memif_delete (&conn));
  OK (memif_delete_socket (&sock));
  return self.received;
}

static void
every_sender (const struct way *way, int rounds)
{
  int master, end, round;

  for (master = 0; master < 2; master++)
    for (end = 0; end < ENDS; end++)
      for (round = 0; round < rounds; round++)
        /* The first time nothing is seen before the sender has gone. */
        CHECK (lone_sender (way, master, end, round == 0) == PACKETS);
}

/* An echo outlives its peers: each is killed, and the next one comes to the same interface. */
static void
echo_outlives (int master, int rounds)
{
  memif_socket_args_t socket = socket_args ("echo");
  struct receiver self = NOTHING;
  memif_socket_handle_t sock = NULL;
  memif_conn_args_t args;
  memif_conn_handle_t conn = NULL;
  pid_t child;
  int round;

  /* Before there is a socket that children would have, too. */
  self.receive = echo;
  child = start (&socket, !master, KILLED, -1);
  OK (memif_create_socket (&sock, &socket, NULL));
  args = conn_args (sock, master);
  OK (memif_create (&conn, &args, up, down, interrupted, &self));
  for (round = 1; round <= rounds; round++)
    {
      POLL_UNTIL (sock, self.end.disconnected == round);
      CHECK (self.received == PACKETS * round);
      wait_for (child, KILLED);
      if (round < rounds)
        child = start (&socket, !master, KILLED, -1);
    }
  OK (memif_delete (&conn));
  OK (memif_delete_socket (&sock));
}

int
main (int argc, char **argv)
{
  static const struct way once = { up, down, interrupted, receive_once, 0 };
  static const struct way some = { up, down, interrupted, receive_some, 0 };
  static const struct way one = { up, down, interrupted, receive_one, 0 };
  static const struct way own_loop = { up, down, interrupted, receive_once, 1 };
  static const struct way at_the_end = { up, down_and_receive, NULL, NULL, 0 };
  static const struct way by_signals = { up_with_thread, down_with_thread, NULL, NULL, 0 };
  static const struct way by_polling = { up_and_polling, down_and_polling, NULL, NULL, 0 };
  int rounds, master;

  reference = argc > 1 && strcmp (argv[1], "reference") == 0;
  rounds = argc > 1 + reference ? atoi (argv[1 + reference]) : 2;
  every_sender (&at_the_end, rounds);
  every_sender (&by_signals, rounds);
  if (reference)
    /* There it is chance what comes first, the packets or the end. */
    return 0;
  every_sender (&once, rounds);
  every_sender (&some, rounds);
  every_sender (&one, rounds);
  every_sender (&own_loop, rounds);
  every_sender (&by_polling, rounds);
  for (master = 0; master < 2; master++)
    echo_outlives (master, rounds);
  return 0;
}
