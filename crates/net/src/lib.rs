//! Authenticated post-quantum channels.
//!
//! | module | what it holds |
//! |---|---|
//! | [`endpoint`] | [`Server`], which a coordinator binds, and [`Dialer`], with which a node reaches it |
//! | [`connection`] | [`Connection`] and [`Stream`]: framed messages with size limits and deadlines |
//! | [`handshake`] | who is let in, and with which cryptography |
//! | [`tls`] | HTTPS for clients: pinned certificates, hybrid key exchange |
//! | [`error`] | what goes wrong, and whose fault it is |
//!
//! Nodes dial, so that they need no open port; the coordinator opens streams on the connection that a node dialled.
//! Both sides show an Ed25519 identity as a raw public key (RFC 7250) and prove in the handshake that they hold it:
//! there are no certificates, names or authorities to get wrong. TLS 1.3 only, X25519MLKEM768 only, no resumption and
//! no early data, so that every connection has keys of its own and no message can be replayed.
//!
//! Every request has a bidirectional stream of its own, so that a large circuit does not hold up a small answer.

pub mod connection;
pub mod endpoint;
pub mod error;
pub mod handshake;
pub mod tls;

#[cfg(test)]
mod tests;

pub use connection::{Connection, Received, Stream};
pub use endpoint::{Dialer, Incoming, Server, Settings};
pub use error::NetError;
pub use handshake::{ALPN, Admission, AnyIdentity};
pub use quinn;
pub use rustls::{self, NamedGroup};
pub use tls::CertificatePin;
