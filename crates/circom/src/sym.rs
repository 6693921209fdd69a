//! `.sym`: the names of signals, a line each: label, wire (or -1 where the compiler removed it), component, name.

use std::ops::Range;

use crate::error::{FileKind, FormatError, Reason};

/// A named signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// Its number before simplification.
    pub label: u64,
    /// Its wire; `None` if the compiler removed it. Several signals may share a wire.
    pub wire: Option<u32>,
    /// The component that it belongs to.
    pub component: u64,
    /// Its full name, such as `main.hash.in[0]`.
    pub name: String,
}

/// The whole file, with look-ups by name and by wire.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sym {
    signals: Vec<Signal>,
    /// Positions in `signals`, ordered by name.
    by_name: Vec<usize>,
    /// Positions in `signals` of those with a wire, ordered by wire, then position.
    by_wire: Vec<usize>,
}

impl Sym {
    /// Reads a file. Empty lines are skipped.
    ///
    /// # Errors
    /// [`FormatError`] with the offset of the line at fault.
    pub fn read(bytes: &[u8]) -> Result<Self, FormatError> {
        let fail = |offset: usize, reason| FormatError {
            file: FileKind::Sym,
            section: None,
            offset: offset as u64,
            reason,
        };
        let text = std::str::from_utf8(bytes).map_err(|e| fail(e.valid_up_to(), Reason::Utf8))?;
        let mut signals = Vec::new();
        let mut offset = 0;
        for (i, line) in text.split('\n').enumerate() {
            let trimmed = line.strip_suffix('\r').unwrap_or(line);
            if !trimmed.is_empty() {
                let bad = || fail(offset, Reason::Line { line: i as u64 + 1 });
                signals.push(parse_line(trimmed).ok_or_else(bad)?);
            }
            offset += line.len() + 1;
        }
        let name = |i: &usize| signals.get(*i).map(|s| s.name.as_str());
        let wire = |i: &usize| signals.get(*i).and_then(|s| s.wire);
        let mut by_name: Vec<usize> = (0..signals.len()).collect();
        by_name.sort_by_key(name);
        let mut by_wire: Vec<usize> = (0..signals.len()).filter(|i| wire(i).is_some()).collect();
        by_wire.sort_by_key(wire);
        Ok(Self { signals, by_name, by_wire })
    }

    /// All signals, in the file's order.
    pub fn signals(&self) -> &[Signal] {
        &self.signals
    }

    /// The signal of that full name.
    pub fn by_name(&self, name: &str) -> Option<&Signal> {
        let key = |i: &usize| self.signals.get(*i).map(|s| s.name.as_str());
        let at = self.by_name.partition_point(|i| key(i) < Some(name));
        self.by_name.get(at).and_then(|i| self.signals.get(*i)).filter(|s| s.name == name)
    }

    /// The signals that a wire carries, in the file's order.
    pub fn by_wire(&self, wire: u32) -> impl Iterator<Item = &Signal> {
        let from = self.by_wire.partition_point(|i| self.wire_at(*i) < Some(wire));
        let to = self.by_wire.partition_point(|i| self.wire_at(*i) <= Some(wire));
        let range: Range<usize> = from..to;
        self.by_wire.get(range).unwrap_or_default().iter().filter_map(|i| self.signals.get(*i))
    }

    fn wire_at(&self, position: usize) -> Option<u32> {
        self.signals.get(position).and_then(|s| s.wire)
    }
}

fn parse_line(line: &str) -> Option<Signal> {
    let mut fields = line.splitn(4, ',');
    let label = fields.next()?.parse().ok()?;
    let wire = match fields.next()? {
        "-1" => None,
        wire => Some(wire.parse().ok()?),
    };
    let component = fields.next()?.parse().ok()?;
    let name = fields.next().filter(|name| !name.is_empty() && !name.contains(','))?;
    Some(Signal { label, wire, component, name: name.to_owned() })
}
