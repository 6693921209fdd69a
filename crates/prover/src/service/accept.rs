//! What must hold of a request before the service says that it will do it. Nothing here changes anything.

use tacit_pool::delivery::Place;
use tacit_pool::delivery::open;
use tacit_pool::intent::MAX_LIFETIME;
use tacit_pool::{NoteBody, Rules};

use super::authorisation;
use super::config::{AuthMethod, ServiceConfig, ServiceKeys};
use super::refusal::{Code, Refusal};
use super::submit::Seen;
use crate::circuits::PoolCircuits;
use crate::sealed::Task;
use crate::statement::Statement;
use crate::work::Auth;

/// Everything but what the chain knows.
///
/// # Errors
/// [`Refusal`].
pub fn check(
    config: &ServiceConfig,
    keys: &ServiceKeys,
    circuits: &PoolCircuits,
    task: &Task,
    now: u64,
) -> Result<(), Refusal> {
    let statement = task.statement();
    check_place(config.place, config.rules, statement)?;
    let method = authorisation::method(config, statement)?;
    if let Task::Prove(work) = task
        && let Auth::Circuit { circuit, .. } = work.auth()
    {
        if method != AuthMethod::Circuit(*circuit) {
            let message = "the intent's auth verifier takes no proofs of the circuit that is to be proved";
            return Err(Refusal::new(Code::VerifierNotServed, message));
        }
        if !circuits.has(*circuit) {
            let message = "this service does not prove with the intent's auth circuit: prove elsewhere and have it relayed";
            return Err(Refusal::new(Code::CircuitNotServed, message));
        }
    }
    check_token(config, task)?;
    check_time(statement, now, config.time_needed.as_secs())?;
    check_fee(config, keys, statement)
}

fn check_place(place: Place, rules: Rules, statement: &Statement) -> Result<(), Refusal> {
    let Place { chain_id, pool } = place;
    if statement.place() != place {
        let message = format!("this service serves the pool {pool} on chain {chain_id} only");
        return Err(Refusal::new(Code::WrongPlace, message));
    }
    if statement.rules() != rules {
        let message = "the transaction is of another form (BIND, ROTATE) than the pool that is served";
        return Err(Refusal::new(Code::WrongRules, message));
    }
    Ok(())
}

/// A withdrawal runs the token's contract at the service's cost. Of a payment that is only relayed the token is nobody's to know, and no contract
/// of it runs.
fn check_token(config: &ServiceConfig, task: &Task) -> Result<(), Refusal> {
    let public = task.statement().public_inputs().public_token_address;
    let private = match task {
        Task::Prove(work) => work.token().unwrap_or(public),
        Task::Relay { .. } => public,
    };
    if config.serves_token(public) && config.serves_token(private) {
        return Ok(());
    }
    let message = "this service serves ether and the tokens of its fees, and not this one: take another way";
    Err(Refusal::new(Code::TokenNotServed, message))
}

/// Whether enough of the intent's time is left, by a clock or by the chain's newest block.
///
/// # Errors
/// [`Code::ExpiresTooSoon`], [`Code::TooEarly`].
pub fn check_time(statement: &Statement, now: u64, needed: u64) -> Result<(), Refusal> {
    let until = u64::from(statement.public_inputs().valid_until_seconds);
    if until < now.saturating_add(needed) {
        let left = until.saturating_sub(now);
        let message =
            format!("the intent's time is over in {left} s, and {needed} s are needed: sign a new one");
        return Err(Refusal::new(Code::ExpiresTooSoon, message));
    }
    // The chain's clock may be a little behind; the contract has the last word.
    if until > now.saturating_add(u64::from(MAX_LIFETIME) + 900) {
        let message =
            format!("the contract takes no intent more than {MAX_LIFETIME} s before its time is over");
        return Err(Refusal::new(Code::TooEarly, message));
    }
    Ok(())
}

/// Whether the third output is a note to this service that holds what it asks.
fn check_fee(config: &ServiceConfig, keys: &ServiceKeys, statement: &Statement) -> Result<(), Refusal> {
    if config.fees.is_empty() || config.fees.iter().any(|(_, fee)| fee.is_zero()) {
        return Ok(());
    }
    let [.., note_data] = statement.note_data();
    let [.., commitment] = &statement.public_inputs().note_body_commitments;
    let note = keys.fee_readers.iter().find_map(|key| open(statement.place(), key, note_data));
    let body = note.map(|note| NoteBody {
        owner_nullifier_key_hash: keys.fee_address.owner_nullifier_key_hash,
        note_secret: note.note_secret.clone(),
        amount: note.amount,
        token: note.token,
    });
    // What note data says counts only if the chain will have that note.
    let Some(body) = body.filter(|body| body.commitment() == *commitment) else {
        let message =
            "the third output is no note to this service's fee address: take the address of its registration";
        return Err(Refusal::new(Code::NoFee, message));
    };
    let Some((_, fee)) = config.fees.iter().find(|(token, _)| *token == body.token) else {
        let message = "the fee is of a token that this service does not take: see its registration";
        return Err(Refusal::new(Code::FeeToken, message));
    };
    if body.amount < *fee {
        let message = format!("this service asks for {fee} of that token: fetch its registration again");
        return Err(Refusal::new(Code::FeeTooLow, message));
    }
    Ok(())
}

/// What the chain knows of it.
///
/// # Errors
/// [`Refusal`].
pub fn check_chain(
    config: &ServiceConfig,
    statement: &Statement,
    seen: &Seen,
    needed: u64,
) -> Result<(), Refusal> {
    if seen.executed {
        return Err(Refusal::new(Code::AlreadyExecuted, "the intent was executed before"));
    }
    if seen.spent {
        return Err(Refusal::new(Code::AlreadySpent, "a note of this transaction was spent before"));
    }
    if !seen.roots_accepted {
        let message = "the pool's contract does not accept the transaction's roots: bring the wallet up to date and make the paths anew";
        return Err(Refusal::new(Code::StaleRoot, message));
    }
    if seen.recipient_is_contract && !config.contract_recipients {
        let message = "this service pays out ether to addresses without code only: withdraw to an account, or another way";
        return Err(Refusal::new(Code::RecipientIsContract, message));
    }
    if seen.payout_refused {
        let message = "the recipient, or the token's contract, does not take the withdrawal: withdraw to another address";
        return Err(Refusal::new(Code::Reverted, message));
    }
    check_time(statement, seen.time, needed)
}
