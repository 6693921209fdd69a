//! Numbers below `2^256` as decimal text and back. Most of them are secrets: what is computed on the way is wiped.

use ark_ff::BigInt;
use zeroize::Zeroizing;

/// Digits that are taken at once: the greatest power of ten in 64 bits is `10^19`.
const CHUNK_DIGITS: usize = 19;
const CHUNK: u128 = 10_000_000_000_000_000_000;
/// `2^256` has 78 digits.
const CHUNKS: usize = 5;

/// Decimal digits without leading zeros.
pub(crate) fn text(n: &BigInt<4>) -> Zeroizing<String> {
    let mut rest = Zeroizing::new(n.0);
    let mut digits = Zeroizing::new([b'0'; CHUNKS * CHUNK_DIGITS]);
    for chunk in digits.rchunks_mut(CHUNK_DIGITS) {
        let mut low = divide(&mut rest);
        for digit in chunk.iter_mut().rev() {
            *digit += (low % 10) as u8;
            low /= 10;
        }
    }
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count().min(digits.len() - 1);
    // Room for everything: the text must not grow and leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(digits.len()));
    for digit in digits.iter().skip(zeros) {
        text.push(char::from(*digit));
    }
    text
}

/// Divides by [`CHUNK`] and returns the remainder.
fn divide(n: &mut [u64; 4]) -> u64 {
    let mut remainder = 0;
    for limb in n.iter_mut().rev() {
        let part = remainder << 64 | u128::from(*limb);
        // The remainder is below the divisor, so the quotient has 64 bits.
        *limb = (part / CHUNK) as u64;
        remainder = part % CHUNK;
    }
    remainder as u64
}

/// Reads decimal digits, no sign, no leading zeros: one text for one number. `None` for anything else, and from `2^256` on.
pub(crate) fn parse(text: &str) -> Option<Zeroizing<BigInt<4>>> {
    if text.is_empty() || text.len() > 1 && text.starts_with('0') {
        return None;
    }
    let mut n = Zeroizing::new(BigInt::<4>::new([0; 4]));
    for byte in text.bytes() {
        let mut carry = u128::from(byte.checked_sub(b'0').filter(|digit| *digit < 10)?);
        for limb in &mut n.0 {
            let part = u128::from(*limb) * 10 + carry;
            *limb = part as u64;
            carry = part >> 64;
        }
        if carry != 0 {
            return None;
        }
    }
    Some(n)
}
