//! A budget of memory: whatever grows with what a client sends or asks for takes its share before it is allocated.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Of the machine's memory, unless the operator says otherwise: half. The rest is for other processes, the allocator and what is not counted.
const SHARE: u64 = 2;
/// Where the machine does not say how much it has.
const UNKNOWN: u64 = 4 << 30;

/// The budget. Clones share it.
#[derive(Debug, Clone)]
pub struct Memory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: u64,
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
        let limit = if limit == 0 { machine().unwrap_or(UNKNOWN) / SHARE } else { limit };
        Self(Arc::new(Inner { limit, used: Mutex::default(), freed: Notify::new() }))
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

/// The memory of this machine, or of the container that this process is in, if that has less.
pub fn machine() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    let container = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let container = container.and_then(|text| text.trim().parse().ok()).unwrap_or(u64::MAX);
    Some((kib * 1024).min(container))
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
