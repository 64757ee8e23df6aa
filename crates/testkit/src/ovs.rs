//! Open vSwitch on DPDK with a database of its own, whose ports are memif.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::Namespace;
use crate::patience::{STEP, eventually};

/// The daemon with DPDK. The package leaves `ovs-vswitchd` as it is, so it is called by its path.
pub const DAEMON: &str = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk";

const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";
/// No huge pages and no devices but those that are named; 600 MB in all.
const DPDK: &str = "--no-huge --legacy-mem -m 512 --no-pci";

/// A running Open vSwitch with one forwarding thread and one bridge, ended when dropped, whatever of it runs.
#[derive(Debug)]
pub struct Ovs {
    /// Of its own, because a bridge makes a network device. Its processes end with it.
    namespace: Option<Namespace>,
    directory: PathBuf,
    prefix: String,
    processes: Vec<Child>,
    devices: u32,
}

impl Ovs {
    /// Starts it and waits until it is ready for ports.
    #[must_use]
    #[track_caller]
    #[allow(clippy::new_without_default, reason = "starting one is an action")]
    pub fn new() -> Self {
        let prefix = format!("memif-{}", crate::seqsock::unique());
        let directory = std::env::temp_dir().join(&prefix);
        std::fs::create_dir(&directory).expect("a directory for Open vSwitch");
        let namespace = Some(Namespace::new());
        let mut ovs = Self { namespace, directory, prefix, processes: Vec::new(), devices: 0 };

        let database = ovs.text("conf.db");
        ovs.must("ovsdb-tool", &["create", &database, SCHEMA]);
        let remote = format!("--remote=punix:{}", ovs.text("db.sock"));
        ovs.spawn("ovsdb-server", &[&database, &remote]);
        eventually("the database of Open vSwitch", || ovs.directory.join("db.sock").exists().then_some(()));
        let extra = format!("other_config:dpdk-extra={DPDK} --file-prefix={}", ovs.prefix);
        ovs.vsctl(&["--no-wait", "init"]);
        ovs.vsctl(&[
            "--no-wait",
            "set",
            "Open_vSwitch",
            ".",
            "other_config:dpdk-init=true",
            "other_config:pmd-cpu-mask=0x1",
            &extra,
        ]);
        let database = format!("unix:{}", ovs.text("db.sock"));
        ovs.spawn(DAEMON, &[&database]);
        ovs.vsctl(&["wait-until", "Open_vSwitch", ".", "dpdk_initialized=true"]);
        ovs.vsctl(&["add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev"]);
        ovs
    }

    /// A path that goes away with it, as for the socket of a port.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Adds a port that listens on a socket, or connects to it once. `more` are further settings of the interface, as
    /// `options:n_rxq=2`.
    #[track_caller]
    pub fn add_port(&mut self, name: &str, role: &str, socket: &Path, more: &[&str]) {
        let device = self.devices;
        self.devices += 1;
        let arguments = format!(
            "options:dpdk-devargs=net_memif{device},role={role},socket={},socket-abstract=no,id=0",
            socket.display()
        );
        let mut words = vec!["add-port", "br0", name, "--", "set", "interface", name, "type=dpdk"];
        words.push(&arguments);
        words.extend(more);
        self.vsctl(&words);
        // It ends well for ports that do not work, too.
        let error = self.vsctl(&["get", "interface", name, "error"]);
        assert_eq!(error.trim(), "[]", "port {name}: {}", self.log());
    }

    /// Removes a port.
    #[track_caller]
    pub fn remove_port(&self, name: &str) {
        self.vsctl(&["del-port", name]);
    }

    /// Runs `ovs-vsctl` on it, which must end well and waits until the daemon did what it says; what it printed.
    #[track_caller]
    pub fn vsctl(&self, arguments: &[&str]) -> String {
        let database = format!("--db=unix:{}", self.text("db.sock"));
        let patience = format!("--timeout={}", STEP.as_secs());
        let mut all = vec![database.as_str(), &patience];
        all.extend(arguments);
        let output = self.must("ovs-vsctl", &all);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What the daemon said, but for the counters that it adds when it had to wait.
    #[must_use]
    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(self.path("ovs-vswitchd-dpdk.log")).unwrap_or_default();
        let lines = log.lines().filter(|line| !line.contains("|coverage|"));
        lines.collect::<Vec<_>>().join("\n")
    }

    fn command(&self, program: &str) -> Command {
        let namespace = self.namespace.as_ref().expect("running");
        let mut command = namespace.command(program);
        for variable in ["OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR"] {
            command.env(variable, &self.directory);
        }
        command.stdin(Stdio::null());
        command
    }

    #[track_caller]
    fn must(&self, program: &str, arguments: &[&str]) -> Output {
        let output = self.command(program).args(arguments).output();
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
        assert!(output.status.success(), "{program} {arguments:?}: {output:?}\n{}", self.log());
        output
    }

    #[track_caller]
    fn spawn(&mut self, program: &str, arguments: &[&str]) {
        let name = program.rsplit('/').next().unwrap_or(program);
        // It must not outlive a test that was aborted.
        let process = self
            .command("setpriv")
            .args(["--pdeathsig", "KILL", program])
            .args(arguments)
            .arg(format!("--pidfile={}", self.text(&format!("{name}.pid"))))
            .arg(format!("--unixctl={}", self.text(&format!("{name}.ctl"))))
            .arg(format!("--log-file={}", self.text(&format!("{name}.log"))))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.processes.push(process.unwrap_or_else(|error| panic!("{program}: {error}")));
    }
}

impl Drop for Ovs {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- log of ovs-vswitchd ----\n{}\n----", self.log());
        }
        for process in &mut self.processes {
            crate::crash::note("Open vSwitch", process.try_wait().ok().flatten());
        }
        self.namespace = None;
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
        let _ = std::fs::remove_dir_all(&self.directory);
        let _ = std::fs::remove_dir_all(format!("/var/run/dpdk/{}", self.prefix));
    }
}
