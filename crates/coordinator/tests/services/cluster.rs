//! Two coordinators over one database, and what becomes of jobs when one of them dies.

use reqwest::StatusCode;
use serde_json::Value;
use tacit_circom::{Proof, public};
use tacit_coordinator::store::{Database, Recorded, Reply, Store};
use tacit_coordinator::{Coordinator, CoordinatorError};
use tacit_groth16::verify;
use tacit_wire::Slot;
use tacit_wire::envelope::seal_package;
use tacit_wire::frame::Body as _;
use tacit_wire::messages::{Cancel, Delivery, JobAnswers, Outcome};
use tacit_wire::status::{DeliveryState, JobState, JobStatus};

use crate::fixture::{Api, Behaviour, By, Dealt, F, FakeKeys, Network, circuit, deal, eventually, now};
use crate::long_polls;
use crate::postgres::with_postgres;

fn run(test: impl Future<Output = ()>) {
    with_postgres(|| {
        tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(test)
    });
}

/// The assembler key's certificate, as this coordinator tells it.
async fn deal_for_coordinator(network: &Network, api: &Api, x: u64) -> Dealt {
    let certificate = api.network().await.assembler_certificate.unwrap().decode().unwrap();
    deal(&network.certificates_at(api).await, By::Coordinator(&certificate), now() + 600, x)
}

/// Waits for the proof that a coordinator made, and verifies it.
async fn proved(api: &Api, dealt: &Dealt) {
    let status = api.wait_for(dealt.id, |s| s.state.is_final()).await;
    assert_eq!(status.state, JobState::Proved, "{:?}", status.error);
    let (code, body) = api.get(&format!("/v1/jobs/{}/proof", dealt.id)).await;
    assert_eq!(code, StatusCode::OK);
    let value: Value = serde_json::from_slice(&body).unwrap();
    let proof = Proof::from_json(value["proof"].to_string()).unwrap();
    let public = public::from_json::<F>(value["public"].to_string()).unwrap();
    verify::verify(&circuit().key.vk, &public, &proof).unwrap();
}

fn answered(status: &JobStatus) -> usize {
    status.nodes.iter().filter(|n| n.state == DeliveryState::Answered).count()
}

async fn store_of(network: &Network) -> Store {
    Store::open(&Database::Postgres(network.config.database.clone().unwrap())).await.unwrap()
}

/// Nobody signed two different answers.
async fn no_contradiction(network: &Network, dealt: &Dealt) {
    let store = store_of(network).await;
    assert!(store.seats(&dealt.id).await.unwrap().iter().all(|s| !s.contradicted));
    store.close().await;
}

/// What nodes say to one is told by the other as it is by the first.
#[test]
fn whoever_waits_at_another_coordinator_is_told_when_there_are_enough() {
    run(async {
        let fake = FakeKeys::new();
        let mut network = Network::ready(2, &[&fake.identity]).await;
        network.start_other().await;
        let other = network.other_api().clone();
        long_polls::told_of_answers(&network, &other, &fake).await;
        network.stop().await;
    });
}

#[test]
fn a_job_goes_through_whichever_coordinator_each_speaks_to() {
    run(async {
        let mut network = Network::new(4, &[]).await;
        // Registered at one, fetched by nodes of the other.
        network.api.register(circuit()).await;
        network.start_other().await;
        for i in 0..2 {
            network.start_node(i).await;
        }
        for i in 2..4 {
            network.start_node_of_other(i).await;
        }
        let other = network.other_api().clone();
        for api in [&network.api, &other] {
            network.wait_connected_at(api, 4).await;
        }
        let same = |api: &Api| {
            let api = api.clone();
            async move { serde_json::to_value(api.network().await).unwrap() }
        };
        assert_eq!(same(&network.api).await, same(&other).await);

        // Submitted at one, waited for and fetched at the other, in both directions.
        for (here, there, x) in [(&network.api, &other, 3), (&other, &network.api, 4)] {
            let dealt = deal(&network.certificates_at(there).await, By::Client, now() + 600, x);
            let waiting = tokio::spawn({
                let (there, id) = (there.clone(), dealt.id);
                async move {
                    eventually(|| async {
                        (there.get(&format!("/v1/jobs/{id}")).await.0 == StatusCode::OK).then_some(())
                    })
                    .await;
                    there.wait_for(id, |s| answered(s) == 4).await
                }
            });
            assert_eq!(here.submit(&dealt.message).await.0, StatusCode::CREATED);
            waiting.await.unwrap();
            assert!(dealt.prove(&there.answers(dealt.id).await).is_empty());
            assert_eq!(here.answers(dealt.id).await, there.answers(dealt.id).await);
            // The same bytes at the other are the same job; a proof is made by either.
            assert_eq!(there.submit(&dealt.message).await.0, StatusCode::OK);
            let left = deal_for_coordinator(&network, there, x).await;
            assert_eq!(here.submit(&left.message).await.0, StatusCode::CREATED);
            proved(there, &left).await;
            no_contradiction(&network, &dealt).await;
        }
        network.stop().await;
    });
}

#[test]
fn a_cancellation_at_one_coordinator_reaches_nodes_of_the_other() {
    run(async {
        let fakes: Vec<_> = (0..3).map(|_| FakeKeys::new()).collect();
        let mut network = Network::new(0, &fakes.iter().map(|f| &f.identity).collect::<Vec<_>>()).await;
        network.api.register(circuit()).await;
        let told = std::sync::Arc::new(tokio::sync::Notify::new());
        for fake in &fakes {
            let told = told.clone();
            fake.connect(&network, move |_, _| Behaviour::UntilUnwanted(told.clone())).await;
        }
        network.start_other().await;
        let other = network.other_api().clone();
        network.wait_connected_at(&other, 3).await;
        let dealt = deal(&network.certificates().await, By::Client, now() + 600, 3);
        other.submit(&dealt.message).await;
        let offered = |s: &JobStatus| s.nodes.iter().all(|n| n.state == DeliveryState::Offered);
        // What is in hand shows at both.
        eventually(|| async {
            let (_, body) = other.get(&format!("/v1/jobs/{}", dealt.id)).await;
            offered(&serde_json::from_slice(&body).unwrap()).then_some(())
        })
        .await;
        let cancel = Cancel::sign(&dealt.client, dealt.id);
        let path = format!("/v1/jobs/{}/cancel", dealt.id);
        assert_eq!(other.send(reqwest::Method::POST, &path, cancel.to_frame()).await.0, StatusCode::OK);
        tokio::time::timeout(crate::fixture::LONG, told.notified()).await.unwrap();
        network.stop().await;
    });
}

#[test]
fn a_coordinator_that_dies_before_it_offers_loses_no_job() {
    run(async {
        let mut network = Network::ready(4, &[]).await;
        network.start_other().await;
        let certificates = network.certificates().await;
        let info = network.api.network().await;
        let certificate = info.assembler_certificate.unwrap().decode().unwrap();
        for node in network.nodes.iter_mut().map(Option::take) {
            node.unwrap().stop().await;
        }
        let dealt = deal(&certificates, By::Coordinator(&certificate), now() + 600, 3);
        assert_eq!(network.api.submit(&dealt.message).await.0, StatusCode::CREATED);
        network.coordinator.take().unwrap().kill().await;
        for i in 0..4 {
            network.start_node(i).await;
        }
        proved(network.other_api(), &dealt).await;
        no_contradiction(&network, &dealt).await;
        network.stop().await;
    });
}

#[test]
fn nodes_move_to_the_survivor_with_what_they_have_in_hand() {
    run(async {
        let mut network = Network::new(4, &[]).await;
        network.api.register(circuit()).await;
        network.start_other().await;
        for i in 0..4 {
            network.start_node(i).await;
        }
        network.wait_connected(4).await;
        let dealt = deal_for_coordinator(&network, &network.api, 3).await;
        assert_eq!(network.api.submit(&dealt.message).await.0, StatusCode::CREATED);
        // Whatever the nodes are at just now: some have the offer, some may have answered.
        let before: JobAnswers = network.api.answers(dealt.id).await;
        network.coordinator.take().unwrap().kill().await;
        let other = network.other_api().clone();
        proved(&other, &dealt).await;
        network.wait_connected_at(&other, 4).await;
        let after = other.answers(dealt.id).await;
        for (before, after) in before.answers.iter().zip(&after.answers) {
            if matches!(before.outcome, Outcome::Answered(_)) {
                assert_eq!(before, after);
            }
        }
        no_contradiction(&network, &dealt).await;
        // The next job needs nobody but the survivor.
        let next = deal_for_coordinator(&network, &other, 5).await;
        assert_eq!(other.submit(&next.message).await.0, StatusCode::CREATED);
        proved(&other, &next).await;
        network.stop().await;
    });
}

/// A third process with the database open, that records the answers of all nodes and takes the job to assemble: then it is
/// never heard of again.
async fn ghost(network: &Network, fakes: &[FakeKeys], dealt: &Dealt, takes: bool) {
    let ghost = store_of(network).await;
    ghost.beat().await.unwrap();
    for (fake, index) in fakes.iter().zip(1u8..) {
        let answer = fake.answer(&dealt.offer(index), &fake.identity, &fake.identity);
        let mut body = tacit_wire::codec::Writer::new();
        answer.write(&mut body);
        let body = body.finish();
        let recorded =
            ghost.record(&dealt.id, &fake.identity.key(), Reply::Answer(&body), now(), "{}").await.unwrap();
        assert!(matches!(recorded, Recorded::New { .. }));
        assert_eq!(
            ghost.record(&dealt.id, &fake.identity.key(), Reply::Answer(&body), now(), "{}").await.unwrap(),
            Recorded::Same
        );
    }
    if takes {
        let lease = std::time::Duration::from_secs(3600);
        assert_eq!(ghost.take_to_assemble(10, lease).await.unwrap(), [dealt.id]);
        assert!(ghost.take_to_assemble(10, lease).await.unwrap().is_empty());
    }
    ghost.close().await;
}

fn dies_around_assembling(takes: bool) {
    run(async move {
        let fakes: Vec<_> = (0..3).map(|_| FakeKeys::new()).collect();
        let mut network = Network::new(0, &fakes.iter().map(|f| &f.identity).collect::<Vec<_>>()).await;
        network.api.register(circuit()).await;
        let info = network.api.network().await;
        let certificate = info.assembler_certificate.unwrap().decode().unwrap();
        let certificates: Vec<_> = fakes.iter().map(|f| f.certificate.clone()).collect();
        let dealt = deal(&certificates, By::Coordinator(&certificate), now() + 600, 3);
        assert_eq!(network.api.submit(&dealt.message).await.0, StatusCode::CREATED);
        network.coordinator.take().unwrap().kill().await;
        ghost(&network, &fakes, &dealt, takes).await;
        // Another one, that never saw the job, has the key and the circuit from the database.
        network.start_other().await;
        proved(network.other_api(), &dealt).await;
        let (code, body) = network.other_api().send(reqwest::Method::GET, "/v1/jobs", vec![]).await;
        assert_eq!((code, body.as_array().unwrap().len()), (StatusCode::OK, 1), "{body}");
        network.stop().await;
    });
}

#[test]
fn a_coordinator_that_dies_before_assembling_leaves_it_to_another() {
    dies_around_assembling(false);
}

#[test]
fn a_coordinator_that_dies_while_assembling_leaves_it_to_another() {
    dies_around_assembling(true);
}

#[test]
fn a_deal_that_is_submitted_at_both_at_once_is_one_job() {
    run(async {
        let fakes: Vec<_> = (0..3).map(|_| FakeKeys::new()).collect();
        let mut network = Network::new(0, &fakes.iter().map(|f| &f.identity).collect::<Vec<_>>()).await;
        network.api.register(circuit()).await;
        network.start_other().await;
        let certificates: Vec<_> = fakes.iter().map(|f| f.certificate.clone()).collect();
        for x in 0..8 {
            let dealt = deal(&certificates, By::Client, now() + 600, x);
            // The same header with envelopes that were sealed anew: the client's signatures hold, the bytes differ.
            let mut again = dealt.message.clone();
            if x % 2 == 1 {
                for (place, delivery) in (1u8..).zip(&mut again.deliveries) {
                    let at = usize::from(place) - 1;
                    let (to, package) = (&fakes[at].certificate, &dealt.packages[at]);
                    let rng = &mut tacit_vault::identity::system_rng().unwrap();
                    let (assignment, envelope) =
                        seal_package(&dealt.client, dealt.id.0, Slot::index(place), to, package, rng)
                            .unwrap();
                    *delivery = Delivery { assignment, envelope };
                }
            }
            let (one, two) =
                tokio::join!(network.api.submit(&dealt.message), network.other_api().submit(&again));
            let mut codes = [one.0, two.0];
            codes.sort();
            let second = if x % 2 == 1 { StatusCode::CONFLICT } else { StatusCode::OK };
            let mut expected = [StatusCode::CREATED, second];
            expected.sort();
            assert_eq!(codes, expected, "{one:?} {two:?}");
        }
        network.stop().await;
    });
}

#[test]
fn connections_that_the_server_drops_are_made_again() {
    run(async {
        let mut network = Network::new(4, &[]).await;
        network.api.register(circuit()).await;
        network.start_other().await;
        for i in 0..4 {
            network.start_node(i).await;
        }
        network.wait_connected(4).await;
        for x in [3, 4] {
            crate::postgres::drop_connections().await;
            let other = network.other_api().clone();
            eventually(|| async { (other.get("/healthz").await.0 == StatusCode::OK).then_some(()) }).await;
            let dealt = deal_for_coordinator(&network, &network.api, x).await;
            // Those in the middle of a request may be told to try again.
            eventually(|| async { network.api.submit(&dealt.message).await.0.is_success().then_some(()) })
                .await;
            proved(&other, &dealt).await;
        }
        network.stop().await;
    });
}

#[test]
fn a_database_serves_one_identity() {
    run(async {
        let network = Network::new(0, &[]).await;
        let mut config = network.config.clone();
        config.data_dir = config.data_dir.join("../stranger");
        config.http_listen.set_port(0);
        config.quic_listen.set_port(0);
        let refused = Coordinator::start(config.clone()).await.unwrap_err();
        assert!(matches!(refused, CoordinatorError::OtherIdentity { .. }), "{refused}");
        // The directory has an identity now: it does not take another.
        let file = network.config.data_dir.join("identity.pem");
        let refused = tacit_coordinator::init_with(&config.data_dir, &file).unwrap_err();
        assert!(matches!(refused, CoordinatorError::HasIdentity { .. }), "{refused}");
        network.stop().await;
    });
}

#[test]
fn a_server_that_may_lose_commits_is_refused() {
    run(async {
        let url = crate::postgres::current().unwrap();
        let store = Store::open(&Database::Postgres(url.clone())).await.unwrap();
        store.close().await;
        crate::postgres::alter_current("SET synchronous_commit = off").await;
        let refused = Store::open(&Database::Postgres(url)).await.unwrap_err();
        assert!(refused.to_string().contains("synchronous_commit is off"), "{refused}");
    });
}
