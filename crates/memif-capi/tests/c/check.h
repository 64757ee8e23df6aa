/* Checks, and a master and a slave in this process, for the test programs. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libmemif.h>

/* With the argument "reference" the program runs with the reference library: what docs/c-library.md lists as a
 * difference is left out. */
__attribute__ ((unused)) static int reference;

/* The programs are C11 and C++17. */
#ifdef __cplusplus
#define NOTHING {}
#define _Static_assert static_assert
#else
#define NOTHING { 0 }
#endif

#define CHECK(condition)                                                                                              \
  do                                                                                                                  \
    {                                                                                                                 \
      if (!(condition))                                                                                               \
        {                                                                                                             \
          fprintf (stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
          _exit (1);                                                                                                  \
        }                                                                                                             \
    }                                                                                                                 \
  while (0)

#define CODE(call, code)                                                                                              \
  do                                                                                                                  \
    {                                                                                                                 \
      int code_ = (call);                                                                                             \
      if (code_ != (code))                                                                                            \
        {                                                                                                             \
          fprintf (stderr, "%s:%d: %s is %d (%s), not %s\n", __FILE__, __LINE__, #call, code_,                        \
                   memif_strerror (code_), #code);                                                                    \
          _exit (1);                                                                                                  \
        }                                                                                                             \
    }                                                                                                                 \
  while (0)

#define OK(call) CODE (call, MEMIF_ERR_SUCCESS)

/* One end. */
struct end
{
  memif_conn_handle_t conn;
  int connected;    /* calls of on_connect */
  int disconnected; /* calls of on_disconnect */
  int interrupts;
  int keep; /* receive buffers are not posted by on_connect */
};

static inline int
end_connected (memif_conn_handle_t conn, void *ctx)
{
  struct end *end = (struct end *) ctx;

  end->connected++;
  if (!end->keep)
    OK (memif_refill_queue (conn, 0, -1, 0));
  return 0;
}

static inline int
end_disconnected (memif_conn_handle_t conn, void *ctx)
{
  (void) conn;
  ((struct end *) ctx)->disconnected++;
  return 0;
}

static inline int
end_interrupted (memif_conn_handle_t conn, void *ctx, uint16_t qid)
{
  (void) conn;
  (void) qid;
  ((struct end *) ctx)->interrupts++;
  return 0;
}

static inline memif_socket_args_t
socket_args (const char *tag)
{
  static int count;
  memif_socket_args_t args;

  memset (&args, 0, sizeof (args));
  /* A name of its own each time: the reference goes on listening on names of sockets that were deleted. */
  snprintf (args.path, sizeof (args.path), "@memif-capi-%s-%d-%d", tag, (int) getpid (),
            __atomic_fetch_add (&count, 1, __ATOMIC_RELAXED));
  strcpy (args.app_name, "tests");
  args.connection_request_timer.it_value.tv_nsec = 10000000;
  args.connection_request_timer.it_interval.tv_nsec = 10000000;
  return args;
}

static inline memif_conn_args_t
conn_args (memif_socket_handle_t sock, int master)
{
  memif_conn_args_t args;

  memset (&args, 0, sizeof (args));
  args.socket = sock;
  args.is_master = (uint8_t) master;
  args.log2_ring_size = 4;
  strcpy ((char *) args.interface_name, master ? "left" : "right");
  return args;
}

static inline memif_socket_handle_t
new_socket (const char *tag)
{
  memif_socket_args_t args = socket_args (tag);
  memif_socket_handle_t sock = NULL;

  OK (memif_create_socket (&sock, &args, NULL));
  CHECK (sock != NULL);
  return sock;
}

static inline void
add (memif_socket_handle_t sock, int master, struct end *end, memif_on_interrupt_t *on_interrupt)
{
  memif_conn_args_t args = conn_args (sock, master);

  OK (memif_create (&end->conn, &args, end_connected, end_disconnected, on_interrupt, end));
  CHECK (end->conn != NULL);
}

/* Polls until it is so. The watchdog is outside. */
#define POLL_UNTIL(sock, condition)                                                                                   \
  while (!(condition))                                                                                                \
  OK (memif_poll_event (sock, 100))

/* A master and a slave on one socket, connected. */
static inline void
pair (memif_socket_handle_t sock, struct end *master, struct end *slave)
{
  add (sock, 1, master, NULL);
  add (sock, 0, slave, NULL);
  POLL_UNTIL (sock, master->connected && slave->connected);
}

static inline void
take_down (memif_socket_handle_t sock, struct end *master, struct end *slave)
{
  OK (memif_delete (&slave->conn));
  CHECK (slave->conn == NULL && slave->disconnected == 1);
  POLL_UNTIL (sock, master->disconnected);
  OK (memif_delete (&master->conn));
  OK (memif_delete_socket (&sock));
  CHECK (sock == NULL);
}

/* Bytes that tell a packet from others. */
static inline void
paint (const memif_buffer_t *buf, unsigned number)
{
  uint32_t i;

  for (i = 0; i < buf->len; i++)
    ((uint8_t *) buf->data)[i] = (uint8_t) (number * 31 + i);
}

static inline int
painted (const memif_buffer_t *buf, unsigned number)
{
  uint32_t i;

  for (i = 0; i < buf->len; i++)
    if (((const uint8_t *) buf->data)[i] != (uint8_t) (number * 31 + i))
      return 0;
  return 1;
}

#define MAIN                                                                                                          \
  static void run (void);                                                                                             \
  int main (int argc, char **argv)                                                                                    \
  {                                                                                                                   \
    reference = argc > 1 && strcmp (argv[1], "reference") == 0;                                                       \
    run ();                                                                                                           \
    return 0;                                                                                                         \
  }                                                                                                                   \
  static void run (void)

#endif
