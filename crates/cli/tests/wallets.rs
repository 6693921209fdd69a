//! The shielded pool as people use it: wallets, a prover and a committee as processes, on a real chain, with the real circuits.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use common::tacit;
use serde_json::Value;
use tacit_chain::devnet::Anvil;

/// The first of the accounts that anvil funds; everybody knows its key.
const FUNDED: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

fn workspace(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Where anvil is, or nothing where it is not installed.
fn anvil() -> Option<PathBuf> {
    let found = Anvil::find(&workspace(""));
    if found.is_none() {
        assert!(
            std::env::var_os("TACIT_REQUIRE_NODE").is_none(),
            "anvil is not installed: npm ci --prefix tests"
        );
        eprintln!("skipped: anvil is not installed (npm ci --prefix tests)");
    }
    found
}

/// The circuits with development keys, made once and kept.
fn circuits() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pool");
    fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    for name in ["pool_transact", "auth_eddsa", "auth_xmss"] {
        let committed = |ending| workspace(&format!("circuits/pool/{name}.{ending}"));
        let kept = folder.join(format!("{name}.r1cs"));
        let r1cs = fs::read(committed("r1cs")).unwrap();
        if fs::read(&kept).is_ok_and(|known| known == r1cs) {
            continue;
        }
        let zkey = folder.join(format!("{name}.zkey"));
        tacit().args(["groth16", "setup", "--dev"]).arg(committed("r1cs")).arg(zkey).assert().success();
        fs::copy(committed("wasm"), folder.join(format!("{name}.wasm"))).unwrap();
        fs::write(kept, r1cs).unwrap();
    }
    folder
}

/// A file for its owner only.
fn write(path: &Path, text: &str) {
    tacit_vault::dir::write_secret(path, text.as_bytes()).unwrap();
}

/// A chain with a pool, and a folder for wallets.
struct Stage {
    anvil: Anvil,
    dir: tempfile::TempDir,
}

impl Stage {
    fn new() -> Option<Self> {
        let anvil = Anvil::start(&anvil()?).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let stage = Self { anvil, dir };
        write(&stage.at("funded"), FUNDED);
        write(&stage.at("pass"), "correct horse battery");
        tacit()
            .args(["pool", "deploy", "--rpc", stage.anvil.url(), "--account"])
            .arg(stage.at("funded"))
            .arg("--circuits")
            .arg(circuits())
            .arg("--description")
            .arg(stage.at("pool.toml"))
            .assert()
            .success();
        Some(stage)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn wallet(&self, name: &str, verb: &[&str]) -> assert_cmd::assert::Assert {
        let (first, rest) = verb.split_first().unwrap();
        let mut command = tacit();
        command
            .args(["--json", "wallet", first, "--dir"])
            .arg(self.at(name))
            .arg("--passphrase-file")
            .arg(self.at("pass"));
        command.args(rest).assert()
    }

    /// What the verb says, which succeeds.
    fn says(&self, name: &str, verb: &[&str]) -> Value {
        let done = self.wallet(name, verb).success();
        serde_json::from_slice(&done.get_output().stdout).unwrap()
    }

    /// Why the verb fails: one paragraph.
    fn fails(&self, name: &str, verb: &[&str]) -> String {
        let failed = self.wallet(name, verb).code(1);
        let said = String::from_utf8(failed.get_output().stderr.clone()).unwrap();
        let last = said.lines().last().unwrap_or_default().to_owned();
        assert!(last.starts_with("tacit: "), "{said}");
        assert!(!said.contains("panicked") && !said.contains("RUST_BACKTRACE"), "{said}");
        last
    }

    /// A wallet with ten ether outside of the pool.
    fn person(&self, name: &str) -> Value {
        let (url, pool) = (self.anvil.url().to_owned(), self.at("pool.toml").display().to_string());
        let made = self.says(name, &["init", "--pool", &pool, "--rpc", &url]);
        self.fund(&made);
        made
    }

    fn fund(&self, made: &Value) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let account = made["ethereum_account"].as_str().unwrap();
        let ten = serde_json::json!([account, "0x8ac7230489e80000"]);
        runtime.block_on(self.anvil.request("anvil_setBalance", ten)).unwrap();
    }

    fn ether(&self, name: &str) -> String {
        let said = self.says(name, &["balance"]);
        let balances = said["balances"].as_array().unwrap();
        let of = balances.iter().find(|b| b["symbol"] == "ETH");
        of.map_or_else(|| "0".to_owned(), |b| b["spendable"].as_str().unwrap().to_owned())
    }
}

#[test]
fn a_bare_file_name_is_one_of_this_folder() {
    let Some(stage) = Stage::new() else { return };
    tacit()
        .current_dir(stage.dir.path())
        .args(["wallet", "init", "--dir", "bare", "--pool", "pool.toml", "--key-file", "bare.key", "--rpc"])
        .arg(stage.anvil.url())
        .assert()
        .success();
    // The next pool does not take the first one's place.
    let again = tacit()
        .current_dir(stage.dir.path())
        .args([
            "pool",
            "deploy",
            "--account",
            "funded",
            "--description",
            "pool.toml",
            "--rpc",
            stage.anvil.url(),
        ])
        .arg("--circuits")
        .arg(circuits())
        .assert()
        .code(1);
    let said = String::from_utf8_lossy(&again.get_output().stderr).into_owned();
    assert!(said.contains("there is a description already"), "{said}");
}

#[test]
fn wallets_pay_each_other_by_every_kind_of_signature_and_come_back_from_their_words() {
    let Some(stage) = Stage::new() else { return };
    let alice = stage.person("alice");
    stage.person("bob");
    assert!(stage.fails("alice", &["address"]).contains("policy --set"));
    assert!(stage.fails("alice", &["deposit", "1"]).contains("policy --set"));
    stage.says("alice", &["policy", "--set", "xmss"]);
    stage.says("bob", &["policy", "--set", "ecdsa"]);
    let address = stage.says("bob", &["address"])["receiving_address"].as_str().unwrap().to_owned();
    fs::write(stage.at("bob.address"), &address).unwrap();
    stage.says("alice", &["deposit", "2"]);
    assert_eq!(stage.ether("alice"), "2000000000000000000");

    // The hash-based signature's proof is the largest.
    let to = stage.at("bob.address").display().to_string();
    let paid = stage.says("alice", &["send", &to, "0.5", "--memo", "for the tea"]);
    assert_eq!(paid["fee"], "0");
    assert_eq!(stage.says("alice", &["policy"])["signatures_left"], 1023);
    assert_eq!(stage.ether("bob"), "500000000000000000");
    let history = stage.says("bob", &["history"]);
    assert_eq!(history["notes"][0]["memo"], "for the tea");

    let stranger = "0x52908400098527886E0F7030069857D2E4169EE7";
    stage.says("bob", &["withdraw", stranger, "0.2"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let got = runtime
        .block_on(stage.anvil.request("eth_getBalance", serde_json::json!([stranger, "latest"])))
        .unwrap();
    assert_eq!(got, "0x2c68af0bb140000");
    assert_eq!(stage.ether("bob"), "300000000000000000");

    // From the words alone: the money is there; what authorised it is not, and is set anew.
    write(&stage.at("words"), alice["phrase"].as_str().unwrap());
    let (url, pool) = (stage.anvil.url().to_owned(), stage.at("pool.toml").display().to_string());
    let words = stage.at("words").display().to_string();
    let made = stage.says("again", &["init", "--pool", &pool, "--rpc", &url, "--phrase", &words]);
    assert_eq!(made["ethereum_account"], alice["ethereum_account"]);
    assert!(made["phrase"].is_null());
    assert_eq!(stage.ether("again"), "1500000000000000000");
    assert!(stage.fails("again", &["send", &to, "0.1"]).contains("set one anew"));
    stage.says("again", &["policy", "--set", "eddsa"]);
    stage.says("again", &["rotate"]);
    stage.says("again", &["send", &to, "0.25"]);
    assert_eq!(stage.ether("again"), "1250000000000000000");
    assert_eq!(stage.ether("bob"), "550000000000000000");
    let kinds: Vec<Value> = stage.says("again", &["history"])["records"].as_array().unwrap().clone();
    assert_eq!(
        kinds.iter().map(|r| r["what"]["kind"].as_str().unwrap()).collect::<Vec<_>>(),
        ["policy", "rotation", "payment"]
    );
    // The folder that it came from does not have the new policy's secrets.
    assert!(stage.fails("alice", &["send", &to, "0.1"]).contains("set one anew"));
}

#[test]
fn what_a_wallet_cannot_do_it_says_in_one_paragraph() {
    let Some(stage) = Stage::new() else { return };
    stage.person("alice");
    stage.says("alice", &["policy", "--set", "ecdsa"]);
    let to = stage.says("alice", &["address"])["receiving_address"].as_str().unwrap().to_owned();
    for (verb, expected) in [
        (vec!["deposit", "1,5"], "is no amount of ETH"),
        (vec!["deposit", "0"], "an amount of nothing"),
        (vec!["deposit", "1000"], "has 9.9"),
        (vec!["deposit", "1", "--token", "0x52908400098527886E0F7030069857D2E4169EE7"], "ERC-20"),
        (vec!["deposit", "1", "--to", "tacit1abc"], "receiving address"),
        (vec!["send", &to, "1"], "1 ETH is needed, 0 ETH can be spent now"),
        (vec!["resume"], "there is nothing to resume"),
        (vec!["resume", "1"], "number 1 is no payment"),
        (vec!["send", "nobody.address", "1"], "no receiving address, and no file"),
        (vec!["send", &to, "1", "--prove", "mallory"], "no prover is called"),
        (vec!["send", &to, "1", "--prove", "committee"], "names no network"),
        (vec!["send", &to, "1", "--committee", "5"], "add --prove committee"),
        (
            vec!["withdraw", "0x52908400098527886E0F7030069857D2E4169EE7", "1", "--relay", "mallory"],
            "no prover is called",
        ),
    ] {
        let said = stage.fails("alice", &verb);
        assert!(said.contains(expected), "{verb:?}: {said}");
    }
    let long = "x".repeat(65);
    assert!(stage.fails("alice", &["send", &to, "1", "--memo", &long]).contains("say it shorter"));
    assert!(stage.fails("nowhere", &["balance"]).contains("there is no wallet"));
    let (url, pool) = (stage.anvil.url().to_owned(), stage.at("pool.toml").display().to_string());
    assert!(
        stage.fails("alice", &["init", "--pool", &pool, "--rpc", &url]).contains("there is a wallet already")
    );
    write(&stage.at("pass"), "another passphrase");
    stage.fails("alice", &["balance"]);
    write(&stage.at("pass"), "correct horse battery");
    // Another pool's chain.
    let config = stage.at("alice").join("wallet.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("chain_id = 31337", "chain_id = 1")).unwrap();
    assert!(stage.fails("alice", &["balance"]).contains("another rpc is needed"));
    fs::write(&config, text.replace("rpc =", "rcp =")).unwrap();
    assert!(stage.fails("alice", &["balance"]).contains("wallet.toml"));
    // What a prover would refuse it is not shown: this one does not even exist.
    let id = "ab".repeat(32);
    let prover = format!("\n[[prover]]\nname = \"dave\"\nurl = \"https://dave.invalid\"\nid = \"{id}\"\n");
    fs::write(&config, text + &prover).unwrap();
    let short = ["send", &to, "1", "--expires-in", "239"];
    for way in [["--prove", "dave"], ["--relay", "dave"]] {
        assert!(stage.fails("alice", &[&short[..], &way].concat()).contains("--expires-in 240"));
    }
}

impl Stage {
    fn ask(&self, method: &str, params: Value) -> Value {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(self.anvil.request(method, params)).unwrap()
    }

    /// Has the node's own account send a transaction; its receipt, once a block has it.
    fn sent(&self, transaction: Value) -> Value {
        let hash = self.ask("eth_sendTransaction", transaction);
        let began = std::time::Instant::now();
        loop {
            let receipt = self.ask("eth_getTransactionReceipt", serde_json::json!([hash]));
            if !receipt.is_null() {
                return receipt;
            }
            assert!(began.elapsed().as_secs() < 60, "no block has it");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// Runs a verb until its transaction waits at a node that makes no blocks, and kills it there.
    fn killed_while_waiting(&self, name: &str, verb: &[&str]) {
        self.ask("evm_setAutomine", serde_json::json!([false]));
        let (first, rest) = verb.split_first().unwrap();
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_tacit"))
            .args(["wallet", first, "--dir"])
            .arg(self.at(name))
            .arg("--passphrase-file")
            .arg(self.at("pass"))
            .args(rest)
            .stderr(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let began = std::time::Instant::now();
        while self.ask("txpool_status", serde_json::json!([]))["pending"] == "0x0" {
            assert!(began.elapsed().as_secs() < 300 && child.try_wait().unwrap().is_none());
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// The node forgets what waits, and makes blocks again.
    fn forget_waiting(&self) {
        self.ask("anvil_dropAllTransactions", serde_json::json!([]));
        self.ask("evm_setAutomine", serde_json::json!([true]));
    }

    fn last_outcome(&self, name: &str) -> Value {
        self.says(name, &["history"])["records"].as_array().unwrap().last().unwrap()["outcome"].clone()
    }
}

#[test]
fn what_is_signed_counts_as_signed_until_the_chain_says_otherwise() {
    let Some(stage) = Stage::new() else { return };
    stage.person("alice");
    stage.says("alice", &["policy", "--set", "ecdsa"]);
    let to = stage.says("alice", &["address"])["receiving_address"].as_str().unwrap().to_owned();
    stage.says("alice", &["deposit", "2"]);
    let stranger = "0x52908400098527886E0F7030069857D2E4169EE7";
    let pay = ["withdraw", stranger, "0.5", "--expires-in", "300"];

    // In a block after all: the wallet learns it from the chain.
    stage.killed_while_waiting("alice", &pay);
    assert_eq!(stage.last_outcome("alice")["outcome"], "signed");
    assert!(stage.fails("alice", &pay).contains("--again"));
    stage.ask("evm_setAutomine", serde_json::json!([true]));
    stage.ask("anvil_mine", serde_json::json!([1]));
    assert_eq!(stage.last_outcome("alice")["outcome"], "confirmed");
    assert_eq!(stage.ether("alice"), "1500000000000000000");

    // Lost on the way: the same signature again. It is paid once.
    stage.killed_while_waiting("alice", &pay);
    stage.forget_waiting();
    assert_eq!(stage.ether("alice"), "0");
    assert!(
        stage.fails("alice", &["send", &to, "0.1"]).contains("1.5 ETH more is reserved for signed payments")
    );
    let paid = stage.says("alice", &["resume"]);
    assert_eq!(paid["amount"], "500000000000000000");
    assert_eq!(stage.ask("eth_getBalance", serde_json::json!([stranger, "latest"])), "0xde0b6b3a7640000");
    assert_eq!(stage.ether("alice"), "1000000000000000000");
    assert!(stage.fails("alice", &["resume"]).contains("nothing to resume"));

    // Never executed: its money is free again once that is final.
    stage.killed_while_waiting("alice", &pay);
    stage.forget_waiting();
    let kept = || {
        fs::read_dir(stage.at("alice"))
            .unwrap()
            .filter(|e| e.as_ref().unwrap().path().display().to_string().contains("intent-"))
            .count()
    };
    assert_eq!((stage.last_outcome("alice")["outcome"].as_str(), kept()), (Some("signed"), 3));
    // The two before are on the chain, and not final yet.
    stage.ask("evm_increaseTime", serde_json::json!([400]));
    stage.ask("anvil_mine", serde_json::json!([100]));
    assert_eq!((stage.last_outcome("alice")["outcome"].as_str(), kept()), (Some("failed"), 0));
    assert_eq!(stage.ether("alice"), "1000000000000000000");

    // All of it read anew, with what signs as it was.
    stage.says("alice", &["rescan"]);
    assert_eq!(stage.ether("alice"), "1000000000000000000");
    stage.says("alice", &["send", &to, "0.25"]);
    assert_eq!(stage.ether("alice"), "1000000000000000000");
    let outcomes: Vec<Value> = stage.says("alice", &["history"])["records"].as_array().unwrap().clone();
    let outcomes: Vec<&str> = outcomes.iter().map(|r| r["outcome"]["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["confirmed", "confirmed", "confirmed", "confirmed", "failed", "confirmed"]);

    // A deposit that left and of which no more is known may be in a block any moment.
    stage.killed_while_waiting("alice", &["deposit", "0.5"]);
    assert_eq!(stage.last_outcome("alice")["outcome"], "begun");
    assert!(stage.fails("alice", &["deposit", "0.5"]).contains("--again"));
    stage.ask("evm_setAutomine", serde_json::json!([true]));
    stage.ask("anvil_mine", serde_json::json!([1]));
    assert_eq!(stage.last_outcome("alice")["outcome"], "confirmed");
    assert_eq!(stage.ether("alice"), "1500000000000000000");
}

#[test]
fn what_a_token_is_does_not_change_once_it_is_known() {
    let Some(stage) = Stage::new() else { return };
    stage.person("alice");
    stage.person("bob");
    let artefact = fs::read(workspace("contracts/artifacts/DemoToken.json")).unwrap();
    let artefact: Value = serde_json::from_slice(&artefact).unwrap();
    let funded = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
    let deploy = serde_json::json!([{ "from": funded, "data": artefact["bytecode"] }]);
    let token = stage.sent(deploy)["contractAddress"].as_str().unwrap().to_owned();
    let alice: tacit_pool::Address =
        stage.says("alice", &["balance"])["ethereum_account"].as_str().unwrap().parse().unwrap();
    let amount = tacit_pool::Amount::from(5_000_000_000_000_000_000u128);
    let mint = tacit_chain::abi::mint(token.parse().unwrap(), alice, amount);
    let data = format!("0x{}", hex::encode(&mint.data));
    stage.sent(serde_json::json!([{ "from": funded, "to": token, "data": data }]));
    for name in ["alice", "bob"] {
        stage.says(name, &["policy", "--set", "ecdsa"]);
    }
    let to = stage.says("bob", &["address"])["receiving_address"].as_str().unwrap().to_owned();
    stage.says("alice", &["deposit", "3", "--token", &token]);
    stage.says("alice", &["send", &to, "1", "--token", &token]);

    // From now on the contract answers nothing that makes sense.
    stage.ask("anvil_setCode", serde_json::json!([token, "0xfe"]));
    let of = |name: &str| stage.says(name, &["balance"])["balances"][0].clone();
    let known = of("alice");
    assert_eq!((known["symbol"].as_str(), known["decimals"].as_u64()), (Some("DEMO"), Some(18)));
    assert_eq!(known["spendable"], "2000000000000000000");
    let unknown = of("bob");
    assert!(unknown["symbol"].as_str().unwrap().starts_with("units of 0x"), "{unknown}");
    assert_eq!(unknown["spendable"], "1000000000000000000");
    stage.says("bob", &["history"]);

    // What its owner says counts.
    let config = stage.at("bob").join("wallet.toml");
    let text = fs::read_to_string(&config).unwrap();
    let said = format!("[[token]]\naddress = \"{token}\"\nsymbol = \"COIN\"\ndecimals = 6\n\n[pool]\n");
    fs::write(&config, text.replacen("[pool]\n", &said, 1)).unwrap();
    let configured = of("bob");
    assert_eq!((configured["symbol"].as_str(), configured["decimals"].as_u64()), (Some("COIN"), Some(6)));
}

#[test]
fn a_wallet_leaves_no_secret_in_the_clear() {
    let Some(stage) = Stage::new() else { return };
    let made = stage.person("alice");
    stage.says("alice", &["policy", "--set", "xmss"]);
    let seed = tacit_pool::SeedPhrase::parse(made["phrase"].as_str().unwrap()).unwrap().seed("");
    let mut searched = 0;
    for entry in fs::read_dir(stage.at("alice")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        searched += bytes.len();
        let has = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        assert!(
            !has(&seed.expose()[..16]) && !has(hex::encode(&seed.expose()[..16]).as_bytes()),
            "{}",
            path.display()
        );
        // Of the stored state, whose XMSS key and blinders are secrets.
        assert!(!has(b"registration_blinder") && !has(b"\"seed\""), "{}", path.display());
    }
    assert!(searched > 1000);
}

#[test]
fn the_demo_pays_by_each_way_and_a_former_prover_fails() {
    let Some(anvil) = anvil() else { return };
    let done = tacit()
        .args(["--json", "demo", "pool", "--anvil"])
        .arg(anvil)
        .arg("--circuits")
        .arg(workspace("circuits/pool"))
        .assert()
        .success();
    let said: Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
    let payments = said["payments"].as_array().unwrap();
    assert_eq!(payments.len(), 3);
    // Whoever proves: the same call, the same gas but for calldata.
    assert!(
        payments.iter().all(|payment| (900_000..1_400_000).contains(&payment["gas"].as_u64().unwrap())),
        "{said}"
    );
    assert_eq!(payments[0]["uploaded_bytes"], 0);
    assert!(payments[1]["uploaded_bytes"].as_u64().unwrap() < 20_000);
    assert_eq!(
        (&payments[0]["fee"], &payments[1]["fee"], &payments[2]["fee"]),
        (&"0".into(), &"10000000000000000".into(), &"1000000000000000000".into())
    );
    let failures = said["former_prover"].as_array().unwrap();
    assert!(failures[0]["answer"].as_str().unwrap().contains("no witness for auth_eddsa"), "{said}");
    assert!(failures[1]["answer"].as_str().unwrap().contains("left the window of 64 blocks"), "{said}");
    let bob = said["wallets"][1]["spendable"].to_string();
    assert!(bob.contains("120 DEMO") && bob.contains("3.5 ETH"), "{said}");
}
