//! What the screen shows of links that are made up, through a terminal emulator, in several sizes, with colours and
//! without; and the picture in the documents.

use std::num::NonZeroU16;
use std::path::Path;
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use memif_watch::{Cursors, RingDirection, Role};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};

use super::{Theme, draw};
use crate::commands::top::figures::{Contents, EndFigures, LinkFigures, NotSeen, RingFigures, Snapshot};
use crate::commands::top::ui::{Sort, Ui, Wish};

const RICH: Theme = Theme::new(true, true);
const PLAIN: Theme = Theme::new(false, false);

fn ring(direction: RingDirection, rate: f64, fill: f64, peak: u16) -> RingFigures {
    RingFigures {
        direction,
        index: 0,
        size: 1024,
        slots_per_second: Some(rate),
        at_least: false,
        slots: rate as u64,
        slots_at_least: false,
        contents: Contents { bytes_per_slot: Some(64.0), packets_per_slot: Some(1.0) },
        in_flight: Some((fill * 1024.0) as u16),
        fill: Some(fill),
        peak,
        peak_ever: peak,
        full: Some(if peak == 1024 { 0.12 } else { 0.0 }),
        empty: Some(1.0 - fill),
        looks: 40,
        cursors: Some(Cursors { head: 1, tail: 1, flags: 1 }),
        problem: None,
    }
}

fn link(id: u32, slave: (u32, &str), master: (u32, &str), rings: [RingFigures; 2]) -> LinkFigures {
    let end =
        |(pid, name): (u32, &str), role| EndFigures { pid, name: name.to_owned(), role: Some(role), is_both: false };
    LinkFigures {
        id: format!("0:1:{id}"),
        ends: vec![end(slave, Role::Slave), end(master, Role::Master)],
        other_end: "there",
        socket: Some("/run/vpp/memif.sock".to_owned()),
        memory_bytes: 5_054_464,
        directions_known: true,
        rings: rings.to_vec(),
        problem: None,
    }
}

fn both(to_master: (f64, f64, u16), to_slave: (f64, f64, u16)) -> [RingFigures; 2] {
    let of = |direction, (rate, fill, peak)| ring(direction, rate, fill, peak);
    [of(RingDirection::S2m, to_master), of(RingDirection::M2s, to_slave)]
}

/// Links as they may be on a host.
fn snapshot() -> Snapshot {
    let idle = (0.0, 0.0, 16);
    let mut chained =
        link(2_199_540, (4021, "memif"), (3977, "vpp_main"), both((118_200.0, 0.31, 830), (2_350.0, 0.0, 40)));
    for ring in &mut chained.rings {
        ring.contents = Contents { bytes_per_slot: Some(1800.0), packets_per_slot: Some(0.2) };
    }
    let mut fast = link(
        2_199_514,
        (31_337, "dpdk-testpmd"),
        (3977, "vpp_main"),
        both((14_880_952.0, 0.94, 1024), (14_810_300.0, 0.07, 512)),
    );
    fast.rings[0].at_least = true;
    let mut one_ended = link(2_199_600, (4100, "suricata"), (0, ""), both(idle, idle));
    one_ended.ends.truncate(1);
    one_ended.other_end = "missing";
    let mut forged = link(2_199_700, (4200, "x\\xff\\x1b[2J"), (4201, "memif"), both(idle, idle));
    forged.rings[1].problem = Some("cursors that cannot be, in 40 of 40 looks".to_owned());
    Snapshot {
        period: Duration::from_secs(1),
        links: vec![one_ended, chained, forged, fast],
        unseen: vec![NotSeen {
            what: "the memory of 12 processes, as of systemd 1".to_owned(),
            why: "it is another user's: this needs root, or CAP_SYS_PTRACE".to_owned(),
        }],
    }
}

fn ui() -> Ui {
    let mut ui = Ui::default();
    ui.take(snapshot());
    ui
}

fn key(ui: &mut Ui, code: KeyCode) -> Wish {
    ui.event(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn keys(ui: &mut Ui, text: &str) {
    for c in text.chars() {
        assert_eq!(key(ui, KeyCode::Char(c)), Wish::Nothing);
    }
}

/// What a terminal of that size shows, and the bytes that it got.
fn shown(ui: &mut Ui, theme: Theme, (columns, rows): (u16, u16)) -> (vt100::Parser, Vec<u8>) {
    // Whoever runs the test may have NO_COLOR set, which crossterm heeds, too.
    crossterm::style::force_color_output(true);
    let mut bytes = Vec::new();
    let viewport = Viewport::Fixed(Rect::new(0, 0, columns, rows));
    let mut terminal =
        Terminal::with_options(CrosstermBackend::new(&mut bytes), TerminalOptions { viewport }).expect("a terminal");
    terminal
        .draw(|frame| {
            let area = frame.area();
            draw(ui, theme, area, frame.buffer_mut());
        })
        .expect("a vector takes all");
    drop(terminal);
    let size = |n: u16| NonZeroU16::new(n).expect("not zero");
    let mut parser = vt100::Parser::new(size(rows), size(columns), 0);
    parser.process(&bytes);
    (parser, bytes)
}

fn lines(ui: &mut Ui, theme: Theme, size: (u16, u16)) -> Vec<String> {
    let (parser, _) = shown(ui, theme, size);
    parser.screen().rows(0, size.0).map(|line| line.trim_end().to_owned()).collect()
}

#[test]
fn eighty_by_twenty_four() {
    let lines = lines(&mut ui(), PLAIN, (80, 24));
    assert_eq!(lines[0], "memif top  4 links of 6 processes  14.9M/s to masters, 14.8M/s to slaves");
    assert_eq!(lines[1], "     PID PROCESS         ROLE     PKTS/Sv  BYTES/S RING          PEAK FULL EMPTY");
    assert_eq!(lines[2], ">  31337 dpdk-testpmd    slave    >=14.9M  >=~952M ########  94% 100%  12%    6%");
    assert_eq!(lines[3], "    3977 vpp_main        master     14.8M    ~948M #  |       7%  50%   0%   93%");
    // Chains: a fifth as many packets as slots.
    assert_eq!(lines[4], "    4021 memif           slave     ~23.6k    ~213M ###  |    31%  81%   0%   69%");
    assert_eq!(lines[7], "       - (missing)       master         0        0 |          0%   2%   0%  100%");
    assert_eq!(lines[8], "    4200 x\\xff\\x1b[2J    slave          0        0 |          0%   2%   0%  100%");
    assert_eq!(lines[9], "    4201 memif           master cursors that cannot be, in 40 of 40 looks");
    assert_eq!(lines[10], "not seen: the memory of 12 processes, as of systemd 1: it is another user's:");
    assert_eq!(lines[11], "this needs root, or CAP_SYS_PTRACE");
    assert_eq!(lines[23], "? help  Enter queues  / filter  s sort  p pause  q quit  r turn round");
}

#[test]
fn every_size_is_drawn() {
    for rows in [1, 2, 3, 4, 5, 10, 24, 60] {
        for columns in [1, 2, 9, 19, 20, 38, 40, 79, 80, 81, 132, 250] {
            let mut ui = ui();
            for does in ["", "?", "/a"] {
                let mut ui = ui.clone();
                keys(&mut ui, does);
                let (parser, _) = shown(&mut ui, RICH, (columns, rows));
                let something = !parser.screen().contents().is_empty();
                assert!(something || columns < 19 || rows < 2, "{does:?} {columns}x{rows}");
            }
            key(&mut ui, KeyCode::Enter);
            shown(&mut ui, PLAIN, (columns, rows));
            key(&mut ui, KeyCode::End);
            shown(&mut ui, RICH, (columns, rows));
        }
    }
}

#[test]
fn forty_by_ten_shows_who_and_how_much() {
    let mut ui = ui();
    let lines = lines(&mut ui, PLAIN, (40, 10));
    assert_eq!(lines[1], "     PID PROCESS      PKTS/Sv RING");
    assert_eq!(lines[2], ">  31337 dpdk-test+   >=14.9M #####  94%");
    assert_eq!(lines[9], "? help  Enter queues  / filter  s sort");
    // The cursor leads to what has no room.
    for _ in 0..3 {
        key(&mut ui, KeyCode::Down);
    }
    let lines = self::lines(&mut ui, PLAIN, (40, 10));
    assert!(lines.iter().any(|line| line.starts_with(">   4200")), "{lines:?}");
    assert!(lines[8].contains("CAP_SYS_PTRACE"), "{lines:?}");
}

#[test]
fn without_colours_there_are_none_and_with_them_there_are() {
    let colours = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        // Numbers of colours in the sequences that set how letters look; 39 and 49 are the terminal's own.
        let codes = text.split("\u{1b}[").filter_map(|part| part.split_once('m')).map(|(codes, _)| codes.to_owned());
        codes.filter(|codes| codes.starts_with("38") || codes.starts_with("48")).count()
    };
    let (_, rich) = shown(&mut ui(), RICH, (80, 24));
    let (_, plain) = shown(&mut ui(), Theme::new(false, true), (80, 24));
    assert!(colours(&rich) > 10 && colours(&plain) == 0);
    let (_, ascii) = shown(&mut ui(), PLAIN, (80, 24));
    assert!(ascii.is_ascii() && !plain.is_ascii());
}

#[test]
fn keys_sort_filter_open_and_pause() {
    let mut ui = ui();
    let first = |ui: &Ui| ui.links()[0].ends[0].name.clone();
    assert_eq!(first(&ui), "dpdk-testpmd");
    keys(&mut ui, "r");
    assert_ne!(first(&ui), "dpdk-testpmd");
    keys(&mut ui, "rSS");
    assert_eq!(ui.sort, Sort::Pid);
    assert_eq!(first(&ui), "memif");
    keys(&mut ui, "sss");
    assert_eq!(ui.sort, Sort::Bytes);

    keys(&mut ui, "/SURI");
    assert_eq!(ui.links().len(), 1);
    key(&mut ui, KeyCode::Enter);
    let page = lines(&mut ui, PLAIN, (80, 24));
    assert!(page[0].ends_with("/SURI") && page[2].contains("suricata"), "{page:?}");
    keys(&mut ui, "/zzz");
    assert!(lines(&mut ui, PLAIN, (80, 24))[2].starts_with("no link is about that"));
    key(&mut ui, KeyCode::Esc);
    assert_eq!(ui.links().len(), 1);
    key(&mut ui, KeyCode::Esc);
    assert_eq!(ui.links().len(), 4);

    keys(&mut ui, "/3133");
    key(&mut ui, KeyCode::Enter);
    key(&mut ui, KeyCode::Enter);
    let page = lines(&mut ui, PLAIN, (80, 24));
    assert_eq!(page[1], "link 0:1:2199514: 4936k of memory, met at /run/vpp/memif.sock");
    assert_eq!(page[2], "slave: dpdk-testpmd 31337, master: vpp_main 3977");
    assert_eq!(page[3], "QUEUE       PKTS/S  BYTES/S RING                 IN FLIGHT PEAK FULL EMPTY  WAIT");
    assert_eq!(page[4], "s>m 0      >=14.9M  >=~952M ############-  94%    962/1024 100%  12%    6% polls");
    keys(&mut ui, "p");
    ui.take(Snapshot::default());
    assert!(lines(&mut ui, PLAIN, (80, 24))[0].contains("PAUSED"));
    keys(&mut ui, "p");
    ui.take(Snapshot::default());
    assert!(lines(&mut ui, PLAIN, (80, 24))[1].starts_with("this link has gone"));
    key(&mut ui, KeyCode::Esc);
    key(&mut ui, KeyCode::Esc);
    assert_eq!(lines(&mut ui, PLAIN, (80, 24))[2], "no link is seen");

    keys(&mut ui, "?");
    let top = lines(&mut ui, PLAIN, (80, 24));
    key(&mut ui, KeyCode::End);
    let bottom = lines(&mut ui, PLAIN, (80, 24));
    assert!(top[1].starts_with("Up, Down") && bottom[22].contains("which process is which end"), "{bottom:?}");
    assert_eq!(key(&mut ui, KeyCode::Char('z')), Wish::Nothing);
    assert!(!ui.help);
    assert_eq!(key(&mut ui, KeyCode::Char('z')), Wish::ForgetPeaks);
    assert_eq!(key(&mut ui, KeyCode::Char('q')), Wish::Quit);
    let control = |c| Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL));
    assert_eq!([ui.event(&control('c')), ui.event(&control('z'))], [Wish::Quit, Wish::Suspend]);
}

#[test]
fn ends_that_nothing_tells_apart_stand_in_their_order() {
    let mut ui = ui();
    let mut snapshot = snapshot();
    snapshot.links.truncate(1);
    snapshot.links[0].ends = vec![
        EndFigures { pid: 7, name: "a".to_owned(), role: None, is_both: false },
        EndFigures { pid: 9, name: "b".to_owned(), role: None, is_both: false },
    ];
    ui.take(snapshot.clone());
    let page = lines(&mut ui, PLAIN, (80, 24));
    assert!(
        page[2].starts_with(">      7 a               s>m ?") && page[3].contains("9 b               m>s ?"),
        "{page:?}"
    );
    // Both ends in one process.
    snapshot.links[0].ends.truncate(1);
    snapshot.links[0].ends[0].is_both = true;
    ui.take(snapshot);
    let page = lines(&mut ui, PLAIN, (80, 24));
    assert!(page[2].contains("7 a               slave") && page[3].contains("7 a               master"), "{page:?}");
}

/// `MEMIF_PICTURES=write` in the environment makes it anew.
#[test]
fn the_picture_in_the_documents_is_current() {
    let mut ui = ui();
    let (parser, _) = shown(&mut ui, RICH, (80, 14));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/plots/top.svg");
    testkit::picture::assert_current(&path, parser.screen());
}
