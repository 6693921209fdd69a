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
        (vec!["send", &to, "1"], "is needed, 0 can be spent"),
        (vec!["send", "nobody.address", "1"], "no receiving address, and no file"),
        (vec!["send", &to, "1", "--prove", "mallory"], "no prover is called"),
        (vec!["send", &to, "1", "--prove", "committee"], "names no network"),
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
