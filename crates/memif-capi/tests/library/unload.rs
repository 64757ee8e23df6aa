//! The library as a plug-in: loaded while the program runs, and dropped again.

use std::process::Command;

use crate::bed::{Bed, output};

/// Handlers and tables point into the library, so it stays.
pub(crate) fn stays_when_dropped() {
    let bed = Bed::new();
    let source = bed.path("plugin.c");
    std::fs::write(
        &source,
        r#"#include <dlfcn.h>
int
main (int argc, char **argv)
{
  void *library = argc > 1 ? dlopen (argv[1], RTLD_NOW) : 0;
  const char *(*text) (void);

  if (library == 0)
    return 1;
  *(void **) &text = dlsym (library, "memif_get_version_str");
  if (text == 0 || dlclose (library) != 0)
    return 2;
  /* Still there? */
  if (dlopen (argv[1], RTLD_NOW | RTLD_NOLOAD) == 0)
    return 3;
  return text ()[0] != '2';
}
"#,
    )
    .unwrap();
    let program = bed.path("plugin");
    output(Command::new("gcc").arg(&source).arg("-o").arg(&program).arg("-ldl"));
    output(bed.run(&program).arg(bed.prefix().join("lib/libmemif.so")));
}
