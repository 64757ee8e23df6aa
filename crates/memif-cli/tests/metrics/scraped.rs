//! The numbers: those that were sent, over any links, also when a real Prometheus reads them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use memif::Name;
use serde_json::Value;

use super::http::{ask, metrics, serving, sum};
use super::sender::{Slave, until};
use super::util::{Directory, abstract_name};

const WATCHDOG: Duration = Duration::from_secs(120);

/// A Prometheus that scrapes one target each second.
struct Prometheus {
    child: Child,
    address: String,
    _directory: Directory,
}

impl Prometheus {
    fn start(target: &str) -> Self {
        let directory = Directory::new();
        let configuration = directory.text("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n- job_name: memif\n  \
             static_configs: [{{targets: ['{target}']}}]\n"
        );
        fs::create_dir(directory.path("data")).unwrap();
        fs::write(&configuration, text).unwrap();
        // Free a moment ago; it says so where it is not any more.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let mut child = Command::new("prometheus")
            .arg(format!("--config.file={configuration}"))
            .arg(format!("--storage.tsdb.path={}", directory.text("data")))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut story = Vec::new();
        let ready =
            lines.by_ref().inspect(|line| story.push(line.clone())).any(|line| line.contains("ready to receive"));
        assert!(ready, "{story:#?}");
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, _directory: directory }
    }

    /// The value of an expression, while it has one.
    fn query(&self, expression: &str) -> Option<f64> {
        let coded: String = expression.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let request = format!("GET /api/v1/query?query={coded} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address);
        let answer = ask(&self.address, request.as_bytes());
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
        assert_eq!(body["status"], "success", "{body}");
        body["data"]["result"][0]["value"][1].as_str().map(|value| value.parse().unwrap())
    }

    #[track_caller]
    fn until(&self, expression: &str, wanted: f64) {
        let start = Instant::now();
        loop {
            let found = self.query(expression);
            if found == Some(wanted) {
                return;
            }
            assert!(start.elapsed() < WATCHDOG, "{expression} is {found:?}, not {wanted}");
            std::thread::yield_now();
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn numbers() {
    let socket = abstract_name();
    let (_program, address) = serving(&format!("responder --role master --socket {socket}"));
    let prometheus = Prometheus::start(&address);
    let mut slave = Slave::connect(&socket);
    slave.send(12_345, 60);
    slave.send(55, 9000);
    let of = format!("{{interface=\"0\",role=\"master\",socket=\"{socket}\"");
    prometheus.until(&format!("memif_packets_total{of},queue=\"0\",direction=\"rx\"}}"), 12_400.0);
    prometheus.until(&format!("memif_bytes_total{of},queue=\"0\",direction=\"rx\"}}"), 12_345.0 * 60.0 + 55.0 * 9000.0);
    prometheus.until(&format!("sum(memif_command_dropped_packets_total{of},direction=\"rx\"}})"), 12_400.0);
    prometheus.until(&format!("memif_up{of}}} * on(socket) group_left(peer_app) memif_peer_info"), 1.0);
    prometheus.until("up{job=\"memif\"}", 1.0);
    // Its own count of samples that it could not read as they are.
    prometheus.until("scrape_samples_post_metric_relabeling - scrape_samples_scraped", 0.0);
    slave.leave();
    prometheus.until(&format!("memif_up{of}}}"), 0.0);
    prometheus.until(&format!("memif_link_changes_total{of},to=\"down\",reason=\"peer\"}}"), 1.0);
}

pub(crate) fn counts_go_on() {
    let socket = abstract_name();
    let (program, address) = serving(&format!("responder --role master --socket {socket}"));
    for links in 1..=5 {
        let mut slave = Slave::connect(&socket);
        slave.send(100, 60);
        let text = until(&address, "memif_packets_total", &["direction=\"rx\""], 100 * links);
        assert_eq!(sum(&text, "memif_bytes_total", &["direction=\"rx\""]), 6000 * links);
        assert_eq!(sum(&text, "memif_link_changes_total", &["to=\"up\""]), links);
        assert_eq!(sum(&text, "memif_ring_slots", &["direction=\"rx\""]), 1024);
        if links % 2 == 0 {
            slave.leave();
        } else {
            drop(slave);
        }
        let text = until(&address, "memif_link_changes_total", &["to=\"down\""], links);
        assert_eq!(sum(&text, "memif_packets_total", &["direction=\"rx\""]), 100 * links);
        assert!(!text.contains("memif_ring_slots{"), "{text}");
    }
    until(&address, "memif_command_dropped_packets_total", &["reason=\"other_station\""], 500);
    program.terminate();
    program.finish().code(0).says("500 packets received");
}

pub(crate) fn names_of_a_peer() {
    let socket = abstract_name();
    let (_program, address) = serving(&format!("responder --role master --socket {socket}"));
    let slave = Slave::named(&socket, Name::lossy(b"x\"} 1\nmemif_up{a=\"\\\x1b[2J"));
    let text = until(&address, "memif_up", &[], 1);
    for line in text.lines() {
        assert!(line.starts_with('#') || line.starts_with("memif_"), "{line:?} in:\n{text}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
    assert_eq!(text.lines().filter(|line| line.starts_with("memif_peer_info{")).count(), 1);
    assert_eq!(text.lines().filter(|line| line.starts_with("memif_up{")).count(), 1);
    drop(slave);
    let text = until(&address, "memif_up", &[], 0);
    assert!(!text.contains("memif_peer_info{"), "{text}");
    assert_eq!(metrics(&address).lines().filter(|line| line.starts_with("memif_build_info{")).count(), 1);
}
