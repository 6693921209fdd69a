//! Which jobs have an entry already: kept between runs, so that a second receipt is noticed however much later it comes.
//!
//! Eight bytes for each entry, in the log's order: a keyed digest of the job's id, under a key that nobody but this follower has. So a coordinator cannot
//! make two jobs look alike, and where two do by chance (once in ten million logs of a million entries), reading the log again tells.

use std::collections::HashSet;

use tacit_wire::Digest32;

/// So many entries are remembered, 32 MiB on disk. Of a longer log the newest.
const MOST: usize = 1 << 22;
const MAGIC: &[u8; 8] = b"tacitjb1";

/// The jobs of a log's entries, as far as they were read.
#[derive(Debug, Clone)]
pub struct SeenJobs {
    key: [u8; 32],
    /// The entry of the first of `prints`.
    first: u64,
    prints: Vec<u64>,
    /// The same, to look them up.
    there: HashSet<u64>,
}

impl Default for SeenJobs {
    fn default() -> Self {
        Self { key: rand::random(), first: 0, prints: Vec::new(), there: HashSet::new() }
    }
}

impl SeenJobs {
    /// As it is kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        let from = self.prints.len().saturating_sub(MOST);
        let kept = self.prints.get(from..).unwrap_or_default();
        let mut bytes = Vec::with_capacity(MAGIC.len() + 40 + 8 * kept.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.key);
        bytes.extend_from_slice(&(self.first + from as u64).to_be_bytes());
        kept.iter().for_each(|print| bytes.extend_from_slice(&print.to_be_bytes()));
        bytes
    }

    /// Reads what [`SeenJobs::to_bytes`] wrote; `None` if it is anything else. Without it the whole log is read again.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (key, rest) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<32>()?;
        let (first, rest) = rest.split_first_chunk::<8>()?;
        let (prints, rest) = rest.as_chunks::<8>();
        if !rest.is_empty() || prints.len() > MOST {
            return None;
        }
        let first = u64::from_be_bytes(*first);
        first.checked_add(prints.len() as u64)?;
        let prints: Vec<u64> = prints.iter().map(|print| u64::from_be_bytes(*print)).collect();
        Some(Self { key: *key, first, there: prints.iter().copied().collect(), prints })
    }

    /// The first entry that is remembered: a second receipt of a job that ended before it is not noticed.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Forgets what came after so many entries; `false` if not all of them were seen.
    pub(super) fn cut_to(&mut self, entries: u64) -> bool {
        let Some(keep) = entries.checked_sub(self.first).and_then(|n| usize::try_from(n).ok()) else {
            return false;
        };
        if keep > self.prints.len() {
            return false;
        }
        self.prints.truncate(keep);
        self.look_up();
        true
    }

    /// Forgets everything, for a log that is read from its beginning.
    pub(super) fn clear(&mut self) {
        self.first = 0;
        self.prints.clear();
        self.there.clear();
    }

    /// Whether a job seems to have an entry.
    pub(super) fn may_have(&self, job: &Digest32) -> bool {
        self.there.contains(&self.print(job))
    }

    /// The next entry is this job's.
    pub(super) fn push(&mut self, job: &Digest32) {
        let print = self.print(job);
        self.prints.push(print);
        self.there.insert(print);
        if self.prints.len() >= 2 * MOST {
            self.keep_last(MOST);
        }
    }

    fn keep_last(&mut self, n: usize) {
        let gone = self.prints.len().saturating_sub(n);
        self.prints.drain(..gone);
        self.first += gone as u64;
        self.look_up();
    }

    fn look_up(&mut self) {
        self.there = self.prints.iter().copied().collect();
    }

    fn print(&self, job: &Digest32) -> u64 {
        let digest = blake3::keyed_hash(&self.key, &job.0);
        digest.as_bytes().first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn job(i: u64) -> Digest32 {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&i.to_be_bytes());
        Digest32(id)
    }

    #[test]
    fn a_million_entries_take_eight_megabytes_and_are_all_remembered() {
        let mut jobs = SeenJobs::default();
        (0..1_000_000).for_each(|i| jobs.push(&job(i)));
        let bytes = jobs.to_bytes();
        assert_eq!(bytes.len(), 48 + 8_000_000);
        let mut jobs = SeenJobs::from_bytes(&bytes).unwrap();
        assert!((0..1_000_000).step_by(997).all(|i| jobs.may_have(&job(i))));
        assert!(!(1_000_000..1_001_000).any(|i| jobs.may_have(&job(i))));
        assert!(!jobs.cut_to(1_000_001) && jobs.cut_to(10));
        assert!(jobs.may_have(&job(9)) && !jobs.may_have(&job(10)));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_says_from_where() {
        let mut jobs = SeenJobs::default();
        (0..2 * MOST as u64).for_each(|i| jobs.push(&job(i)));
        assert_eq!((jobs.first(), jobs.prints.len()), (MOST as u64, MOST));
        jobs.push(&job(7));
        let jobs = SeenJobs::from_bytes(&jobs.to_bytes()).unwrap();
        assert_eq!((jobs.first(), jobs.prints.len()), (MOST as u64 + 1, MOST));
        assert!(jobs.may_have(&job(7)) && !jobs.may_have(&job(8)));
    }

    #[test]
    fn anything_else_is_nothing() {
        let bytes = SeenJobs::default().to_bytes();
        assert!(SeenJobs::from_bytes(&bytes).is_some());
        for wrong in [&bytes[..47], &[bytes.as_slice(), &[1]].concat(), b"", b"tacitjb2"] {
            assert!(SeenJobs::from_bytes(wrong).is_none());
        }
        let mut end = bytes;
        end[40..48].fill(0xff);
        end.extend_from_slice(&[0; 8]);
        assert!(SeenJobs::from_bytes(&end).is_none());
    }
}
