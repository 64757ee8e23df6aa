//! Looks for the links of the host.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use crate::bytes::Bytes;
use crate::devices::Devices;
use crate::error::Problem;
use crate::layout::{self, Layout, Rings};
use crate::link::{End, Link, LinkId, OtherEnd, Region};
use crate::maps::{self, FileId, Mapping, Mappings};
use crate::memory::{Memory, Way};
use crate::process::{self, Process};
use crate::regions::{self, Candidate, Named};
use crate::roles::Connections;
use crate::unseen::{Unseen, UnseenKind, Why};

/// Links that are looked at between the same processes.
pub const MAX_LINKS: usize = 1024;

/// What a scan found.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// The links, by the numbers of their files.
    pub links: Vec<Link>,
    /// What may belong to a link and was not looked into.
    pub unseen: Vec<Unseen>,
    /// Whether this process sees the processes of a container alone.
    pub in_container: bool,
}

impl Host {
    /// The link of that name.
    #[must_use]
    pub fn link(&self, id: LinkId) -> Option<&Link> {
        self.links.iter().find(|link| link.id() == id)
    }

    /// The links of that process.
    pub fn links_of(&self, pid: u32) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(move |link| link.ends().iter().any(|end| end.process.pid == pid))
    }
}

/// Finds the links of all processes that may be looked into. Takes a moment: about a millisecond for ten processes.
///
/// # Errors
///
/// Where `/proc` cannot be listed.
pub fn scan() -> io::Result<Host> {
    let mut survey = Survey::new();
    for pid in process::pids()? {
        survey.look_at(pid);
    }
    let in_container = process::in_container();
    let links = survey.links(in_container);
    Ok(Host { links, unseen: survey.unseen, in_container })
}

/// Memory that processes share, and where they have it.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) name: Vec<u8>,
    pub(crate) mappings: Vec<(u32, Mapping)>,
}

impl Shared {
    /// The processes that have it, and how often.
    pub(crate) fn pids(&self) -> BTreeMap<u32, usize> {
        let mut pids = BTreeMap::new();
        for (pid, _) in &self.mappings {
            *pids.entry(*pid).or_default() += 1;
        }
        pids
    }
}

/// All shared memory that was seen.
#[derive(Debug)]
struct Survey {
    devices: Devices,
    shared: BTreeMap<FileId, Shared>,
    /// Regions beyond region 0 that links have, so that those which share one keep one descriptor of it.
    regions: HashMap<FileId, Weak<Memory>>,
    /// Memory of which it was said that it cannot be looked into.
    told: HashSet<FileId>,
    unseen: Vec<Unseen>,
    /// A descriptor that is let go of to tell whom there was none for.
    spare: Option<File>,
}

impl Survey {
    fn new() -> Self {
        Self {
            devices: Devices::new(),
            shared: BTreeMap::new(),
            regions: HashMap::new(),
            told: HashSet::new(),
            unseen: Vec::new(),
            spare: spare(),
        }
    }

    /// What is known of that process, also where no descriptor is left.
    fn process(&mut self, pid: u32) -> Option<Process> {
        let spare_goes = || {
            self.spare = None;
            let process = Process::read(pid);
            self.spare = spare();
            process
        };
        Process::read(pid).or_else(spare_goes)
    }

    fn look_at(&mut self, pid: u32) {
        match maps::of(pid) {
            Ok(Mappings { found, cut }) => {
                if cut {
                    self.not_seen(UnseenKind::Rest, pid, Why::TooMuch);
                }
                for mut mapping in found.into_iter().filter(|mapping| may_be_memory(&mapping.name)) {
                    // No other file is touched, not even to ask what it is.
                    if !self.devices.are_memory(mapping.file.device, pid) {
                        continue;
                    }
                    let shared = self.shared.entry(mapping.file).or_default();
                    // Names of paths are long, and a process has thousands of mappings: one for each file is kept.
                    let name = std::mem::take(&mut mapping.name);
                    if shared.name.is_empty() {
                        shared.name = name;
                    }
                    shared.mappings.push((pid, mapping));
                }
            }
            // It ended meanwhile, or has no memory.
            Err(error) if matches!(error.raw_os_error(), Some(ENOENT | ESRCH)) => {}
            Err(_) if Process::is_of_the_kernel(pid) => {}
            Err(error) => {
                if let Some(process) = self.process(pid) {
                    let why = Why::of_process(&error, &process);
                    self.unseen.push(Unseen { what: UnseenKind::Process, processes: vec![process], why });
                }
            }
        }
    }

    fn not_seen(&mut self, what: UnseenKind, pid: u32, why: Why) {
        let processes = self.process(pid).into_iter().collect();
        self.unseen.push(Unseen { what, processes, why });
    }

    fn links(&mut self, in_container: bool) -> Vec<Link> {
        let blind = in_container || self.unseen.iter().any(|unseen| unseen.what != UnseenKind::Memory);
        let mut links = Vec::new();
        // By all of its processes: one that has very many links hides none that others have with its peer.
        let mut between: HashMap<Vec<u32>, usize> = HashMap::new();
        let mut connections = Connections::default();
        let ids: Vec<FileId> = self.shared.keys().copied().collect();
        for id in ids {
            let Some(memory) = self.open(id) else { continue };
            let found = match layout::find(&memory) {
                // Its descriptor goes: there may be more such files than a process can have open.
                Ok(None) => continue,
                Ok(Some(rings)) => Ok(rings),
                Err(problem) => Err(problem),
            };
            let Some(shared) = self.shared.get(&id) else { continue };
            let pids = shared.pids();
            let count = between.entry(pids.keys().copied().collect()).or_default();
            *count += 1;
            if *count > MAX_LINKS {
                if *count == MAX_LINKS + 1 {
                    let processes = pids.keys().filter_map(|pid| self.process(*pid)).collect();
                    self.unseen.push(Unseen { what: UnseenKind::Rest, processes, why: Why::TooManyLinks });
                }
                continue;
            }
            let name = shared.name.escape_ascii().to_string();
            let ends = pids.iter().filter_map(|(pid, mappings)| {
                Some(End { process: self.process(*pid)?, role: None, mappings: *mappings })
            });
            let ends: Vec<End> = ends.collect();
            links.extend(link(id, name, ends, memory, found, blind));
        }
        self.add_regions(&mut links);
        for link in &mut links {
            connections.tell(link);
        }
        links
    }

    /// Opens memory. What cannot be opened is told, once, where it may be a link's.
    fn open(&mut self, id: FileId) -> Option<Memory> {
        let shared = self.shared.get(&id)?;
        let error = match open(id, shared) {
            Ok(memory) => return Some(memory),
            Err(error) => error,
        };
        let pids = shared.pids();
        let two = pids.values().sum::<usize>() > 1;
        let may_be_one = match error.raw_os_error() {
            // It is no file of memory, or has gone.
            None | Some(ENOENT | ESRCH) => false,
            // Which files are no memory is known to who may open them alone.
            _ if error.kind() == io::ErrorKind::PermissionDenied => two || is_named_memif(&shared.name),
            Some(_) => true,
        };
        if may_be_one && self.told.insert(id) {
            let processes = pids.keys().filter_map(|pid| self.process(*pid)).collect();
            self.unseen.push(Unseen { what: UnseenKind::Memory, processes, why: Why::of_memory(&error) });
        }
        None
    }

    /// Finds the further regions of the links. What those between the same processes can have is told once for all.
    fn add_regions(&mut self, links: &mut [Link]) {
        let ends = |link: &Link| link.ends.iter().map(|end| end.process.pid).collect::<Vec<_>>();
        let mut related: HashMap<Vec<u32>, Vec<FileId>> = HashMap::new();
        for link in &*links {
            related.entry(ends(link)).or_default().push(link.id.0);
        }
        let mut shared: HashMap<Vec<u32>, Vec<Candidate>> = HashMap::new();
        let rings: HashSet<FileId> = links.iter().map(|link| link.id.0).collect();
        let of_process = self.files_of_processes(&rings);
        for link in links {
            let named = Named::by(link);
            if named.is_empty() {
                continue;
            }
            let pids = ends(link);
            let related = related.get(&pids).map_or(&[][..], Vec::as_slice);
            let candidates = || self.candidates(&of_process, &pids);
            let candidates = shared.entry(pids.clone()).or_insert_with(candidates);
            let certain = regions::is_certain(candidates, &named);
            for (index, id) in regions::choose(link.id.0, candidates, related, &named) {
                let region = self.region(id).map(|region| Region { index, certain, ..region });
                // A file that is too short for what descriptors name in its region is none.
                link.regions.extend(region.filter(|region| named.fits(index, region.size)));
            }
        }
    }

    /// The files that each process has mapped, but those.
    fn files_of_processes(&self, but: &HashSet<FileId>) -> HashMap<u32, BTreeSet<FileId>> {
        let mut files: HashMap<u32, BTreeSet<FileId>> = HashMap::new();
        for (id, shared) in self.shared.iter().filter(|(id, _)| !but.contains(id)) {
            for (pid, _) in &shared.mappings {
                files.entry(*pid).or_default().insert(*id);
            }
        }
        files
    }

    /// The files that all of these processes share.
    fn candidates(&self, files: &HashMap<u32, BTreeSet<FileId>>, pids: &[u32]) -> Vec<Candidate> {
        let all: Vec<&BTreeSet<FileId>> = pids.iter().filter_map(|pid| files.get(pid)).collect();
        let Some(fewest) = all.iter().min_by_key(|files| files.len()).filter(|_| all.len() == pids.len()) else {
            return Vec::new();
        };
        let shared = fewest.iter().filter(|id| all.iter().all(|files| files.contains(id)));
        shared.filter_map(|id| Some(Candidate::new(*id, &self.shared.get(id)?.name))).collect()
    }

    fn region(&mut self, id: FileId) -> Option<Region> {
        let memory = match self.regions.get(&id).and_then(Weak::upgrade) {
            Some(known) => known,
            None => Arc::new(self.open(id)?),
        };
        self.regions.insert(id, Arc::downgrade(&memory));
        let name = self.shared.get(&id)?.name.escape_ascii().to_string();
        Some(Region { index: 0, size: memory.size(), name, certain: false, id, memory })
    }
}

/// The link whose rings lie in that file, if a process is left that has it.
fn link(
    id: FileId,
    name: String,
    ends: Vec<End>,
    memory: Memory,
    found: Result<Rings, Problem>,
    blind: bool,
) -> Option<Link> {
    if ends.is_empty() {
        return None;
    }
    let other_end = match ends.iter().map(|end| end.mappings).sum() {
        0 | 1 if blind => OtherEnd::NotSeen,
        0 | 1 => OtherEnd::Missing,
        _ => OtherEnd::There,
    };
    let region = Region { index: 0, size: memory.size(), name, certain: true, id, memory: Arc::new(memory) };
    let (rings, problem) = match found {
        Ok(rings) => (rings, None),
        Err(problem) => {
            let none = Rings { layout: Layout::Packed, directions_known: false, rings: Vec::new() };
            (none, Some(problem))
        }
    };
    let Rings { layout, directions_known, rings } = rings;
    let regions = vec![region];
    Some(Link { id: LinkId(id), ends, other_end, layout, directions_known, regions, rings, socket: None, problem })
}

const ENOENT: i32 = rustix::io::Errno::NOENT.raw_os_error();
const ESRCH: i32 = rustix::io::Errno::SRCH.raw_os_error();

/// Any file that can be opened.
fn spare() -> Option<File> {
    File::open("/proc/self/stat").ok()
}

/// Whether a file of that name may lie in memory. Devices do not, nor what System V or the kernel made.
fn may_be_memory(name: &[u8]) -> bool {
    let device = name.starts_with(b"/dev/") && !name.starts_with(b"/dev/shm/") && !name.starts_with(b"/dev/hugepages");
    !device && !name.starts_with(b"/SYSV") && name.starts_with(b"/")
}

fn is_named_memif(name: &[u8]) -> bool {
    name.to_ascii_lowercase().windows(5).any(|part| part == b"memif")
}

/// Opens memory by the least that this user's rights allow: through a mapping, through a descriptor, or through the
/// processes.
fn open(id: FileId, shared: &Shared) -> io::Result<Memory> {
    let mut refused: io::Error = rustix::io::Errno::SRCH.into();
    for (pid, mapping) in &shared.mappings {
        let link = PathBuf::from(format!("/proc/{pid}/map_files/{}", mapping.entry()));
        match Memory::open(&link, id, Way::Mapping) {
            Ok(memory) => return Ok(memory),
            Err(error) => refused = worse(refused, error),
        }
    }
    // It was looked at, and is none.
    if refused.kind() != io::ErrorKind::PermissionDenied {
        return Err(refused);
    }
    for pid in shared.pids().keys() {
        for link in descriptors_of(*pid, &shared.name) {
            match Memory::open(&link, id, Way::Descriptor) {
                Ok(memory) => return Ok(memory),
                Err(error) => refused = worse(refused, error),
            }
        }
    }
    let views = shared.mappings.iter().map(|(pid, mapping)| (*pid, mapping.start, mapping.end - mapping.start));
    Memory::of_processes(views)
}

/// The more telling of two errors: what may not be done says more than what fails, and that more than what is gone.
fn worse(first: io::Error, second: io::Error) -> io::Error {
    let gone = matches!(second.raw_os_error(), Some(ENOENT | ESRCH));
    if gone || first.kind() == io::ErrorKind::PermissionDenied { first } else { second }
}

/// The links in `/proc/PID/fd` to files of that name.
fn descriptors_of(pid: u32, name: &[u8]) -> Vec<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let Ok(links) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let leads_there = |link: &PathBuf| fs::read_link(link).is_ok_and(|to| to.as_os_str().as_bytes() == name);
    links.flatten().map(|entry| entry.path()).filter(leads_there).collect()
}
