//! Canonical bytes: little-endian integers, byte strings behind a 32-bit length, lists behind a 16-bit count.
//!
//! A reader never allocates by a size that the input merely claims: a length is compared with what is left first.

/// Why bytes from outside were refused, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}, byte {offset}: {reason}")]
pub struct DecodeError {
    /// The encoding that was being read.
    pub what: &'static str,
    /// Offset of the offending field from the start of that encoding.
    pub offset: usize,
    /// What is wrong there.
    pub reason: DecodeReason,
}

/// What can be wrong with an encoding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeReason {
    /// The input ends before the field does.
    #[error("{field} needs {needed} bytes, {left} are left")]
    Truncated {
        /// The field.
        field: &'static str,
        /// Bytes that it needs.
        needed: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// Bytes follow the last field.
    #[error("{count} bytes follow the end")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// A count or length exceeds what the protocol allows.
    #[error("{field} is {got}, at most {limit} is allowed")]
    TooLarge {
        /// The field.
        field: &'static str,
        /// What was claimed.
        got: usize,
        /// What is allowed.
        limit: usize,
    },
    /// A code stands for nothing that this version knows.
    #[error("{field} has the unknown code {got}")]
    UnknownCode {
        /// The field.
        field: &'static str,
        /// The code.
        got: u32,
    },
    /// The field is not what it has to be.
    #[error("{field}: {problem}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

/// Reads canonical bytes front to back.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    what: &'static str,
    bytes: &'a [u8],
    offset: usize,
    field_start: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first of `bytes`; `what` names the encoding in errors.
    pub fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, bytes, offset: 0, field_start: 0 }
    }

    /// An error about the field that was read last.
    pub fn error(&self, reason: DecodeReason) -> DecodeError {
        DecodeError { what: self.what, offset: self.field_start, reason }
    }

    /// An error saying that the field that was read last is invalid.
    pub fn invalid(&self, field: &'static str, problem: impl ToString) -> DecodeError {
        self.error(DecodeReason::Invalid { field, problem: problem.to_string() })
    }

    /// How many bytes have not been read.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.offset
    }

    fn take(&mut self, field: &'static str, count: usize) -> Result<&'a [u8], DecodeError> {
        self.field_start = self.offset;
        let left = self.remaining();
        let end = self.offset.checked_add(count);
        match end.and_then(|end| self.bytes.get(self.offset..end)) {
            Some(bytes) => {
                self.offset += count;
                Ok(bytes)
            }
            None => Err(self.error(DecodeReason::Truncated { field, needed: count, left })),
        }
    }

    /// Exactly `N` bytes.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(field, N)?);
        Ok(array)
    }

    /// One byte.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.array::<1>(field).map(|[byte]| byte)
    }

    /// Two bytes, little-endian.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.array(field).map(u16::from_le_bytes)
    }

    /// Four bytes, little-endian.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array(field).map(u32::from_le_bytes)
    }

    /// Eight bytes, little-endian.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        self.array(field).map(u64::from_le_bytes)
    }

    /// A byte string: a 32-bit length of at most `limit`, then that many bytes.
    pub fn bytes(&mut self, field: &'static str, limit: usize) -> Result<&'a [u8], DecodeError> {
        let length = self.u32(field)? as usize;
        if length > limit {
            return Err(self.error(DecodeReason::TooLarge { field, got: length, limit }));
        }
        let start = self.field_start;
        let bytes = self.take(field, length);
        self.field_start = start;
        bytes
    }

    /// A text: a byte string of UTF-8 without control characters, so that it can go into a log line.
    pub fn text(&mut self, field: &'static str, limit: usize) -> Result<String, DecodeError> {
        let bytes = self.bytes(field, limit)?;
        let text = std::str::from_utf8(bytes).map_err(|error| self.invalid(field, error))?;
        if text.chars().any(char::is_control) {
            return Err(self.invalid(field, "control characters are not allowed"));
        }
        Ok(text.to_owned())
    }

    /// The count before a list: 16 bits, at most `limit`.
    pub fn count(&mut self, field: &'static str, limit: usize) -> Result<usize, DecodeError> {
        let got = usize::from(self.u16(field)?);
        if got > limit {
            return Err(self.error(DecodeReason::TooLarge { field, got, limit }));
        }
        Ok(got)
    }

    /// Refuses whatever was not read.
    pub fn finish(mut self) -> Result<(), DecodeError> {
        self.field_start = self.offset;
        match self.remaining() {
            0 => Ok(()),
            count => Err(self.error(DecodeReason::TrailingBytes { count })),
        }
    }
}

/// Writes canonical bytes front to back.
///
/// Lengths beyond 32 bits and counts beyond 16 cannot be represented; every encoding's own limit is far below, and
/// writing past them saturates, so that the peer refuses the message instead of misreading it.
#[derive(Debug, Clone, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty encoding.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes as they are, without a length.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.raw(&[value])
    }

    /// Two bytes, little-endian.
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    /// Four bytes, little-endian.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    /// Eight bytes, little-endian.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    /// A byte string behind its 32-bit length.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX)).raw(bytes)
    }

    /// A text behind its 32-bit length in bytes.
    ///
    /// Whatever the receiver would refuse is dropped here: control characters become spaces, and what exceeds
    /// `limit` bytes is cut at a character.
    pub fn text(&mut self, text: &str, limit: usize) -> &mut Self {
        let mut clean = String::new();
        for c in text.chars().map(|c| if c.is_control() { ' ' } else { c }) {
            if clean.len() + c.len_utf8() > limit {
                break;
            }
            clean.push(c);
        }
        self.bytes(clean.as_bytes())
    }

    /// The 16-bit count before a list.
    pub fn count(&mut self, count: usize) -> &mut Self {
        self.u16(u16::try_from(count).unwrap_or(u16::MAX))
    }

    /// How many bytes have been written.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The encoding.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}
