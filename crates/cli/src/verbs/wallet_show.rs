//! `tacit wallet address|policy|balance|history`

use std::collections::{BTreeMap, BTreeSet};

use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};
use tacit_pool::delivery::ReceivingAddress;
use tacit_pool::value::Text;
use tacit_pool::wallet::credentials::Credential;
use tacit_pool::{Address, Amount};
use tacit_wallet::journal::{self, Outcome as Went, Record, What};
use tacit_wallet::policy::CredentialKind;
use tacit_wallet::token::Token;
use tacit_wallet::{OpenWallet, WalletError};

use super::wallet::Common;
use crate::failure::Outcome;
use crate::ui::{self, Ui};
use crate::wallet_watch::Watch;

/// Opens the wallet and reads the chain.
fn look(common: &Common, ui: &Ui) -> Outcome<(tokio::runtime::Runtime, OpenWallet)> {
    let (runtime, mut wallet) = common.open()?;
    let watch = Watch::new(ui);
    runtime.block_on(wallet.sync(&|step| watch.told(step)))?;
    watch.done();
    Ok((runtime, wallet))
}

/// Prints the receiving address.
pub fn address(common: &Common, ui: &Ui) -> Outcome {
    let (_, wallet) = look(common, ui)?;
    let address = wallet.receiving_address()?.to_text(&wallet.config().pool.place());
    ui.result(&json!({ "receiving_address": address }), &address);
    Ok(())
}

/// Says how spends are authorised.
pub fn policy(common: &Common, ui: &Ui) -> Outcome {
    let (_, wallet) = look(common, ui)?;
    let Some(held) = wallet.policy()? else { return Err(WalletError::NotRegistered.into()) };
    let kind = CredentialKind::of(&held.credential);
    let left = match &held.credential {
        Credential::Xmss { root } => Some(wallet.state().credentials().xmss(root)?.left()),
        _ => None,
    };
    let version = wallet.state().entry().map(|entry| entry.policy_version);
    let epoch = wallet.epoch();
    let json = json!({
        "policy": kind.name(), "verifier": held.policy.auth_verifier, "policy_version": version, "epoch": epoch, "signatures_left": left,
    });
    let left = left.map_or_else(String::new, |left| format!("; {left} signatures are left"));
    ui.result(
        &json,
        format!(
            "Spends are authorised by {} (verifier {}), version {} of the policy, epoch {}{left}",
            kind.name(),
            held.policy.auth_verifier,
            version.unwrap_or_default(),
            epoch.unwrap_or_default()
        ),
    );
    Ok(())
}

/// Says what is there.
pub fn balance(common: &Common, ui: &Ui) -> Outcome {
    let (runtime, mut wallet) = look(common, ui)?;
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["TOKEN", "CAN BE SPENT", "ON ITS WAY"]);
    let mut list = Vec::new();
    for (address, balance) in wallet.balances() {
        let token = runtime.block_on(wallet.token_to_show(address));
        let name = if address.is_zero() { "ether".to_owned() } else { address.to_string() };
        let text = |amount: Amount| ui::printable(&token.text(amount));
        table.add_row([name, text(balance.spendable), text(balance.reserved)]);
        list.push(json!({
            "token": address, "symbol": ui::printable(&token.symbol), "decimals": token.decimals,
            "spendable": balance.spendable.to_string(), "reserved": balance.reserved.to_string(),
        }));
    }
    for column in [1, 2] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let account = wallet.account().address();
    let wei = runtime.block_on(wallet.ether())?;
    let outside =
        wei.to_string().parse().map_or_else(|_| format!("{wei} wei"), |wei| Token::ether().text(wei));
    let block = wallet.state().head().number;
    let json = json!({
        "block": block, "balances": list, "ethereum_account": account.to_string(), "ethereum_wei": wei.to_string(),
    });
    let inside = if list.is_empty() { "Nothing in the pool yet".to_owned() } else { table.trim_fmt() };
    ui.result(&json, format!("{inside}\n\nOutside of the pool, in the Ethereum account {account}: {outside}\nAs of block {block}"));
    Ok(())
}

/// Lists what happened.
pub fn history(common: &Common, ui: &Ui) -> Outcome {
    let (runtime, mut wallet) = look(common, ui)?;
    let received = journal::received(wallet.state());
    let of_records = wallet.journal().records().iter().filter_map(|record| match &record.what {
        What::Deposit { token, .. } | What::Payment { token, .. } => Some(*token),
        _ => None,
    });
    let of_notes = received.iter().map(|note| note.token);
    let mut tokens = BTreeMap::new();
    for address in of_records.chain(of_notes).collect::<BTreeSet<Address>>() {
        tokens.insert(address, runtime.block_on(wallet.token_to_show(address)));
    }
    // A token's name is its own claim: its address stands beside it.
    let text = |address: Address, amount: Amount| {
        let token = tokens.get(&address).cloned().unwrap_or_else(|| Token::unknown(address));
        let contract = if address.is_zero() { String::new() } else { format!(" ({address})") };
        ui::printable(&format!("{}{contract}", token.text(amount)))
    };
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["", "WHEN", "WHAT", "AMOUNT", "HOW", "OUTCOME"]);
    for (i, record) in wallet.journal().records().iter().enumerate() {
        let (what, amount, how) = match &record.what {
            What::Policy { credential } => (format!("policy: {credential}"), String::new(), String::new()),
            What::Rotation { epoch } => (format!("rotation to epoch {epoch}"), String::new(), String::new()),
            What::Deposit { token, amount } => ("deposit".to_owned(), text(*token, *amount), String::new()),
            What::Payment { to, withdrawal, token, amount, prover, .. } => {
                let verb = if *withdrawal { "withdrawal to" } else { "sent to" };
                (format!("{verb} {}", recipient(to)), text(*token, *amount), format!("proof: {prover}"))
            }
        };
        let outcome = went(&record.outcome, &wallet);
        table.add_row([(i + 1).to_string(), ui::ago(record.at), what, amount, how, outcome]);
    }
    for note in &received {
        let spent =
            note.spent.map_or_else(|| "unspent".to_owned(), |block| format!("spent in block {block}"));
        let what = if note.memo.is_empty() { "note".to_owned() } else { format!("note: {}", note.memo) };
        table.add_row([
            String::new(),
            format!("block {}", note.block),
            what,
            text(note.token, note.amount),
            String::new(),
            spent,
        ]);
    }
    let records: Vec<Value> = wallet.journal().records().iter().map(record_json).collect();
    let json = json!({ "records": records, "notes": received });
    let text =
        if records.is_empty() && received.is_empty() { "Nothing yet".to_owned() } else { table.trim_fmt() };
    ui.result(&json, text);
    Ok(())
}

fn record_json(record: &Record) -> Value {
    serde_json::to_value(record).unwrap_or_default()
}

fn went(outcome: &Went, wallet: &OpenWallet) -> String {
    match outcome {
        Went::Begun { trouble } => {
            let trouble = trouble.as_ref().map_or_else(String::new, |trouble| format!(": {trouble}"));
            ui::printable(&format!("begun; not seen on the chain{trouble}"))
        }
        Went::Signed { until, trouble } => {
            let trouble = trouble.as_ref().map_or_else(String::new, |trouble| format!(": {trouble}"));
            match wallet.seconds_left(*until).div_ceil(60) {
                0 => ui::printable(&format!(
                    "signed; its time is over, and its money free when that is final{trouble}"
                )),
                minutes => {
                    ui::printable(&format!("signed; can be executed for {minutes} minutes more{trouble}"))
                }
            }
        }
        Went::Confirmed { block } => format!("block {block}"),
        Went::Failed { reason } => ui::printable(reason),
    }
}

/// An Ethereum address whole; of a receiving address, of which the wallet keeps the owner, the beginning.
fn recipient(text: &str) -> String {
    match serde_json::from_value(text.into()) {
        Ok(Text(owner)) => ReceivingAddress::beginning(&owner),
        Err(_) => text.to_owned(),
    }
}
