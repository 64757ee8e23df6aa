//! What `--json` printed.

use serde_json::Value;

use super::Finished;

/// Every line as an object, each with a type.
pub(crate) fn reports(finished: &Finished) -> Vec<Value> {
    let parse = |line: &str| -> Value {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert!(value["type"].is_string(), "{line}");
        value
    };
    finished.out.lines().map(parse).collect()
}

/// The only object of that type.
#[track_caller]
pub(crate) fn only<'a>(reports: &'a [Value], kind: &str) -> &'a Value {
    let mut found = reports.iter().filter(|report| report["type"] == kind);
    let first = found.next().unwrap_or_else(|| panic!("no {kind} in {reports:?}"));
    assert!(found.next().is_none(), "several {kind} in {reports:?}");
    first
}

/// Names of the fields, so that none disappears or is renamed unnoticed.
#[track_caller]
pub(crate) fn has_fields(report: &Value, names: &str) {
    let mut found: Vec<_> = report.as_object().expect("an object").keys().cloned().collect();
    let mut wanted: Vec<_> = names.split_whitespace().map(str::to_owned).collect();
    found.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(found, wanted);
}
