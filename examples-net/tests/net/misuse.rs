//! What the programs say when they are called wrongly: in words, at once, and with a status.

use std::process::Command;

use testkit::Directory;

pub(crate) fn is_told() {
    const GET: &str = env!("CARGO_BIN_EXE_h3_get");
    const SERVER: &str = env!("CARGO_BIN_EXE_h3_server");
    let directory = Directory::new();
    let (socket, file) = (directory.path("memif.sock"), directory.path("certificate"));
    let (socket, file) = (socket.display().to_string(), file.display().to_string());
    let nowhere = format!("{socket}/nowhere");
    for (program, arguments, expected) in [
        (super::http1::IPSTACK, &[][..], "usage: ipstack_server"),
        (super::http1::NETSTACK, &[&socket, "nobody"], "usage: netstack_server"),
        (super::http1::IPSTACK, &[&socket, "master", "10"], "10 is no MTU: 1280 to 65535 bytes"),
        (super::http1::NETSTACK, &[&socket, "master", "0"], "0 is no MTU: 1280 to 65535 bytes"),
        (super::http1::NETSTACK, &[&socket, "master", "65536"], "65536 is no MTU"),
        (super::http1::NETSTACK, &[&socket, "master", "1500", "more"], "usage: "),
        (SERVER, &[&socket, "master"], "usage: h3_server"),
        (SERVER, &[&socket, "master", &nowhere], &nowhere),
        (GET, &[&socket, "slave", &file], "usage: h3_get"),
        (GET, &[&socket, "slave", &file, "https://192.168.1.2/"], &file),
        (GET, &[&socket, "slave", &file, "https://example.org/"], "with an IPv4 address"),
        (GET, &[&socket, "slave", &file, "http://192.168.1.2/"], "no https://ADDRESS/PATH"),
    ] as [(&str, &[&str], &str); 12]
    {
        let ended = Command::new(program).args(arguments).output().expect("the program");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success() && said.contains(expected), "{program} {arguments:?}: {said}");
    }
}
