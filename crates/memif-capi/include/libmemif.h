/* libmemif.h - shared memory packet interface (memif), the C interface of libmemif 4.0.
 *
 * Part of memif for Rust, MIT or Apache-2.0. The guide is docs/c-library.md.
 *
 * Words: the master listens on a Unix socket and maps memory, the slave connects and allocates it. A queue is one
 * direction of one ring. A buffer holds a packet, or a part of one with MEMIF_BUFFER_FLAG_NEXT.
 *
 * Threads: a socket and its interfaces belong to the thread that polls it. A queue belongs to one thread at a time, any
 * thread, also while another one polls. memif_cancel_poll_event may be called from anywhere. memif_delete may come from
 * another thread than the one that polls, see there.
 *
 * Functions that return int give MEMIF_ERR_SUCCESS or another code. Any function may get any handle: one that is NULL,
 * deleted or made up gives MEMIF_ERR_NOCONN (interfaces) or MEMIF_ERR_INVAL_ARG (sockets). NULL for a place that a
 * result goes to gives MEMIF_ERR_INVAL_ARG.
 */
#ifndef _LIBMEMIF_H_
#define _LIBMEMIF_H_

#include <inttypes.h>
#include <sys/timerfd.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C"
{
#endif

/* The interface is that of this version of libmemif. */
#define LIBMEMIF_VERSION "4.0"

/* A name for memif_socket_args_t.app_name. */
#define MEMIF_DEFAULT_APP_NAME "libmemif-app"

/* memif_cancel_poll_event is there. */
#define MEMIF_HAVE_CANCEL_POLL_EVENT 1

typedef enum
{
  MEMIF_ERR_SUCCESS = 0,

  /* What the system said. */
  MEMIF_ERR_SYSCALL = 1, /* anything that has no code of its own */
  MEMIF_ERR_CONNREFUSED = 2,
  MEMIF_ERR_ACCES = 3,
  MEMIF_ERR_NO_FILE = 4,
  MEMIF_ERR_FILE_LIMIT = 5,      /* of the system */
  MEMIF_ERR_PROC_FILE_LIMIT = 6, /* of the process */
  MEMIF_ERR_ALREADY = 7,
  MEMIF_ERR_AGAIN = 8,
  MEMIF_ERR_BAD_FD = 9,
  MEMIF_ERR_NOMEM = 10,

  /* What this library says. */
  MEMIF_ERR_INVAL_ARG = 11,
  MEMIF_ERR_NOCONN = 12, /* the handle is not that of an interface */
  MEMIF_ERR_CONN = 13,   /* the place for a new handle holds one */
  MEMIF_ERR_CB_FDUPDATE = 14,
  MEMIF_ERR_FILE_NOT_SOCK = 15,
  MEMIF_ERR_NO_SHMFD = 16,
  MEMIF_ERR_COOKIE = 17,
  MEMIF_ERR_NOBUF_RING = 18, /* the ring is full */
  MEMIF_ERR_NOBUF = 19,      /* more waits on the ring than there was room for */
  MEMIF_ERR_NOBUF_DET = 20,  /* the memory for the details is too small */
  MEMIF_ERR_INT_WRITE = 21,
  MEMIF_ERR_MFMSG = 22,
  MEMIF_ERR_QID = 23, /* no queue of that number */

  /* What goes wrong between two sides. */
  MEMIF_ERR_PROTO = 24,
  MEMIF_ERR_ID = 25,
  MEMIF_ERR_ACCSLAVE = 26,
  MEMIF_ERR_ALRCONN = 27, /* connected or connecting */
  MEMIF_ERR_MODE = 28,
  MEMIF_ERR_SECRET = 29,
  MEMIF_ERR_NOSECRET = 30,
  MEMIF_ERR_MAXREG = 31,
  MEMIF_ERR_MAXRING = 32,
  MEMIF_ERR_NO_INTFD = 33,
  MEMIF_ERR_DISCONNECT = 34,
  MEMIF_ERR_DISCONNECTED = 35, /* there is no link */
  MEMIF_ERR_UNKNOWN_MSG = 36,
  MEMIF_ERR_POLL_CANCEL = 37,
  MEMIF_ERR_MAX_RING = 38, /* log2_ring_size is over 14 */
  MEMIF_ERR_PRIVHDR = 39,
} memif_err_t;

/* Events of a descriptor, as bits. */
typedef enum memif_fd_event_type
{
  MEMIF_FD_EVENT_READ = 1,
  MEMIF_FD_EVENT_WRITE = 2,
  MEMIF_FD_EVENT_ERROR = 4,
  MEMIF_FD_EVENT_DEL = 8,  /* stop watching: the descriptor is closed after the callback */
  MEMIF_FD_EVENT_MOD = 16, /* watch for other events than before */
} memif_fd_event_type_t;

/* Handles. What they point to is the library's. */
typedef void *memif_conn_handle_t;
typedef void *memif_socket_handle_t;

/* ---- Callbacks. They run on the thread that polls (on_disconnect also on the one that deletes), hold no lock of the
 * library, and may call any function, memif_delete of their own interface and memif_delete_socket included. One thread
 * at a time is in the callbacks of an interface. They must return: no longjmp, no exception. ---- */

/* Like malloc, realloc and free, for the records that stand for socket and connection handles. */
typedef void *(memif_alloc_t) (size_t size);
typedef void *(memif_realloc_t) (void *ptr, size_t size);
typedef void (memif_free_t) (void *ptr);

/* A descriptor to watch, and for what. private_ctx goes to memif_control_fd_handler. With MEMIF_FD_EVENT_DEL it is NULL
 * for an eventfd that memif_get_queue_efd gave. */
typedef struct memif_fd_event
{
  int fd;
  memif_fd_event_type_t type;
  void *private_ctx;
} memif_fd_event_t;

/* Watch a descriptor, or stop (MEMIF_FD_EVENT_DEL). private_ctx is that of the socket. The descriptor of a socket comes
 * within its first memif_create, memif_set_listener_fd or running timer, which memif_create_socket may start. */
typedef int (memif_control_fd_update_t) (memif_fd_event_t fde, void *private_ctx);

/* A link is up, or down. Packet memory stays valid until the callback for down has returned. */
typedef int (memif_connection_update_t) (memif_conn_handle_t conn, void *private_ctx);

/* A receive queue was signalled. In interrupt mode it is called again until memif_rx_burst has found the queue empty.
 * What it returns is returned by memif_poll_event or memif_control_fd_handler. */
typedef int (memif_on_interrupt_t) (memif_conn_handle_t conn, void *private_ctx, uint16_t qid);

/* ---- Memory of the application. private_ctx is that of the interface. The library waits for these callbacks: calls
 * for the same socket from within them give MEMIF_ERR_AGAIN. ---- */

/* The offset in region 1 of a buffer that is free (slave). */
typedef uint32_t (memif_get_external_buffer_offset_t) (void *private_ctx);

/* Map size bytes of a memfd or tmpfs file, shared, for the buffers of a new connection (slave). Return 0. */
typedef int (memif_add_external_region_t) (void **addr, uint32_t size, int *fd, void *private_ctx);

/* Map size bytes of fd, shared, readable and writable, and return the address (master). NULL or MAP_FAILED refuses the
 * slave. Do not touch the memory in here: the slave may have taken it away, and nothing guards it yet. */
typedef void *(memif_get_external_region_addr_t) (uint32_t size, int fd, void *private_ctx);

/* The region is not used any more, or was of no use: unmap it and close fd. */
typedef int (memif_del_external_region_t) (void *addr, uint32_t size, int fd, void *private_ctx);

/* Set these callbacks for memory that is asked for from now on. Region 0, which holds rings, is never the
 * application's. */
void memif_register_external_region (memif_socket_handle_t sock,
                                     memif_add_external_region_t *ar,
                                     memif_get_external_region_addr_t *gr,
                                     memif_del_external_region_t *dr,
                                     memif_get_external_buffer_offset_t *go);

/* ---- Arguments and buffers ---- */

/* A header of VPP with the same type keeps this one out. */
#ifndef _MEMIF_H_
typedef enum
{
  MEMIF_INTERFACE_MODE_ETHERNET = 0,
  MEMIF_INTERFACE_MODE_IP = 1,
  MEMIF_INTERFACE_MODE_PUNT_INJECT = 2,
} memif_interface_mode_t;
#endif

/* Zero it, then set what differs from the defaults. */
typedef struct memif_socket_args
{
  /* Path of the socket with its zero byte, or an abstract name: text behind '@', or behind a zero byte all 107 bytes
   * that follow, zeros included. The same text in the two forms is two names. */
  char path[108];
  /* What peers are told. */
  char app_name[32];
  /* When slaves without a link try to connect (again). Without it_interval it does not start, and only memif_create and
   * memif_request_connection try. */
  struct itimerspec connection_request_timer;
  /* NULL: the application calls memif_poll_event. */
  memif_control_fd_update_t *on_control_fd_update;
  /* NULL: the library's own. */
  memif_alloc_t *alloc;
  memif_realloc_t *realloc;
  memif_free_t *free;
} memif_socket_args_t;

/* Zero it, then set what differs from the defaults. memif_create writes defaults back. */
typedef struct
{
  memif_socket_handle_t socket;
  uint8_t secret[24];    /* text of at most 23 bytes; empty: none */
  uint8_t num_s2m_rings; /* slave to master; 0: 1 */
  uint8_t num_m2s_rings; /* master to slave; 0: 1 */
  uint16_t buffer_size;  /* bytes; 0: 2048 */
  uint8_t log2_ring_size; /* at most 14; 0: 10 */
  uint8_t is_master;
  uint32_t interface_id;
  uint8_t interface_name[32];
  memif_interface_mode_t mode : 8;
} memif_conn_args_t;

typedef enum
{
  MEMIF_RX_MODE_INTERRUPT = 0,
  MEMIF_RX_MODE_POLLING = 1
} memif_rx_mode_t;

typedef struct
{
  uint16_t desc_index; /* number of the slot on the ring */
  void *queue;         /* which queue and link it is of: not an address */
  uint32_t len;
/* The packet goes on in the next buffer. */
#define MEMIF_BUFFER_FLAG_NEXT (1 << 0)
  uint8_t flags;
  void *data; /* shared with the peer, who can change it at any time */
} memif_buffer_t;

/* ---- Details ---- */

typedef struct
{
  uint8_t region;
  uint16_t qid;
  uint32_t ring_size;
/* The receiver looks by itself and wants no signals. */
#define MEMIF_QUEUE_FLAG_POLLING 1
  uint16_t flags;
  uint16_t head;
  uint16_t tail;
  uint16_t buffer_size;
} memif_queue_details_t;

typedef struct
{
  uint8_t index;
  void *addr;
  uint32_t size;
  int fd; /* of regions of the application, else -1 */
  uint8_t is_external;
} memif_region_details_t;

typedef struct
{
  uint8_t *if_name;
  uint8_t *inst_name;
  uint8_t *remote_if_name;
  uint8_t *remote_inst_name;
  uint32_t id;
  uint8_t *secret; /* NULL: none */
  uint8_t role;    /* 0: master, 1: slave */
  uint8_t mode;    /* memif_interface_mode_t */
  uint8_t *socket_path;
  uint8_t regions_num;
  memif_region_details_t *regions;
  uint8_t rx_queues_num;
  uint8_t tx_queues_num;
  memif_queue_details_t *rx_queues;
  memif_queue_details_t *tx_queues;
  uint8_t *error;       /* why the last link ended: the peer's words if it said any; empty before */
  uint8_t link_up_down; /* 1: up */
} memif_details_t;

/* ---- The library ---- */

/* Version of the protocol: (major << 8) | minor, and as text. */
uint16_t memif_get_version (void);
const char *memif_get_version_str (void);

/* What a code means. The text is the calling thread's until its next call. */
char *memif_strerror (int err_code);

/* ---- Sockets ---- */

/* MEMIF_ERR_NOMEM: args->alloc gave NULL, or there are too many sockets (65536). */
int memif_create_socket (memif_socket_handle_t *sock, memif_socket_args_t *args, void *private_ctx);

/* Sets *sock to NULL. MEMIF_ERR_INVAL_ARG while the socket has interfaces. */
int memif_delete_socket (memif_socket_handle_t *sock);

/* NULL for a handle of no interface. */
memif_socket_handle_t memif_get_socket_handle (memif_conn_handle_t conn);

/* As given, valid while the socket is there. Both names do the same. */
const char *memif_get_socket_path (memif_socket_handle_t sock);
const char *memif_get_socket_filename (memif_socket_handle_t sock);

/* The listening descriptor, -1 while there is none. */
int memif_get_listener_fd (memif_socket_handle_t sock);

/* Accept slaves on a listening SOCK_SEQPACKET socket of the application, which keeps it. Its open file becomes
 * non-blocking. */
int memif_set_listener_fd (memif_socket_handle_t sock, int fd);

/* See memif_socket_args_t. An it_value of zero stops the timer. Before it ran once, it needs an it_interval to start. */
int memif_set_connection_request_timer (memif_socket_handle_t sock, struct itimerspec timer);

/* In a loop of the application: the descriptor with this private_ctx had events. Does a bounded amount of work; where
 * there is more, the descriptor becomes readable anew, so that an edge-triggered loop comes back, too. */
int memif_control_fd_handler (void *ptr, memif_fd_event_type_t events);

/* Wait for at most timeout milliseconds (-1: without limit), do what is to be done, call back. MEMIF_ERR_POLL_CANCEL
 * after memif_cancel_poll_event; MEMIF_ERR_BAD_FD with a loop of the application. */
int memif_poll_event (memif_socket_handle_t sock, int timeout);

/* Make the memif_poll_event that runs, or else the next one, return. */
int memif_cancel_poll_event (memif_socket_handle_t sock);

/* ---- Interfaces ---- */

/* *conn must be NULL. on_interrupt NULL: see memif_get_queue_efd. A slave tries to connect at once, a master listens:
 * MEMIF_ERR_SYSCALL when somebody else does already, MEMIF_ERR_ACCES, MEMIF_ERR_NO_FILE, MEMIF_ERR_FILE_NOT_SOCK for
 * the path. MEMIF_ERR_PROC_FILE_LIMIT and MEMIF_ERR_FILE_LIMIT, also for a slave; MEMIF_ERR_MAX_RING, MEMIF_ERR_CONN,
 * MEMIF_ERR_NOMEM; MEMIF_ERR_INVAL_ARG, also for an id that another interface of the same role has on this socket. */
int memif_create (memif_conn_handle_t *conn,
                  memif_conn_args_t *args,
                  memif_connection_update_t *on_connect,
                  memif_connection_update_t *on_disconnect,
                  memif_on_interrupt_t *on_interrupt,
                  void *private_ctx);

/* Calls on_disconnect, linked or not, and sets *conn to NULL. No callback of the interface runs afterwards. In another
 * thread than the one that polls it waits for the callback that runs there, and for bursts that run elsewhere: hold no
 * lock that on_disconnect, another callback or a burst needs, and do not wait at a higher real-time priority for a
 * burst of the same core. MEMIF_ERR_AGAIN from within callbacks for memory of the application: nothing happened. */
int memif_delete (memif_conn_handle_t *conn);

/* Slave: try to connect now, or as soon as the master's queue of connections has room. MEMIF_ERR_ALRCONN,
 * MEMIF_ERR_CONNREFUSED, MEMIF_ERR_PROC_FILE_LIMIT. Master: MEMIF_ERR_SUCCESS. */
int memif_request_connection (memif_conn_handle_t conn);

/* Strings and tables go to buf. MEMIF_ERR_NOBUF_DET: what did not fit is NULL, with a count of 0. */
int memif_get_details (memif_conn_handle_t conn, memif_details_t *md, char *buf, ssize_t buflen);

/* The eventfd of a receive queue, valid until on_disconnect has returned; -1 on failure. Wait for it, do not read it:
 * memif_rx_burst does, and the peer, who has it too, can empty it between a wait and a read, which then blocks. */
int memif_get_queue_efd (memif_conn_handle_t conn, uint16_t qid, int *fd);

/* Links start in interrupt mode. Polling mode takes the signal that waits; one that was under way may come late, and is
 * taken for on_interrupt, or by the same call again. MEMIF_ERR_QID also without a link. */
int memif_set_rx_mode (memif_conn_handle_t conn, memif_rx_mode_t rx_mode, uint16_t qid);

/* ---- Packets. MEMIF_ERR_NOCONN, MEMIF_ERR_DISCONNECTED and MEMIF_ERR_QID come in this order. ---- */

/* Take the buffers of at most count descriptors. They stay the application's until memif_refill_queue. A chain that
 * does not fit is cut: the last buffer has MEMIF_BUFFER_FLAG_NEXT, and the next call goes on. MEMIF_ERR_NOBUF: more
 * waits. What a peer sent before it went is taken first, also within on_disconnect; MEMIF_ERR_DISCONNECTED comes after
 * that. */
int memif_rx_burst (memif_conn_handle_t conn, uint16_t qid, memif_buffer_t *bufs, uint16_t count, uint16_t *rx);

/* Give the count oldest receive buffers back; 65535 (or -1) is all. A slave must once after the link came up. headroom
 * bytes are left free before the data (slave). */
int memif_refill_queue (memif_conn_handle_t conn, uint16_t qid, uint16_t count, uint16_t headroom);

/* Take buffers for count packets of size bytes. A packet longer than a buffer is a chain and takes an entry of bufs per
 * buffer; bufs has room for count times size / buffer_size rounded up, and *count_out counts entries.
 * MEMIF_ERR_NOBUF_RING: not for all packets. MEMIF_ERR_DISCONNECTED also when many calls in a row found no room and the
 * peer is gone. */
int memif_buffer_alloc (memif_conn_handle_t conn,
                        uint16_t qid,
                        memif_buffer_t *bufs,
                        uint16_t count,
                        uint16_t *count_out,
                        uint16_t size);

/* Send buffers, in the order in which they were allocated or enqueued. A slave may have moved data and shortened len
 * within the buffer; a master may have shortened len, or made it up to 64 bytes longer than what the slave posted,
 * where no other buffer of the ring lies. MEMIF_ERR_INVAL_ARG: bufs[*tx] is not the next one, or leaves its buffer;
 * those before it were sent. */
int memif_tx_burst (memif_conn_handle_t conn, uint16_t qid, memif_buffer_t *bufs, uint16_t count, uint16_t *tx);

/* Slave: put received buffers into a transmit queue, without a copy; memif_tx_burst sends them. */
int memif_buffer_enq_tx (memif_conn_handle_t conn,
                         uint16_t qid,
                         memif_buffer_t *bufs,
                         uint16_t count,
                         uint16_t *count_out);

/* Slave: let two buffers that the application holds change their places on the rings. */
int memif_buffer_requeue (memif_conn_handle_t conn, memif_buffer_t *buf_a, memif_buffer_t *buf_b);

/* Take allocations back: the next one starts at this buffer, which was not sent. */
int memif_set_next_free_buffer (memif_conn_handle_t conn, uint16_t qid, memif_buffer_t *buf);

#ifdef __cplusplus
}
#endif

#endif /* _LIBMEMIF_H_ */
