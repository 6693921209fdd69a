//! Section 3.3's hash: a length-tagged sponge over Poseidon2 on BN254 (width 4, 8 full and 56 partial rounds), and the
//! domain tags of section 3.1.

use std::sync::LazyLock;

use sha3::{Digest, Keccak256};
use taceo_poseidon2::bn254::t4;
use tacit_algebra::{Bn254, Groups, field};
use zeroize::Zeroize;

/// The field that everything here is over: BN254's scalar field, of order `p`.
pub type Fr = <Bn254 as Groups>::Scalar;

/// `poseidon(x_1, ..., x_N)` of section 3.3: capacity `N * 2^64`, rate 3, zero padding.
pub fn poseidon(inputs: &[Fr]) -> Fr {
    sponge(None, inputs)
}

/// `poseidon(tag, x_1, ..., x_N)`: the application hashes, whose first input is a domain tag.
pub fn tagged(domain: Domain, inputs: &[Fr]) -> Fr {
    sponge(Some(domain.tag()), inputs)
}

fn sponge(tag: Option<Fr>, inputs: &[Fr]) -> Fr {
    let zero = Fr::from(0u64);
    let count = inputs.len() + usize::from(tag.is_some());
    let mut state = [zero, zero, zero, Fr::from((count as u128) << 64)];
    let mut all = tag.iter().chain(inputs).peekable();
    if all.peek().is_none() {
        t4::permutation_in_place(&mut state);
    }
    while all.peek().is_some() {
        for (lane, x) in state.iter_mut().zip(all.by_ref().take(3)) {
            *lane += x;
        }
        t4::permutation_in_place(&mut state);
    }
    let [digest, ..] = state;
    // What is left of the state would give away inputs.
    state.zeroize();
    digest
}

/// `uint256(keccak256(bytes)) mod p`: domain tags (section 3.1) and `outputNoteDataHash` (section 8.6).
pub fn keccak_mod_p(bytes: &[u8]) -> Fr {
    let mut digest: [u8; 32] = Keccak256::digest(bytes).into();
    digest.reverse();
    field::from_uniform_bytes(&digest)
}

macro_rules! domains {
    ($($(#[$doc:meta])* $name:ident = $context:literal,)*) => {
        /// What a hash is about: its first input is `uint256(keccak256(context)) mod p`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Domain { $($(#[$doc])* $name,)* }

        impl Domain {
            /// All of them, in this file's order.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The text that is hashed.
            pub const fn context(self) -> &'static str {
                match self { $(Self::$name => $context,)* }
            }

            /// The tag.
            pub fn tag(self) -> Fr {
                match self {
                    $(Self::$name => {
                        static TAG: LazyLock<Fr> = LazyLock::new(|| keccak_mod_p($context.as_bytes()));
                        *TAG
                    })*
                }
            }
        }
    };
}

domains! {
    /// Owner nullifier key hashing (section 7.2).
    OwnerNullifierKeyHash = "eip-8182.owner_nullifier_key_hash",
    /// The owner-side note commitment (section 7.3).
    OwnerCommitment = "eip-8182.owner_commitment",
    /// The semantic note commitment (section 7.4).
    NoteBodyCommitment = "eip-8182.note_body_commitment",
    /// The final note commitment (section 7.5).
    NoteCommitment = "eip-8182.note_commitment",
    /// Nullifiers of real notes (section 7.6).
    Nullifier = "eip-8182.nullifier",
    /// Nullifiers of phantom inputs (section 7.7).
    PhantomNullifier = "eip-8182.phantom_nullifier",
    /// Intent replay ids (section 8.7).
    IntentReplayId = "eip-8182.intent_replay_id",
    /// Secrets of the notes that `transact` makes (section 7.9).
    TransactNoteSecret = "eip-8182.transact_note_secret",
    /// Note secret seed hashing (section 7.8).
    NoteSecretSeed = "eip-8182.note_secret_seed",
    /// Transaction intent digests (section 8.9).
    TransactionIntentDigest = "eip-8182.transaction_intent_digest",
    /// Output bindings (section 8.6).
    OutputBinding = "eip-8182.output_binding",
    /// Leaves of the registry (section 6.1).
    AuthPolicy = "eip-8182.auth_policy",
    /// Policy commitments (section 5.3).
    PolicyCommitment = "eip-8182.policy_commitment",
    /// Blinded auth commitments (section 8.1).
    BlindedAuthCommitment = "eip-8182.blinded_auth_commitment",
    /// What a credential signs.
    AuthMessage = "tacit.auth_message",
    /// Auth data of an EdDSA key.
    AuthDataEddsa = "tacit.auth_data_eddsa",
    /// Auth data of an XMSS key.
    AuthDataXmss = "tacit.auth_data_xmss",
    /// Auth data of an Ethereum signer.
    AuthDataEcdsa = "tacit.auth_data_ecdsa",
    /// EdDSA's challenge.
    EddsaChallenge = "tacit.eddsa_challenge",
    /// XMSS: the message that a one-time key signs.
    XmssMessage = "tacit.xmss_message",
    /// XMSS: a step of a chain; a place is added to the tag.
    XmssChain = "tacit.xmss_chain",
    /// XMSS: a leaf; its index is added to the tag.
    XmssLeaf = "tacit.xmss_leaf",
    /// XMSS: a node; its place is added to the tag.
    XmssNode = "tacit.xmss_node",
}
