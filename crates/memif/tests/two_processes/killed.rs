//! Either side dies by SIGKILL at a random moment in traffic, again and again. What the survivor received by then was
//! whole and in order, it is told the reason and serves the next peer, and in the end it holds what it held before.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::census::memory_of;
use testkit::traffic::Dice;
use testkit::{Address, Census, eventually};

use crate::end::{End, Pair, some};
use crate::life::{survivor_goes_on, under_way};

/// Deaths of each side, where [`SECONDS`] does not say for how long it is to go on.
const DEATHS: u64 = 50;
/// In the environment: for how long each side is to be killed.
const SECONDS: &str = "MEMIF_KILL_SECONDS";
/// The survivor is exchanged for a new one after this time, before it has outlived every helper.
const SURVIVOR: Duration = Duration::from_secs(600);
/// Deaths until the allocator of the survivor has what it takes.
const WARM: u64 = 10;
/// Bytes of its own that the survivor may hold more in the end: less than what one in a hundred deaths would leave if
/// it left a link.
const MORE: u64 = 1 << 20;
/// Most microseconds of traffic.
const LONGEST: usize = 8000;

/// What the survivors told.
#[derive(Default)]
struct Told {
    deaths: u64,
    packets: u64,
}

pub(crate) fn killed_at_random() {
    for role in ["slave", "master"] {
        let start = Instant::now();
        let seconds = std::env::var(SECONDS).ok().map(|text| text.parse().expect("seconds"));
        let limit = seconds.map(Duration::from_secs);
        let mut told = Told::default();
        loop {
            let until = limit.map(|limit| limit.saturating_sub(start.elapsed()).min(SURVIVOR));
            outlive(role, until, &mut told);
            if limit.is_none_or(|limit| start.elapsed() >= limit) {
                break;
            }
        }
        let Told { deaths, packets } = told;
        println!("kill -9 of the {role}: {deaths} times in traffic; {packets} packets came whole and in order before");
    }
}

/// One survivor of many ends in that role.
fn outlive(dies: &str, time: Option<Duration>, told: &mut Told) {
    let start = Instant::now();
    let address = Address::fresh();
    let settings = |role: &str| if role == "slave" { json!({"tx": 2}) } else { json!({"rx": 2}) };
    let mut dice = Dice::new(u64::from(std::process::id()) + told.deaths);
    let mut pair = Pair::at(&address, settings("master"), settings("slave"));
    let (mut warm, mut deaths) = (None, 0);
    loop {
        under_way(&mut pair, 1);
        // The moment is what this is about; there is no event to wait for.
        std::thread::sleep(Duration::from_micros(dice.within(0, LONGEST) as u64));
        let Pair { master, slave, at_master, at_slave } = pair;
        let (mut survivor, key, victim) =
            if dies == "slave" { (master, at_master, slave) } else { (slave, at_slave, master) };
        victim.kill();
        let ended = survivor_goes_on(&mut survivor, key);
        told.packets +=
            ended["rx"].as_array().into_iter().flatten().map(|count| count[0].as_u64().unwrap_or(0)).sum::<u64>();
        deaths += 1;
        survivor.call(json!({"do": "forget"}));
        let done = time.map_or(deaths >= DEATHS, |time| start.elapsed() >= time && deaths > 2 * WARM);
        if deaths == WARM {
            warm = Some((held(&survivor), memory_of(survivor.pid(), "RssAnon")));
        }
        if done && let Some((held_before, bytes_before)) = &warm {
            holds_again(&survivor, held_before);
            let bytes = memory_of(survivor.pid(), "RssAnon");
            assert!(bytes <= bytes_before + MORE, "{bytes} bytes after {deaths} deaths, {bytes_before} after {WARM}");
        }
        let mut next = End::at(&address);
        let mut config = settings(dies);
        config["role"] = Value::from(dies);
        let key_there = next.add(config);
        pair = if dies == "slave" {
            Pair { master: survivor, slave: next, at_master: key, at_slave: key_there }
        } else {
            Pair { master: next, slave: survivor, at_master: key_there, at_slave: key }
        };
        pair.connected();
        if done {
            break;
        }
    }
    pair.exchange(&some());
    pair.finish();
    told.deaths += deaths;
}

/// Descriptors and shared mappings without a link. The slave may be about to connect.
fn held(survivor: &End) -> Census {
    Census::of(survivor.pid())
}

fn holds_again(survivor: &End, before: &Census) {
    eventually("descriptors and mappings of the survivor", || {
        let now = held(survivor);
        (now.fd_count() <= before.fd_count() && now.mapping_count() <= before.mapping_count()).then_some(())
    });
}
