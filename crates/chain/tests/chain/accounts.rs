//! Accounts, transactions and authorisations, held against what is published and what anvil signs.

use serde_json::json;
use tacit_chain::account::{Eip1559, authorization_hash, ecdsa_authorization};
use tacit_chain::devnet::PHRASE;
use tacit_chain::{Account, U256};
use tacit_pool::{Address, Fr, SeedPhrase};

use crate::common::*;

fn seed() -> tacit_pool::WalletSeed {
    SeedPhrase::parse(PHRASE).unwrap().seed("")
}

/// Hardhat's documentation and anvil's start-up text list them.
#[test]
fn accounts_of_a_phrase_are_those_that_other_wallets_find() {
    for (index, address) in [
        (0, "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
        (1, "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
        (9, "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720"),
    ] {
        assert_eq!(Account::from_seed(&seed(), index).unwrap().address().to_string(), address);
    }
    let secret = hex::decode("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80").unwrap();
    let account = Account::from_secret(&secret.try_into().unwrap()).unwrap();
    assert_eq!(account.address(), Account::from_seed(&seed(), 0).unwrap().address());
    let shown = format!("{account:?}");
    assert_eq!(shown, "Account(0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266, key hidden)");
}

#[test]
fn what_is_no_key_is_refused() {
    assert!(Account::from_secret(&[0; 32]).is_err());
    assert!(Account::from_secret(&[0xff; 32]).is_err());
    assert!(Account::from_seed(&seed(), 1 << 31).is_err());
}

/// anvil knows the same accounts and signs as RFC 6979 says: the bytes must be the same.
#[tokio::test]
async fn transactions_are_signed_as_anvil_signs_them() {
    let Some(anvil) = anvil(&[]) else { return };
    let accounts = anvil.request("eth_accounts", json!([])).await.unwrap();
    let ours: Vec<String> = (0..10).map(|n| anvil.account(n).unwrap().address().to_string()).collect();
    let theirs: Vec<String> = accounts
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a.as_str().unwrap().parse::<Address>().unwrap().to_string())
        .collect();
    assert_eq!(ours, theirs);

    let account = anvil.account(3).unwrap();
    let to = Address([0x77; 20]);
    for (to, value, data, nonce) in [
        (Some(to), 0u128, vec![], 0),
        (Some(to), 1, vec![0], 127),
        (Some(to), 10u128.pow(24), vec![0x80], 128),
        (Some(Address([0; 20])), u128::MAX, vec![0xab; 56], 300),
        (None, 0, vec![0xcd; 5000], u64::from(u32::MAX)),
    ] {
        let transaction = Eip1559 {
            chain_id: 31337,
            nonce,
            max_priority_fee_per_gas: U256::from(7),
            max_fee_per_gas: U256::from(3_000_000_000u64),
            gas_limit: 1_234_567,
            to,
            value: U256::from(value),
            data: data.clone(),
        };
        let mut request = json!({
            "type": "0x2", "from": account.address().to_string(), "nonce": format!("{nonce:#x}"), "chainId": "0x7a69",
            "maxPriorityFeePerGas": "0x7", "maxFeePerGas": "0xb2d05e00", "gas": "0x12d687",
            "value": format!("{value:#x}"), "input": format!("0x{}", hex::encode(&data)), "accessList": [],
        });
        if let Some(to) = to {
            request["to"] = to.to_string().into();
        }
        let theirs = anvil.request("eth_signTransaction", json!([request])).await.unwrap();
        let (raw, _) = transaction.sign(&account).unwrap();
        assert_eq!(theirs, format!("0x{}", hex::encode(raw)));
    }
}

/// anvil's `eth_signTypedData_v4` gives the same signature; that the contract takes it is shown in `contract.rs`.
#[tokio::test]
async fn authorisations_are_signed_as_anvil_signs_them() {
    let Some(anvil) = anvil(&[]) else { return };
    let account = anvil.account(4).unwrap();
    let (verifier, digest, blinding) = (Address([0x11; 20]), Fr::from(1234u64), -Fr::from(5u64));
    let proof = ecdsa_authorization(&account, 31337, verifier, &digest, &blinding).unwrap();
    assert_eq!(proof.len(), 128);
    let typed = json!({
        "types": {
            "EIP712Domain": [
                { "name": "name", "type": "string" }, { "name": "version", "type": "string" },
                { "name": "chainId", "type": "uint256" }, { "name": "verifyingContract", "type": "address" },
            ],
            "Authorization": [
                { "name": "transactionIntentDigest", "type": "uint256" }, { "name": "blindingFactor", "type": "uint256" },
            ],
        },
        "primaryType": "Authorization",
        "domain": { "name": "Tacit shielded pool", "version": "1", "chainId": 31337, "verifyingContract": verifier.to_string() },
        "message": {
            "transactionIntentDigest": tacit_pool::value::field_text(&digest).as_str(),
            "blindingFactor": tacit_pool::value::field_text(&blinding).as_str(),
        },
    });
    let theirs =
        anvil.request("eth_signTypedData_v4", json!([account.address().to_string(), typed])).await.unwrap();
    let theirs = hex::decode(theirs.as_str().unwrap().strip_prefix("0x").unwrap()).unwrap();
    assert_eq!(proof[32..96], theirs[..64]);
    assert_eq!(proof[127], theirs[64]);
    let hash = authorization_hash(31337, verifier, &digest, &blinding);
    assert_eq!(account.sign_hash(&hash).unwrap().signer(&hash), Some(account.address()));
}
