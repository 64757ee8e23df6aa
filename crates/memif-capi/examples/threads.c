/* One thread per queue sends packets back, ARP requests and pings as their answers, while this one drives the control
 * side.  threads SOCKET master|slave [QUEUES [ID]] */
#include <pthread.h>
#include <sched.h>

#include "answer.h"
#include "common.h"

#define QUEUES 8

static memif_conn_handle_t conn;
static pthread_t threads[QUEUES];
static uint16_t queues = 2;
static int running;
/* Read by the threads, written here. */
static int quit;

static void *
work (void *number)
{
  uint16_t qid = (uint16_t) (size_t) number;
  struct inbox in;
  uint16_t i, n;

  memset (&in, 0, sizeof (in));
  while (!__atomic_load_n (&quit, __ATOMIC_ACQUIRE))
    {
      receive (conn, qid, &in);
      for (i = 0; i < in.whole; i += n)
        {
          n = parts (in.bufs + i);
          answer ((uint8_t *) in.bufs[i].data, in.bufs[i].len);
          send_copy (conn, qid, in.bufs + i, n);
        }
      if (in.whole == 0)
        sched_yield ();
      release (conn, qid, &in);
    }
  return NULL;
}

static int
on_connect (memif_conn_handle_t handle, void *ctx)
{
  memif_details_t details;
  char buf[4096];

  (void) ctx;
  conn = handle;
  memset (&details, 0, sizeof (details));
  must ("memif_get_details", memif_get_details (handle, &details, buf, sizeof (buf)));
  quit = 0;
  for (running = 0; running < details.rx_queues_num && running < QUEUES; running++)
    {
      uint16_t qid = (uint16_t) running;
      must_unless_gone ("memif_set_rx_mode", memif_set_rx_mode (handle, MEMIF_RX_MODE_POLLING, qid));
      post_buffers (handle, qid);
      pthread_create (&threads[running], NULL, work, (void *) (size_t) qid);
    }
  printf ("connected, %d threads\n", running);
  return 0;
}

/* Packet memory goes when this returns: nobody may be at it then. */
static int
on_disconnect (memif_conn_handle_t handle, void *ctx)
{
  (void) handle;
  (void) ctx;
  __atomic_store_n (&quit, 1, __ATOMIC_RELEASE);
  while (running > 0)
    pthread_join (threads[--running], NULL);
  printf ("disconnected\n");
  return 0;
}

int
main (int argc, char **argv)
{
  memif_socket_handle_t sock;
  memif_conn_handle_t handle = NULL;
  memif_conn_args_t args;

  if (argc < 3)
    {
      fprintf (stderr, "usage: %s SOCKET master|slave [QUEUES [ID]]\n", argv[0]);
      return 2;
    }
  if (argc > 3)
    queues = (uint16_t) atoi (argv[3]);
  set_up ();
  sock = open_socket (argv[1], "threads", NULL, NULL);
  args = interface_args (sock, argv[2], argc > 4 ? (uint32_t) atoi (argv[4]) : 0);
  args.num_s2m_rings = (uint8_t) queues;
  args.num_m2s_rings = (uint8_t) queues;
  must ("memif_create", memif_create (&handle, &args, on_connect, on_disconnect, NULL, NULL));
  printf ("ready\n");
  while (!stopped)
    memif_poll_event (sock, -1);
  memif_delete (&handle);
  memif_delete_socket (&sock);
  return 0;
}
