/* Memory of the application, as slave and as master. */
#include "check.h"
#include <sys/mman.h>

static int added, mapped, deleted, offsets;
static int choose;
static uint32_t region_size;

static int
add_region (void **addr, uint32_t size, int *fd, void *ctx)
{
  CHECK (((struct end *) ctx)->connected == 0 || ((struct end *) ctx)->connected == ((struct end *) ctx)->disconnected);
  *fd = memfd_create ("test", MFD_ALLOW_SEALING);
  CHECK (*fd >= 0 && ftruncate (*fd, size) == 0);
  *addr = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
  CHECK (*addr != MAP_FAILED);
  region_size = size;
  added++;
  return 0;
}

static void *
region_address (uint32_t size, int fd, void *ctx)
{
  void *addr = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

  (void) ctx;
  CHECK (addr != MAP_FAILED);
  mapped++;
  return addr;
}

static int
delete_region (void *addr, uint32_t size, int fd, void *ctx)
{
  CHECK (((struct end *) ctx)->disconnected > 0);
  CHECK (munmap (addr, size) == 0 && close (fd) == 0);
  deleted++;
  return 0;
}

/* Buffers in turn, from the end of the region to its start. */
static uint32_t
next_offset (void *ctx)
{
  (void) ctx;
  offsets++;
  return region_size - 2048 * (uint32_t) (1 + offsets % 32);
}

static void
exchange_packets (struct end *from, struct end *to)
{
  memif_buffer_t out[4], in[4];
  uint16_t n, sent;
  unsigned i, round;

  for (round = 0; round < 100; round++)
    {
      OK (memif_buffer_alloc (from->conn, 0, out, 4, &n, 1000));
      CHECK (n == 4);
      for (i = 0; i < 4; i++)
        paint (&out[i], round + i);
      OK (memif_tx_burst (from->conn, 0, out, 4, &sent));
      CHECK (sent == 4);
      OK (memif_rx_burst (to->conn, 0, in, 4, &n));
      CHECK (n == 4);
      for (i = 0; i < 4; i++)
        CHECK (in[i].len == 1000 && painted (&in[i], round + i));
      OK (memif_refill_queue (to->conn, 0, 4, 0));
    }
}

MAIN
{
  int round;

  for (round = 0; round < 2; round++)
    {
      memif_socket_handle_t sock = new_socket ("regions");
      struct end master = { 0 }, slave = { 0 };
      memif_details_t details;
      char buf[2048];

      choose = round;
      added = mapped = deleted = offsets = 0;
      memif_register_external_region (sock, add_region, region_address, delete_region, choose ? next_offset : NULL);
      pair (sock, &master, &slave);
      CHECK (added == 1 && mapped == 1 && deleted == 0);
      CHECK (region_size == 2 * 16 * 2048);
      memset (&details, 0, sizeof (details));
      OK (memif_get_details (slave.conn, &details, buf, sizeof (buf)));
      CHECK (details.regions_num == 2 && details.regions[1].is_external && details.regions[1].fd >= 0);
      CHECK (details.regions[1].size == region_size && !details.regions[0].is_external);
      exchange_packets (&slave, &master);
      exchange_packets (&master, &slave);
      CHECK (choose ? offsets > 400 : offsets == 0);
      if (choose && !reference)
        {
          /* An offset outside of the region is refused. */
          memif_buffer_t out;
          uint16_t n;

          region_size = 100;
          CODE (memif_buffer_alloc (slave.conn, 0, &out, 1, &n, 64), MEMIF_ERR_INVAL_ARG);
          CHECK (n == 0);
        }
      take_down (sock, &master, &slave);
      CHECK (deleted == 2);
    }
}
