//! Registering a wallet, choosing what authorises its spends, and rotating the secret that provers see: all of them are
//! `setAuthPolicy`, and none moves money.

use tacit_chain::{Receipt, abi};
use tacit_pool::policy::auth_data_ecdsa;
use tacit_pool::wallet::credentials::{Credential, Held};
use tacit_pool::{Address, Fr, Policy, xmss};

use crate::journal::What;
use crate::open::{OpenWallet, Progress, WalletError};

/// The slot of a wallet's one policy.
pub const SLOT: u8 = 0;

/// What signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// EdDSA, by a key from the seed phrase.
    Eddsa,
    /// XMSS, by a key that is drawn and in this wallet's folder only.
    Xmss,
    /// The wallet's Ethereum account.
    Ecdsa,
}

impl CredentialKind {
    /// The name that wallets and descriptions use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Eddsa => "eddsa",
            Self::Xmss => "xmss",
            Self::Ecdsa => "ecdsa",
        }
    }

    /// Of a credential.
    pub const fn of(credential: &Credential) -> Self {
        match credential {
            Credential::Eddsa { .. } => Self::Eddsa,
            Credential::Xmss { .. } => Self::Xmss,
            Credential::Ecdsa { .. } => Self::Ecdsa,
        }
    }
}

impl OpenWallet {
    /// What signs under the policy that is registered; `None` before anything is.
    ///
    /// # Errors
    /// [`WalletError::ForeignPolicy`] where the registered policy was set from elsewhere.
    pub fn policy(&self) -> Result<Option<&Held>, WalletError> {
        let Some(entry) = self.state.entry() else { return Ok(None) };
        let held = self.state.credentials().held(&entry.policy_set_commitment);
        let held = held.and_then(|set| set.iter().find(|held| held.slot == SLOT));
        held.map(Some).ok_or(WalletError::ForeignPolicy)
    }

    /// Registers a policy under which `kind` signs from now on, with a credential that signed for no other policy before (an EdDSA key and
    /// the account excepted, which signing does not use up). What was signed under the policy before it dies with it.
    ///
    /// # Errors
    /// [`WalletError`].
    pub async fn set_policy(
        &mut self,
        kind: CredentialKind,
        progress: Progress<'_>,
    ) -> Result<Receipt, WalletError> {
        self.sync(progress).await?;
        let (verifier, auth_data, credential) = self.credential(kind)?;
        let policy = Policy::new(verifier, auth_data, &mut self.rng);
        let held = Held { slot: SLOT, policy, credential };
        let epoch = self.epoch().unwrap_or_else(|| self.state.epochs().newest());
        let what = What::Policy { credential: kind.name().to_owned() };
        self.register(vec![held], epoch, what, progress).await
    }

    /// Registers the next epoch's seed. From the block that has it on, what a prover was given no longer serves for anything that this wallet
    /// does; the old seed's last transactions can be executed for 64 blocks more (section 5.2.1).
    ///
    /// # Errors
    /// [`WalletError`].
    pub async fn rotate(&mut self, progress: Progress<'_>) -> Result<(u32, Receipt), WalletError> {
        self.sync(progress).await?;
        let held = self.policy()?.ok_or(WalletError::NotRegistered)?.clone();
        // A blinder that the former prover does not know: it cannot even tell that the policy is still the same.
        let policy = Policy::new(held.policy.auth_verifier, held.policy.auth_data_commitment, &mut self.rng);
        let epoch = self.state.prepare_rotation(&self.keys).number;
        let what = What::Rotation { epoch };
        let receipt = self.register(vec![Held { policy, ..held }], epoch, what, progress).await?;
        Ok((epoch, receipt))
    }

    /// The verifier, what it checks against, and the credential.
    fn credential(&mut self, kind: CredentialKind) -> Result<(Address, Fr, Credential), WalletError> {
        let verifiers = &self.config.pool.verifiers;
        let verifier = match kind {
            CredentialKind::Eddsa => verifiers.eddsa,
            CredentialKind::Xmss => verifiers.xmss,
            CredentialKind::Ecdsa => verifiers.ecdsa,
        };
        let verifier = verifier.ok_or(WalletError::NoVerifier(kind.name()))?;
        Ok(match kind {
            CredentialKind::Eddsa => {
                let key = self.keys.eddsa(0).ok_or(WalletError::NoKey)?;
                (verifier, key.public().auth_data(), Credential::Eddsa { number: 0 })
            }
            CredentialKind::Xmss => {
                let key = self.state.credentials_mut().draw_xmss(xmss::HEIGHT, &mut self.rng)?;
                (verifier, key.auth_data(), Credential::Xmss { root: key.root })
            }
            CredentialKind::Ecdsa => {
                let signer = self.account.address();
                (verifier, auth_data_ecdsa(signer), Credential::Ecdsa { signer })
            }
        })
    }

    async fn register(
        &mut self,
        set: Vec<Held>,
        epoch: u32,
        what: What,
        progress: Progress<'_>,
    ) -> Result<Receipt, WalletError> {
        let commitment = self.state.credentials_mut().remember(set)?;
        // Blinder and key are nowhere else: on disk before the chain has what hides behind them.
        self.folder.keep_state(&self.state)?;
        let seed_hash = self.keys.note_secret_seed_hash(epoch);
        let call = abi::set_auth_policy(self.config.pool.pool, self.keys.owner(), &seed_hash, &commitment);
        let receipt = self.transact(call, what, progress).await?;
        self.sync(progress).await?;
        Ok(receipt)
    }
}
