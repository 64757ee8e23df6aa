/* An event loop of the application: answers ARP, and pings that lie in one buffer.
 *
 *   epoll_loop SOCKET master|slave [ID]
 */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "answer.h"
#include "common.h"

static int epfd;
/* Whether the buffer before was not the last of its packet. */
static int in_chain;

/* The library names a descriptor to watch for input, or to watch no more. */
static int
on_control_fd_update (memif_fd_event_t fde, void *ctx)
{
  struct epoll_event event;
  int operation = fde.type & MEMIF_FD_EVENT_DEL ? EPOLL_CTL_DEL : EPOLL_CTL_ADD;

  (void) ctx;
  memset (&event, 0, sizeof (event));
  event.events = EPOLLIN;
  event.data.ptr = fde.private_ctx;
  return epoll_ctl (epfd, operation, fde.fd, &event);
}

static int
on_connect (memif_conn_handle_t conn, void *ctx)
{
  (void) ctx;
  in_chain = 0;
  post_buffers (conn, 0);
  printf ("connected\n");
  return 0;
}

static int
on_interrupt (memif_conn_handle_t conn, void *ctx, uint16_t qid)
{
  memif_buffer_t in[BURST], out;
  uint16_t received = 0, i, n, sent;
  int err;

  (void) ctx;
  do
    {
      err = memif_rx_burst (conn, qid, in, BURST, &received);
      for (i = 0; i < received; i++)
        {
          int part = in_chain;
          in_chain = in[i].flags & MEMIF_BUFFER_FLAG_NEXT;
          if (part || in_chain || in[i].len > BUFFER_SIZE
              || memif_buffer_alloc (conn, qid, &out, 1, &n, (uint16_t) in[i].len) != MEMIF_ERR_SUCCESS)
            continue;
          memcpy (out.data, in[i].data, in[i].len);
          if (answer ((uint8_t *) out.data, out.len))
            memif_tx_burst (conn, qid, &out, 1, &sent);
          else
            /* Not sent: the next allocation takes it again. */
            memif_set_next_free_buffer (conn, qid, &out);
        }
      memif_refill_queue (conn, qid, received, 0);
    }
  while (err == MEMIF_ERR_NOBUF);
  return 0;
}

int
main (int argc, char **argv)
{
  memif_socket_handle_t sock;
  memif_conn_handle_t conn = NULL;
  memif_conn_args_t args;
  struct epoll_event events[8];
  int i, n;

  if (argc < 3)
    {
      fprintf (stderr, "usage: %s SOCKET master|slave [ID]\n", argv[0]);
      return 2;
    }
  set_up ();
  epfd = epoll_create1 (EPOLL_CLOEXEC);
  sock = open_socket (argv[1], "epoll_loop", on_control_fd_update, NULL);
  args = interface_args (sock, argv[2], argc > 3 ? (uint32_t) atoi (argv[3]) : 0);
  must ("memif_create", memif_create (&conn, &args, on_connect, say_disconnected, on_interrupt, NULL));
  printf ("ready\n");
  while (!stopped)
    {
      n = epoll_wait (epfd, events, 8, -1);
      for (i = 0; i < n; i++)
        memif_control_fd_handler (events[i].data.ptr, MEMIF_FD_EVENT_READ);
    }
  memif_delete (&conn);
  memif_delete_socket (&sock);
  close (epfd);
  return 0;
}
