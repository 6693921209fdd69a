//! Money into the pool. Everybody sees who deposits how much of what; whose it is then, nobody.

use tacit_algebra::field;
use tacit_chain::pool::token_balance;
use tacit_chain::{Receipt, abi, from_wei, to_wei};
use tacit_pool::delivery::{MEMO_BYTES, ReceivingAddress, seal_note};
use tacit_pool::note::NoteBody;
use tacit_pool::{Address, Amount, SecretField};

use crate::journal::What;
use crate::open::{OpenWallet, Progress, Step, WalletError};
use crate::token::Token;

impl OpenWallet {
    /// Moves money from the wallet's Ethereum account into the pool; for a token the pool is approved for just that much first. `again` says that it is meant,
    /// where the same was sent and is not seen on the chain.
    ///
    /// # Errors
    /// [`WalletError`]; [`WalletError::NotRegistered`] for one's own deposit before one is.
    pub async fn deposit(
        &mut self,
        token: &Token,
        amount: Amount,
        to: Option<&ReceivingAddress>,
        memo: [u8; MEMO_BYTES],
        again: bool,
        progress: Progress<'_>,
    ) -> Result<Receipt, WalletError> {
        if amount.is_zero() {
            return Err(WalletError::Nothing);
        }
        self.sync(progress).await?;
        if !again && self.journal.is_deposited(token.address, amount) {
            return Err(WalletError::DepositAgain);
        }
        let own;
        let to = match to {
            Some(to) => to,
            None => {
                own = self.receiving_address()?;
                &own
            }
        };
        let body = NoteBody {
            owner_nullifier_key_hash: to.owner_nullifier_key_hash,
            note_secret: SecretField::new(field::random(&mut self.rng)),
            amount,
            token: token.address,
        };
        let place = self.config.pool.place();
        let note_data = seal_note(place, &to.key, &body, &memo, &mut self.rng)?;
        let account = self.account.address();
        let has = match token.address {
            Address::ZERO => self.ether().await?,
            token => token_balance(self.contract.rpc(), token, account).await?,
        };
        if has < to_wei(amount) {
            let has = from_wei(has).map_or_else(|| has.to_string(), |has| token.text(has));
            return Err(WalletError::Funds { account, has });
        }
        if !token.address.is_zero() {
            self.approve(token.address, amount, progress).await?;
        }
        let call = abi::deposit(place.pool, token.address, amount, &body.owner_commitment(), &note_data);
        let what = What::Deposit { token: token.address, amount };
        let receipt = self.transact(call, what, progress).await?;
        self.sync(progress).await?;
        Ok(receipt)
    }

    /// Lets the pool take just as much of a token. Some tokens (USDT) change an allowance to nothing only, or from nothing.
    async fn approve(
        &mut self,
        token: Address,
        amount: Amount,
        progress: Progress<'_>,
    ) -> Result<(), WalletError> {
        let pool = self.config.pool.pool;
        let allowed = self.allowance(token).await?;
        if allowed >= to_wei(amount) {
            return Ok(());
        }
        progress(Step::Approving);
        if !allowed.is_zero() {
            self.send(&abi::approve(token, pool, Amount::ZERO)).await?;
        }
        self.send(&abi::approve(token, pool, amount)).await?;
        Ok(())
    }
}
