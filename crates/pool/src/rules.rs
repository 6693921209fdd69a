//! The two switches between the EIP's form and Tacit's.

/// Which form of the pool's relation is meant. Circuits have the same switches as template parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rules {
    /// `BIND`: the digest, the replay id and the registry's leaf say for which pool and which policy version an intent is.
    pub bind: bool,
    /// `ROTATE`: nullifiers need a secret that rotation replaces.
    pub rotate: bool,
}

impl Rules {
    /// Sections 7 and 8 to the letter.
    pub const EIP: Self = Self { bind: false, rotate: false };
    /// The default: both additions.
    pub const TACIT: Self = Self { bind: true, rotate: true };
    /// Every form that a circuit can be built in.
    pub const ALL: [Self; 4] =
        [Self::EIP, Self { bind: true, rotate: false }, Self { bind: false, rotate: true }, Self::TACIT];

    /// Public inputs of the pool's circuit: 19, and the pool's address where intents are bound to it.
    pub const fn public_inputs(self) -> usize {
        if self.bind { 20 } else { 19 }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::TACIT
    }
}
