//! Writing what must not stay behind in memory.

use zeroize::Zeroizing;

/// Bytes that are written front to back into room that is there from the beginning: nothing is moved and left behind.
pub(crate) struct SecretWriter(Zeroizing<Vec<u8>>);

impl SecretWriter {
    /// With room for exactly what will be written.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(bytes)))
    }

    /// The bytes as they are. What exceeds the room would move them: it is counted on by nobody, and a test sees to it.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        debug_assert!(self.0.len() + bytes.len() <= self.0.capacity(), "a secret's buffer would move");
        self.0.extend_from_slice(bytes);
        self
    }

    /// A byte string behind its 32-bit length, as `tacit_wire::codec` has it.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.raw(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes()).raw(bytes)
    }

    pub(crate) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}
