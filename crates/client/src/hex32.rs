//! 32-byte digests and keys as people read them: 64 hexadecimal digits, optionally after the name of their kind.

/// Writes `kind:hex`.
pub(crate) fn write(kind: &str, bytes: &[u8; 32]) -> String {
    format!("{kind}:{}", hex::encode(bytes))
}

/// Reads `kind:hex`, or bare hex; the error says what is wrong in a few words.
pub(crate) fn read(kind: &str, text: &str) -> Result<[u8; 32], String> {
    let digits = match text.split_once(':') {
        None => text,
        Some((prefix, digits)) if prefix == kind => digits,
        Some((prefix, _)) => return Err(format!("it begins with {prefix:?}, expected {kind:?}")),
    };
    let bytes = hex::decode(digits).map_err(|_| {
        format!("expected 64 hexadecimal digits after \"{kind}:\", got {} characters", digits.chars().count())
    })?;
    <[u8; 32]>::try_from(bytes).map_err(|got| format!("expected 32 bytes, got {}", got.len()))
}
