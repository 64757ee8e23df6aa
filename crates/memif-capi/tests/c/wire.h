/* The other end by hand: messages of the protocol over a Unix socket, for peers that do what no library does. */
#ifndef WIRE_H
#define WIRE_H

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#define WIRE_BYTES 128

enum
{
  WIRE_ACK = 1,
  WIRE_HELLO,
  WIRE_INIT,
  WIRE_ADD_REGION,
  WIRE_ADD_RING,
  WIRE_CONNECT,
  WIRE_CONNECTED,
  WIRE_DISCONNECT,
};

struct wire
{
  uint8_t bytes[WIRE_BYTES];
};

static inline void
wire_put (struct wire *message, size_t at, uint64_t value, size_t bytes)
{
  /* Little endian on the wire, as on every machine that this runs on. */
  memcpy (message->bytes + at, &value, bytes);
}

static inline struct wire
wire (uint16_t type)
{
  struct wire message;

  memset (&message, 0, sizeof (message));
  wire_put (&message, 0, type, 2);
  return message;
}

/* An abstract address: the name behind '@' of a socket of the library. */
static inline socklen_t
wire_address (struct sockaddr_un *un, const char *path)
{
  memset (un, 0, sizeof (*un));
  un->sun_family = AF_UNIX;
  memcpy (un->sun_path + 1, path + 1, strlen (path) - 1);
  return (socklen_t) (offsetof (struct sockaddr_un, sun_path) + strlen (path));
}

static inline int
wire_listen (const char *path, int backlog)
{
  struct sockaddr_un un;
  socklen_t len = wire_address (&un, path);
  int fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

  CHECK (fd >= 0 && bind (fd, (struct sockaddr *) &un, len) == 0 && listen (fd, backlog) == 0);
  return fd;
}

/* -1 and errno when it fails. */
static inline int
wire_connect (const char *path, int flags)
{
  struct sockaddr_un un;
  socklen_t len = wire_address (&un, path);
  int fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);

  CHECK (fd >= 0);
  if (connect (fd, (struct sockaddr *) &un, len) == 0)
    return fd;
  close (fd);
  return -1;
}

/* Whether it could be sent. */
static inline int
wire_send (int sock, const struct wire *message, int fd)
{
  char control[CMSG_SPACE (sizeof (int))];
  struct iovec part = { .iov_base = (void *) message->bytes, .iov_len = WIRE_BYTES };
  struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };

  if (fd >= 0)
    {
      struct cmsghdr *rights;

      memset (control, 0, sizeof (control));
      header.msg_control = control;
      header.msg_controllen = sizeof (control);
      rights = CMSG_FIRSTHDR (&header);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN (sizeof (int));
      memcpy (CMSG_DATA (rights), &fd, sizeof (int));
    }
  return sendmsg (sock, &header, MSG_NOSIGNAL) == WIRE_BYTES;
}

/* Polls the library until a message or the end is there. The type of the message, 0 at the end. */
static inline uint16_t
wire_receive (int sock, memif_socket_handle_t library, struct wire *message)
{
  uint16_t type = 0;
  ssize_t len;

  while ((len = recv (sock, message->bytes, WIRE_BYTES, MSG_DONTWAIT)) < 0 && errno == EAGAIN)
    memif_poll_event (library, 5);
  if (len == WIRE_BYTES)
    memcpy (&type, message->bytes, 2);
  return type;
}

/* A region of shared memory in this process. */
struct wire_region
{
  int fd;
  size_t size;
  uint8_t *bytes;
};

static inline struct wire_region
wire_region (size_t size)
{
  struct wire_region region = { .fd = memfd_create ("wire", MFD_CLOEXEC | MFD_ALLOW_SEALING), .size = size };

  CHECK (region.fd >= 0 && ftruncate (region.fd, (off_t) size) == 0);
  CHECK (fcntl (region.fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
  region.bytes = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, region.fd, 0);
  CHECK (region.bytes != MAP_FAILED);
  return region;
}

/* A slave by hand: region 0 has two rings of 2^4 slots, the others nothing of interest. */
struct wire_slave
{
  int sock;
  int interrupts[2];
  struct wire_region rings;
};

#define WIRE_COOKIE 0x3E31F20u
#define WIRE_RING(n) (4096u * (n))

static inline void
wire_slave_open (struct wire_slave *slave, uint32_t cookie)
{
  int i;

  slave->rings = wire_region (2 * 4096);
  for (i = 0; i < 2; i++)
    {
      memcpy (slave->rings.bytes + WIRE_RING (i), &cookie, 4);
      slave->interrupts[i] = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);
      CHECK (slave->interrupts[i] >= 0);
    }
}

/* Which rings a slave by hand brings. */
#define WIRE_S2M 1u
#define WIRE_M2S 2u

/* Says everything up to CONNECT; what comes back is read by `wire_receive`. `more` is offered as every region but the
 * first. */
static inline void
wire_slave_connect_with (struct wire_slave *slave, const char *path, memif_socket_handle_t library, uint32_t id,
                         unsigned regions, const struct wire_region *more, unsigned rings)
{
  struct wire message;
  unsigned i;

  slave->sock = wire_connect (path, 0);
  CHECK (slave->sock >= 0);
  CHECK (wire_receive (slave->sock, library, &message) == WIRE_HELLO);
  message = wire (WIRE_INIT);
  wire_put (&message, 2, 0x0200, 2);
  wire_put (&message, 4, id, 4);
  memcpy (message.bytes + 33, "by hand", 8);
  CHECK (wire_send (slave->sock, &message, -1));
  CHECK (wire_receive (slave->sock, library, &message) == WIRE_ACK);
  for (i = 0; i < regions; i++)
    {
      const struct wire_region *region = i == 0 ? &slave->rings : more;

      message = wire (WIRE_ADD_REGION);
      wire_put (&message, 2, i, 2);
      wire_put (&message, 4, region->size, 8);
      CHECK (wire_send (slave->sock, &message, region->fd));
      CHECK (wire_receive (slave->sock, library, &message) == WIRE_ACK);
    }
  for (i = 0; i < 2; i++)
    {
      if (!(rings & (i == 0 ? WIRE_S2M : WIRE_M2S)))
        continue;
      message = wire (WIRE_ADD_RING);
      wire_put (&message, 2, i == 0, 2);
      wire_put (&message, 8, WIRE_RING (i), 4);
      wire_put (&message, 12, 4, 1);
      CHECK (wire_send (slave->sock, &message, slave->interrupts[i]));
      CHECK (wire_receive (slave->sock, library, &message) == WIRE_ACK);
    }
  message = wire (WIRE_CONNECT);
  memcpy (message.bytes + 2, "hand", 5);
  CHECK (wire_send (slave->sock, &message, -1));
}

/* The same with a ring each way. */
static inline void
wire_slave_connect (struct wire_slave *slave, const char *path, memif_socket_handle_t library, uint32_t id,
                    unsigned regions, const struct wire_region *more)
{
  wire_slave_connect_with (slave, path, library, id, regions, more, WIRE_S2M | WIRE_M2S);
}

static inline void
wire_slave_close (struct wire_slave *slave)
{
  close (slave->interrupts[0]);
  close (slave->interrupts[1]);
  CHECK (munmap (slave->rings.bytes, slave->rings.size) == 0);
  close (slave->rings.fd);
}

/* A master by hand: takes a connection, says HELLO, and waits for INIT. */
static inline int
wire_master_accept (int listener, memif_socket_handle_t library)
{
  struct pollfd ready = { .fd = listener, .events = POLLIN };
  struct wire message = wire (WIRE_HELLO);
  int sock;

  while (poll (&ready, 1, 0) == 0)
    memif_poll_event (library, 5);
  sock = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);
  CHECK (sock >= 0);
  memcpy (message.bytes + 2, "by hand", 8);
  wire_put (&message, 34, 0x0200, 2);
  wire_put (&message, 36, 0x0200, 2);
  wire_put (&message, 38, 0x00ff00ff00ffull, 6);
  wire_put (&message, 44, 14, 1);
  CHECK (wire_send (sock, &message, -1));
  CHECK (wire_receive (sock, library, &message) == WIRE_INIT);
  return sock;
}

static inline int
open_files (void)
{
  int fd, count = 0;

  for (fd = 0; fd < 1024; fd++)
    count += fcntl (fd, F_GETFD) >= 0;
  return count;
}

#endif
