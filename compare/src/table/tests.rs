//! Rows with made-up figures.

use super::*;
use crate::metric;
use crate::row::Peers;
use crate::rows;

#[test]
fn medians_leave_out_what_failed() {
    assert_eq!(median(&[3.0, f64::NAN, 1.0, 2.0]), 2.0);
    assert_eq!(median(&[1.0, 2.0]), 1.5);
    assert!(median(&[f64::NAN]).is_nan());
    assert_eq!(ratio(&[2.0, 9.0, f64::NAN], &[1.0, 3.0, 1.0]), 2.5);
}

#[test]
fn percentiles_count_values() {
    let times = [(10, 98), (20, 1), (30, 1)];
    assert_eq!(metric::percentile(&times, 0.5), 10.0);
    assert_eq!(metric::percentile(&times, 0.99), 20.0);
    assert_eq!(metric::percentile(&times, 1.0), 30.0);
}

#[test]
fn slices_with_the_cores_at_another_distance_do_not_count() {
    let peers = Peers { references: vec!["/ref.so".into()], ..Peers::default() };
    let row = rows::all(&peers).into_iter().find(|row| row.id == "one-way-64-m2s").unwrap();
    let mut measured = Measured::new(row);
    let slice = |packets, distance| Some(Report { packets, nanoseconds: 1e3, distance, ..Report::default() });
    for (who, slices) in [
        (RUST, [(30, Some(60.0)), (5, Some(300.0)), (32, Some(61.0))]),
        (REFERENCE, [(20, Some(62.0)), (20, Some(59.0)), (7, Some(310.0))]),
    ] {
        let at = measured.place(who).unwrap();
        slices.into_iter().for_each(|(packets, ns)| measured.add(at, slice(packets, ns)));
    }
    for who in [BARE, BARE_AGAIN] {
        let at = measured.place(who).unwrap();
        (0..3).for_each(|_| measured.add(at, slice(40, None)));
    }
    assert_eq!(measured.least_counting(), 2);
    measured.leave_out_other_distances();
    let summary = measured.summary();
    let rust = summary.lines.iter().find(|line| line.contender == RUST).unwrap();
    assert_eq!((rust.median, rust.to_reference), (31.0, Some(1.5)));
    assert!(summary.markdown().contains("in 59 ns; 2 slices with another distance left out"));
}

#[test]
fn a_contender_without_a_slice_at_the_usual_distance_keeps_its_own() {
    let row = rows::all(&Peers::default()).into_iter().find(|row| row.id == "one-way-64-m2s");
    let mut measured = Measured::new(row.unwrap());
    for (who, distance) in [(RUST, 300.0), (BARE, 60.0), (BARE_AGAIN, 61.0)] {
        let at = measured.place(who).unwrap();
        let report = Report { packets: 30, nanoseconds: 1e3, distance: Some(distance), ..Report::default() };
        measured.add(at, Some(report));
    }
    measured.leave_out_other_distances();
    let summary = measured.summary();
    assert!(summary.lines.iter().all(|line| line.median == 30.0));
    assert!(summary.markdown().contains("nothing here can be judged"));
}

/// A row with made-up figures: the Rust API reaches one target, and the machine is loud.
#[test]
fn a_table_tells_ratios_targets_and_noise() {
    let peers = Peers { references: vec!["/ref.so".into()], ..Peers::default() };
    let row = rows::all(&peers).into_iter().find(|row| row.id == "one-way-64-m2s").unwrap();
    let mut measured = Measured::new(row);
    for (name, values) in
        [(RUST, [15.0, 30.0]), (REFERENCE, [10.0, 20.0]), (BARE, [20.0, 40.0]), (BARE_AGAIN, [30.0, 60.0])]
    {
        let at = measured.place(name).unwrap();
        measured.values[0][at] = values.to_vec();
    }
    let summary = measured.summary();
    let rust = summary.lines.iter().find(|line| line.contender == RUST).unwrap();
    assert_eq!((rust.to_reference, rust.to_bare), (Some(1.5), Some(0.75)));
    let reached: Vec<bool> = summary.verdicts.iter().map(|v| v.reached).collect();
    assert_eq!(reached, [true, false]);
    assert_eq!(summary.noise.map(|noise| noise.apart), Some(0.4));
    assert!(summary.markdown().contains("TOO NOISY"));
    assert!(judgement(&[summary]).contains("1 of 2 targets reached. The machine was TOO NOISY"));
}

/// A row in which both runs of the bare ring agree, and still say nothing.
fn noise_of(reference: [f64; 4], bare: [f64; 4]) -> Noise {
    let peers = Peers { references: vec!["/ref.so".into()], ..Peers::default() };
    let row = rows::all(&peers).into_iter().find(|row| row.id == "one-way-9000-whole").unwrap();
    let mut measured = Measured::new(row);
    for (name, values) in [(REFERENCE, reference), (BARE, bare), (BARE_AGAIN, bare)] {
        let at = measured.place(name).unwrap();
        measured.values[0][at] = values.to_vec();
    }
    measured.noise().unwrap()
}

#[test]
fn a_row_is_not_quiet_because_the_bare_ring_agrees_with_itself() {
    let quiet = noise_of([3.0; 4], [3.1, 3.2, 3.1, 3.0]);
    assert_eq!((quiet.apart, quiet.reason()), (0.0, None));
    let swinging = noise_of([3.0; 4], [2.0, 4.0, 2.0, 4.0]);
    assert!(swinging.apart == 0.0 && swinging.is_loud());
    let slow = noise_of([5.3; 4], [1.8; 4]);
    assert!(!slow.is_loud() && slow.reason().is_some_and(|reason| reason.contains("NO LIMIT")));
}
