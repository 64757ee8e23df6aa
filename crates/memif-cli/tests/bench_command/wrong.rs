//! What a person can do wrong.

use crate::util::{Directory, abstract_name, memif};

pub(crate) fn wrong_use_has_an_answer() {
    for (arguments, answer) in [
        ("bench speed", "throughput, latency, ndr, setup, interfaces, compare"),
        ("bench latency a.json", "files are for compare"),
        ("bench compare a.json", "compare takes two files"),
        ("bench latency --duplex", "are for throughput"),
        ("bench --duplex --part sink", "cannot be used with"),
        ("bench --duplex --thread-per-queue", "cannot be used with"),
        ("bench --duplex --rx-mode interrupt", "leave --rx-mode out"),
        ("bench latency --thread-per-queue", "are for throughput"),
        ("bench --thread-per-queue --cpus 0,0,0", "as many processors for one end as for the other"),
        ("bench --part generator --thread-per-queue --size 64,128", "sends one --size"),
        ("bench ndr --repeat 2", "--repeat is for throughput"),
        ("bench --part sink --repeat 2", "--repeat is for throughput"),
        ("bench --repeat 0", "from 1 to 1000"),
        ("bench setup --interval 1", "--interval is for throughput and latency"),
        ("bench --interval 0", "more than 0 seconds"),
        ("bench --plot x.png", "give a name that ends in .svg"),
        ("bench --part middle", "generator, sink, echo"),
        ("bench --size 63", "64 to 65535 bytes, or imix"),
        ("bench --size 64,x", "64 to 65535 bytes, or imix"),
        ("bench --size 65536", "64 to 65535 bytes, or imix"),
        ("bench --size 65535 --ring-size 8", "raise the ring size or the buffer size"),
        ("bench --burst 0", "from 1 to 512"),
        ("bench --burst 513", "from 1 to 512"),
        ("bench --seconds 0", "more than 0 seconds"),
        ("bench --seconds soon", "number of seconds"),
        ("bench --rate 0", "as in 250000, 250k or 1.5M"),
        ("bench --rate fast", "as in 250000, 250k or 1.5M"),
        ("bench ndr --loss 100", "percentage from 0"),
        ("bench --cpus 0,1,2", "one or two numbers of processors"),
        ("bench --cpus 1000", "processor 1000 of --cpus is not there for this process: choose from"),
        ("bench --part sink --cpus 0,0", "give --cpus one processor"),
        ("bench interfaces --count 0", "from 1 to 100000"),
        ("bench --count 5", "--count is for interfaces"),
        ("bench --loss 1", "are for ndr"),
        ("bench latency --return", "are for ndr"),
        ("bench ndr --rate 5", "leave it out for ndr"),
        ("bench --part sink --rate 5", "the generator's"),
        ("bench --part sink --size 64", "the generator chooses the size"),
        ("bench setup --size 64", "leave --size out"),
        ("bench setup --role master", "leave --role out"),
        ("bench latency --part sink", "give --part echo"),
        ("bench --reconnect", "give --part"),
        ("bench ndr --part generator --reconnect", "leave it out for ndr"),
        ("bench --part sink --linger 3", "leave it out here"),
        ("bench setup --part generator --linger 3", "leave --linger out"),
        ("bench --part generator --linger x", "number of seconds"),
        ("bench --part generator --plot x.svg", "the sink measures"),
        ("bench --part echo --seconds 1", "an echo runs until Ctrl-C"),
        ("bench --part echo --plot x.svg", "give --plot to the generator"),
        ("bench --threads --part sink", "cannot be used with"),
        ("bench --plot /no/such/place/x.svg", "give --plot a file that this user may write"),
        ("bench --role slave --part sink --socket-mode 600", "--role master"),
        ("bench --rx-mode busy", "polling, interrupt or adaptive"),
        ("bench --numa-node x", "from 0 to 1023"),
        ("bench --numa-node 1023", "NUMA node 1023"),
        ("bench --id x", "give a whole number from 0 to 4294967295"),
        ("bench interfaces --count 90000 --threads", "lower --count"),
    ] {
        let finished = memif(arguments).finish();
        assert_eq!(finished.status.code(), Some(2), "{arguments}: {finished:#?}");
        finished.complains(answer);
    }
}

pub(crate) fn absent_peers() {
    let directory = Directory::new();
    let nobody = format!("--socket {} --connect-timeout 0.3", directory.text("none.sock"));
    let name = format!("--socket {} --connect-timeout 0.3", abstract_name());
    for (arguments, answer) in [
        (format!("throughput --part generator {nobody}"), "start the master"),
        (format!("throughput --part sink --role master {name}"), "no slave connected"),
        (format!("latency --part generator {nobody}"), "start the master"),
        (format!("throughput --part echo --role master {name}"), "no link in 0.3 s: no slave connected"),
        (format!("interfaces --part echo --role master {name}"), "no link in 0.3 s: no slave connected"),
        (format!("throughput --part echo {nobody}"), "no link in 0.3 s: "),
        (format!("ndr --part generator {nobody}"), "start the master"),
        (format!("setup --part generator {nobody}"), "start the master"),
        (format!("interfaces --part generator --count 2 {nobody}"), "0 of 2 links came up"),
    ] {
        memif(&format!("bench {arguments}")).finish().code(2).complains(answer);
    }
    // 2 GiB of them: more than a machine has that was not asked for so many.
    let huge = "--huge-pages --ring-size 16384 --buffer-size 65535 --connect-timeout 3";
    memif(&format!("bench {huge}")).finish().code(2).complains("sysctl vm.nr_hugepages");
    // Both ends in one place is no error, but the figures tell something else then.
    memif("bench --seconds 0.05 --cpus 0,0").finish().code(0).complains("share processor 0");
}
