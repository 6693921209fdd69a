//! A chain with a pool, people with wallets, and a node that stands in between and says what a test wants.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::Value;
use tacit_chain::abi;
use tacit_chain::deploy::{ContractKey, Deployed, LOCAL_CHAINS, Plan, deploy};
use tacit_chain::devnet::Anvil;
use tacit_chain::follow::{FollowError, FollowOptions, Followed, follow};
use tacit_chain::{Account, Call, PoolContract, Receipt, Rpc, SendOptions, send, wait};
use tacit_pool::delivery::seal_note;
use tacit_pool::wallet::Keys;
use tacit_pool::{Address, Amount, NoteBody, Place, Rules, SecretField, Wallet, WalletSeed};

pub const SECOND: std::time::Duration = std::time::Duration::from_secs(1);
/// Anvil's chain.
pub const CHAIN: u64 = LOCAL_CHAINS[0];

pub fn workspace(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

pub fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// Keys and proofs of the real circuits, which contracts/tools/end_to_end.mjs made.
pub fn vector() -> Value {
    let text = std::fs::read_to_string(workspace("contracts/test/vectors/end_to_end.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

pub fn key(vector: &Value, name: &str) -> ContractKey {
    ContractKey::parse(vector[name].as_str().unwrap()).unwrap()
}

/// A running anvil, or none where it is not installed.
pub fn anvil(arguments: &[&str]) -> Option<Anvil> {
    match Anvil::find(&workspace("")) {
        Some(path) => Some(Anvil::start_with(&path, arguments).unwrap()),
        None => {
            let missing = "anvil is not installed (npm ci --prefix tests)";
            assert!(std::env::var_os("TACIT_REQUIRE_NODE").is_none(), "{missing}");
            eprintln!("skipped: {missing}");
            None
        }
    }
}

/// A chain with a pool.
pub struct Devnet {
    pub anvil: Anvil,
    pub pool: PoolContract,
    pub deployed: Deployed,
}

pub async fn devnet() -> Option<Devnet> {
    let anvil = anvil(&[])?;
    let vector = vector();
    let plan = Plan {
        bind: true,
        pool_key: key(&vector, "poolKey"),
        auth_keys: vec![key(&vector, "eddsaKey")],
        ecdsa: true,
        token: true,
    };
    let deployer = anvil.account(9).unwrap();
    let deployed = deploy(anvil.rpc(), &deployer, CHAIN, &plan, &SendOptions::default()).await.unwrap();
    let pool = PoolContract::connect(anvil.rpc().clone(), deployed.place.pool).await.unwrap();
    assert_eq!(pool.place(), deployed.place);
    Some(Devnet { anvil, pool, deployed })
}

/// Somebody with an account and a wallet.
pub struct Person {
    pub account: Account,
    pub keys: Keys,
    pub wallet: Wallet,
}

impl Devnet {
    pub fn person(&self, n: u8) -> Person {
        let account = self.anvil.account(n.into()).unwrap();
        let place = self.pool.place();
        let keys = Keys::new(&WalletSeed::from_bytes(&[n; 64]), place, 0).unwrap();
        let start = self.deployed.start.into();
        let wallet = Wallet::new(Rules::TACIT, place, account.address(), &keys, start).unwrap();
        Person { account, keys, wallet }
    }

    pub async fn execute(&self, account: &Account, call: &Call) -> Receipt {
        let rpc = self.anvil.rpc();
        let signed = send(rpc, account, CHAIN, call, &SendOptions::default()).await.unwrap();
        let receipt = wait(rpc, &signed, 20 * SECOND).await.unwrap();
        assert!(receipt.success);
        receipt
    }

    pub async fn register(&self, person: &Person) -> Receipt {
        let seed = person.keys.note_secret_seed_hash(0);
        let call = abi::set_auth_policy(self.pool.address(), person.keys.owner(), &seed, &5u64.into());
        self.execute(&person.account, &call).await
    }

    pub async fn deposit(&self, from: &Person, to: &Person, amount: u128, seed: u64) -> Receipt {
        self.execute(&from.account, &deposit_call(self.pool.place(), to, amount, seed)).await
    }
}

/// An hour from now: chains of tests make blocks faster than time goes.
pub fn later() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_secs() + 3600
}

/// A deposit of ether for somebody, with note data that only that wallet reads.
pub fn deposit_call(place: Place, to: &Person, amount: u128, seed: u64) -> Call {
    let mut rng = rng(seed);
    let body = NoteBody {
        owner_nullifier_key_hash: *to.keys.owner(),
        note_secret: SecretField::new(tacit_algebra::field::random(&mut rng)),
        amount: Amount::from(amount),
        token: Address::ZERO,
    };
    let key = to.keys.note_data_key(0).unwrap();
    let data = seal_note(place, key.public(), &body, &[0; 64], &mut rng).unwrap();
    abi::deposit(place.pool, Address::ZERO, body.amount, &body.owner_commitment(), &data)
}

impl Person {
    pub async fn follow(&mut self, pool: &PoolContract) -> Result<Followed, FollowError> {
        self.follow_with(pool, &FollowOptions::new(later())).await
    }

    pub async fn follow_with(
        &mut self,
        pool: &PoolContract,
        options: &FollowOptions<'_>,
    ) -> Result<Followed, FollowError> {
        follow(pool, &mut self.wallet, &mut self.keys, options, |_| {}).await
    }

    pub fn ether(&self) -> Amount {
        self.wallet.balances().get(&Address::ZERO).copied().unwrap_or_default().spendable
    }
}

/// What a node in between does with a request and the real node's answer.
type Meddler = Box<dyn FnMut(&Value, Value) -> Option<Value> + Send>;

/// A node that asks another one and changes its answers: `None` is HTTP status 503.
pub struct Between {
    pub url: String,
    meddler: Arc<Mutex<Meddler>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Between {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Shared {
    behind: Rpc,
    meddler: Arc<Mutex<Meddler>>,
}

impl Between {
    pub async fn start(
        behind: &Rpc,
        meddler: impl FnMut(&Value, Value) -> Option<Value> + Send + 'static,
    ) -> Self {
        let meddler: Arc<Mutex<Meddler>> = Arc::new(Mutex::new(Box::new(meddler)));
        let shared = Shared { behind: behind.clone(), meddler: meddler.clone() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url =
            format!("http://{}/v3/0123456789abcdef?key=fedcba9876543210", listener.local_addr().unwrap());
        let app = axum::Router::new().fallback(answer).with_state(shared);
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, meddler, task }
    }

    pub fn set(&self, meddler: impl FnMut(&Value, Value) -> Option<Value> + Send + 'static) {
        *self.meddler.lock().unwrap() = Box::new(meddler);
    }

    pub fn rpc(&self) -> Rpc {
        Rpc::new(&self.url).unwrap()
    }
}

async fn answer(State(shared): State<Shared>, body: String) -> Response {
    let request: Value = serde_json::from_str(&body).unwrap();
    // One after another, as a list or not.
    let (requests, many) = match &request {
        Value::Array(requests) => (requests.clone(), true),
        one => (vec![one.clone()], false),
    };
    let mut answers = Vec::new();
    for request in requests {
        let method = request["method"].as_str().unwrap();
        let mut answer = serde_json::json!({ "jsonrpc": "2.0", "id": request["id"] });
        match shared.behind.request(method, request["params"].clone()).await {
            Ok(result) => answer["result"] = result,
            Err(tacit_chain::RpcError::Node { code, message, data, .. }) => {
                answer["error"] = serde_json::json!({ "code": code, "message": message });
                if let Some(data) = data {
                    answer["error"]["data"] = format!("0x{}", hex::encode(data)).into();
                }
            }
            Err(other) => panic!("{other}"),
        }
        let Some(answer) = (shared.meddler.lock().unwrap())(&request, answer) else {
            return axum::http::StatusCode::SERVICE_UNAVAILABLE.into_response();
        };
        answers.push(answer);
    }
    let answer = if many { Value::Array(answers) } else { answers.remove(0) };
    axum::Json(answer).into_response()
}
