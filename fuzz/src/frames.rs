//! Frames and messages: what decodes has one encoding.

use tacit_wire::Message;

/// The target.
pub fn run(data: &[u8]) {
    match Message::from_frame(data, usize::MAX) {
        Ok(message) => assert_eq!(message.to_frame(), data),
        Err(error) => {
            let _ = error.to_string();
        }
    }
}
