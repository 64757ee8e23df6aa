/* memif_poll_event: how long it waits, what ends it, and memif_cancel_poll_event from threads and callbacks. */
#include "check.h"
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

static volatile sig_atomic_t signals;

static void
count_signal (int number)
{
  (void) number;
  signals++;
}

static void
every (time_t seconds, suseconds_t micros)
{
  struct itimerval timer;

  memset (&timer, 0, sizeof (timer));
  timer.it_value.tv_sec = timer.it_interval.tv_sec = seconds;
  timer.it_value.tv_usec = timer.it_interval.tv_usec = micros;
  CHECK (setitimer (ITIMER_REAL, &timer, NULL) == 0);
}

/* A socket that has nothing to do of itself. */
static memif_socket_handle_t
idle_socket (void)
{
  memif_socket_args_t args = socket_args ("poll");
  memif_socket_handle_t sock = NULL;

  memset (&args.connection_request_timer, 0, sizeof (args.connection_request_timer));
  OK (memif_create_socket (&sock, &args, NULL));
  return sock;
}

/* Nothing here is measured: one thing comes before another. */
static void
time_outs (void)
{
  static const int long_ones[] = { 60000, -1 };
  memif_socket_handle_t sock = idle_socket ();
  sigset_t blocked, before;
  size_t i;

  OK (memif_poll_event (sock, 0));
  /* Milliseconds: 300 of them end before the signal that would end 300 seconds. */
  signals = 0;
  every (120, 0);
  OK (memif_poll_event (sock, 300));
  CHECK (signals == 0);
  /* A signal ends a wait that lasts, and the call says so. */
  every (0, 5000);
  for (i = 0; i < sizeof (long_ones) / sizeof (long_ones[0]); i++)
    {
      signals = 0;
      CODE (memif_poll_event (sock, long_ones[i]), MEMIF_ERR_SYSCALL);
      CHECK (signals > 0);
    }
  every (0, 0);
  /* It lets in signals that the thread keeps out otherwise. */
  sigemptyset (&blocked);
  sigaddset (&blocked, SIGALRM);
  CHECK (pthread_sigmask (SIG_BLOCK, &blocked, &before) == 0);
  signals = 0;
  raise (SIGALRM);
  CHECK (signals == 0);
  CODE (memif_poll_event (sock, -1), MEMIF_ERR_SYSCALL);
  CHECK (signals == 1);
  CHECK (pthread_sigmask (SIG_SETMASK, &before, NULL) == 0);
  OK (memif_delete_socket (&sock));
}

struct poller
{
  memif_socket_handle_t sock;
  pthread_t thread;
  int turns; /* calls that were cancelled */
  int last;  /* what the last call returned */
};

static void *
poll_without_end (void *ctx)
{
  struct poller *poller = (struct poller *) ctx;

  for (;;)
    {
      int err = memif_poll_event (poller->sock, -1);
      __atomic_store_n (&poller->last, err, __ATOMIC_RELEASE);
      if (err != MEMIF_ERR_POLL_CANCEL)
        return NULL;
      __atomic_add_fetch (&poller->turns, 1, __ATOMIC_RELEASE);
    }
}

static int
turns (struct poller *poller)
{
  return __atomic_load_n (&poller->turns, __ATOMIC_ACQUIRE);
}

/* Each request from another thread ends one call that would last for ever; deletion ends the last one. */
static void
cancelled_by_threads (void)
{
  struct poller poller = NOTHING;
  memif_socket_handle_t sock = idle_socket ();
  int round;

  poller.sock = sock;
  CHECK (pthread_create (&poller.thread, NULL, poll_without_end, &poller) == 0);
  for (round = 1; round <= 300; round++)
    {
      OK (memif_cancel_poll_event (sock));
      while (turns (&poller) < round)
        sched_yield ();
      CHECK (turns (&poller) == round);
    }
  OK (memif_delete_socket (&sock));
  CHECK (pthread_join (poller.thread, NULL) == 0);
  CHECK (poller.last == MEMIF_ERR_INVAL_ARG);
}

/* Requests before a call end that one, and no other. */
static void
cancelled_before (void)
{
  memif_socket_handle_t sock = idle_socket ();
  int i;

  for (i = 0; i < 3; i++)
    OK (memif_cancel_poll_event (sock));
  CODE (memif_poll_event (sock, -1), MEMIF_ERR_POLL_CANCEL);
  if (!reference)
    OK (memif_poll_event (sock, 0));
  OK (memif_delete_socket (&sock));
}

/* Which callback asks. */
enum { CONNECT, DISCONNECT, INTERRUPT, CALLBACKS };
static int asks;
static int asked;

static int
ask (memif_conn_handle_t conn, int from)
{
  if (asks != from)
    return 0;
  asked++;
  return memif_cancel_poll_event (memif_get_socket_handle (conn));
}

static int
on_connect (memif_conn_handle_t conn, void *ctx)
{
  end_connected (conn, ctx);
  return ask (conn, CONNECT);
}

static int
on_disconnect (memif_conn_handle_t conn, void *ctx)
{
  end_disconnected (conn, ctx);
  return ask (conn, DISCONNECT);
}

static int
on_interrupt (memif_conn_handle_t conn, void *ctx, uint16_t qid)
{
  memif_buffer_t buf;
  uint16_t n;

  ((struct end *) ctx)->interrupts++;
  OK (memif_rx_burst (conn, qid, &buf, 1, &n));
  OK (memif_refill_queue (conn, qid, n, 0));
  return ask (conn, INTERRUPT);
}

static void
poll_until_cancelled (memif_socket_handle_t sock)
{
  int err;

  while ((err = memif_poll_event (sock, -1)) != MEMIF_ERR_POLL_CANCEL)
    CHECK (err == MEMIF_ERR_SUCCESS);
  CHECK (asked == 1);
}

static void
cancelled_by_callbacks (void)
{
  int from;

  for (from = 0; from < CALLBACKS; from++)
    {
      memif_socket_handle_t sock = new_socket ("callbacks");
      struct end master = NOTHING, slave = NOTHING;
      memif_conn_args_t args = conn_args (sock, 1);
      memif_buffer_t buf;
      uint16_t n, sent;

      asked = 0;
          asks = from;
      OK (memif_create (&master.conn, &args, on_connect, on_disconnect, on_interrupt, &master));
      add (sock, 0, &slave, NULL);
      if (from == CONNECT)
        poll_until_cancelled (sock);
      if (reference && from == CONNECT)
        goto end; /* Every later call would end. */
      POLL_UNTIL (sock, master.connected && slave.connected);
      OK (memif_buffer_alloc (slave.conn, 0, &buf, 1, &n, 64));
      OK (memif_tx_burst (slave.conn, 0, &buf, 1, &sent));
      if (from == INTERRUPT)
        poll_until_cancelled (sock);
      if (!(reference && from == INTERRUPT))
        POLL_UNTIL (sock, master.interrupts);
    end:
      OK (memif_delete (&slave.conn));
      if (from == DISCONNECT)
        poll_until_cancelled (sock);
      CHECK (master.interrupts == 1 || from == CONNECT);
      OK (memif_delete (&master.conn));
      OK (memif_delete_socket (&sock));
    }
}

MAIN
{
  struct sigaction action;

  memset (&action, 0, sizeof (action));
  action.sa_handler = count_signal;
  CHECK (sigaction (SIGALRM, &action, NULL) == 0);
  time_outs ();
  cancelled_before ();
  cancelled_by_callbacks ();
  if (!reference)
    cancelled_by_threads ();
}
