//! The real contracts on a real node, and people with accounts and wallets there.

use std::time::Duration;

use tacit_chain::deploy::{ContractKey, LOCAL_CHAINS, Plan, deploy};
use tacit_chain::devnet::Anvil;
use tacit_chain::follow::{FollowOptions, follow};
use tacit_chain::{Account, Call, PoolContract, SendOptions, abi, send, wait};
use tacit_groth16::solidity::{Provenance, contract_key};
use tacit_pool::delivery::seal_note;
use tacit_pool::wallet::credentials::Held;
use tacit_pool::wallet::{Credential, Keys};
use tacit_pool::{Address, Amount, NoteBody, Policy, Rules, SecretField, Wallet, WalletSeed};
use tacit_prover::{AuthCircuit, CircuitKind};

use crate::common::{amount, rng, workspace};

pub const SOON: Duration = Duration::from_secs(120);

pub struct Person {
    pub account: Account,
    pub keys: Keys,
    pub wallet: Wallet,
}

pub struct Net {
    pub anvil: Anvil,
    pub pool: PoolContract,
    pub verifier: Address,
    pub start: tacit_chain::Header,
}

impl Net {
    pub async fn start(circuits: &tacit_prover::PoolCircuits) -> Option<Self> {
        let Some(path) = Anvil::find(&workspace("")) else {
            let missing = "anvil is not installed (npm ci --prefix tests)";
            assert!(std::env::var_os("TACIT_REQUIRE_NODE").is_none(), "{missing}");
            eprintln!("skipped: {missing}");
            return None;
        };
        let anvil = Anvil::start(&path).unwrap();
        let key = |kind: CircuitKind| {
            let circuit = circuits.load(kind).unwrap();
            ContractKey::from_bytes(contract_key(&circuit.key().vk, Provenance::Development).unwrap())
                .unwrap()
        };
        let plan = Plan {
            bind: true,
            pool_key: key(CircuitKind::Pool),
            auth_keys: vec![key(AuthCircuit::Eddsa.into())],
            ecdsa: false,
            token: false,
        };
        let deployer = anvil.account(9).unwrap();
        let deployed =
            deploy(anvil.rpc(), &deployer, LOCAL_CHAINS[0], &plan, &SendOptions::default()).await.unwrap();
        let pool = PoolContract::connect(anvil.rpc().clone(), deployed.place.pool).await.unwrap();
        Some(Self { anvil, pool, verifier: deployed.auth_verifiers[0], start: deployed.start })
    }

    pub async fn execute(&self, account: &Account, call: &Call) {
        let chain_id = self.pool.place().chain_id.into();
        let signed = send(self.anvil.rpc(), account, chain_id, call, &SendOptions::default()).await.unwrap();
        assert!(wait(self.anvil.rpc(), &signed, SOON).await.unwrap().success);
    }

    /// Somebody who is registered with an EdDSA key.
    pub async fn person(&self, n: u8) -> Person {
        let account = self.anvil.account(n.into()).unwrap();
        let place = self.pool.place();
        let keys = Keys::new(&WalletSeed::from_bytes(&[n; 64]), place, 0).unwrap();
        let start = self.start.into();
        let mut wallet = Wallet::new(Rules::TACIT, place, account.address(), &keys, start).unwrap();
        let auth_data = keys.eddsa(0).unwrap().public().auth_data();
        let policy = Policy::new(self.verifier, auth_data, &mut rng(n.into()));
        let held = Held { slot: 0, policy, credential: Credential::Eddsa { number: 0 } };
        let set = wallet.credentials_mut().remember(vec![held]).unwrap();
        let seed = keys.note_secret_seed_hash(0);
        self.execute(&account, &abi::set_auth_policy(place.pool, keys.owner(), &seed, &set)).await;
        Person { account, keys, wallet }
    }

    pub async fn deposit(&self, to: &Person, n: u128, seed: u64) {
        let mut rng = rng(seed);
        let body = NoteBody {
            owner_nullifier_key_hash: *to.keys.owner(),
            note_secret: SecretField::new(tacit_algebra::field::random(&mut rng)),
            amount: amount(n),
            token: Address::ZERO,
        };
        let key = to.keys.note_data_key(0).unwrap();
        let data = seal_note(self.pool.place(), key.public(), &body, &[0; 64], &mut rng).unwrap();
        let owner = body.owner_commitment();
        self.execute(
            &to.account,
            &abi::deposit(self.pool.address(), Address::ZERO, body.amount, &owner, &data),
        )
        .await;
    }

    pub async fn follow(&self, person: &mut Person) -> Amount {
        let Person { keys, wallet, .. } = person;
        let options = FollowOptions::new(self.now().await);
        follow(&self.pool, wallet, keys, &options, |_| {}).await.unwrap();
        wallet.balances().get(&Address::ZERO).copied().unwrap_or_default().spendable
    }

    /// Code at an address.
    pub async fn set_code(&self, address: Address, code: &str) {
        self.anvil.request("anvil_setCode", serde_json::json!([address.to_string(), code])).await.unwrap();
    }

    pub async fn now(&self) -> u64 {
        self.anvil.rpc().head().await.unwrap().timestamp
    }
}
