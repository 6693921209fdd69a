//! A node's keys and configuration as its operator handles them: real processes.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use common::tacit;
use predicates::prelude::*;
use serde_json::Value;

struct Place {
    root: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    fn dir(&self) -> PathBuf {
        self.root.path().join("node")
    }

    /// A file outside of the node's folder.
    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.root.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn node(&self, verb: &str) -> assert_cmd::Command {
        let mut command = tacit();
        command.args(["node", verb, "--dir"]).arg(self.dir());
        command
    }

    /// Whether a private key lies in the folder in the clear.
    fn shows_keys(&self) -> bool {
        files(&self.dir()).iter().any(|f| {
            let bytes = std::fs::read(f).unwrap();
            bytes.windows(11).any(|w| w == b"PRIVATE KEY")
        })
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn one_paragraph(stderr: &[u8]) -> bool {
    String::from_utf8_lossy(stderr).trim().lines().count() == 1
}

#[test]
fn keys_are_encrypted_and_open_with_their_passphrase_only() {
    let place = Place::new();
    let passphrase = place.file("passphrase", "six words that nobody would guess\n");
    let wrong = place.file("wrong", "six words that somebody would guess\n");
    let done = place.node("init").arg("--json").arg("--passphrase-file").arg(&passphrase).assert().success();
    let made: Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
    assert_eq!(made["keys"], "passphrase");
    assert!(!place.shows_keys());
    // The configuration names the file, so that `init` again finds it and says the same identity.
    let again = place.node("init").arg("--json").assert().success();
    let again: Value = serde_json::from_slice(&again.get_output().stdout).unwrap();
    assert_eq!(again["identity"], made["identity"]);

    let change = |verb: &str, how: &[(&str, &Path)]| {
        let mut command = place.node("passphrase");
        command.arg(verb);
        how.iter().for_each(|(option, file)| {
            command.arg(option).arg(file);
        });
        command.assert()
    };
    let failed = change("--unencrypted", &[("--passphrase-file", &wrong)]).code(1);
    assert!(one_paragraph(&failed.get_output().stderr));
    failed.stderr(predicate::str::contains("do not open"));
    // Another one; a key file that is made; none at all.
    let key = place.root.path().join("node.key");
    change("--quiet", &[("--passphrase-file", &passphrase), ("--new-key-file", &key)]).success();
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    change("--unencrypted", &[("--passphrase-file", &passphrase)])
        .code(1)
        .stderr(predicate::str::contains("key file"));
    assert!(!place.shows_keys());
    change("--unencrypted", &[("--key-file", &key)]).success();
    assert!(place.shows_keys());
    // From the environment.
    change("--quiet", &[("--new-passphrase-file", &passphrase)]).success();
    assert!(!place.shows_keys());
    let mut command = place.node("passphrase");
    command.env("TACIT_PASSPHRASE_FILE", &passphrase).arg("--unencrypted").assert().success();
}

#[test]
fn keys_in_the_clear_are_refused_where_a_passphrase_is_given_and_a_passphrase_beside_them() {
    let place = Place::new();
    let passphrase = place.file("passphrase", "six words that nobody would guess\n");
    place.node("init").arg("--passphrase-file").arg(&passphrase).assert().success();
    let config = place.dir().join("node.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace(&"0".repeat(64), &"7".repeat(64))).unwrap();
    // The keys in the clear, and the protection gone, as if somebody had put other keys there.
    place.node("passphrase").args(["--unencrypted", "--quiet"]).assert().success();
    assert!(place.shows_keys() && !place.dir().join("protection").exists());
    for verb in ["run", "init"] {
        let failed = place.node(verb).assert().code(1);
        assert!(one_paragraph(&failed.get_output().stderr), "{failed}");
        failed.stderr(
            predicate::str::contains("are not encrypted")
                .and(predicate::str::contains("tacit node passphrase")),
        );
    }
    let doctor = place.node("doctor").assert().code(1);
    doctor.stdout(predicate::str::contains("the node cannot start: a passphrase is given"));
    // The way out.
    let mut command = place.node("passphrase");
    command.arg("--new-passphrase-file").arg(&passphrase).assert().success();
    assert!(!place.shows_keys());
    place.node("init").assert().success();
    // A passphrase that lies where the keys lie, however it is named.
    let inside = place.dir().join("passphrase");
    std::fs::copy(&passphrase, &inside).unwrap();
    let refused = |command: &mut assert_cmd::Command| {
        command.assert().code(1).stderr(predicate::str::contains("would lie in the directory"));
    };
    refused(place.node("init").arg("--passphrase-file").arg(&inside));
    refused(place.node("init").env("TACIT_PASSPHRASE_FILE", &inside));
    let credential = place.dir().join("tacit-passphrase");
    std::fs::copy(&passphrase, &credential).unwrap();
    refused(place.node("init").env("CREDENTIALS_DIRECTORY", place.dir()));
}

#[test]
fn errors_of_an_operator_are_one_paragraph_with_the_way_out() {
    let place = Place::new();
    let fails = |command: &mut assert_cmd::Command, says: &str| {
        let failed = command.assert().code(1);
        assert!(one_paragraph(&failed.get_output().stderr), "{failed}");
        failed.stderr(predicate::str::contains(says));
    };
    // Nobody to ask.
    fails(place.node("init").write_stdin(""), "--passphrase-file FILE");
    let exposed = place.file("exposed", "six words that nobody would guess\n");
    std::fs::set_permissions(&exposed, std::fs::Permissions::from_mode(0o644)).unwrap();
    fails(place.node("init").arg("--passphrase-file").arg(&exposed), "open to others (mode 644)");
    let short = place.file("short", "hunter2\n");
    fails(place.node("init").arg("--passphrase-file").arg(&short), "at least 12 bytes");
    let missing = place.root.path().join("missing");
    fails(place.node("init").arg("--passphrase-file").arg(&missing), "missing");
    fails(
        place.node("init").arg("--key-file").arg(place.dir().join("inside.key")),
        "would lie in the directory",
    );
    fails(&mut place.node("run"), "there is no node here");

    place.node("init").arg("--unencrypted").assert().success();
    fails(&mut place.node("run"), "coordinator_identity is not filled in");
    let config = place.dir().join("node.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("# offers = 4", "ofers = 4")).unwrap();
    fails(&mut place.node("run"), "ofers");
    std::fs::write(&config, text.replace("# key_file", "key_file")).unwrap();
    let text = text.replace(&"0".repeat(64), &"7".repeat(64));
    std::fs::write(&config, text.replace("# key_file = \"/etc/tacit/", "key_file = \"/nowhere/")).unwrap();
    fails(&mut place.node("run"), "/nowhere/node.key");
    std::fs::write(&config, &text).unwrap();
    std::fs::set_permissions(place.dir(), std::fs::Permissions::from_mode(0o755)).unwrap();
    fails(&mut place.node("run"), "chmod go-rwx");
}

#[test]
fn circuits_come_in_from_files_by_their_content() {
    let place = Place::new();
    place.node("init").arg("--unencrypted").assert().success();
    let add = |what: &Path| {
        let mut command = tacit();
        command.args(["node", "circuit", "add", "--json", "--dir"]).arg(place.dir()).arg(what).assert()
    };
    let folder = place.root.path().join("circuits");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(common::fixture("bn128", "final.zkey"), folder.join("one.zkey")).unwrap();
    std::fs::copy(common::fixture("bls12381", "final.zkey"), folder.join("two.zkey")).unwrap();
    let pot = common::fixture("bn128", "pot.ptau");
    tacit().args(["bases", "export"]).args([&pot, &folder.join("powers.bases")]).assert().success();
    let done = add(&folder).success();
    let done: Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
    let imported = done["imported"].as_array().unwrap();
    assert!(imported.len() == 3 && imported.iter().all(|i| i["new"] == true), "{done:#}");
    let files: Vec<_> = files(&place.dir().join("circuits"));
    for one in imported {
        let id = one["id"].as_str().unwrap();
        assert!(files.iter().any(|f| f.file_name().unwrap().to_str().unwrap().starts_with(id)), "{id}");
    }
    add(&folder.join("one.zkey")).success().stdout(predicate::str::contains("\"new\": false"));
    // Cut off; no such file; none at all.
    let mut bytes = std::fs::read(folder.join("one.zkey")).unwrap();
    bytes.truncate(bytes.len() / 2);
    std::fs::write(folder.join("bad.zkey"), bytes).unwrap();
    std::fs::write(folder.join("none.zkey"), b"nothing of the kind").unwrap();
    for bad in ["bad.zkey", "none.zkey", "missing.zkey"] {
        let failed = add(&folder.join(bad)).code(1);
        assert!(one_paragraph(&failed.get_output().stderr));
        failed.stderr(predicate::str::contains(bad));
    }
}

#[test]
fn root_leaves_nothing_in_the_folder_of_another_user() {
    let place = Place::new();
    place.node("init").arg("--unencrypted").assert().success();
    // Only root can give it away.
    if std::os::unix::fs::chown(place.dir(), Some(12345), None).is_err() {
        return;
    }
    let before = files(&place.dir());
    let mut add = tacit();
    add.args(["node", "circuit", "add", "--dir"])
        .arg(place.dir())
        .arg(common::fixture("bn128", "final.zkey"));
    for command in [&mut add, place.node("passphrase").arg("--unencrypted")] {
        let failed = command.assert().code(1);
        assert!(one_paragraph(&failed.get_output().stderr), "{failed}");
        failed.stderr(predicate::str::contains("belongs to user 12345"));
    }
    place.node("doctor").assert().stdout(predicate::str::contains("user 12345's"));
    assert_eq!(files(&place.dir()), before);
}

#[test]
fn init_makes_keys_of_the_life_that_is_configured() {
    let place = Place::new();
    place.node("init").args(["--unencrypted", "--sealing-key-seconds", "3600"]).assert().success();
    let config = std::fs::read_to_string(place.dir().join("node.toml")).unwrap();
    assert!(config.contains("\nsealing_key_seconds = 3600\n") && config.contains("\n# offers = 4\n"));
    let key =
        files(&place.dir().join("sealing")).into_iter().find(|f| f.extension().is_some_and(|e| e == "key"));
    let content = std::fs::read(key.unwrap()).unwrap();
    let certificate = tacit_wire::SealingKeyCertificate::decode(&content[32..]).unwrap();
    // Valid from ten minutes before it was made.
    assert_eq!(certificate.expiry - certificate.not_before, 3600 + 600);
}
