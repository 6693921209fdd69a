//! BLAKE2b-512 with its state laid open, which is what a first-phase contribution records: the state after the points
//! of the response, from which a verifier goes on with the public key. (RFC 7693; everything else here hashes with the
//! `blake2` crate.)

const IV: [u64; 8] = [
    0x6a09e667f3bcc908,
    0xbb67ae8584caa73b,
    0x3c6ef372fe94f82b,
    0xa54ff53a5f1d36f1,
    0x510e527fade682d1,
    0x9b05688c2b3e6c1f,
    0x1f83d9abfb41bd6b,
    0x5be0cd19137e2179,
];

const SIGMA: [[usize; 16]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
    [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
    [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
    [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
    [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
    [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
    [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
    [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];

/// The columns and diagonals of a round.
const LANES: [[usize; 4]; 8] = [
    [0, 4, 8, 12],
    [1, 5, 9, 13],
    [2, 6, 10, 14],
    [3, 7, 11, 15],
    [0, 5, 10, 15],
    [1, 6, 11, 12],
    [2, 7, 8, 13],
    [3, 4, 9, 14],
];

/// A hash in progress.
#[derive(Clone)]
pub(crate) struct Blake2bState {
    h: [u64; 8],
    /// Bytes compressed so far.
    counter: u64,
    buffer: [u8; 128],
    /// Bytes in the buffer; a full buffer is compressed when more comes.
    filled: usize,
}

impl Blake2bState {
    pub fn new() -> Self {
        let mut h = IV;
        h[0] ^= 0x0101_0040;
        Self { h, counter: 0, buffer: [0; 128], filled: 0 }
    }

    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.filled == self.buffer.len() {
                self.counter += 128;
                self.compress(self.counter, false);
                self.filled = 0;
            }
            let (now, later) = bytes.split_at(bytes.len().min(self.buffer.len() - self.filled));
            if let Some(slot) = self.buffer.get_mut(self.filled..self.filled + now.len()) {
                slot.copy_from_slice(now);
            }
            self.filled += now.len();
            bytes = later;
        }
    }

    fn compress(&mut self, counter: u64, last: bool) {
        let mut m = [0u64; 16];
        for (word, bytes) in m.iter_mut().zip(self.buffer.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        let mut v = [0u64; 16];
        for (to, from) in v.iter_mut().zip(self.h.iter().chain(&IV)) {
            *to = *from;
        }
        v[12] ^= counter;
        if last {
            v[14] = !v[14];
        }
        for round in 0..12 {
            let schedule = SIGMA[round % 10];
            for (lane, [a, b, c, d]) in LANES.into_iter().enumerate() {
                let (x, y) = (m[schedule[2 * lane]], m[schedule[2 * lane + 1]]);
                v[a] = v[a].wrapping_add(v[b]).wrapping_add(x);
                v[d] = (v[d] ^ v[a]).rotate_right(32);
                v[c] = v[c].wrapping_add(v[d]);
                v[b] = (v[b] ^ v[c]).rotate_right(24);
                v[a] = v[a].wrapping_add(v[b]).wrapping_add(y);
                v[d] = (v[d] ^ v[a]).rotate_right(16);
                v[c] = v[c].wrapping_add(v[d]);
                v[b] = (v[b] ^ v[c]).rotate_right(63);
            }
        }
        for (i, h) in self.h.iter_mut().enumerate() {
            *h ^= v[i] ^ v[i + 8];
        }
    }

    /// The state as contributions record it: buffer, chaining value, bytes compressed, bytes in the buffer, and eight
    /// bytes of nothing.
    pub fn export(&self) -> [u8; 216] {
        let words = self.h.into_iter().chain([self.counter, self.filled as u64, 0]);
        let mut out = [0u8; 216];
        let bytes = self.buffer.into_iter().chain(words.flat_map(u64::to_le_bytes));
        out.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        out
    }

    pub fn finish(mut self) -> [u8; 64] {
        self.buffer.iter_mut().skip(self.filled).for_each(|b| *b = 0);
        let counter = self.counter + self.filled as u64;
        self.compress(counter, true);
        let mut out = [0u8; 64];
        for (bytes, word) in out.as_chunks_mut::<8>().0.iter_mut().zip(self.h) {
            *bytes = word.to_le_bytes();
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blake2::{Blake2b512, Digest};

    #[test]
    fn agrees_with_the_blake2_crate() {
        let data: Vec<u8> = (0..1000u32).map(|i| (i * 7) as u8).collect();
        for len in [0, 1, 127, 128, 129, 255, 256, 257, 1000] {
            let mut state = Blake2bState::new();
            for part in data[..len].chunks(100) {
                state.update(part);
            }
            let expected: [u8; 64] = Blake2b512::digest(&data[..len]).into();
            assert_eq!(state.finish(), expected, "{len} bytes");
        }
    }
}
