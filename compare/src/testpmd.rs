//! DPDK's `dpdk-testpmd` with one memif port, driven through its console. It takes seconds to start, so it stays.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::port::Result;

/// Longest time for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Testpmd {
    process: Child,
    output: Receiver<Vec<u8>>,
    /// What came and was not waited for yet.
    unread: String,
    prefix: String,
}

impl Testpmd {
    /// Starts one with that role (`server` or `client`) at a socket, which forwards on core `cpu` and has its console
    /// on core `console`.
    pub(crate) fn start(
        role: &str,
        socket: &Path,
        mode: &str,
        cpu: usize,
        console: usize,
        burst: usize,
    ) -> Result<Self> {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let prefix = format!("memif-compare-{}-{number}", std::process::id());
        // One that was killed leaves its file, and the next server cannot bind.
        if role == "server" {
            let _ = std::fs::remove_file(socket);
        }
        // Its output is a pipe, so the C library would keep it back in blocks.
        let mut process = Command::new("stdbuf")
            .args(["-oL", "-eL", "dpdk-testpmd"])
            .args(["--lcores", &format!("0@{console},1@{cpu}")])
            .args(["--no-huge", "-m", "256", "--no-pci"])
            .arg(format!("--file-prefix={prefix}"))
            .arg(format!(
                "--vdev=net_memif0,role={role},id=0,socket={},socket-abstract=no,rsize=10,bsize=2048",
                socket.display()
            ))
            .args(["--", "-i", "--total-num-mbufs=16384", "--no-flush-rx", "--txpkts=64"])
            .args([format!("--forward-mode={mode}"), format!("--burst={burst}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("starting dpdk-testpmd: {e}"))?;
        let (sender, output) = channel();
        let stdout = process.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
        let stderr = process.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
        for mut pipe in [stdout, stderr].into_iter().flatten() {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let mut block = [0; 4096];
                while let Ok(count @ 1..) = pipe.read(&mut block) {
                    if sender.send(block[..count].to_vec()).is_err() {
                        break;
                    }
                }
            });
        }
        let mut testpmd = Self { process, output, unread: String::new(), prefix };
        testpmd.wait_for("testpmd> ")?;
        Ok(testpmd)
    }

    /// Everything up to and with `text`.
    fn wait_for(&mut self, text: &str) -> Result<String> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.unread.find(text) {
                let rest = self.unread.split_off(at + text.len());
                return Ok(std::mem::replace(&mut self.unread, rest));
            }
            match self.output.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.unread.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("dpdk-testpmd did not print {text:?}: {}", self.unread));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(format!("dpdk-testpmd ended: {}", self.unread));
                }
            }
        }
    }

    fn command(&mut self, command: &str) -> Result<()> {
        let stdin = self.process.stdin.as_mut().ok_or("no console")?;
        writeln!(stdin, "{command}").and_then(|()| stdin.flush()).map_err(|e| format!("console of dpdk-testpmd: {e}"))
    }

    /// Waits until its port has a link.
    pub(crate) fn wait_link(&mut self) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            self.command("show port info 0")?;
            let text = self.wait_for("Max possible RX queues")?;
            self.wait_for("testpmd> ")?;
            if text.contains("Link status: up") {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err("dpdk-testpmd has no link".to_owned())
    }

    /// What it does from the next `forward` on.
    pub(crate) fn set_mode(&mut self, mode: &str) -> Result<()> {
        self.command(&format!("set fwd {mode}"))?;
        self.wait_for(&format!("Set {mode} packet forwarding mode"))?;
        self.wait_for("testpmd> ").map(drop)
    }

    pub(crate) fn forward(&mut self) -> Result<()> {
        self.command("start")?;
        self.wait_for("packet forwarding")?;
        self.wait_for("testpmd> ").map(drop)
    }

    pub(crate) fn stop(&mut self) -> Result<()> {
        self.command("stop")?;
        self.wait_for("Done.").map(drop)
    }

    /// Packets per second received since this was asked the last time, by its own clock.
    pub(crate) fn received_per_second(&mut self) -> Result<f64> {
        self.command("show port stats 0")?;
        self.wait_for("Rx-pps:")?;
        let text = self.wait_for("Rx-bps:")?;
        let number = text.split_whitespace().next().and_then(|word| word.parse().ok());
        number.ok_or_else(|| format!("no number of packets in {text:?}"))
    }
}

impl Drop for Testpmd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(format!("/var/run/dpdk/{}", self.prefix));
    }
}
