//! Wrong use: every answer says what to do, and nothing is left behind.

use testkit::Namespace;

use crate::bed::{TAP, bridge};
use crate::device::bridge_as_nobody;
use crate::util::{Directory, abstract_name, command, memif, start};

pub(crate) fn wrong_use_has_an_answer() {
    for (arguments, answer) in [
        ("", "--tap <NAME>"),
        ("--tap a-name-of-16-byt", "give 1 to 15 bytes"),
        ("--tap a/b", "a device name has no '/'"),
        ("--tap tap%d", "a device name has no"),
        ("--tap tap0 --mtu 67", "from 68 to 65521"),
        ("--tap tap0 --mtu 65522", "from 68 to 65521"),
        ("--tap tap0 --mtu many", "give a whole number from 68 to 65521"),
        ("--tap tap0 --queues 0", "from 1 to 255"),
        ("--tap tap0 --mtu 9000 --ring-size 4", "raise the ring size or the buffer size"),
        ("--tap tap0 --socket-mode 600", "--role master"),
        ("--tap tap0 --ip 1.2.3.4", "unexpected argument"),
    ] {
        let finished = memif(&format!("bridge {arguments}")).finish().code(2).complains(answer);
        assert!(finished.out.is_empty(), "{finished:#?}");
    }
    memif("bridge --help").finish().code(0).says("Examples:").says("--tap <NAME>").says("--mtu");
}

pub(crate) fn taken_names_have_an_answer() {
    let namespace = Namespace::new();
    let line = format!("bridge --tap lo --socket {}", abstract_name());
    let memif = command(&line);
    let mut inside = namespace.command(memif.get_program());
    inside.args(memif.get_args());
    start(inside, &line).finish().code(2).complains("cannot join lo").complains("choose another --tap");
    // A TUN device is no TAP device, and the other way round.
    for (made, mode) in [("tun", "ethernet"), ("tap", "ip")] {
        namespace.ip(&format!("tuntap add dev {TAP} mode {made}"));
        bridge(&namespace, &format!("--socket {} --mode {mode}", abstract_name()))
            .finish()
            .code(2)
            .complains("cannot join tap0")
            .complains("not of this kind");
        namespace.ip(&format!("link delete dev {TAP}"));
    }
    let options = format!("--socket {} --role master", abstract_name());
    let mut first = bridge(&namespace, &options);
    first.expect("device created");
    let holder = format!("cannot join tap0, which memif (pid {}) has: ", first.pid());
    bridge(&namespace, &options).finish().code(2).complains(&holder).complains("another program has it: stop that");
    bridge(&namespace, &format!("{options} --shared")).finish().code(2).complains(&holder).complains("multi_queue");
    // A socket that cannot be takes its device with it.
    first.terminate();
    first.finish().code(0);
    bridge(&namespace, "--role master --socket /no/such/place/memif.sock").finish().code(2).complains("create it");
    assert!(!namespace.ip("link show").contains(TAP));
}

pub(crate) fn missing_rights_have_an_answer() {
    let namespace = Namespace::new();
    let directory = Directory::new();
    let options = format!("--socket {} --role master", abstract_name());
    bridge_as_nobody(&namespace, &directory, &options)
        .finish()
        .code(2)
        .complains("cannot create tap0")
        .complains("run this as root")
        .complains("ip tuntap add dev NAME mode tap user USER");
    // A device of somebody else.
    namespace.ip(&format!("tuntap add dev {TAP} mode tap user 54321"));
    bridge_as_nobody(&namespace, &directory, &options)
        .finish()
        .code(2)
        .complains("cannot join tap0")
        .complains("user USER");
}

pub(crate) fn missing_driver_has_an_answer() {
    let namespace = Namespace::new();
    let hidden = |more: &str| {
        let memif = command(&format!("bridge --tap {TAP} --socket {}", abstract_name()));
        let words: Vec<_> = memif.get_args().map(|word| word.to_string_lossy()).collect();
        let line = format!(
            "mount -t tmpfs none /dev/net && {more} exec {} {}",
            memif.get_program().to_string_lossy(),
            words.join(" "),
        );
        let mut inside = namespace.command("unshare");
        inside.args(["-m", "sh", "-c", &line]);
        start(inside, &line)
    };
    hidden("")
        .finish()
        .code(2)
        .complains("cannot open /dev/net/tun")
        .complains("modprobe tun")
        .complains("--device /dev/net/tun");
    // A file of that name that is none of the driver's.
    hidden("mknod /dev/net/tun c 10 254 &&")
        .finish()
        .code(2)
        .complains("cannot open /dev/net/tun")
        .complains("modprobe tun");
}
