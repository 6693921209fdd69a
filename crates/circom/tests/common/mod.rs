//! Files that circom and snarkjs wrote (see fixtures/regenerate.sh), for each curve.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};

use tacit_algebra::Curve;

pub fn fixture<C: Curve>(name: &str) -> Vec<u8> {
    let path = fixtures().join(C::ID.snarkjs_name()).join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

pub fn text<C: Curve>(name: &str) -> String {
    String::from_utf8(fixture::<C>(name)).unwrap()
}

/// Runs a generic test for both curves.
#[macro_export]
macro_rules! both_curves {
    ($($name:ident)*) => {
        mod bn254 { $(#[test] fn $name() { super::$name::<tacit_algebra::Bn254>() })* }
        mod bls12_381 { $(#[test] fn $name() { super::$name::<tacit_algebra::Bls12_381>() })* }
    };
}

/// A binary file taken apart, to be put together wrongly.
#[derive(Clone)]
pub struct Sections {
    pub head: Vec<u8>,
    pub sections: Vec<(u32, Vec<u8>)>,
}

impl Sections {
    pub fn of(bytes: &[u8]) -> Self {
        let (head, mut rest) = bytes.split_at(12);
        let mut sections = Vec::new();
        while !rest.is_empty() {
            let id = u32::from_le_bytes(rest[..4].try_into().unwrap());
            let size = u64::from_le_bytes(rest[4..12].try_into().unwrap()) as usize;
            sections.push((id, rest[12..12 + size].to_vec()));
            rest = &rest[12 + size..];
        }
        Self { head: head.to_vec(), sections }
    }

    pub fn get(&mut self, id: u32) -> &mut Vec<u8> {
        &mut self.sections.iter_mut().find(|(known, _)| *known == id).unwrap().1
    }

    /// Where a section's content begins in the file.
    pub fn offset(&self, id: u32) -> u64 {
        let before = self.sections.iter().take_while(|(known, _)| *known != id);
        12 + before.map(|(_, content)| 12 + content.len() as u64).sum::<u64>() + 12
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = self.head[..8].to_vec();
        out.extend((self.sections.len() as u32).to_le_bytes());
        for (id, content) in &self.sections {
            out.extend(id.to_le_bytes());
            out.extend((content.len() as u64).to_le_bytes());
            out.extend(content);
        }
        out
    }

    /// Overwrites four bytes of a section.
    pub fn put(&mut self, id: u32, at: usize, word: u32) {
        self.get(id)[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
}
