/* What the examples share: arguments, a way to stop, and packets of several buffers. */
#ifndef EXAMPLE_COMMON_H
#define EXAMPLE_COMMON_H

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libmemif.h>

#define BURST 64
/* Of each interface here: a packet takes at most 32 of them. */
#define BUFFER_SIZE 2048

static volatile sig_atomic_t stopped;

static inline void
stop (int signal)
{
  (void) signal;
  stopped = 1;
}

/* Ends the program when a call failed. */
static inline void
must (const char *what, int err)
{
  if (err == MEMIF_ERR_SUCCESS)
    return;
  fprintf (stderr, "%s: %s\n", what, memif_strerror (err));
  exit (1);
}

/* The same for calls on a link: the peer may be gone already, of which on_disconnect tells, and as slave it may have
 * brought no such queue. */
static inline void
must_unless_gone (const char *what, int err)
{
  if (err != MEMIF_ERR_DISCONNECTED && err != MEMIF_ERR_QID)
    must (what, err);
}

/* A slave posts the receive buffers of a queue when the link comes up. */
static inline void
post_buffers (memif_conn_handle_t conn, uint16_t qid)
{
  must_unless_gone ("memif_refill_queue", memif_refill_queue (conn, qid, -1, 0));
}

/* An on_disconnect that only says so. */
static inline int
say_disconnected (memif_conn_handle_t conn, void *ctx)
{
  (void) conn;
  (void) ctx;
  printf ("disconnected\n");
  return 0;
}

/* A socket at that path, or abstract name behind '@', whose slaves try to connect twice a second. */
static inline memif_socket_handle_t
open_socket (const char *path, const char *name, memif_control_fd_update_t *on_control_fd_update, void *ctx)
{
  memif_socket_args_t args;
  memif_socket_handle_t sock = NULL;

  memset (&args, 0, sizeof (args));
  if (strlen (path) >= sizeof (args.path))
    {
      fprintf (stderr, "%s: at most %zu bytes\n", path, sizeof (args.path) - 1);
      exit (1);
    }
  strcpy (args.path, path);
  snprintf (args.app_name, sizeof (args.app_name), "%s", name);
  args.connection_request_timer.it_value.tv_nsec = 500000000;
  args.connection_request_timer.it_interval.tv_nsec = 500000000;
  args.on_control_fd_update = on_control_fd_update;
  must ("memif_create_socket", memif_create_socket (&sock, &args, ctx));
  return sock;
}

static inline memif_conn_args_t
interface_args (memif_socket_handle_t sock, const char *role, uint32_t id)
{
  memif_conn_args_t args;

  memset (&args, 0, sizeof (args));
  args.socket = sock;
  args.interface_id = id;
  args.buffer_size = BUFFER_SIZE;
  args.is_master = strcmp (role, "master") == 0;
  snprintf ((char *) args.interface_name, sizeof (args.interface_name), "example%u", (unsigned) id);
  return args;
}

/* Received buffers: those of whole packets, and behind them the beginning of a chain that waits for its rest. Zero it
 * when a link comes up. */
struct inbox
{
  memif_buffer_t bufs[2 * BURST];
  uint16_t count, whole;
};

/* Returns what memif_rx_burst does. */
static inline int
receive (memif_conn_handle_t conn, uint16_t qid, struct inbox *in)
{
  uint16_t received = 0;
  int err = memif_rx_burst (conn, qid, in->bufs + in->count, BURST, &received);

  in->count += received;
  in->whole = in->count;
  while (in->whole > 0 && (in->bufs[in->whole - 1].flags & MEMIF_BUFFER_FLAG_NEXT))
    in->whole--;
  return err;
}

/* The whole packets are done with: their buffers go back. So do those of a chain that is longer than any packet. */
static inline void
release (memif_conn_handle_t conn, uint16_t qid, struct inbox *in)
{
  uint16_t back = in->count - in->whole > BURST ? in->count : in->whole;

  memif_refill_queue (conn, qid, back, 0);
  in->count -= back;
  memmove (in->bufs, in->bufs + back, in->count * sizeof (in->bufs[0]));
}

/* How many buffers the packet has that starts here. */
static inline uint16_t
parts (const memif_buffer_t *buf)
{
  uint16_t n = 1;

  while (buf++->flags & MEMIF_BUFFER_FLAG_NEXT)
    n++;
  return n;
}

/* Takes buffers for one packet, and returns how many, 0 where there is no room. A slave may post smaller ones than ours:
 * then room for one packet of ours does not hold its chain, and that for several does. The first of them is used. */
static inline uint16_t
allocate (memif_conn_handle_t conn, uint16_t qid, memif_buffer_t out[BURST], uint16_t size)
{
  uint16_t packets = (uint16_t) (BURST / ((size + BUFFER_SIZE - 1) / BUFFER_SIZE)), n = 0, first;

  if (memif_buffer_alloc (conn, qid, out, 1, &n, size) == MEMIF_ERR_SUCCESS)
    return n;
  memif_buffer_alloc (conn, qid, out, packets, &n, size);
  if (n == 0)
    return 0;
  first = parts (out);
  if (first < n)
    memif_set_next_free_buffer (conn, qid, out + first);
  return first;
}

/* Sends a copy of a packet, unless there is no room. */
static inline void
send_copy (memif_conn_handle_t conn, uint16_t qid, const memif_buffer_t *in, uint16_t count)
{
  memif_buffer_t out[BURST], *to = out;
  uint16_t n, sent, i;
  uint32_t from, at = 0, len;
  uint64_t size = 0;

  for (i = 0; i < count; i++)
    size += in[i].len;
  if (size == 0 || size > UINT16_MAX || (n = allocate (conn, qid, out, (uint16_t) size)) == 0)
    return;
  for (i = 0; i < count; i++)
    for (from = 0; from < in[i].len; from += len)
      {
        if (at == to->len)
          {
            to++;
            at = 0;
          }
        len = in[i].len - from < to->len - at ? in[i].len - from : to->len - at;
        memcpy ((uint8_t *) to->data + at, (const uint8_t *) in[i].data + from, len);
        at += len;
      }
  memif_tx_burst (conn, qid, out, n, &sent);
}

static inline void
set_up (void)
{
  struct sigaction action;

  memset (&action, 0, sizeof (action));
  action.sa_handler = stop;
  if (sigaction (SIGINT, &action, NULL) != 0 || sigaction (SIGTERM, &action, NULL) != 0)
    {
      perror ("sigaction");
      exit (1);
    }
  setvbuf (stdout, NULL, _IOLBF, 0);
}

#endif
