//! Which database a coordinator, and the verbs beside it, act on; and how its identity comes into another directory.

use std::path::Path;

use tacit_coordinator::{Config, Coordinator, CoordinatorError, Role, access};
use tacit_vault::{Unlock, VaultError};

use crate::fixture::{Network, now};
use crate::postgres::with_postgres;

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(test)
}

/// Every verb of keys, and what each says.
async fn refusals(config: &Config) -> Vec<String> {
    vec![
        access::add_key(config, "alice", Role::Client, now()).await.unwrap_err().to_string(),
        access::keys(config).await.unwrap_err().to_string(),
        access::revoke_key(config, "alice", now()).await.unwrap_err().to_string(),
    ]
}

fn files(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    names.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_need_a_database_that_a_coordinator_made() {
    let root = tempfile::tempdir().unwrap();
    let mut config = Config::new(root.path().join("coordinator"));
    config.http_listen.set_port(0);
    config.quic_listen.set_port(0);
    tacit_coordinator::init(&config.data_dir).unwrap();
    for refused in refusals(&config).await {
        assert!(refused.contains("there is none; `tacit coordinator run` makes it"), "{refused}");
    }
    assert!(!files(&config.data_dir).iter().any(|f| f.contains("sqlite")), "{:?}", files(&config.data_dir));
    // A file that is no coordinator's database is left as it is.
    let stray = config.data_dir.join("coordinator.sqlite");
    std::fs::write(&stray, b"").unwrap();
    for refused in refusals(&config).await {
        assert!(refused.contains("no schema of this program"), "{refused}");
    }
    std::fs::remove_file(stray).unwrap();
    drop(Coordinator::start(config.clone()).await.unwrap());
    access::add_key(&config, "alice", Role::Client, now()).await.unwrap();
    assert_eq!(access::keys(&config).await.unwrap().len(), 1);
    // The folder may be moved with everything in it.
    let moved = Config { data_dir: root.path().join("elsewhere"), ..config.clone() };
    std::fs::rename(&config.data_dir, &moved.data_dir).unwrap();
    assert_eq!(access::keys(&moved).await.unwrap().len(), 1);
}

#[test]
fn a_coordinator_and_its_verbs_keep_to_the_database_that_was_served() {
    with_postgres(|| {
        run(async {
            let mut network = Network::new(0, &[]).await;
            let served = network.config.clone();
            // As without TACIT_DATABASE in the environment.
            let forgotten = Config { database: None, ..served.clone() };
            let wrong = |refused: &str| {
                let name = access::database(&served);
                assert!(refused.contains(&name) && refused.contains("TACIT_DATABASE"), "{refused}");
                assert!(!files(&served.data_dir).iter().any(|f| f.contains("sqlite")));
            };
            refusals(&forgotten).await.iter().for_each(|refused| wrong(refused));
            access::add_key(&served, "alice", Role::Client, now()).await.unwrap();
            assert_eq!(access::keys(&served).await.unwrap().len(), 1);
            // A coordinator that began with an empty database would sign a second history of its log.
            network.coordinator.take().unwrap().stop().await;
            let refused = Coordinator::start(forgotten.clone()).await.unwrap_err();
            assert!(matches!(refused, CoordinatorError::OtherDatabase { .. }), "{refused}");
            wrong(&refused.to_string());
            // Unless somebody says that it was moved.
            std::fs::remove_file(served.data_dir.join("database")).unwrap();
            drop(Coordinator::start(forgotten).await.unwrap());
            network.stop().await;
        });
    });
}

#[test]
fn what_is_remembered_holds_no_password() {
    with_postgres(|| {
        run(async {
            let mut network = Network::new(0, &[]).await;
            network.coordinator.take().unwrap().stop().await;
            let url = crate::postgres::current_text();
            let with_password = url.replacen("postgres@", "postgres:s3cret-word@", 1);
            assert_ne!(url, with_password, "the test's URL has no user to give a password to");
            network.config.database = Some(with_password.parse().unwrap());
            network.start_coordinator().await;
            let kept = std::fs::read_to_string(network.config.data_dir.join("database")).unwrap();
            assert!(kept.starts_with("postgres://") && !kept.contains("s3cret"), "{kept}");
            network.stop().await;
        });
    });
}

#[tokio::test]
async fn keys_in_the_clear_are_refused_where_a_passphrase_is_configured() {
    let root = tempfile::tempdir().unwrap();
    let passphrase = root.path().join("passphrase");
    tacit_vault::dir::write_secret(&passphrase, b"correct horse battery\n").unwrap();
    let mut config = Config::new(root.path().join("data"));
    let identity = tacit_coordinator::init_as(&config, None).unwrap();
    config.passphrase_file = Some(passphrase.clone());
    (config.http_listen, config.quic_listen) =
        ("127.0.0.1:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap());
    let refused = tacit_coordinator::Coordinator::start(config.clone()).await.unwrap_err();
    assert!(matches!(refused, CoordinatorError::Vault(VaultError::NotProtected { .. })), "{refused}");
    assert!(refused.to_string().contains("tacit coordinator passphrase"), "{refused}");
    assert!(tacit_coordinator::init_as(&config, None).is_err());
    config.passphrase_file = None;
    assert_eq!(tacit_coordinator::Coordinator::start(config).await.unwrap().identity(), identity);
}

#[test]
fn an_encrypted_identity_is_taken_over_with_what_opens_it() {
    let root = tempfile::tempdir().unwrap();
    let passphrase = root.path().join("passphrase");
    tacit_vault::dir::write_secret(&passphrase, b"correct horse battery\n").unwrap();
    let mut first = Config::new(root.path().join("first"));
    first.passphrase_file = Some(passphrase.clone());
    let identity = tacit_coordinator::init_as(&first, None).unwrap();
    // A copy on another machine.
    let copies = root.path().join("copies");
    tacit_vault::dir::create_private(&copies).unwrap();
    let copy = |name: &str| std::fs::copy(first.data_dir.join(name), copies.join(name)).unwrap();
    copy("identity.pem");
    let file = copies.join("identity.pem");
    let unlock = Unlock::from_passphrase_file(&passphrase).unwrap();
    let second = Config::new(root.path().join("second"));
    let take = |unlock: &Unlock| tacit_coordinator::init_as(&second, Some((&file, unlock)));
    let refused = take(&unlock).unwrap_err().to_string();
    assert!(refused.contains("is encrypted: copy the file `protection`"), "{refused}");
    copy("protection");
    let refused = take(&Unlock::Unencrypted).unwrap_err();
    assert!(matches!(refused, CoordinatorError::Vault(VaultError::Locked { .. })), "{refused}");
    let refused = take(&Unlock::passphrase(b"another horse battery")).unwrap_err();
    assert!(matches!(refused, CoordinatorError::Vault(VaultError::WrongUnlock { .. })), "{refused}");
    assert_eq!(take(&unlock).unwrap(), identity);
    // Under another name its content does not open.
    let renamed = copies.join("theirs.pem");
    std::fs::rename(&file, &renamed).unwrap();
    let third = Config::new(root.path().join("third"));
    let refused = tacit_coordinator::init_as(&third, Some((&renamed, &unlock))).unwrap_err().to_string();
    assert!(refused.contains("under the name `identity.pem`"), "{refused}");
}
