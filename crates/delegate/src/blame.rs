//! Whom an error points at.
//!
//! Every error of this crate has `culprits()`, an exhaustive match: whoever adds an error must say whom it blames. A
//! culprit is what one process can say by itself. It is not guilt: that a node answered wrongly is *shown* only by
//! recomputing its answer from the package that it acknowledged, or by two different answers that it signed.

/// Who made something go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Culprit {
    /// Whoever dealt: it made or signed what cannot be right.
    Client,
    /// The node at this place: with one group, its index.
    Node(u8),
    /// The coordinator: it relayed, or put together, what it could have checked.
    Coordinator,
    /// No peer: this process was asked for something it does not do, or came too late.
    Nobody,
    /// What is known does not single anyone out.
    Unknown,
}

impl std::fmt::Display for Culprit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Client => f.write_str("the client"),
            Self::Node(index) => write!(f, "node {index}"),
            Self::Coordinator => f.write_str("the coordinator"),
            Self::Nobody => f.write_str("nobody"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// `1, 3 and 4` for messages.
pub(crate) fn list(indices: &[u8]) -> String {
    match indices {
        [] => "none".to_owned(),
        [one] => one.to_string(),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(u8::to_string).collect();
            format!("{} and {last}", first.join(", "))
        }
    }
}
