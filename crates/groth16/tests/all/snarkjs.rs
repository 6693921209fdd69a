//! Round trips with snarkjs, circom and circomlib, and the verifier contract on an EVM. They need the npm packages of
//! `tests/package.json` (`npm ci --prefix tests`) and are skipped where these are missing, unless `TACIT_REQUIRE_NODE`
//! is set. All names begin with `snarkjs_`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::{random_circuit, rng};
use tacit_algebra::{Bls12_381, Bn254, Check, Curve};
use tacit_circom::{Proof, Ptau, R1cs, VerificationKey, Wtns, Zkey, public};
use tacit_groth16::prove::prove;
use tacit_groth16::verify::verify;
use tacit_groth16::{ProvingKey, contribute, powersoftau, setup, solidity, zkey_verify};

/// A directory with the tools at hand.
struct Bench {
    modules: PathBuf,
    dir: tempfile::TempDir,
}

impl Bench {
    /// `None` where the packages are not installed.
    fn new() -> Option<Self> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let modules = std::env::var_os("TACIT_NODE_MODULES")
            .map_or_else(|| workspace.join("tests/node_modules"), PathBuf::from);
        if !modules.join("snarkjs").is_dir() {
            let required = std::env::var_os("TACIT_REQUIRE_NODE").is_some();
            assert!(!required, "npm packages are not installed (npm ci --prefix tests)");
            eprintln!("skipped: npm packages are not installed (npm ci --prefix tests)");
            return None;
        }
        let modules = modules.canonicalize().unwrap();
        Some(Self { modules, dir: tempfile::tempdir().unwrap() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    fn node(&self, script: &str, args: &[&str]) -> Output {
        let script = self.modules.join(script);
        Command::new("node").arg(script).args(args).current_dir(self.dir.path()).output().unwrap()
    }

    /// Runs snarkjs and returns what it printed.
    fn snarkjs(&self, command: &str) -> String {
        let args: Vec<&str> = command.split_whitespace().collect();
        let output = self.node("snarkjs/build/cli.cjs", &args);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "snarkjs {command}: {said}{complained}");
        said
    }

    /// Compiles a circuit and calculates a witness: `circuit.r1cs`, `circuit.wtns`.
    fn compile<C: Curve>(&self, source: &str, input: &str) {
        self.write("circuit.circom", source);
        self.write("input.json", input);
        // The compiler, a WASI program, sees only what lies beneath it.
        let library = self.modules.join("circomlib/circuits");
        let copied = Command::new("cp").arg("-r").arg(library).arg(self.path("circomlib")).status();
        assert!(copied.unwrap().success());
        let curve = C::ID.snarkjs_name();
        let args = ["circuit.circom", "--r1cs", "--wasm", "--prime", curve, "-l", "circomlib"];
        let output = self.node("circom2/cli.js", &args);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.snarkjs("wtns calculate circuit_js/circuit.wasm input.json circuit.wtns");
    }

    fn r1cs<C: Curve>(&self) -> R1cs<C::Scalar> {
        R1cs::read(&self.read("circuit.r1cs")).unwrap()
    }

    fn zkey<C: Curve>(&self, name: &str) -> Zkey<C> {
        Zkey::read(&self.read(name), Check::Full).unwrap()
    }

    /// A proof by each program for one key, each verified by both.
    fn prove_both_ways<C: Curve>(&self, zkey: &str) {
        let vk = VerificationKey::<C>::from_json(self.export_vk(zkey)).unwrap();
        let key = ProvingKey::from_zkey(self.zkey::<C>(zkey)).unwrap();
        key.check().unwrap();
        assert_eq!(key.vk.to_json(), vk.to_json());
        let witness = Wtns::<C::Scalar>::read(&self.read("circuit.wtns")).unwrap();
        let values = &witness.values[1..=key.n_public];

        let proof = prove(&key, &witness.values, &mut rng(61)).unwrap();
        verify(&vk, values, &proof).unwrap();
        self.write("ours.json", proof.to_json());
        self.write("ours_public.json", public::to_json(values));
        let said = self.snarkjs("groth16 verify vkey.json ours_public.json ours.json");
        assert!(said.contains("OK!"), "{said}");

        self.snarkjs(&format!("groth16 prove {zkey} circuit.wtns theirs.json theirs_public.json"));
        let proof = Proof::<C>::from_json(self.text("theirs.json")).unwrap();
        let public: Vec<C::Scalar> = public::from_json::<C::Scalar>(self.text("theirs_public.json")).unwrap();
        assert_eq!(public, values);
        verify(&vk, &public, &proof).unwrap();
    }

    fn export_vk(&self, zkey: &str) -> String {
        self.snarkjs(&format!("zkey export verificationkey {zkey} vkey.json"));
        self.text("vkey.json")
    }
}

/// Setup, ceremony and proofs of one circuit: what one program makes, the other accepts.
fn round_trip<C: Curve>(source: &str, input: &str) {
    let Some(bench) = Bench::new() else { return };
    bench.compile::<C>(source, input);
    let r1cs = bench.r1cs::<C>();

    // The file is just large enough, which is where setup has an edge case.
    let power = setup::power_needed(&r1cs);
    let bytes = powersoftau::dev::<C, _>(power, &mut rng(51)).unwrap();
    bench.write("pot.ptau", &bytes);
    let ptau = Ptau::<C>::open(&bytes).unwrap();
    let initial = setup::from_ptau(&r1cs, &ptau, Check::Trusted).unwrap();
    assert_eq!(initial.log_domain, power);
    bench.snarkjs("groth16 setup circuit.r1cs pot.ptau theirs_0.zkey");
    assert!(initial.write() == bench.read("theirs_0.zkey"), "the initial keys are the same bytes");

    // Contributions by both, verified by both.
    let mut zkey = initial.clone();
    contribute::contribute(&mut zkey, Some("ours"), &mut rng(52)).unwrap();
    bench.write("ours_1.zkey", zkey.write());
    bench.snarkjs("zkey contribute ours_1.zkey theirs_2.zkey --name=theirs -e=entropy");
    let mut zkey = bench.zkey::<C>("theirs_2.zkey");
    contribute::beacon(&mut zkey, Some("beacon"), &[7; 32], 10).unwrap();
    bench.write("final.zkey", zkey.write());
    let said = bench.snarkjs("zkey verify circuit.r1cs pot.ptau final.zkey");
    assert!(said.contains("ZKey Ok!"), "{said}");
    let verified = zkey_verify::verify_from_initial(&initial, &zkey, &mut rng(53)).unwrap();
    let names: Vec<_> = verified.iter().map(|c| c.name.as_deref().unwrap()).collect();
    assert_eq!(names, ["ours", "theirs", "beacon"]);
    bench.prove_both_ways::<C>("final.zkey");
}

/// The same with a key of our development setup, for circuits whose ceremony would take snarkjs minutes.
fn dev_round_trip<C: Curve>(source: &str, input: &str, log_domain: u32) {
    let Some(bench) = Bench::new() else { return };
    bench.compile::<C>(source, input);
    let zkey = setup::dev::<C, _>(&bench.r1cs::<C>(), &mut rng(54)).unwrap();
    assert_eq!(zkey.log_domain, log_domain);
    bench.write("dev.zkey", zkey.write());
    bench.prove_both_ways::<C>("dev.zkey");
}

/// `y = x^(2^n)` with some additions, in `n` constraints.
fn chain(n: u32) -> String {
    format!(
        "pragma circom 2.0.0;
        template Chain(n) {{
            signal input x;
            signal output y;
            signal s[n + 1];
            s[0] <== x;
            for (var i = 0; i < n; i++) {{ s[i + 1] <== (s[i] + i) * (s[i] - 7 * x); }}
            y <== s[n];
        }}
        component main = Chain({n});"
    )
}

const CHAIN_INPUT: &str = r#"{"x": "3"}"#;

#[test]
fn snarkjs_round_trip_chain_2_10_bn254() {
    round_trip::<Bn254>(&chain(1000), CHAIN_INPUT);
}

#[test]
fn snarkjs_round_trip_chain_2_10_bls12_381() {
    round_trip::<Bls12_381>(&chain(1000), CHAIN_INPUT);
}

/// circomlib's Merkle-tree building block: a path of Poseidon hashes.
const POSEIDON: &str = r#"pragma circom 2.0.0;
    include "poseidon.circom";
    template Path(n) {
        signal input leaf;
        signal input siblings[n];
        signal output root;
        component hash[n];
        signal node[n + 1];
        node[0] <== leaf;
        for (var i = 0; i < n; i++) {
            hash[i] = Poseidon(2);
            hash[i].inputs[0] <== node[i];
            hash[i].inputs[1] <== siblings[i];
            node[i + 1] <== hash[i].out;
        }
        root <== node[n];
    }
    component main {public [siblings]} = Path(12);"#;

#[test]
fn snarkjs_round_trip_poseidon_bn254() {
    let input = r#"{"leaf": "5", "siblings": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, "0xff"]}"#;
    round_trip::<Bn254>(POSEIDON, input);
}

/// Comparisons: bit decompositions, most of whose coefficients are powers of two.
const COMPARE: &str = r#"pragma circom 2.0.0;
    include "comparators.circom";
    template Sorted(n) {
        signal input x[n];
        signal output ok;
        component less[n - 1];
        signal all[n];
        all[0] <== 1;
        for (var i = 0; i < n - 1; i++) {
            less[i] = LessEqThan(64);
            less[i].in[0] <== x[i];
            less[i].in[1] <== x[i + 1];
            all[i + 1] <== all[i] * less[i].out;
        }
        ok <== all[n - 1];
    }
    component main = Sorted(16);"#;

const COMPARE_INPUT: &str = r#"{"x": [1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987]}"#;

#[test]
fn snarkjs_round_trip_comparators_bn254() {
    round_trip::<Bn254>(COMPARE, COMPARE_INPUT);
}

#[test]
fn snarkjs_round_trip_comparators_bls12_381() {
    round_trip::<Bls12_381>(COMPARE, COMPARE_INPUT);
}

#[test]
fn snarkjs_round_trip_mimc_sponge_bn254() {
    let source = r#"pragma circom 2.0.0;
        include "mimcsponge.circom";
        component main = MiMCSponge(3, 220, 1);"#;
    round_trip::<Bn254>(source, r#"{"ins": [1, 2, 3], "k": 0}"#);
}

/// A domain of 2^15 over a file just large enough: snarkjs then digests what lies behind the powers in the file. And
/// over a larger one.
fn large_setup<C: Curve>() {
    let Some(bench) = Bench::new() else { return };
    bench.compile::<C>(&chain(17_000), CHAIN_INPUT);
    for (power, name) in [(15, "exact.ptau"), (16, "larger.ptau")] {
        let bytes = powersoftau::dev::<C, _>(power, &mut rng(55)).unwrap();
        bench.write(name, &bytes);
        let ptau = Ptau::<C>::open(&bytes).unwrap();
        let ours = setup::from_ptau(&bench.r1cs::<C>(), &ptau, Check::Trusted).unwrap();
        bench.snarkjs(&format!("groth16 setup circuit.r1cs {name} theirs.zkey"));
        assert!(ours.write() == bench.read("theirs.zkey"), "{name}");
    }
}

#[test]
fn snarkjs_setup_at_2_15_is_byte_identical_bn254() {
    large_setup::<Bn254>();
}

#[test]
fn snarkjs_setup_at_2_15_is_byte_identical_bls12_381() {
    large_setup::<Bls12_381>();
}

#[test]
fn snarkjs_round_trip_sha256_bn254() {
    let source = r#"pragma circom 2.0.0;
        include "sha256/sha256.circom";
        component main = Sha256(440);"#;
    let bits = vec!["1"; 440].join(",");
    dev_round_trip::<Bn254>(source, &format!(r#"{{"in": [{bits}]}}"#), 15);
}

#[test]
fn snarkjs_round_trip_chain_2_16_bls12_381() {
    dev_round_trip::<Bls12_381>(&chain(60_000), CHAIN_INPUT, 16);
}

/// Powers of our own pass snarkjs's verification, and its second-phase preparation gives the bytes that we wrote.
fn powers<C: Curve>() {
    let Some(bench) = Bench::new() else { return };
    let bytes = powersoftau::dev::<C, _>(5, &mut rng(56)).unwrap();
    bench.write("ours.ptau", &bytes);
    let said = bench.snarkjs("powersoftau verify ours.ptau");
    assert!(said.contains("Powers of Tau Ok!") && said.contains("NOT FOR PRODUCTION"), "{said}");
    bench.snarkjs("powersoftau prepare phase2 ours.ptau theirs.ptau");
    assert!(bench.read("theirs.ptau") == bytes);
    // Others can add to it.
    bench.snarkjs("powersoftau contribute ours.ptau more.ptau --name=more -e=entropy");
    let said = bench.snarkjs("powersoftau verify more.ptau");
    assert!(said.contains("Powers of Tau Ok!"), "{said}");
}

#[test]
fn snarkjs_accepts_our_powers_bn254() {
    powers::<Bn254>();
}

#[test]
fn snarkjs_accepts_our_powers_bls12_381() {
    powers::<Bls12_381>();
}

/// The contract, compiled by solc and run by anvil, on calldata that snarkjs prints.
#[test]
fn snarkjs_calldata_is_judged_by_our_contract() {
    let Some(bench) = Bench::new() else { return };
    let circuit = random_circuit::<Bn254>(3, 2, 10, 57);
    let zkey = setup::dev::<Bn254, _>(&circuit.r1cs, &mut rng(58)).unwrap();
    let key = ProvingKey::from_zkey(zkey).unwrap();
    let proof = prove(&key, &circuit.witness, &mut rng(59)).unwrap();
    bench.write("Verifier.sol", solidity::export(&key.vk).unwrap());
    bench.write("proof.json", proof.to_json());
    bench.write("public.json", public::to_json(circuit.public()));
    let calldata = bench.snarkjs("zkey export soliditycalldata public.json proof.json");
    let valid: serde_json::Value = serde_json::from_str(&format!("[{}]", calldata.trim())).unwrap();

    let order = "0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001";
    let field = "0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47";
    let mut calls = vec![(valid.clone(), "true")];
    let mut changed = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut call = valid.clone();
        change(&mut call);
        calls.push((call, "false"));
    };
    changed(&|c| c[3][1] = "0x01".into());
    // The same signal under another name: x + r.
    changed(&|c| {
        let sum = add(c[3][0].as_str().unwrap(), order);
        c[3][0] = sum.into();
    });
    changed(&|c| c[3][2] = order.into());
    // A's y coordinate plus the modulus, its x coordinate plus the modulus.
    changed(&|c| c[0][1] = add(c[0][1].as_str().unwrap(), field).into());
    changed(&|c| c[0][0] = add(c[0][0].as_str().unwrap(), field).into());
    changed(&|c| c[0][1] = "0x01".into());
    changed(&|c| c[2] = c[0].clone());
    changed(&|c| c[0] = serde_json::json!(["0x00", "0x00"]));
    changed(&|c| c[1][0] = serde_json::json!(["0x01", "0x02"]));
    let list: Vec<_> = calls.iter().map(|(call, _)| call).collect();
    bench.write("calls.json", serde_json::to_string(&list).unwrap());

    // A circuit without public signals has no last argument.
    let silent = random_circuit::<Bn254>(0, 2, 10, 57);
    let zkey = setup::dev::<Bn254, _>(&silent.r1cs, &mut rng(58)).unwrap();
    let silent_key = ProvingKey::from_zkey(zkey).unwrap();
    let proof = prove(&silent_key, &silent.witness, &mut rng(59)).unwrap();
    bench.write("Silent.sol", solidity::export(&silent_key.vk).unwrap());
    bench.write("proof.json", proof.to_json());
    bench.write("public.json", "[]");
    let calldata = bench.snarkjs("zkey export soliditycalldata public.json proof.json");
    let mut call: serde_json::Value = serde_json::from_str(&format!("[{}]", calldata.trim())).unwrap();
    call.as_array_mut().unwrap().truncate(3);
    bench.write("silent.json", serde_json::to_string(&[call]).unwrap());

    let judge = |contract: &str, calls: &str| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/evm.mjs");
        let mut command = Command::new("node");
        command.arg(script).arg(&bench.modules).args([contract, calls]).current_dir(bench.dir.path());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let expected: Vec<&str> = calls.iter().map(|(_, expected)| *expected).collect();
    assert_eq!(judge("Verifier.sol", "calls.json").lines().collect::<Vec<_>>(), expected);
    assert_eq!(judge("Silent.sol", "silent.json").trim(), "true");
}

/// The sum of two hexadecimal numbers.
fn add(a: &str, b: &str) -> String {
    let sum = [a, b]
        .map(|x| num_bigint::BigUint::parse_bytes(&x.as_bytes()[2..], 16).unwrap())
        .iter()
        .sum::<num_bigint::BigUint>();
    format!("0x{sum:x}")
}
