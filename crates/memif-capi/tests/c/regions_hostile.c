/* Memory of the application, when the other side, the callbacks or their order are not what one hopes for. */
#include "wire.h"

static memif_socket_handle_t sock;
static memif_conn_handle_t conn;
static int added, mapped, deleted;
static enum { WELL, FAILS, AT_MINUS_ONE, CLOSED_FD, DELETES } mode;

static int
add_region (void **addr, uint32_t size, int *fd, void *ctx)
{
  (void) ctx;
  added++;
  if (mode == FAILS)
    return 1;
  if (mode == DELETES)
    CODE (memif_delete (&conn), MEMIF_ERR_AGAIN);
  *fd = memfd_create ("test", MFD_ALLOW_SEALING | MFD_CLOEXEC);
  CHECK (*fd >= 0 && ftruncate (*fd, size) == 0);
  *addr = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
  CHECK (*addr != MAP_FAILED);
  if (mode == CLOSED_FD)
    close (*fd);
  return 0;
}

static void *
region_address (uint32_t size, int fd, void *ctx)
{
  void *addr;

  (void) ctx;
  mapped++;
  if (mode == FAILS)
    return NULL;
  if (mode == AT_MINUS_ONE)
    return MAP_FAILED;
  addr = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  CHECK (addr != MAP_FAILED);
  return addr;
}

static int
delete_region (void *addr, uint32_t size, int fd, void *ctx)
{
  (void) ctx;
  CHECK (munmap (addr, size) == 0);
  if (mode != CLOSED_FD)
    CHECK (close (fd) == 0);
  deleted++;
  return 0;
}

static uint32_t
deleting_offset (void *ctx)
{
  memif_conn_handle_t same = *(memif_conn_handle_t *) ctx;

  CODE (memif_delete (&same), MEMIF_ERR_AGAIN);
  CHECK (same != NULL);
  return 0;
}

static void
reset (void)
{
  added = mapped = deleted = 0;
  mode = WELL;
}

/* A slave whose handshake fails after the application mapped its memory, again and again. */
static void
refused_slaves (void)
{
  struct end master = { 0 };
  struct wire_region more = wire_region (1 << 16);
  struct wire message;
  int round, before = 0;

  reset ();
  sock = new_socket ("refused");
  memif_register_external_region (sock, add_region, region_address, delete_region, NULL);
  add (sock, 1, &master, NULL);
  for (round = 1; round <= 200; round++)
    {
      struct wire_slave slave;

      mode = round % 3 == 0 ? FAILS : round % 3 == 1 ? AT_MINUS_ONE : WELL;
      wire_slave_open (&slave, mode == WELL ? 0x12345678 : WIRE_COOKIE);
      wire_slave_connect (&slave, memif_get_socket_path (sock), sock, 0, 3, &more);
      CHECK (wire_receive (slave.sock, sock, &message) == WIRE_DISCONNECT);
      CHECK (wire_receive (slave.sock, sock, &message) == 0);
      close (slave.sock);
      wire_slave_close (&slave);
      OK (memif_poll_event (sock, 0));
      if (round == 3)
        before = open_files ();
      if (round > 3)
        CHECK (open_files () == before);
    }
  CHECK (master.connected == 0 && mapped == 66 + 67 + 2 * 67 && deleted == 2 * 67);
  OK (memif_delete (&master.conn));
  OK (memif_delete_socket (&sock));
  munmap (more.bytes, more.size);
  close (more.fd);
}

/* As many regions as the details can count. */
static void
many_regions (void)
{
  struct end master = { 0 };
  struct wire_slave slave;
  struct wire_region more = wire_region (4096);
  struct wire message;
  memif_details_t details;
  static char buf[1 << 15];

  reset ();
  sock = new_socket ("many");
  add (sock, 1, &master, NULL);
  wire_slave_open (&slave, WIRE_COOKIE);
  wire_slave_connect (&slave, memif_get_socket_path (sock), sock, 0, 255, &more);
  CHECK (wire_receive (slave.sock, sock, &message) == WIRE_CONNECTED);
  POLL_UNTIL (sock, master.connected);
  memset (&details, 0, sizeof (details));
  OK (memif_get_details (master.conn, &details, buf, sizeof (buf)));
  CHECK (details.regions_num == 255 && details.regions[254].index == 254 && details.regions[254].size == 4096);
  CHECK (strcmp ((char *) details.remote_inst_name, "by hand") == 0);
  close (slave.sock);
  POLL_UNTIL (sock, master.disconnected);
  wire_slave_close (&slave);
  OK (memif_delete (&master.conn));
  OK (memif_delete_socket (&sock));
  munmap (more.bytes, more.size);
  close (more.fd);
}

static int
failed (memif_conn_handle_t handle, void *ctx)
{
  (void) handle;
  ((struct end *) ctx)->disconnected++;
  return 0;
}

/* Memory that cannot be used goes back to the application, once per attempt. */
static void
useless_memory (void)
{
  struct end master = { 0 }, slave = { 0 };
  memif_conn_args_t args;

  reset ();
  sock = new_socket ("useless");
  add (sock, 1, &master, NULL);
  memif_register_external_region (sock, add_region, NULL, delete_region, NULL);
  mode = CLOSED_FD;
  args = conn_args (sock, 0);
  OK (memif_create (&slave.conn, &args, end_connected, failed, NULL, &slave));
  POLL_UNTIL (sock, slave.disconnected >= 2);
  CHECK (slave.connected == 0 && added > 0);
  OK (memif_delete (&slave.conn));
  CHECK (deleted == added);
  OK (memif_delete (&master.conn));
  OK (memif_delete_socket (&sock));
}

/* memif_delete from callbacks that the library waits for: refused, and nothing has happened. */
static void
deleted_from_callbacks (void)
{
  struct end master = { 0 }, slave = { 0 };
  memif_conn_args_t args;

  reset ();
  sock = new_socket ("inside");
  add (sock, 1, &master, NULL);
  mode = DELETES;
  /* Registered when the slave has begun to connect: it counts. */
  args = conn_args (sock, 0);
  slave.keep = 1;
  OK (memif_create (&conn, &args, end_connected, end_disconnected, NULL, &slave));
  memif_register_external_region (sock, add_region, NULL, delete_region, deleting_offset);
  slave.conn = conn;
  CHECK (slave.connected == 0);
  POLL_UNTIL (sock, slave.connected && master.connected);
  CHECK (added == 1 && conn == slave.conn);
  OK (memif_refill_queue (conn, 0, -1, 0));
  CHECK (slave.disconnected == 0);
  OK (memif_delete (&conn));
  CHECK (deleted == 1 && slave.disconnected == 1);
  POLL_UNTIL (sock, master.disconnected);
  OK (memif_delete (&master.conn));
  OK (memif_delete_socket (&sock));
}

MAIN
{
  if (reference)
    return;
  refused_slaves ();
  many_regions ();
  useless_memory ();
  deleted_from_callbacks ();
}
