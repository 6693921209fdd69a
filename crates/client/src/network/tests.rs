#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;

fn sample() -> Network {
    Network {
        name: "local".into(),
        coordinator: PinnedCoordinator {
            urls: vec!["https://127.0.0.1:7443".into(), "https://[::1]:7443".into()],
            identity: [8; 32],
            certificate: Some([7; 32]),
            api_key_file: None,
        },
        nodes: (1..=4u8)
            .map(|i| PinnedNode {
                name: format!("node-{i}"),
                identity: [i; 32],
                operator: format!("operator {i} \"quoted\" = é"),
                vouched_by: "tacit network up".into(),
            })
            .collect(),
        choice: Choice { only: Some((1..=3).map(|i| [i; 32]).collect()), avoid: vec![[2; 32]] },
    }
}

#[test]
fn what_is_written_is_read() {
    let network = sample();
    let text = network.to_toml().unwrap();
    assert_eq!(Network::parse(&text).unwrap(), network);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("network.toml");
    network.save(&path).unwrap();
    network.save(&path).unwrap();
    assert_eq!(Network::load(&path).unwrap(), network);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no partial file stays behind");
}

/// Replaces one line of a good file and returns what the error says.
fn spoil(from: &str, to: &str) -> String {
    let good = sample().to_toml().unwrap();
    assert!(good.contains(from), "{from:?} is not in\n{good}");
    Network::parse(&good.replacen(from, to, 1)).unwrap_err().to_string()
}

#[test]
fn errors_name_the_key_and_the_way_out() {
    let hex7 = hex::encode([7; 32]);
    let hex2 = hex::encode([2; 32]);
    let cases = [
        ("version = 1", "version = 2", "version 2 is not known"),
        ("version = 1", "version = \"1\"", "`version` is not valid"),
        ("version = 1", "", "begin the file with `version = 1`"),
        ("https://127.0.0.1:7443", "http://127.0.0.1:7443", "`coordinator.urls[0]` is not valid"),
        ("https://127.0.0.1:7443", "https://user:pw@127.0.0.1", "no user name or password"),
        ("https://127.0.0.1:7443", "127.0.0.1", "is not a URL"),
        (
            &format!("identity = \"ed25519:{}\"", hex::encode([8; 32])),
            "",
            "`coordinator.identity` is missing",
        ),
        (&format!("sha256:{hex7}"), "sha256:abcd", "expected 32 bytes, got 2"),
        (&format!("sha256:{hex7}"), "md5:abcd", "it begins with \"md5\", expected \"sha256\""),
        (&format!("ed25519:{hex2}"), "ed25519:zz", "`nodes[1].identity` is not valid"),
        (&hex2, &hex::encode([1; 32]), "`nodes[1].identity` repeats the identity of `nodes[0].identity`"),
        ("name = \"node-3\"", "name = \"node-1\"", "`nodes[2].name` repeats the name of `nodes[0].name`"),
        ("name = \"node-3\"", "name = \" \"", "`nodes[2].name` is not valid"),
        ("name = \"node-3\"", "", "`nodes[2].name` is missing"),
        ("name = \"node-3\"", "colour = \"red\"", "unknown field `colour`"),
        ("[coordinator]", "[koordinator]", "unknown field `koordinator`"),
        ("version = 1", "version = ", "does not parse"),
    ];
    for (from, to, expected) in cases {
        let got = spoil(from, to);
        assert!(got.contains(expected), "{from:?} -> {to:?}: {got}");
    }
}

#[test]
fn a_network_without_nodes_is_refused() {
    let good = sample().to_toml().unwrap();
    let text = good.split("[[nodes]]").next().unwrap();
    assert!(Network::parse(text).unwrap_err().to_string().contains("add a `[[nodes]]` table"));
}

#[test]
fn a_missing_file_says_how_to_get_one() {
    let error = Network::load(Path::new("/nonexistent/network.toml")).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/network.toml") && error.contains("tacit network up"), "{error}");
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,400}") {
        let _ = Network::parse(&text);
    }

    #[test]
    fn any_operator_name_round_trips(operator in "[a-zA-Z0-9\"'\\\\\u{e0}-\u{ff}]{1,20}") {
        let mut network = sample();
        network.nodes[0].operator = operator;
        prop_assert_eq!(Network::parse(&network.to_toml().unwrap()).unwrap(), network);
    }
}
