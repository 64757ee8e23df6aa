/* What the examples share: arguments, and a way to stop. */
#ifndef EXAMPLE_COMMON_H
#define EXAMPLE_COMMON_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libmemif.h>

#define BURST 64

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
  args.is_master = strcmp (role, "master") == 0;
  snprintf ((char *) args.interface_name, sizeof (args.interface_name), "example%u", (unsigned) id);
  return args;
}

static inline void
set_up (void)
{
  struct sigaction action;

  memset (&action, 0, sizeof (action));
  action.sa_handler = stop;
  sigaction (SIGINT, &action, NULL);
  sigaction (SIGTERM, &action, NULL);
  setvbuf (stdout, NULL, _IOLBF, 0);
}

#endif
