//! The real contract with real proofs: what it takes from us, what it says back, and in which words it refuses.

use serde_json::{Value, json};
use tacit_algebra::field;
use tacit_chain::account::{authorization_hash, ecdsa_authorization};
use tacit_chain::deploy::{DeployError, Plan, deploy};
use tacit_chain::devnet::Anvil;
use tacit_chain::pool::{token_allowance, token_balance, token_info};
use tacit_chain::revert::{Known, Revert};
use tacit_chain::rpc::{Blocks, CallParams};
use tacit_chain::{
    Account, At, Call, PoolContract, PoolError, SendError, SendOptions, U256, abi, send, simulate, wait,
};
use tacit_pool::events::Event;
use tacit_pool::policy::auth_data_ecdsa;
use tacit_pool::{Address, Amount, Fr, PublicInputs};

use crate::common::*;

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap().strip_prefix("0x").unwrap()).unwrap()
}

fn element(value: &Value) -> Fr {
    field::read_be(&bytes(value)).unwrap()
}

fn address(value: &Value) -> Address {
    value.as_str().unwrap().parse().unwrap()
}

fn public_inputs(words: &[u8], pool: Address) -> PublicInputs {
    let words: Vec<Fr> = words.chunks(32).map(|word| field::read_be(word).unwrap()).collect();
    let number = |x: &Fr| tacit_pool::value::field_text(x).parse::<u32>().unwrap();
    let at = |x: &Fr| Address::from_field(x).unwrap();
    PublicInputs {
        note_commitment_root: words[0],
        nullifiers: [words[1], words[2]],
        note_body_commitments: [words[3], words[4], words[5]],
        public_amount_out: Amount::from_field(&words[6]).unwrap(),
        public_recipient_address: at(&words[7]),
        public_token_address: at(&words[8]),
        intent_replay_id: words[9],
        valid_until_seconds: number(&words[10]),
        execution_chain_id: number(&words[11]),
        auth_policy_root: words[12],
        output_note_data_hashes: [words[13], words[14], words[15]],
        auth_verifier: at(&words[16]),
        blinded_auth_commitment: words[17],
        transaction_intent_digest: words[18],
        pool_address: pool,
    }
}

/// Sends as somebody whose key nobody has.
async fn as_other(anvil: &Anvil, from: Address, to: Option<Address>, data: &[u8]) {
    anvil.request("anvil_impersonateAccount", json!([from.to_string()])).await.unwrap();
    anvil.request("anvil_setBalance", json!([from.to_string(), "0xffffffffffffffffff"])).await.unwrap();
    let mut request =
        json!({ "from": from.to_string(), "input": format!("0x{}", hex::encode(data)), "gas": "0x1000000" });
    if let Some(to) = to {
        request["to"] = to.to_string().into();
    }
    let hash = anvil.request("eth_sendTransaction", json!([request])).await.unwrap();
    let hash: [u8; 32] = bytes(&hash).try_into().unwrap();
    for _ in 0..100 {
        if let Some(receipt) = anvil.rpc().receipt(&hash).await.unwrap() {
            assert!(receipt.success);
            return;
        }
        tokio::time::sleep(SECOND / 20).await;
    }
    panic!("no receipt");
}

fn creation(name: &str, key: Option<&[u8]>) -> Vec<u8> {
    let text = std::fs::read_to_string(workspace(&format!("contracts/artifacts/{name}.json"))).unwrap();
    let mut code = bytes(&serde_json::from_str::<Value>(&text).unwrap()["bytecode"]);
    if let Some(key) = key {
        use alloy_sol_types::SolValue as _;
        code.extend((alloy_primitives::Bytes::copy_from_slice(key),).abi_encode_params());
    }
    code
}

/// Registration, two deposits, a transfer authorised by EdDSA and a withdrawal authorised by ECDSA, with proofs of the real
/// circuits, at the addresses to which these are bound.
#[tokio::test]
async fn the_contract_takes_real_proofs_and_refuses_them_twice() {
    let Some(anvil) = anvil(&["--timestamp", "1800000000"]) else { return };
    let vector = vector();
    let (rpc, sender) = (anvil.rpc(), anvil.account(1).unwrap());
    let deployer = address(&vector["deployer"]);
    as_other(&anvil, deployer, None, &creation("Groth16AuthVerifier", Some(&bytes(&vector["eddsaKey"]))))
        .await;
    as_other(&anvil, deployer, None, &creation("EcdsaAuthVerifier", None)).await;
    as_other(&anvil, deployer, None, &creation("ShieldedPool", Some(&bytes(&vector["poolKey"])))).await;
    let pool = PoolContract::connect(rpc.clone(), address(&vector["pool"])).await.unwrap();
    assert!(pool.binds());

    // Registered by an address of the vector.
    let user = address(&vector["user"]);
    let [owner, seed, set] = ["ownerNullifierKeyHash", "noteSecretSeedHash", "policySetCommitment"]
        .map(|name| element(&vector[name]));
    assert_eq!(pool.entry(user, At::Latest).await.unwrap(), None);
    as_other(
        &anvil,
        user,
        Some(pool.address()),
        &abi::set_auth_policy(pool.address(), &owner, &seed, &set).data,
    )
    .await;
    let entry = pool.entry(user, At::Latest).await.unwrap().unwrap();
    assert_eq!((entry.leaf_position, entry.policy_version), (1, 1));
    assert_eq!((entry.owner_nullifier_key_hash, entry.note_secret_seed_hash), (owner, seed));
    let registry_root = element(&vector["authPolicyRoot"]);
    assert_eq!(pool.roots(At::Latest).await.unwrap().1, registry_root);
    assert!(pool.is_accepted_policy_root(&registry_root, At::Latest).await.unwrap());
    assert!(!pool.is_accepted_policy_root(&owner, At::Latest).await.unwrap());

    let execute = async |call: &Call| {
        let signed = send(rpc, &sender, CHAIN, call, &SendOptions::default()).await.unwrap();
        let receipt = wait(rpc, &signed, 20 * SECOND).await.unwrap();
        assert!(receipt.success);
        receipt
    };
    for deposit in vector["deposits"].as_array().unwrap() {
        let amount = Amount::from_word(&bytes(&deposit["amount"]).try_into().unwrap()).unwrap();
        let owner = element(&deposit["ownerCommitment"]);
        execute(&abi::deposit(pool.address(), Address::ZERO, amount, &owner, &[0; 160])).await;
    }

    let load = |name: &str| {
        let entry = &vector[name];
        let inputs = public_inputs(&bytes(&entry["publicInputs"]), pool.address());
        let data = [0, 1, 2].map(|slot| bytes(&entry["noteData"][slot]));
        (bytes(&entry["poolProof"]), bytes(&entry["authProof"]), inputs, data)
    };
    let (pool_proof, auth_proof, inputs, data) = load("transfer");
    let call = abi::transact(pool.address(), &pool_proof, &auth_proof, &inputs, &data);
    let revert = async |call: &Call| match simulate(rpc, sender.address(), call).await.unwrap_err() {
        SendError::Revert(revert) => revert,
        other => panic!("{other}"),
    };
    // A proof for other inputs, and an authorisation of another intent.
    let mut other = inputs.clone();
    other.intent_replay_id += Fr::from(1u64);
    let bad = revert(&abi::transact(pool.address(), &pool_proof, &auth_proof, &other, &data)).await;
    assert!(matches!(&bad, Revert::Known(known) if matches!(**known, Known::PoolProofInvalid(_))), "{bad}");
    let bad = revert(&abi::transact(pool.address(), &pool_proof, &pool_proof, &inputs, &data)).await;
    assert!(matches!(&bad, Revert::Known(known) if matches!(**known, Known::AuthProofInvalid(_))), "{bad}");
    assert!(bad.to_string().contains(&inputs.auth_verifier.to_string()), "{bad}");
    let bad = revert(&abi::transact(pool.address(), &pool_proof[1..], &auth_proof, &inputs, &data)).await;
    assert!(bad.to_string().contains("got 255"), "{bad}");
    let swapped = [data[1].clone(), data[0].clone(), data[2].clone()];
    let bad = revert(&abi::transact(pool.address(), &pool_proof, &auth_proof, &inputs, &swapped)).await;
    assert!(bad.to_string().contains("note data 0"), "{bad}");

    let [nullifier, _] = inputs.nullifiers;
    assert!(!pool.is_nullifier_spent(&nullifier, At::Latest).await.unwrap());
    let gas = simulate(rpc, sender.address(), &call).await.unwrap();
    let receipt = execute(&call).await;
    assert!(receipt.gas_used <= gas && gas < 2 * receipt.gas_used, "{gas} {receipt:?}");
    let (root, _) = pool.roots(At::Hash(receipt.block_hash)).await.unwrap();
    assert_eq!(root, element(&vector["transfer"]["rootAfter"]));
    assert!(pool.is_accepted_note_root(&root, At::Latest).await.unwrap());
    assert!(!pool.is_accepted_note_root(&root, At::Number(receipt.block - 1)).await.unwrap());
    assert!(pool.is_nullifier_spent(&nullifier, At::Latest).await.unwrap());
    assert!(!pool.is_nullifier_spent(&nullifier, At::Number(receipt.block - 1)).await.unwrap());
    assert!(pool.is_replay_id_used(&inputs.intent_replay_id, At::Latest).await.unwrap());

    // Its event is what was proved.
    let logs = rpc.logs(pool.address(), Blocks::Hash(receipt.block_hash)).await.unwrap();
    let Event::Transacted(event) = abi::event(&logs[0], pool.address(), true).unwrap() else { panic!() };
    assert_eq!((event.nullifiers, event.intent_replay_id), (inputs.nullifiers, inputs.intent_replay_id));
    assert_eq!((event.leaf_index, event.root, event.auth_verifier), (2, root, inputs.auth_verifier));
    assert_eq!(event.note_data, data);
    let body = inputs.note_body_commitments[1];
    assert_eq!(event.note_commitments[1], tacit_pool::note::note_commitment(&body, 3));

    // Not a second time.
    let spent = revert(&call).await;
    assert!(spent.is_spent(), "{spent}");
    let error = send(rpc, &sender, CHAIN, &call, &SendOptions::default()).await.unwrap_err();
    assert!(
        error.to_string().contains("nothing was sent: a note of this transaction was spent before"),
        "{error}"
    );

    // A withdrawal that an Ethereum key authorises.
    let (pool_proof, _, inputs, data) = load("withdrawal");
    let mut secret = [0; 32];
    secret[29..].copy_from_slice(&[0x0a, 0x11, 0xce]);
    let signer = Account::from_secret(&secret).unwrap();
    let verifier = address(&vector["ecdsaVerifier"]);
    let blinding = element(&vector["withdrawal"]["blindingFactor"]);
    let digest = inputs.transaction_intent_digest;
    let hash = authorization_hash(31337, verifier, &digest, &blinding);
    let question = {
        use alloy_sol_types::SolCall as _;
        alloy_sol_types::sol! {
            function authorizationHash(uint256 transactionIntentDigest, uint256 blindingFactor) external view returns (bytes32);
        }
        let word = |x: &Fr| U256::from_be_slice(&field::to_be(x));
        authorizationHashCall { transactionIntentDigest: word(&digest), blindingFactor: word(&blinding) }
            .abi_encode()
    };
    let asked = CallParams { from: None, to: Some(verifier), value: U256::ZERO, data: &question };
    assert_eq!(rpc.call(&asked, At::Latest).await.unwrap(), hash);
    // The proof is bound to this very signer.
    assert_eq!(
        inputs.blinded_auth_commitment,
        tacit_pool::policy::blinded_auth_commitment(&auth_data_ecdsa(signer.address()), &blinding)
    );
    let auth = ecdsa_authorization(&sender, 31337, verifier, &digest, &blinding).unwrap();
    let bad = revert(&abi::transact(pool.address(), &pool_proof, &auth, &inputs, &data)).await;
    assert!(matches!(&bad, Revert::Known(known) if matches!(**known, Known::AuthProofInvalid(_))), "{bad}");
    let auth = ecdsa_authorization(&signer, 31337, verifier, &digest, &blinding).unwrap();
    execute(&abi::transact(pool.address(), &pool_proof, &auth, &inputs, &data)).await;
    let recipient = inputs.public_recipient_address;
    assert_eq!(
        rpc.balance(recipient, At::Latest).await.unwrap(),
        tacit_chain::to_wei(inputs.public_amount_out)
    );

    // After its time.
    anvil.request("evm_setNextBlockTimestamp", json!([1_800_010_000])).await.unwrap();
    anvil.mine(1).await.unwrap();
    let late = revert(&call).await;
    assert!(late.to_string().contains("good until 1800003600"), "{late}");
}

#[tokio::test]
async fn tokens_are_approved_and_deposited() {
    let Some(net) = devnet().await else { return };
    let (alice, rpc, pool) = (net.person(1), net.anvil.rpc(), net.pool.address());
    let (token, me) = (net.deployed.token.unwrap(), alice.account.address());
    let info = token_info(rpc, token).await.unwrap();
    assert_eq!((info.symbol.as_str(), info.decimals), ("DEMO", 18));
    assert!(matches!(token_info(rpc, pool).await, Err(PoolError::Rpc(_))));
    assert!(matches!(token_info(rpc, me).await, Err(PoolError::Answer { .. })));

    net.execute(&alice.account, &abi::mint(token, me, 100u128.into())).await;
    let deposit = |amount: u128| abi::deposit(pool, token, amount.into(), &7u64.into(), &[1, 2, 3]);
    let error = simulate(rpc, me, &deposit(60)).await.unwrap_err().to_string();
    assert!(error.contains("approve the pool"), "{error}");
    net.execute(&alice.account, &abi::approve(token, pool, 60u128.into())).await;
    assert_eq!(token_allowance(rpc, token, me, pool).await.unwrap(), U256::from(60));
    net.execute(&alice.account, &deposit(60)).await;
    assert_eq!(token_balance(rpc, token, pool).await.unwrap(), U256::from(60));
    assert_eq!(token_balance(rpc, token, me).await.unwrap(), U256::from(40));

    let error = simulate(rpc, me, &deposit(0)).await.unwrap_err().to_string();
    assert!(error.contains("this deposits nothing"), "{error}");
    let mut short = abi::deposit(pool, Address::ZERO, 5u128.into(), &7u64.into(), &[]);
    short.value = U256::from(4);
    let error = simulate(rpc, me, &short).await.unwrap_err().to_string();
    assert!(error.contains("send exactly 5 wei, got 4"), "{error}");
    // The owner's hash is taken by the first.
    let (bob, mut mallory) = (net.person(2), net.person(3));
    net.register(&bob).await;
    mallory.keys = bob.keys.clone();
    let call = abi::set_auth_policy(pool, mallory.keys.owner(), &8u64.into(), &9u64.into());
    let error = simulate(rpc, mallory.account.address(), &call).await.unwrap_err().to_string();
    assert!(error.contains(&format!("the address {} registered", bob.account.address())), "{error}");
}

#[tokio::test]
async fn what_is_no_pool_is_not_connected_to() {
    let Some(net) = devnet().await else { return };
    let rpc = net.anvil.rpc();
    let nobody = Address([9; 20]);
    assert_eq!(PoolContract::connect(rpc.clone(), nobody).await.unwrap_err(), PoolError::NoCode(nobody));
    let token = net.deployed.token.unwrap();
    assert_eq!(PoolContract::connect(rpc.clone(), token).await.unwrap_err(), PoolError::NoPool(token));
    let verifier = net.deployed.auth_verifiers[0];
    assert_eq!(PoolContract::connect(rpc.clone(), verifier).await.unwrap_err(), PoolError::NoPool(verifier));
}

/// The EIP's form is told by its answers. Its key has one point less: the vector's, cut short, is a key as well.
#[tokio::test]
async fn the_other_form_is_recognised() {
    let Some(anvil) = anvil(&[]) else { return };
    let vector = vector();
    let whole = bytes(&vector["poolKey"]);
    let short = tacit_chain::deploy::ContractKey::from_bytes(whole[..whole.len() - 64].to_vec()).unwrap();
    let plan = Plan { bind: false, pool_key: short, auth_keys: vec![], ecdsa: false, token: false };
    let deployer = anvil.account(0).unwrap();
    let deployed = deploy(anvil.rpc(), &deployer, CHAIN, &plan, &SendOptions::default()).await.unwrap();
    let pool = PoolContract::connect(anvil.rpc().clone(), deployed.place.pool).await.unwrap();
    assert!(!pool.binds() && !pool.rules(true).bind && pool.rules(true).rotate);
    let call = abi::set_auth_policy(pool.address(), &3u64.into(), &4u64.into(), &5u64.into());
    let signed = send(anvil.rpc(), &deployer, CHAIN, &call, &SendOptions::default()).await.unwrap();
    let receipt = wait(anvil.rpc(), &signed, 20 * SECOND).await.unwrap();
    let entry = pool.entry(deployer.address(), At::Latest).await.unwrap().unwrap();
    assert_eq!((entry.leaf_position, entry.policy_version), (1, 0));
    let logs = anvil.rpc().logs(pool.address(), Blocks::Hash(receipt.block_hash)).await.unwrap();
    let Event::PolicyChanged(change) = abi::event(&logs[0], pool.address(), false).unwrap() else { panic!() };
    assert_eq!(change.entry, entry);
    assert_eq!(change.leaf, entry.leaf(pool.rules(true), deployer.address()));
}

/// Nothing is sent for keys that the constructors would refuse, or that anybody could forge with.
#[tokio::test]
async fn development_keys_stay_on_local_chains() {
    let Some(anvil) = anvil(&["--chain-id", "1"]) else { return };
    let vector = vector();
    let deployer = anvil.account(0).unwrap();
    let refused = async |plan: Plan| {
        let error = deploy(anvil.rpc(), &deployer, 1, &plan, &SendOptions::default()).await.unwrap_err();
        assert_eq!(anvil.rpc().nonce(deployer.address(), At::Pending).await.unwrap(), 0);
        error
    };
    let (pool_key, eddsa) = (key(&vector, "poolKey"), key(&vector, "eddsaKey"));
    assert!(pool_key.is_development());
    let plan = Plan { bind: true, pool_key, auth_keys: vec![], ecdsa: true, token: false };
    let error = refused(plan.clone()).await;
    assert_eq!(error, DeployError::Development { contract: "ShieldedPool", chain_id: 1 });
    // Not either where the caller takes the chain for a local one.
    let error = deploy(anvil.rpc(), &deployer, CHAIN, &plan, &SendOptions::default()).await;
    let Err(DeployError::Send { source, .. }) = error else { panic!("{error:?}") };
    assert!(matches!(source, SendError::OtherChain { expected: CHAIN, got: 1, .. }), "{source}");
    assert_eq!(anvil.rpc().nonce(deployer.address(), At::Pending).await.unwrap(), 0);
    let mut ceremony = bytes(&vector["poolKey"]);
    ceremony[..32].fill(0);
    ceremony[..29].copy_from_slice(b"tacit-groth16-key-v1-ceremony");
    let ceremony = tacit_chain::deploy::ContractKey::from_bytes(ceremony).unwrap();
    let plan = Plan { pool_key: ceremony, ..plan };
    let error = refused(Plan { auth_keys: vec![eddsa.clone()], ..plan.clone() }).await;
    assert_eq!(error, DeployError::Development { contract: "Groth16AuthVerifier", chain_id: 1 });
    assert_eq!(refused(Plan { token: true, ..plan.clone() }).await, DeployError::Token(1));
    let error = refused(Plan { bind: false, ..plan.clone() }).await;
    assert!(matches!(error, DeployError::Length { contract: "Eip8182ShieldedPool", .. }), "{error}");
    let error = refused(Plan { pool_key: eddsa, ..plan }).await;
    assert!(matches!(error, DeployError::Length { .. }), "{error}");
    for text in ["", "0x", "0x00", "zz"] {
        assert!(tacit_chain::deploy::ContractKey::parse(text).is_err(), "{text}");
    }
}
