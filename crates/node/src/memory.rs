//! A budget of memory: whatever grows with what a client sends or asks for takes its share before it is allocated.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Of the machine's memory, unless the operator says otherwise: half. The rest is for other processes, the allocator and what is not counted.
const SHARE: u64 = 2;
/// Where control groups are mounted.
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

/// How much memory a node allows itself, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// Bytes.
    pub bytes: u64,
    /// What there is for it in all: the machine's memory, or less where its control group may have no more.
    pub available: u64,
    /// Where both come from, in words.
    pub source: String,
}

impl Allowance {
    /// Of `limits.memory_bytes`; 0: a share of what there is.
    pub fn new(limit: u64) -> Self {
        let (available, what) = available();
        match limit {
            0 => Self { bytes: available / SHARE, available, source: format!("half of {what}") },
            bytes => Self { bytes, available, source: format!("limits.memory_bytes, of {what}") },
        }
    }
}

/// The budget. Clones share it.
#[derive(Debug, Clone)]
pub struct Memory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: u64,
    source: String,
    used: Mutex<u64>,
    freed: Notify,
}

/// A share of the budget; given back when dropped.
#[derive(Debug)]
pub struct Reserved {
    memory: Memory,
    bytes: u64,
}

impl Memory {
    /// So many bytes; 0: a share of the machine's memory.
    pub fn new(limit: u64) -> Self {
        let Allowance { bytes: limit, source, .. } = Allowance::new(limit);
        Self(Arc::new(Inner { limit, source, used: Mutex::default(), freed: Notify::new() }))
    }

    /// Where the budget's size comes from.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// The whole budget.
    pub fn limit(&self) -> u64 {
        self.0.limit
    }

    /// What is taken.
    pub fn used(&self) -> u64 {
        *self.0.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A share, if there is room now.
    pub fn try_reserve(&self, bytes: u64) -> Option<Reserved> {
        let mut used = self.0.used.lock().unwrap_or_else(PoisonError::into_inner);
        let after = used.checked_add(bytes).filter(|after| *after <= self.0.limit)?;
        *used = after;
        Some(Reserved { memory: self.clone(), bytes })
    }

    /// Resolves when a share was given back after this was called.
    pub fn freed(&self) -> impl Future<Output = ()> + '_ {
        self.0.freed.notified()
    }
}

/// A share that several use: when one of them ends, who waits for memory looks again, because what nobody uses can be let go.
#[derive(Debug)]
pub struct InUse(Option<Arc<Reserved>>);

impl InUse {
    /// One more use.
    pub fn of(share: &Arc<Reserved>) -> Self {
        Self(Some(Arc::clone(share)))
    }

    /// The share's size.
    pub fn bytes(&self) -> u64 {
        self.0.as_ref().map_or(0, |share| share.bytes)
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        if let Some(share) = self.0.take() {
            let memory = share.memory.clone();
            drop(share);
            memory.0.freed.notify_waiters();
        }
    }
}

impl Reserved {
    /// How many bytes it is.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Gives back all but so many bytes.
    pub fn shrink(&mut self, bytes: u64) {
        if bytes < self.bytes {
            self.memory.give_back(self.bytes - bytes);
            self.bytes = bytes;
        }
    }
}

impl Memory {
    fn give_back(&self, bytes: u64) {
        let mut used = self.0.used.lock().unwrap_or_else(PoisonError::into_inner);
        *used = used.saturating_sub(bytes);
        drop(used);
        self.0.freed.notify_waiters();
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.memory.give_back(self.bytes);
    }
}

/// The memory of this machine, or of this process's control group if that may have less; and which it is.
///
/// By a system call: a service manager may hide `/proc/meminfo`.
fn available() -> (u64, String) {
    let [machine, _] = machine();
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    match group_limit(Path::new(CONTROL_GROUPS), &groups) {
        Some((bytes, file)) if bytes < machine => (bytes, format!("what {} says", file.display())),
        _ => (machine, "the machine's memory".to_owned()),
    }
}

/// Bytes of swap that this machine has.
pub fn swap() -> u64 {
    let [_, swap] = machine();
    swap
}

/// Bytes of memory and of swap.
#[allow(clippy::unnecessary_cast, reason = "these are words of the machine, of 32 bits on some")]
fn machine() -> [u64; 2] {
    let found = rustix::system::sysinfo();
    let unit = u64::from(found.mem_unit.max(1));
    [found.totalram as u64, found.totalswap as u64].map(|units| units.saturating_mul(unit))
}

/// The smallest limit of the control groups that a process is in, and the file that says so: `groups` is its `/proc/self/cgroup`. In a container the path may be
/// that of the machine outside; what is mounted is looked at as far as it is there.
fn group_limit(mounted: &Path, groups: &str) -> Option<(u64, PathBuf)> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let (root, name) = if controllers.is_empty() {
            (mounted.to_owned(), "memory.max")
        } else if controllers.split(',').any(|controller| controller == "memory") {
            (mounted.join("memory"), "memory.limit_in_bytes")
        } else {
            continue;
        };
        // A group has no more than those that it is in.
        let own = Path::new(path.trim_start_matches('/'));
        let is_inside = own.components().all(|part| part != std::path::Component::ParentDir);
        let own = if is_inside { own } else { Path::new("") };
        files.extend(own.ancestors().map(|group| root.join(group).join(name)));
    }
    let limit = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).ok()?;
        // "max" is no number, and no limit.
        Some((text.trim().parse::<u64>().ok()?, file))
    };
    files.into_iter().filter_map(limit).min()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_more_is_taken_than_there_is_and_what_is_dropped_comes_back() {
        let memory = Memory::new(100);
        let mut first = memory.try_reserve(60).unwrap();
        assert!(memory.try_reserve(41).is_none());
        assert!(memory.try_reserve(u64::MAX).is_none());
        let second = memory.try_reserve(40).unwrap();
        assert_eq!(memory.used(), 100);
        first.shrink(10);
        first.shrink(50);
        assert_eq!((first.bytes, memory.used()), (10, 50));
        drop(second);
        drop(first);
        assert_eq!(memory.used(), 0);
        assert!(Memory::new(0).limit() > 0);
    }

    #[test]
    fn the_smallest_limit_of_all_groups_holds() {
        let root = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            path
        };
        let limit = |groups: &str| group_limit(root.path(), groups);
        assert_eq!(limit("0::/system.slice/tacit-node.service\n"), None);
        let unit = write("system.slice/tacit-node.service/memory.max", "max\n");
        assert_eq!(limit("0::/system.slice/tacit-node.service\n"), None);
        let slice = write("system.slice/memory.max", "5000\n");
        assert_eq!(limit("0::/system.slice/tacit-node.service\n"), Some((5000, slice)));
        std::fs::write(&unit, "4000\n").unwrap();
        assert_eq!(limit("0::/system.slice/tacit-node.service\n"), Some((4000, unit)));
        // In a container, whose own group is the root of what it sees.
        let own = write("memory.max", "3000\n");
        assert_eq!(limit("0::/\n"), Some((3000, own.clone())));
        assert_eq!(limit("0::/../../outside\n"), Some((3000, own)));
        // The older form.
        let old = write("memory/docker/x/memory.limit_in_bytes", "2000\n");
        assert_eq!(limit("5:cpu,memory:/docker/x\n4:pids:/y\n"), Some((2000, old)));
        assert_eq!(limit("noise"), None);
    }

    #[test]
    fn the_machine_says_what_it_has_and_the_choice_says_why() {
        let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
        let kib = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap();
        let total = kib.trim().strip_suffix("kB").unwrap().trim().parse::<u64>().unwrap() * 1024;
        let chosen = Allowance::new(0);
        assert!(chosen.available <= total && chosen.available > 0, "{chosen:?}");
        assert!(chosen.source.contains("half of") && chosen.bytes == chosen.available / 2, "{chosen:?}");
        let given = Allowance::new(7);
        assert!(given.bytes == 7 && given.source.contains("limits.memory_bytes"), "{given:?}");
    }

    #[tokio::test]
    async fn who_waits_is_told_when_a_share_is_no_longer_used() {
        let memory = Memory::new(10);
        let share = Arc::new(memory.try_reserve(10).unwrap());
        let used = InUse::of(&share);
        let freed = memory.freed();
        drop(used);
        freed.await;
        assert_eq!((Arc::strong_count(&share), memory.used()), (1, 10));
    }

    #[tokio::test]
    async fn who_waits_is_told() {
        let memory = Memory::new(10);
        let held = memory.try_reserve(10).unwrap();
        let freed = memory.freed();
        drop(held);
        freed.await;
        assert!(memory.try_reserve(10).is_some());
    }
}
