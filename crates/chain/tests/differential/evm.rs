//! Contracts around the pool that behave and misbehave: too small for a compiler.

use std::collections::BTreeMap;

/// Names of instructions, numbers (pushed), `@label` (its position, pushed) and `label:`.
pub fn assemble(text: &str) -> Vec<u8> {
    let mut code = Vec::new();
    let (mut labels, mut uses) = (BTreeMap::new(), Vec::new());
    for token in text.split_whitespace() {
        if let Some(label) = token.strip_suffix(':') {
            labels.insert(label, u16::try_from(code.len()).unwrap());
            code.push(0x5b);
        } else if let Some(label) = token.strip_prefix('@') {
            uses.push((code.len() + 1, label));
            code.extend([0x61, 0, 0]);
        } else if token.starts_with(|c: char| c.is_ascii_digit()) {
            let number = match token.strip_prefix("0x") {
                Some(digits) => hex::decode(digits).unwrap(),
                None => vec![token.parse().unwrap()],
            };
            code.push(0x5f + u8::try_from(number.len()).unwrap());
            code.extend(number);
        } else {
            code.push(instruction(token));
        }
    }
    for (at, label) in uses {
        code[at..at + 2].copy_from_slice(&labels[label].to_be_bytes());
    }
    code
}

fn instruction(name: &str) -> u8 {
    match name {
        "stop" => 0x00,
        "add" => 0x01,
        "sub" => 0x03,
        "lt" => 0x10,
        "eq" => 0x14,
        "and" => 0x16,
        "xor" => 0x18,
        "shr" => 0x1c,
        "balance" => 0x31,
        "calldataload" => 0x35,
        "codecopy" => 0x39,
        "mstore" => 0x52,
        "sload" => 0x54,
        "sstore" => 0x55,
        "jump" => 0x56,
        "jumpi" => 0x57,
        "gas" => 0x5a,
        "dup1" => 0x80,
        "dup2" => 0x81,
        "swap1" => 0x90,
        "call" => 0xf1,
        "return" => 0xf3,
        "revert" => 0xfd,
        other => panic!("{other}"),
    }
}

/// A token that knows one balance, the pool's (slot 0). It moves what it should, with slot 4 added to what comes in, and answers to
/// `transferFrom` as slot 1 says, to `transfer` as slot 2, each `value << 8 | bytes`, and to `balanceOf` with slot 3's number of bytes. One
/// byte is a revert.
pub const TOKEN: &str = "
    0 calldataload 224 shr
    dup1 0x70a08231 eq @balance jumpi
    0x23b872dd eq @in jumpi
    0x24 calldataload 0 sload dup2 dup2 lt @fail jumpi
    sub 0 sstore
    2 sload @answer jump
    in: 0x44 calldataload 0 sload add 4 sload add 0 sstore 1 sload
    answer: dup1 0xff and dup1 1 eq @fail jumpi
    swap1 8 shr 0 mstore 0 return
    balance: 0 sload 0 mstore 3 sload dup1 1 eq @fail jumpi 0 return
    fail: 0 0 revert";

/// An auth verifier: the proof is one word, the exclusive or of both public inputs. The answer is `value` and has so many bytes.
pub fn verifier(selector: [u8; 4], value: u8, bytes: u8) -> Vec<u8> {
    assemble(&format!(
        "0 calldataload 224 shr 0x{} eq
         0xc4 calldataload 0x64 calldataload 0x84 calldataload xor eq and
         0xa4 calldataload 32 eq and
         @good jumpi 0 0 mstore 32 0 return
         good: {value} 0 mstore {bytes} 0 return",
        hex::encode(selector)
    ))
}

/// As a verifier that writes, which a static call must not.
pub const WRITER: &str = "1 0 sstore 1 0 mstore 32 0 return";

/// Refuses whatever comes.
pub const REFUSER: &str = "0 0 revert";

/// What an address has, as a word.
pub fn balance_of(address: [u8; 20]) -> Vec<u8> {
    assemble(&format!("0x{} balance 0 mstore 32 0 return", hex::encode(address)))
}

/// Calls a contract with a wei and these data whenever it is paid, and goes on whatever becomes of that.
pub fn caller(contract: [u8; 20], data: &[u8]) -> Vec<u8> {
    let length = hex::encode(u16::try_from(data.len()).unwrap().to_be_bytes());
    let contract = hex::encode(contract);
    let mut code = assemble(&format!(
        "0x{length} @end 1 add 0 codecopy
         0 0 0x{length} 0 1 0x{contract} gas call stop
         end: "
    ));
    code.extend(data);
    code
}
