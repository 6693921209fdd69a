#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashMap;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tacit_delegate::{Dials, Handover};
use tacit_wire::messages::HeldSlice;
use tacit_wire::status::HexCertificate;
use tacit_wire::{Identity, SealingKeyPair};

use super::*;
use crate::network::{Choice, PinnedCoordinator, PinnedNode};

const NOW: u64 = 1_800_000_000;
const DEAL_EXPIRY: u64 = NOW + 600;

fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

fn identity(i: u8) -> Identity {
    Identity::from_seed(&[i; 32])
}

fn pair(i: u8) -> SealingKeyPair {
    SealingKeyPair::from_seed(&[i; 32]).unwrap()
}

fn certificate(signer: u8, key: u8, purpose: Purpose, not_before: u64, expiry: u64) -> HexCertificate {
    let certificate =
        SealingKeyCertificate::issue(&identity(signer), purpose, pair(key).public(), 1, not_before, expiry);
    HexCertificate::from(&certificate)
}

fn good(i: u8) -> HexCertificate {
    certificate(i, i, Purpose::NodeEnvelope, NOW - 60, NOW + 3600)
}

/// A network of `n` pinned nodes, each with an operator of its own, all connected.
pub(crate) fn setting(n: u8) -> (Network, NetworkInfo) {
    let network = Network {
        name: "test".into(),
        coordinator: PinnedCoordinator {
            urls: vec!["https://127.0.0.1:1".into()],
            identity: [0; 32],
            certificate: None,
            api_key_file: None,
        },
        nodes: (1..=n)
            .map(|i| PinnedNode {
                name: format!("node-{i}"),
                identity: identity(i).key().0,
                operator: format!("operator-{i}"),
                vouched_by: "test".into(),
            })
            .collect(),
        choice: Choice::default(),
    };
    let info = NetworkInfo {
        protocol_version: 1,
        software: "test".into(),
        coordinator: identity(200).key(),
        assembler_certificate: None,
        nodes: (1..=n).map(|i| listed(i, good(i))).collect(),
    };
    (network, info)
}

fn listed(i: u8, certificate: HexCertificate) -> NodeInfo {
    NodeInfo {
        identity: identity(i).key(),
        sealing_key_certificate: Some(certificate),
        connected: true,
        software: String::new(),
        circuits: Vec::new(),
        slices: Vec::new(),
        bases_per_second: 0,
        capacity: 0,
        in_hand: 0,
    }
}

pub(crate) fn wanted(n: u8) -> Wanted<'static> {
    Wanted { n, now: NOW, deal_expiry: DEAL_EXPIRY, without: &[] }
}

/// Changes node 2 of a network of four, and returns by which rule a committee of four is refused, both ways.
fn spoil(change: impl FnOnce(&mut Network, &mut NetworkInfo)) -> Rule {
    let (mut network, mut info) = setting(4);
    change(&mut network, &mut info);
    let by_choice = match Committee::choose(&network, &info, wanted(4), &mut rng(1)).unwrap_err() {
        CommitteeError::NotEnough { wanted: 4, eligible: 3, rejected, .. } if rejected.len() == 1 => {
            (*rejected[0].rule).clone()
        }
        other => panic!("{other:?}"),
    };
    match Committee::accept(&network, &info.nodes, wanted(4)).unwrap_err() {
        CommitteeError::Refused(rejection) => {
            assert_eq!(std::mem::discriminant(&*rejection.rule), std::mem::discriminant(&by_choice));
        }
        other => panic!("{other:?}"),
    }
    by_choice
}

#[test]
fn a_sound_proposal_is_accepted_with_indices_in_order() {
    let (network, info) = setting(4);
    let committee = Committee::accept(&network, &info.nodes, wanted(4)).unwrap();
    let members = committee.members();
    assert_eq!(members.iter().map(|m| m.index).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(members[2].name, "node-3");
    assert_eq!(committee.seats()[1].certificate.identity, identity(2).key());
}

#[test]
fn who_could_be_seated_is_told_with_the_reasons_of_the_others() {
    let (mut network, mut info) = setting(5);
    network.nodes[1].operator = network.nodes[0].operator.to_uppercase();
    info.nodes[2].connected = false;
    info.nodes.push(info.nodes[3].clone());
    info.nodes.push(listed(77, good(77)));
    let (members, rejected) = Committee::eligible(&network, &info, wanted(0));
    assert_eq!(members.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["node-1", "node-4", "node-5"]);
    let rules: Vec<&Rule> = rejected.iter().map(|r| &*r.rule).collect();
    assert!(
        matches!(
            rules[..],
            [Rule::OperatorSeated { .. }, Rule::NotConnected, Rule::ListedTwice, Rule::NotPinned]
        ),
        "{rules:?}"
    );
}

#[test]
fn the_committee_is_drawn_by_the_client_not_by_the_order_of_the_list() {
    let (network, info) = setting(6);
    let firsts: HashSet<String> = (0..40)
        .map(|seed| {
            Committee::choose(&network, &info, wanted(3), &mut rng(seed)).unwrap().members()[0].name.clone()
        })
        .collect();
    assert_eq!(firsts.len(), 6, "over forty draws every node is first at least once");
}

#[test]
fn an_unpinned_node_gets_no_seat() {
    let rule = spoil(|network, _| {
        network.nodes.remove(1);
    });
    assert_eq!(rule, Rule::NotPinned);
}

#[test]
fn an_unpinned_node_beside_enough_pinned_ones_is_passed_over() {
    let (mut network, info) = setting(5);
    network.nodes.remove(1);
    for seed in 0..20 {
        let committee = Committee::choose(&network, &info, wanted(4), &mut rng(seed)).unwrap();
        assert!(committee.members().iter().all(|m| m.identity != identity(2).key().0));
    }
}

#[test]
fn an_operator_gets_one_seat_however_it_is_spelled() {
    let rule = spoil(|network, _| network.nodes[1].operator = "OPERATOR-1".into());
    assert!(matches!(rule, Rule::OperatorSeated { .. }), "{rule:?}");
}

#[test]
fn a_node_listed_twice_gets_one_seat() {
    let rule = spoil(|_, info| info.nodes[1] = info.nodes[0].clone());
    assert_eq!(rule, Rule::ListedTwice);
}

#[test]
fn a_swapped_sealing_key_is_refused() {
    // The coordinator signs a key of its own.
    let rule = spoil(|_, info| {
        info.nodes[1].sealing_key_certificate =
            Some(certificate(200, 201, Purpose::NodeEnvelope, NOW - 60, NOW + 3600));
    });
    assert!(matches!(rule, Rule::Certificate(CertificateError::WrongIdentity { .. })), "{rule:?}");
    // It presents another node's certificate.
    let rule = spoil(|_, info| info.nodes[1].sealing_key_certificate = Some(good(3)));
    assert!(matches!(rule, Rule::Certificate(CertificateError::WrongIdentity { .. })), "{rule:?}");
    // It puts its own key under the node's signature.
    let rule = spoil(|_, info| {
        let mut forged = good(2).decode().unwrap();
        forged.public_key = pair(201).public().clone();
        forged.key_id = pair(201).id();
        info.nodes[1].sealing_key_certificate = Some(HexCertificate::from(&forged));
    });
    assert!(matches!(rule, Rule::Certificate(CertificateError::Signature(_))), "{rule:?}");
    // It changes the bytes.
    let rule =
        spoil(|_, info| info.nodes[1].sealing_key_certificate = Some(HexCertificate("00".repeat(1371))));
    assert!(matches!(rule, Rule::UnreadableCertificate(_)), "{rule:?}");
}

#[test]
fn lifetimes_and_purposes_are_enforced() {
    let with = |certificate| spoil(|_, info| info.nodes[1].sealing_key_certificate = Some(certificate));
    let rule = with(certificate(2, 2, Purpose::NodeEnvelope, NOW - 3600, NOW - 1));
    assert!(matches!(rule, Rule::Certificate(CertificateError::Expired { .. })), "{rule:?}");
    let rule = with(certificate(2, 2, Purpose::NodeEnvelope, NOW + 5, NOW + 3600));
    assert!(matches!(rule, Rule::Certificate(CertificateError::NotYetValid { .. })), "{rule:?}");
    let rule = with(certificate(2, 2, Purpose::Assembler, NOW - 60, NOW + 3600));
    assert!(matches!(rule, Rule::Certificate(CertificateError::WrongPurpose { .. })), "{rule:?}");
    let rule = with(certificate(2, 2, Purpose::NodeEnvelope, NOW - 60, DEAL_EXPIRY - 1));
    assert!(matches!(rule, Rule::KeyExpiresBeforeDeal { .. }), "{rule:?}");
}

#[test]
fn one_sealing_key_does_not_serve_two_nodes() {
    let rule = spoil(|_, info| {
        info.nodes[1].sealing_key_certificate =
            Some(certificate(2, 1, Purpose::NodeEnvelope, NOW - 60, NOW + 3600));
    });
    assert!(matches!(rule, Rule::SealingKeyShared { .. }), "{rule:?}");
}

#[test]
fn errors_name_the_nodes_and_what_to_do() {
    let (mut network, mut info) = setting(4);
    info.nodes[0].connected = false;
    info.nodes[1].sealing_key_certificate = None;
    info.nodes.remove(3);
    network.nodes.remove(2);
    let excluded = [identity(9).key().0];
    let wanted = Wanted { without: &excluded, ..wanted(4) };
    let text = Committee::choose(&network, &info, wanted, &mut rng(3)).unwrap_err().to_string();
    for expected in [
        "a committee of 4 nodes is not possible: 0 of the listed nodes qualify",
        "node-1: it is not connected",
        "node-2: it has no sealing key yet",
        &format!("{}: it is not pinned", identity(3).key()),
        "node-4: the coordinator does not know it",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in {text}");
    }
}

#[test]
fn nodes_of_an_earlier_attempt_can_be_left_out() {
    let (network, info) = setting(5);
    let out = [identity(1).key().0];
    for seed in 0..10 {
        let committee =
            Committee::choose(&network, &info, Wanted { without: &out, ..wanted(4) }, &mut rng(seed))
                .unwrap();
        assert!(committee.members().iter().all(|m| m.name != "node-1"));
    }
}

fn sharded(groups: u8) -> Work {
    let dials = Dials::new(Handover::Quotient, 2, 1).unwrap().with_groups(groups).unwrap();
    Work { circuit: Digest32([7; 32]), dials }
}

fn held(group: u8, groups: u8) -> HeldSlice {
    HeldSlice { circuit: Digest32([7; 32]), group, groups }
}

fn names(committee: &Committee) -> Vec<String> {
    committee.members().into_iter().map(|m| m.name).collect()
}

/// Nodes 1 to 4 have the slices of groups 0, 0, 1, 1, nodes 5 and 6 the key, nodes 7 to 9 nothing of use.
fn sharded_setting() -> (Network, NetworkInfo) {
    let (network, mut info) = setting(9);
    for (node, group) in [(0, 0), (1, 0), (2, 1), (3, 1)] {
        info.nodes[node].slices = vec![held(group, 2)];
    }
    for node in [4, 5] {
        info.nodes[node].circuits = vec![Digest32([7; 32])];
    }
    // Other slices: of another number of groups, of another circuit, of a group that the deal does not have.
    info.nodes[6].slices = vec![held(0, 4), held(0, 1)];
    info.nodes[7].slices = vec![HeldSlice { circuit: Digest32([8; 32]), ..held(0, 2) }];
    info.nodes[7].circuits = vec![Digest32([8; 32])];
    info.nodes[8].slices = vec![held(2, 3)];
    (network, info)
}

/// What nodes claim to have does not bring them into the committee, only into a group of it.
#[test]
fn who_is_seated_is_drawn_whatever_nodes_claim() {
    let (network, info) = sharded_setting();
    let mut seated: HashMap<String, u32> = HashMap::new();
    let mut groups_of_others = HashSet::new();
    for seed in 0..450 {
        let names =
            names(&Committee::choose_for(sharded(2), &network, &info, wanted(4), &mut rng(seed)).unwrap());
        for (place, name) in names.into_iter().enumerate() {
            *seated.entry(name.clone()).or_default() += 1;
            match name.as_str() {
                "node-1" | "node-2" => assert!(place < 2, "{name} has the slice of the first group"),
                "node-3" | "node-4" => assert!(place >= 2, "{name} has the slice of the second group"),
                _ => {
                    groups_of_others.insert((name, place / 2));
                }
            }
        }
    }
    // 200 times each on average; six standard deviations are less than 70.
    assert_eq!(seated.len(), 9);
    assert!(seated.values().all(|times| (130..270).contains(times)), "{seated:?}");
    assert_eq!(groups_of_others.len(), 10, "whoever would do in any group is in each at times");
}

#[test]
fn a_node_that_has_several_slices_is_drawn_for_each() {
    let (network, mut info) = setting(2);
    info.nodes[0].slices = vec![held(0, 2), held(1, 2)];
    info.nodes[1].slices = vec![held(0, 2), held(1, 2)];
    let work = Work { dials: Dials::new(Handover::Quotient, 2, 1).unwrap(), ..sharded(2) };
    let orders: HashSet<_> = (0..20)
        .map(|seed| names(&Committee::choose_for(work, &network, &info, wanted(2), &mut rng(seed)).unwrap()))
        .collect();
    assert_eq!(orders.len(), 2);
}

/// Whatever a coordinator says of slices and keys, every rule holds, and there is a committee whenever there would be one.
#[test]
fn lies_about_slices_seat_nobody_whom_the_rules_do_not() {
    let (mut network, mut info) = setting(8);
    network.nodes[1].operator = "OPERATOR-1".into();
    network.nodes.remove(7);
    for (node, group) in [(0, 0), (1, 0), (7, 1), (2, 1)] {
        info.nodes[node].slices = vec![held(group, 2); 3];
    }
    // An identity that is listed twice, each time with another slice; a key that is not the node's.
    let mut again = info.nodes[2].clone();
    again.slices = vec![held(0, 2)];
    info.nodes.push(again);
    info.nodes[3].slices = vec![held(0, 2)];
    info.nodes[3].sealing_key_certificate = Some(good(5));
    for seed in 0..60 {
        let committee =
            Committee::choose_for(sharded(2), &network, &info, wanted(4), &mut rng(seed)).unwrap();
        let members = committee.members();
        let operators: HashSet<_> = members.iter().map(|m| m.operator.to_lowercase()).collect();
        let identities: HashSet<_> = members.iter().map(|m| m.identity).collect();
        assert_eq!((operators.len(), identities.len(), members.len()), (4, 4, 4));
        assert!(members.iter().all(|m| m.name != "node-8" && m.name != "node-4"), "{members:?}");
        assert_eq!(members.iter().map(|m| m.index).collect::<Vec<_>>(), [1, 2, 3, 4]);
    }
    // Of one operator's nodes one counts, so that three would be too few, with the lies or without.
    info.nodes.retain(|n| [1, 2, 3].iter().any(|i| n.identity == identity(*i).key()));
    let told = Committee::choose_for(sharded(2), &network, &info, wanted(4), &mut rng(1)).unwrap_err();
    let plain = Committee::choose(&network, &info, wanted(4), &mut rng(1)).unwrap_err();
    for error in [told, plain] {
        assert!(matches!(error, CommitteeError::NotEnough { wanted: 4, eligible: 2, .. }), "{error}");
    }
}

#[test]
fn only_nodes_that_the_user_allows_and_does_not_avoid_are_seated() {
    let rule = spoil(|network, _| network.choice.avoid = vec![identity(2).key().0]);
    assert_eq!(rule, Rule::Avoided);
    let rule =
        spoil(|network, _| network.choice.only = Some([1, 3, 4].map(|i| identity(i).key().0).to_vec()));
    assert_eq!(rule, Rule::NotAllowed);

    let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    let (mut network, info) = setting(8);
    network.nodes[5].operator = "operator-5".into();
    // An operator stands for all its nodes; --avoid comes on top of the file's lists.
    let allowed = words(&["node-1", "node-2", "OPERATOR-5", "node-7"]);
    network.narrow(("committee.nodes", Some(&allowed)), ("committee.avoid", &[])).unwrap();
    network.narrow(("--nodes", None), ("--avoid", &words(&["node-7"]))).unwrap();
    for seed in 0..20 {
        let committee = Committee::choose(&network, &info, wanted(3), &mut rng(seed)).unwrap();
        let names: HashSet<String> = names(&committee).into_iter().collect();
        assert!(names.contains("node-1") && names.contains("node-2"), "{names:?}");
        assert!(names.contains("node-5") != names.contains("node-6"), "one of operator 5's: {names:?}");
    }
    let text = Committee::choose(&network, &info, wanted(4), &mut rng(1)).unwrap_err().to_string();
    for expected in
        ["node-3: it is not among the nodes that you allow", "node-7: you avoid it", "3 of the listed nodes"]
    {
        assert!(text.contains(expected), "{expected:?} is not in {text}");
    }
    // A list narrows what another one leaves.
    network.narrow(("--nodes", Some(&words(&["node-1", "node-3"]))), ("--avoid", &[])).unwrap();
    assert_eq!(network.choice.only, Some(vec![identity(1).key().0]));
    let error = network.narrow(("--nodes", Some(&words(&["node-9"]))), ("--avoid", &[])).unwrap_err();
    assert!(
        error.to_string().starts_with(
            "--nodes: no node and no operator in network.toml is called \"node-9\"; there are node-1, "
        ),
        "{error}"
    );
}

/// A node says itself how much it can work on: one that lies never looks full.
#[test]
fn load_does_not_change_who_is_drawn() {
    let (mut network, info) = setting(6);
    // Of one operator's nodes, too.
    network.nodes[0].operator = network.nodes[3].operator.clone();
    let mut loaded = info.clone();
    for full in [0, 1, 2] {
        loaded.nodes[full].capacity = 4;
        loaded.nodes[full].in_hand = 4;
    }
    loaded.nodes[3].in_hand = 100;
    loaded.nodes[4].capacity = u16::MAX;
    let mut drawn = HashSet::new();
    for n in 1..=5 {
        for seed in 0..40 {
            let draw = |info| names(&Committee::choose(&network, info, wanted(n), &mut rng(seed)).unwrap());
            let names = draw(&loaded);
            assert_eq!(names, draw(&info), "load decides who is seated");
            drawn.extend(names);
        }
    }
    assert_eq!(drawn.len(), 6);
}
