/* Turns an ARP request or an ICMP echo request into its answer, in place. */
#ifndef EXAMPLE_ANSWER_H
#define EXAMPLE_ANSWER_H

#include <stdint.h>
#include <string.h>

static inline void
exchange (uint8_t *a, uint8_t *b, size_t len)
{
  uint8_t saved[8];

  memcpy (saved, a, len);
  memcpy (a, b, len);
  memcpy (b, saved, len);
}

/* Returns whether it is an answer now. The first buffer of a packet is all that it looks at. */
static inline int
answer (uint8_t *p, uint32_t len)
{
  static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
  uint32_t sum;

  if (len >= 42 && p[12] == 8 && p[13] == 6 && p[21] == 1)
    {
      exchange (p + 28, p + 38, 4);
      memcpy (p + 32, p + 22, 6);
      memcpy (p + 22, mac, 6);
      p[21] = 2;
    }
  else if (len >= 42 && p[12] == 8 && p[13] == 0 && p[14] == 0x45 && p[23] == 1 && p[34] == 8)
    {
      exchange (p + 26, p + 30, 4);
      /* The type goes from 8 to 0; the checksum follows. */
      p[34] = 0;
      sum = ((uint32_t) p[36] << 8 | p[37]) + 0x0800;
      sum = (sum & 0xffff) + (sum >> 16);
      p[36] = (uint8_t) (sum >> 8);
      p[37] = (uint8_t) sum;
    }
  else
    return 0;
  memcpy (p, p + 6, 6);
  memcpy (p + 6, mac, 6);
  return 1;
}

#endif
