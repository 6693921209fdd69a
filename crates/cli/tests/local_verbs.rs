//! The verbs that need no network, as a user runs them: files, exit codes, words.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::{CURVES, fixture, tacit};
use predicates::prelude::*;

#[test]
fn setup_prove_export_verify_on_both_curves() {
    for curve in CURVES {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let r1cs = fixture(curve, "tiny.r1cs");
        tacit()
            .args(["groth16", "setup", "--dev"])
            .args([&r1cs, &at("c.zkey")])
            .assert()
            .success()
            .stderr(predicate::str::contains("DEVELOPMENT key"));
        tacit()
            .args(["groth16", "prove"])
            .args([&at("c.zkey"), &fixture(curve, "tiny.wtns"), &at("proof.json"), &at("public.json")])
            .arg("--r1cs")
            .arg(&r1cs)
            .assert()
            .success();
        tacit()
            .args(["zkey", "export", "verificationkey"])
            .args([&at("c.zkey"), &at("vk.json")])
            .assert()
            .success();
        tacit()
            .args(["groth16", "verify"])
            .args([&at("vk.json"), &at("public.json"), &at("proof.json")])
            .assert()
            .success()
            .stdout(predicate::str::contains("OK"));
        // The key of another ceremony does not verify it: exit code 1, as snarkjs has it.
        tacit()
            .args(["groth16", "verify"])
            .args([&fixture(curve, "verification_key.json"), &at("public.json"), &at("proof.json")])
            .assert()
            .code(1)
            .stderr(predicate::str::contains("not valid"));
    }
}

#[test]
fn setup_writes_the_bytes_that_snarkjs_writes() {
    for curve in CURVES {
        let dir = tempfile::tempdir().unwrap();
        let ours = dir.path().join("ours.zkey");
        tacit()
            .args(["groth16", "setup"])
            .args([&fixture(curve, "tiny.r1cs"), &fixture(curve, "pot.ptau"), &ours])
            .assert()
            .success();
        assert!(
            std::fs::read(&ours).unwrap() == std::fs::read(fixture(curve, "initial.zkey")).unwrap(),
            "{curve}"
        );
    }
}

#[test]
fn snarkjs_proofs_and_ceremonies_verify_here() {
    for curve in CURVES {
        tacit()
            .args(["groth16", "verify", "--json"])
            .args(["verification_key.json", "public.json", "proof.json"].map(|f| fixture(curve, f)))
            .assert()
            .success()
            .stdout(predicate::str::contains("\"valid\": true"));
        for word in [&["zkey", "verify"][..], &["zkey", "verify", "r1cs"]] {
            tacit()
                .args(word)
                .args(["tiny.r1cs", "pot.ptau", "final.zkey"].map(|f| fixture(curve, f)))
                .assert()
                .success();
        }
    }
}

#[test]
fn contributions_made_here_verify_here() {
    let curve = "bn128";
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    tacit()
        .args(["zkey", "contribute", "--name", "carol", "-e", "some text"])
        .args([&fixture(curve, "final.zkey"), &at("next.zkey")])
        .assert()
        .success();
    tacit()
        .args(["zkey", "beacon"])
        .args([&at("next.zkey"), &at("last.zkey")])
        .args(["0102030405060708090a0b0c0d0e0f10", "10", "-n", "beacon"])
        .assert()
        .success();
    tacit()
        .args(["zkey", "verify"])
        .args([&fixture(curve, "tiny.r1cs"), &fixture(curve, "pot.ptau"), &at("last.zkey")])
        .assert()
        .success()
        .stdout(predicate::str::contains("carol").and(predicate::str::contains("beacon")));
}

#[test]
fn powers_of_tau_for_tests_serve_a_setup() {
    for curve in CURVES {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        tacit().args(["powersoftau", "dev", curve, "6"]).arg(at("pot.ptau")).assert().success();
        tacit()
            .args(["groth16", "setup"])
            .args([&fixture(curve, "tiny.r1cs"), &at("pot.ptau"), &at("c.zkey")])
            .assert()
            .success();
        tacit()
            .args(["groth16", "prove"])
            .args([&at("c.zkey"), &fixture(curve, "tiny.wtns"), &at("proof.json"), &at("public.json")])
            .assert()
            .success();
    }
}

#[test]
fn solidity_is_for_bn254_only_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let sol = dir.path().join("v.sol");
    tacit()
        .args(["zkey", "export", "solidityverifier"])
        .args([&fixture("bn128", "final.zkey"), &sol])
        .assert()
        .success();
    assert!(std::fs::read_to_string(&sol).unwrap().contains("function verifyProof("));
    tacit()
        .args(["zkey", "export", "solidityverifier"])
        .args([&fixture("bls12381", "final.zkey"), &sol])
        .assert()
        .code(1)
        .stderr(predicate::str::contains("BLS12-381"));
    tacit()
        .args(["zkey", "export", "soliditycalldata"])
        .args([&fixture("bn128", "public.json"), &fixture("bn128", "proof.json")])
        .assert()
        .success()
        .stdout(predicate::str::starts_with("[\"0x"));
}

#[test]
fn a_contracts_key_is_for_any_chain_only_if_it_comes_from_a_ceremony() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key.hex");
    let export = |zkey: &std::path::Path, ceremony: bool| {
        let mut command = tacit();
        command.args(["zkey", "export", "contractkey"]).args([zkey, key.as_path()]);
        if ceremony {
            command.arg("--ceremony");
        }
        command.assert()
    };
    let kind = || {
        let text = std::fs::read_to_string(&key).unwrap();
        let bytes = hex::decode(text.trim_end().trim_start_matches("0x")).unwrap();
        String::from_utf8(bytes[..32].to_vec()).unwrap()
    };
    export(&fixture("bn128", "final.zkey"), false)
        .success()
        .stdout(predicate::str::contains("local chains only"));
    assert_eq!(kind(), "tacit-groth16-key-v1-development");
    export(&fixture("bn128", "final.zkey"), true).success();
    assert_eq!(kind(), "tacit-groth16-key-v1-ceremony\0\0\0");

    let dev = dir.path().join("dev.zkey");
    tacit()
        .args(["groth16", "setup", "--dev"])
        .args([&fixture("bn128", "tiny.r1cs"), &dev])
        .assert()
        .success();
    export(&dev, true).code(1).stderr(predicate::str::contains("made for development"));
    export(&dev, false).success();
    export(&fixture("bls12381", "final.zkey"), false).code(1).stderr(predicate::str::contains("BLS12-381"));
}

#[test]
fn a_wrong_witness_is_caught_with_and_without_constraints() {
    let curve = "bn128";
    let dir = tempfile::tempdir().unwrap();
    let bad = dir.path().join("bad.wtns");
    let mut bytes = std::fs::read(fixture(curve, "tiny.wtns")).unwrap();
    let last_value = bytes.len() - 32;
    bytes[last_value] ^= 1;
    std::fs::write(&bad, bytes).unwrap();
    let out = dir.path().join("proof.json");
    let run = |extra: &[&std::path::Path]| {
        let mut c = tacit();
        c.args(["groth16", "prove"]).args([
            &fixture(curve, "final.zkey"),
            &bad,
            &out,
            &dir.path().join("public.json"),
        ]);
        for (flag, path) in ["--r1cs", "--sym"].iter().zip(extra) {
            c.arg(flag).arg(path);
        }
        c.assert().code(1)
    };
    run(&[&fixture(curve, "tiny.r1cs")]).stderr(predicate::str::contains("constraint "));
    run(&[&fixture(curve, "tiny.r1cs"), &fixture(curve, "tiny.sym")])
        .stderr(predicate::str::contains("main."));
    run(&[]).stderr(predicate::str::contains("does not verify").and(predicate::str::contains("--r1cs")));
    assert!(!out.exists(), "an invalid proof must not be written");
}

#[test]
fn bad_files_get_one_paragraph_that_names_the_place() {
    let curve = "bn128";
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let zkey = std::fs::read(fixture(curve, "final.zkey")).unwrap();
    let prove = |zkey: &std::path::Path| {
        tacit()
            .args(["groth16", "prove"])
            .args([zkey, &fixture(curve, "tiny.wtns"), &at("proof.json"), &at("public.json")])
            .assert()
            .code(1)
            .stdout("")
            .stderr(predicate::str::starts_with("tacit: ").and(predicate::str::contains("panicked").not()))
    };
    prove(&at("missing.zkey")).stderr(predicate::str::contains("no such file"));
    prove(dir.path()).stderr(predicate::str::contains("folder"));
    std::fs::write(at("cut.zkey"), &zkey[..zkey.len() / 2]).unwrap();
    prove(&at("cut.zkey")).stderr(predicate::str::contains("offset").or(predicate::str::contains("byte")));
    std::fs::write(at("empty.zkey"), []).unwrap();
    prove(&at("empty.zkey"));
    prove(&fixture("bls12381", "final.zkey")).stderr(predicate::str::contains("expected BLS12-381"));
    prove(&fixture(curve, "tiny.r1cs"));
    // A point moved off the curve.
    let mut off = zkey.clone();
    let last = off.len() / 2;
    off[last] ^= 1;
    std::fs::write(at("off.zkey"), &off).unwrap();
    prove(&at("off.zkey"));
}

#[test]
fn a_trusted_file_is_named_by_its_digest() {
    use sha2::{Digest, Sha256};
    let curve = "bn128";
    let dir = tempfile::tempdir().unwrap();
    let zkey = fixture(curve, "final.zkey");
    let digest = hex::encode(Sha256::digest(std::fs::read(&zkey).unwrap()));
    let prove = |digest: &str| {
        let mut c = tacit();
        c.args(["groth16", "prove", "--trust-file", digest]).args([
            &zkey,
            &fixture(curve, "tiny.wtns"),
            &dir.path().join("p.json"),
            &dir.path().join("s.json"),
        ]);
        c.assert()
    };
    prove(&digest).success();
    prove(&"0".repeat(64)).code(1).stderr(predicate::str::contains("another file"));
}

#[test]
fn a_key_is_checked_once_and_then_mapped_from_the_cache() {
    let curve = "bn128";
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let prove = || {
        tacit()
            .env("TACIT_CACHE_DIR", &cache)
            .args(["groth16", "prove"])
            .args([&fixture(curve, "final.zkey"), &fixture(curve, "tiny.wtns")])
            .args([dir.path().join("p.json"), dir.path().join("s.json")])
            .assert()
            .success()
    };
    prove().stderr(predicate::str::contains("every point checked"));
    prove().stderr(predicate::str::contains("read from the cache"));
    // A damaged entry is made anew rather than believed.
    let entry = std::fs::read_dir(cache.join("prepared")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&entry).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&entry, bytes).unwrap();
    prove().stderr(predicate::str::contains("every point checked"));
    // Others could have written there: refused, with the way out.
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(cache.join("prepared"), std::fs::Permissions::from_mode(0o777)).unwrap();
    tacit()
        .env("TACIT_CACHE_DIR", &cache)
        .args(["groth16", "prove"])
        .args([&fixture(curve, "final.zkey"), &fixture(curve, "tiny.wtns")])
        .args([dir.path().join("p.json"), dir.path().join("s.json")])
        .assert()
        .code(1)
        .stderr(predicate::str::contains("chmod"));
}

#[test]
fn json_results_are_one_value_also_when_it_fails() {
    let ok = tacit().args(["r1cs", "info", "--json"]).arg(fixture("bn128", "tiny.r1cs")).assert().success();
    let value: serde_json::Value = serde_json::from_slice(&ok.get_output().stdout).unwrap();
    assert_eq!(value["curve"], "BN254");
    let failed = tacit().args(["r1cs", "info", "--json", "/no/such/file"]).assert().code(1);
    let value: serde_json::Value = serde_json::from_slice(&failed.get_output().stdout).unwrap();
    assert_eq!(value["ok"], false);
    assert!(value["error"].as_str().unwrap().contains("no such file"));
}

#[test]
fn powers_of_tau_become_bases() {
    for curve in CURVES {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let export = |words: &[&str]| {
            let ptau = fixture(curve, "pot.ptau");
            tacit().args(["bases", "export"]).args([&ptau, &at("b")]).args(words).assert()
        };
        export(&[]).success().stdout(predicate::str::contains("bases "));
        let all = std::fs::read(at("b")).unwrap();
        let len = if curve == "bn128" { 64 } else { 96 };
        let points = (all.len() - 24) / len;
        assert!(points.is_power_of_two() && all.len() == 24 + points * len);
        // The file's points stand as in the powers of tau.
        let ptau = std::fs::read(fixture(curve, "pot.ptau")).unwrap();
        assert!(ptau.windows(all.len() - 24).any(|w| w == &all[24..]));

        export(&["--count", "3"]).success();
        let three = std::fs::read(at("b")).unwrap();
        assert_eq!(three[24..], all[24..24 + 3 * len]);
        let info = || tacit().args(["circuit", "info"]).arg(at("b")).assert();
        info().success().stdout(predicate::str::contains("Points  3"));
        export(&["--count", "1000000"]).code(1).stderr(
            predicate::str::contains("powers of tau in")
                .and(predicate::str::contains("1000000 are asked for")),
        );
        export(&["--count", "0"]).code(2);

        let mut off = three.clone();
        off[24 + len] ^= 1;
        std::fs::write(at("b"), off).unwrap();
        info().code(1).stderr(predicate::str::contains("base 1"));
        tacit()
            .args(["bases", "export"])
            .args([&fixture(curve, "tiny.wtns"), &at("c")])
            .assert()
            .code(1)
            .stderr(predicate::str::contains("tiny.wtns"));
        assert!(!at("c").exists());
    }
}

fn planned(more: &[&str]) -> serde_json::Value {
    let done =
        tacit().args(["plan", "--json"]).arg(fixture("bn128", "final.zkey")).args(more).assert().success();
    serde_json::from_slice(&done.get_output().stdout).unwrap()
}

/// Without a network: what each setting costs if nodes are like this device, and one of them.
#[test]
fn a_plan_has_a_row_for_each_setting_and_recommends_one() {
    for curve in CURVES {
        tacit()
            .arg("plan")
            .arg(fixture(curve, "final.zkey"))
            .assert()
            .success()
            .stdout(
                predicate::str::contains("Recommended (>): `").and(predicate::str::contains("none: here")),
            )
            .stdout(predicate::str::contains("every node is taken to be as fast as this device"))
            .stdout(
                predicate::str::contains("tacit groth16 prove ")
                    .and(predicate::str::contains("--network NET.toml")),
            );
    }
    let plan = planned(&[]);
    let settings = plan["settings"].as_array().unwrap();
    assert!(settings.len() > 20);
    for setting in settings {
        for number in ["n", "t", "groups", "seats", "upload_bytes", "must_collude", "may_drop"] {
            assert!(setting[number].is_u64(), "{number}: {setting}");
        }
        for time in ["client_cpu_ms", "client_ms", "upload_ms", "nodes_ms", "round_trips_ms", "latency_ms"] {
            assert!(setting[time].as_f64().unwrap() >= 0.0, "{time}: {setting}");
        }
        assert_eq!(setting["must_collude"].as_u64().unwrap(), setting["t"].as_u64().unwrap() + 1);
    }
    let recommended: Vec<_> = settings.iter().filter(|s| s["recommended"] == true).collect();
    let [recommended] = recommended[..] else { panic!("one is recommended: {plan}") };
    for dial in ["handover", "n", "t", "groups", "latency_ms"] {
        assert_eq!(recommended[dial], plan["recommended"][dial], "{dial}");
    }
    assert!(recommended["may_drop"].as_u64().unwrap() > 0, "{recommended}");
    assert_eq!((&plan["line"]["source"], &plan["nodes"]), (&"assumed".into(), &serde_json::Value::Null));
    assert!(plan["local"]["wall_ms"].as_f64().unwrap() > 0.0);
    assert!(plan["device"]["bases_per_second"].as_u64().unwrap() > 0);
    let command = plan["recommended"]["command"].as_str().unwrap();
    let handover =
        format!("--handover {} --committee {}", recommended["handover"].as_str().unwrap(), recommended["n"]);
    assert!(command.contains(&handover), "{command}");
}

#[test]
fn a_plan_keeps_to_what_is_said_and_says_what_is_impossible() {
    let plan = planned(&["--privacy", "all-but-one", "--upload-mbit", "80"]);
    assert_eq!(
        (&plan["recommended"]["handover"], &plan["recommended"]["groups"]),
        (&"quotient".into(), &1.into())
    );
    assert!(
        plan["settings"]
            .as_array()
            .unwrap()
            .iter()
            .all(|s| s["t"].as_u64().unwrap() + 1 == s["n"].as_u64().unwrap())
    );
    assert_eq!(
        (&plan["line"]["source"], &plan["line"]["bytes_per_second"]),
        (&"given".into(), &10_000_000.0.into())
    );
    let plan = planned(&["--committee", "6", "--threshold", "2", "--handover", "witness"]);
    assert_eq!(plan["settings"].as_array().unwrap().len(), 1);
    assert_eq!(plan["recommended"]["n"], 6);

    let key = fixture("bn128", "final.zkey");
    for (arguments, says) in [
        (&["--committee", "4", "--threshold", "4"][..], "cannot have threshold 4"),
        (&["--committee", "40"], "committee of 40 nodes is not possible"),
        (&["--privacy", "all-but-one", "--handover", "witness"], "no such setting"),
        (&["--handover", "inputs"], "not supported"),
        (&["--upload-mbit", "0"], "megabits"),
        (&["--upload-mbit", "nan"], "megabits"),
        (&["--wasm", "c.wasm"], "--input"),
    ] {
        tacit()
            .arg("plan")
            .arg(&key)
            .args(arguments)
            .assert()
            .failure()
            .stderr(predicate::str::contains(says));
    }
}

/// With the witness's program and inputs, what the witness takes is counted; what belongs to another circuit is refused.
#[test]
fn a_plan_counts_the_witness_where_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let zkey = dir.path().join("spend's.zkey");
    let bundled =
        |name: &str| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../circuits/spend").join(name);
    tacit().args(["groth16", "setup", "--dev"]).args([&bundled("spend.r1cs"), &zkey]).assert().success();
    let example: serde_json::Value =
        serde_json::from_slice(&std::fs::read(bundled("example.json")).unwrap()).unwrap();
    let input = dir.path().join("input.json");
    std::fs::write(&input, example["input"].to_string()).unwrap();
    let witness = ["--wasm".into(), bundled("spend.wasm"), "--input".into(), input];
    let done = tacit().args(["plan", "--json"]).arg(&zkey).args(&witness).assert().success();
    let plan: serde_json::Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
    let witness_ms = plan["device"]["witness_ms"].as_f64().unwrap();
    assert!(witness_ms > 0.0 && plan["local"]["wall_ms"].as_f64().unwrap() > witness_ms);
    assert!(
        plan["settings"].as_array().unwrap().iter().all(|s| s["client_ms"].as_f64().unwrap() > witness_ms)
    );
    let command = plan["recommended"]["command"].as_str().unwrap();
    assert!(
        command.starts_with("tacit groth16 fullprove ") && command.contains(r"spend'\''s.zkey"),
        "{command}"
    );
    // The larger the circuit, the more is sent.
    let sent = |plan: &serde_json::Value| plan["settings"][0]["upload_bytes"].as_u64().unwrap();
    assert!(sent(&plan) > 10 * sent(&planned(&[])));
    tacit()
        .arg("plan")
        .arg(fixture("bn128", "final.zkey"))
        .args(&witness)
        .assert()
        .code(1)
        .stderr(predicate::str::contains("different circuits"));
}

#[test]
fn dials_to_be_chosen_need_somebody_to_choose_them() {
    let files = ["final.zkey", "tiny.wtns"].map(|name| fixture("bn128", name));
    tacit()
        .args(["bench", "prove", "--handover", "auto"])
        .args(&files)
        .assert()
        .code(1)
        .stderr(predicate::str::contains("say `witness` or `quotient`"));
    tacit()
        .args(["groth16", "prove", "--handover", "auto"])
        .args(&files)
        .assert()
        .code(1)
        .stderr(predicate::str::contains("--network"));
    // A wish for what is not to be chosen is not passed over in silence.
    tacit()
        .args(["groth16", "prove", "--privacy", "one", "--network", "net.toml"])
        .args(&files)
        .assert()
        .code(1)
        .stderr(predicate::str::contains("--handover auto"));
}

#[test]
fn r1cs_check_finds_what_the_inputs_do_not_determine() {
    let committed = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../circuits");
    tacit()
        .args(["r1cs", "check"])
        .arg(committed.join("spend/spend.r1cs"))
        .assert()
        .success()
        .stdout(predicate::str::contains("OK: the inputs determine all 8204 wires."));
    tacit()
        .args(["r1cs", "check"])
        .arg(committed.join("pool/auth_eddsa.r1cs"))
        .assert()
        .success()
        .stdout(predicate::str::contains("1026 divisors must not be zero"));
}
