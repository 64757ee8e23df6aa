//! Which processors the two ends run on.

use std::fs;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::error::Error;

/// Processors of the two ends, as `--cpus` gives them: one or two, or where each queue has a thread one for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cpus(pub(crate) Vec<usize>);

impl std::str::FromStr for Cpus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let cpus: Result<Vec<usize>, _> = text.split(',').map(str::parse).collect();
        let cpus = cpus.ok().filter(|cpus| (1..=CpuSet::MAX_CPU).contains(&cpus.len()));
        let cpus = cpus.filter(|cpus| cpus.iter().all(|cpu| *cpu < CpuSet::MAX_CPU));
        cpus.map(Self).ok_or_else(|| "give one or two numbers of processors, as in 0,1, or with --thread-per-queue as many as there are threads".to_owned())
    }
}

/// The processors that this process may run on.
pub(crate) fn allowed() -> Result<Vec<usize>, Error> {
    let set = sched_getaffinity(None).map_err(|errno| Error::System {
        what: "cannot read which processors this process may use".to_owned(),
        advice: "let the sandbox permit sched_getaffinity",
        source: errno.into(),
    })?;
    Ok((0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect())
}

/// The processors of the end that is measured from and of the other one: as told, or the first two. With a thread for
/// each queue the first half of those that are told, or of all, and the other half.
pub(crate) fn choose(told: Option<&Cpus>, threads: bool) -> Result<(Vec<usize>, Vec<usize>), Error> {
    let allowed = allowed()?;
    let told = told.map(|cpus| cpus.0.as_slice()).unwrap_or_default();
    if let Some(cpu) = told.iter().find(|cpu| !allowed.contains(cpu)) {
        let list: Vec<_> = allowed.iter().map(usize::to_string).collect();
        return Err(Error::Usage(format!(
            "processor {cpu} of --cpus is not there for this process: choose from {}",
            list.join(",")
        )));
    }
    if threads {
        let all = if told.is_empty() { &allowed } else { told };
        let half = (all.len() / 2).max(1);
        let (one, other) = all.split_at_checked(half).unwrap_or((all, &[]));
        let other = if other.is_empty() { one } else { other };
        return Ok((one.to_vec(), other.to_vec()));
    }
    let first = told.first().or(allowed.first()).copied().unwrap_or_default();
    let other = allowed.iter().find(|cpu| **cpu != first).copied().unwrap_or(first);
    Ok((vec![first], vec![told.get(1).copied().unwrap_or(other)]))
}

/// Keeps the calling thread on that processor until the result is dropped.
pub(crate) fn pin(cpu: usize) -> Result<Pinned, Error> {
    let cannot = |errno: rustix::io::Errno| Error::System {
        what: format!("cannot run on processor {cpu}"),
        advice: "choose others with --cpus",
        source: errno.into(),
    };
    let before = sched_getaffinity(None).map_err(cannot)?;
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).map_err(cannot)?;
    Ok(Pinned(before))
}

/// The same for the first of several; nothing without any.
pub(crate) fn pin_first(cpus: &[usize]) -> Result<Option<Pinned>, Error> {
    cpus.first().map(|cpu| pin(*cpu)).transpose()
}

/// A thread that stays on one processor. Threads that it starts meanwhile do, too.
#[must_use = "dropping it frees the thread"]
pub(crate) struct Pinned(CpuSet);

impl Drop for Pinned {
    fn drop(&mut self) {
        // It was so before.
        let _ = sched_setaffinity(None, &self.0);
    }
}

/// What makes processors a bad place for the two ends with so many threads each, if anything does.
pub(crate) fn doubt((ones, others): (&[usize], &[usize]), threads: (usize, usize)) -> Option<String> {
    if threads.0 > ones.len() || threads.1 > others.len() {
        let all = threads.0 + threads.1;
        return Some(format!(
            "{all} threads share {} processors: the figures tell how they take turns, not how it scales; \
             take fewer queues, or more processors (--cpus)",
            ones.len() + others.iter().filter(|other| !ones.contains(other)).count()
        ));
    }
    let (&one, &other) = (ones.first()?, ones.iter().find(|one| others.contains(one)).or(others.first())?);
    if ones.contains(&other) {
        return Some(format!(
            "both ends share processor {other}: the figures tell how they take turns, not how fast memif is; \
             give two with --cpus A,B"
        ));
    }
    let path = format!("/sys/devices/system/cpu/cpu{one}/topology/thread_siblings_list");
    let siblings = fs::read_to_string(path).unwrap_or_default();
    listed(&siblings, other).then(|| {
        format!("processors {one} and {other} are threads of one core: others may give better figures (--cpus)")
    })
}

/// Whether a list as the kernel writes it, such as `0-1,4`, has that number.
fn listed(list: &str, number: usize) -> bool {
    list.trim().split(',').any(|part| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        match (from.parse::<usize>(), to.parse::<usize>()) {
            (Ok(from), Ok(to)) => (from..=to).contains(&number),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_the_kernel_are_read() {
        assert!(listed("0-1\n", 1));
        assert!(listed("0,8", 8));
        assert!(!listed("0,8", 4));
        assert!(!listed("", 0));
    }

    #[test]
    fn processors_say_what_to_give() {
        assert_eq!("3".parse(), Ok(Cpus(vec![3])));
        assert_eq!("0,1".parse(), Ok(Cpus(vec![0, 1])));
        for text in ["", "x", "-1", "0,", "99999999"] {
            assert!(text.parse::<Cpus>().unwrap_err().contains("as in 0,1"), "{text}");
        }
    }

    #[test]
    fn processors_that_are_not_there_are_named() {
        let error = choose(Some(&Cpus(vec![1023])), false).unwrap_err().to_string();
        assert!(error.contains("processor 1023") && error.contains("choose from"), "{error}");
        let first = allowed().unwrap()[0];
        let chosen = (vec![first], vec![first]);
        assert_eq!(choose(Some(&Cpus(vec![first, first])), false).unwrap(), chosen);
        assert!(doubt((&[first], &[first]), (1, 1)).unwrap().contains("--cpus A,B"));
        assert_eq!(choose(Some(&Cpus(vec![first; 4])), true).unwrap(), (vec![first; 2], vec![first; 2]));
        assert!(doubt((&[first], &[first]), (2, 2)).unwrap().contains("4 threads share 1 processors"));
    }
}
