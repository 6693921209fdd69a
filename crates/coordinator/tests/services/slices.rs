//! A real node that answers for slices of a key: where it takes them from, what it keeps, what it says it has.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use tacit_algebra::Bn254;
use tacit_delegate::{Dials, Handover, Layout, Package, respond};
use tacit_groth16::prepared;
use tacit_net::Connection;
use tacit_wire::messages::{HeldSlice, RefusalCode};
use tacit_wire::{Message, Slot, envelope};

use crate::fixture::{
    By, Dealt, F, FakeKeys, LONG, Network, ask, circuit, deal_with, eventually, now, witness,
};
use crate::node_offers::{Bench, code};

fn sharded(groups: u8) -> Dials {
    Dials::new(Handover::Quotient, 2, 1).unwrap().with_groups(groups).unwrap()
}

/// A deal of which the node under test has this place; the other nodes are strangers.
fn deal_at(bench: &Bench, dials: Dials, place: u8) -> Dealt {
    let mut committee: Vec<_> = (1..dials.seats()).map(|_| FakeKeys::new().certificate).collect();
    committee.insert(usize::from(place) - 1, bench.certificate.clone().unwrap());
    deal_with(circuit(), dials, &committee, By::Client, now() + 600, &witness(3))
}

/// Offers a fresh deal's place and compares the answer with what the whole key gives.
async fn answers(bench: &Bench, connection: &Connection, dials: Dials, place: u8) {
    let dealt = deal_at(bench, dials, place);
    let answer = match ask(connection, &dealt.offer(place)).await {
        Message::Answer(answer) => answer,
        other => panic!("no answer for place {place}: {other:?}"),
    };
    let got = dealt.check(place, &answer).unwrap().response;
    let layout = Layout::of(&circuit().key, Handover::Quotient);
    let package = Package::<F>::decode(&dealt.packages[usize::from(place) - 1], &layout, dials).unwrap();
    assert!(got == respond::<Bn254>(&circuit().key, &dealt.header, &package).unwrap());
}

fn file(bench: &Bench, name: &str) -> PathBuf {
    bench.root.path().join("node/circuits").join(format!("{}.{name}", circuit().id))
}

fn files(bench: &Bench) -> Vec<String> {
    let prefix = format!("{}.", circuit().id);
    let mut names: Vec<String> = std::fs::read_dir(bench.root.path().join("node/circuits"))
        .unwrap()
        .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_prefix(&prefix)?.to_owned()))
        .collect();
    names.sort();
    names
}

fn fetches(bench: &Bench) -> usize {
    bench.heard.fetches.load(Ordering::SeqCst)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slice_comes_from_memory_its_file_the_whole_key_or_the_network() {
    let mut bench = Bench::new().await;
    let connection = bench.start().await;
    let dials = sharded(2);

    // Nothing is there: fetched, checked, prepared, cut. Then from memory, for shares as for a seed.
    answers(&bench, &connection, dials, 4).await;
    assert_eq!((fetches(&bench), files(&bench)), (1, vec!["1of2.slice".into(), "key".into()]));
    answers(&bench, &connection, dials, 3).await;
    // The other group's: cut from the prepared key.
    answers(&bench, &connection, dials, 2).await;
    assert_eq!(fetches(&bench), 1);
    // It says what it has.
    let held = |group, groups| HeldSlice { circuit: circuit().id, group, groups };
    eventually(|| async {
        let hellos = bench.heard.hellos.lock().unwrap();
        let last = hellos.last()?;
        (last.slices == [held(0, 2), held(1, 2)] && last.circuits == [circuit().id]).then_some(())
    })
    .await;
    bench.kill().await;

    // After a restart from the slices' own files: the whole key is not needed.
    std::fs::remove_file(file(&bench, "key")).unwrap();
    let connection = bench.start().await;
    for place in [1, 4] {
        answers(&bench, &connection, dials, place).await;
    }
    assert_eq!((fetches(&bench), files(&bench)), (1, vec!["0of2.slice".into(), "1of2.slice".into()]));
    {
        let hellos = bench.heard.hellos.lock().unwrap();
        let last = hellos.last().unwrap();
        assert_eq!((last.slices.len(), last.circuits.len()), (2, 0));
    }
    // Another cut needs it again. One group is one slice of one.
    answers(&bench, &connection, sharded(1), 2).await;
    assert_eq!(fetches(&bench), 2);
    assert!(files(&bench).contains(&"0of1.slice".to_owned()));
    bench.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_or_misnamed_slice_is_cut_again() {
    let mut bench = Bench::new().await;
    let connection = bench.start().await;
    let dials = sharded(2);
    for place in [1, 3] {
        answers(&bench, &connection, dials, place).await;
    }
    bench.kill().await;
    let (first, second) = (file(&bench, "0of2.slice"), file(&bench, "1of2.slice"));
    let good = [&first, &second].map(|path| std::fs::read(path).unwrap());
    let mut damaged = good[0].clone();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    for bad in [damaged, good[0][..100].to_vec(), Vec::new(), good[1].clone()] {
        std::fs::write(&first, &bad).unwrap();
        let connection = bench.start().await;
        answers(&bench, &connection, dials, 1).await;
        assert!(std::fs::read(&first).unwrap() == good[0], "the file is what it was");
        bench.kill().await;
    }
    prepared::open_slice::<Bn254>(&first).unwrap();
    assert_eq!(fetches(&bench), 1);

    // A slice and a whole key that are both damaged: everything anew.
    std::fs::write(&first, b"").unwrap();
    std::fs::write(file(&bench, "key"), b"").unwrap();
    let connection = bench.start().await;
    answers(&bench, &connection, dials, 1).await;
    assert_eq!(fetches(&bench), 2);
    bench.kill().await;
}

/// Offers decide how a key is cut: what they bring in stays within what the operator allows, and the node goes on answering.
#[tokio::test(flavor = "multi_thread")]
async fn old_slices_make_room_for_new_ones() {
    let mut bench = Bench::new().await;
    bench.limits = |limits| {
        limits.kept_slices = 2;
        // One slice of these in memory at a time; the client may have them cut as often as this test does.
        limits.memory_bytes = 8 << 20;
        limits.client_cut_bytes = 0;
    };
    let connection = bench.start().await;
    for groups in 1..=4 {
        for group in 0..groups {
            answers(&bench, &connection, sharded(groups), sharded(groups).place(group, 2)).await;
            let slices = files(&bench).into_iter().filter(|name| name.ends_with(".slice")).count();
            assert!(slices <= 2, "{:?}", files(&bench));
            assert!(file(&bench, &format!("{group}of{groups}.slice")).exists());
        }
    }
    // Cut anew, from the whole key that is still there.
    answers(&bench, &connection, sharded(1), 1).await;
    assert_eq!(fetches(&bench), 1);
    bench.kill().await;
}

/// What the deal has no seat for is refused before any key is looked for; a package of another group by whoever sealed it.
#[tokio::test(flavor = "multi_thread")]
async fn seats_and_packages_of_other_groups_are_refused() {
    let mut bench = Bench::new().await;
    let connection = bench.start().await;
    let dials = sharded(2);
    let dealt = deal_at(&bench, dials, 1);
    let certificate = bench.certificate.clone().unwrap();
    let sealed = |dealt: &Dealt, slot: Slot, package: &[u8]| {
        let mut rng = tacit_vault::identity::system_rng().unwrap();
        let (assignment, envelope) =
            envelope::seal_package(&dealt.client, dealt.id.0, slot, &certificate, package, &mut rng).unwrap();
        tacit_wire::messages::Offer { header: dealt.message.header.clone(), assignment, envelope }
    };
    for (group, slice) in [(2, 2), (255, 255)] {
        let slot = Slot { group, slice, index: 1 };
        let reply = ask(&connection, &sealed(&dealt, slot, &dealt.packages[0])).await;
        assert_eq!(code(reply), RefusalCode::BadAssignment);
    }
    assert_eq!((fetches(&bench), files(&bench)), (0, vec![]));
    // Group 1's seat with slice 0 is no seat either.
    let slot = Slot { group: 1, slice: 0, index: 1 };
    let reply = ask(&connection, &sealed(&dealt, slot, &dealt.packages[2])).await;
    assert_eq!(code(reply), RefusalCode::BadAssignment);
    // Packages of other places in an envelope for place 1.
    for place in 2..=4u8 {
        let dealt = deal_at(&bench, dials, 1);
        let package = &dealt.packages[usize::from(place) - 1];
        let reply = ask(&connection, &sealed(&dealt, Slot::at(dials, 1).unwrap(), package)).await;
        assert_eq!(code(reply), RefusalCode::BadPackage);
    }
    answers(&bench, &connection, dials, 1).await;
    bench.kill().await;
}

/// Through a real coordinator: a job of two groups, whose status says how it is divided and whose nodes say what they have.
#[tokio::test(flavor = "multi_thread")]
async fn a_sharded_job_goes_through_and_says_how_it_is_divided() {
    let network = Network::ready(4, &[]).await;
    let certificates = network.certificates().await;
    let dealt = deal_with(circuit(), sharded(2), &certificates, By::Client, now() + 600, &witness(3));
    let (status, body) = network.api.submit(&dealt.message).await;
    assert!(status.is_success(), "{body}");
    let job = tokio::time::timeout(LONG, network.api.wait_answered(dealt.id)).await.unwrap();
    let dials = &job.dials;
    assert_eq!((dials.n, dials.t, dials.groups, dials.handover.as_str()), (2, 1, 2, "quotient"));
    assert_eq!(job.nodes.len(), 4);
    assert!(dealt.prove(&network.api.answers(dealt.id).await).is_empty());
    eventually(|| async {
        let info = network.api.network().await;
        let slices = |k: usize| info.nodes[k].slices.iter().map(|s| (s.group, s.groups)).collect::<Vec<_>>();
        let expected = [vec![(0, 2)], vec![(0, 2)], vec![(1, 2)], vec![(1, 2)]];
        ([0, 1, 2, 3].map(slices) == expected).then_some(())
    })
    .await;
    network.stop().await;
}
