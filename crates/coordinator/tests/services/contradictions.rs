//! Nodes that give two different answers, over the API.

use reqwest::StatusCode;
use tacit_algebra::Bn254;
use tacit_coordinator::store::{Database, Recorded, Reply, Store};
use tacit_wire::codec::Writer;
use tacit_wire::frame::Body as _;
use tacit_wire::messages::Answer;
use tacit_wire::status::{Contradictions, JobStatus};
use tacit_wire::{
    Acknowledgement, Evidence, SealingPublicKey, SignedAcknowledgement, Verdict, envelope::seal_response,
};

use crate::fixture::{By, Dealt, FakeKeys, Network, circuit, deal, now};

fn body(answer: &Answer) -> Vec<u8> {
    let mut body = Writer::new();
    answer.write(&mut body);
    body.finish()
}

/// An answer to an index that says something else than the right one: of another package, or of another response.
fn other(dealt: &Dealt, fake: &FakeKeys, index: u8, right: &Answer, package: Option<&[u8]>) -> Answer {
    let assignment = &dealt.assignment(index).assignment;
    let acknowledgement = match package {
        Some(package) => {
            SignedAcknowledgement::sign(&fake.identity, Acknowledgement::new(assignment, package))
        }
        None => right.acknowledgement.clone(),
    };
    let assembler = SealingPublicKey::from_bytes(&dealt.header.terms.assembler_key).unwrap();
    let mut rng = tacit_vault::identity::system_rng().unwrap();
    let said = &acknowledgement.acknowledgement;
    let response = seal_response(&fake.identity, assignment, said, b"something else", &assembler, &mut rng);
    Answer { acknowledgement, response: response.unwrap() }
}

#[tokio::test(flavor = "multi_thread")]
pub async fn two_answers_of_a_node_are_shown_with_what_they_prove() {
    let fakes: Vec<_> = (0..3).map(|_| FakeKeys::new()).collect();
    let network = Network::new(0, &fakes.iter().map(|f| &f.identity).collect::<Vec<_>>()).await;
    network.api.register(circuit()).await;
    let certificates: Vec<_> = fakes.iter().map(|f| f.certificate.clone()).collect();
    let assembler = network.api.network().await.assembler_certificate.unwrap().decode().unwrap();
    let database = match network.config.database.clone() {
        Some(url) => Database::Postgres(url),
        None => Database::Sqlite(network.config.data_dir.join("coordinator.sqlite")),
    };
    let store = Store::open(&database).await.unwrap();
    for (by_coordinator, two_packages) in [(false, false), (false, true), (true, false)] {
        let by = if by_coordinator { By::Coordinator(&assembler) } else { By::Client };
        let dealt = deal(&certificates, by, now() + 600, 3);
        assert_eq!(network.api.submit(&dealt.message).await.0, StatusCode::CREATED);
        let path = format!("/v1/jobs/{}/contradictions", dealt.id);
        let shown = async || {
            let (status, body) = network.api.get(&path).await;
            assert_eq!(status, StatusCode::OK);
            serde_json::from_slice::<Contradictions>(&body).unwrap()
        };
        let node = &fakes[1];
        let right = node.answer(&dealt.offer(2), &node.identity, &node.identity);
        let record = async |answer: &[u8]| {
            store.record(&dealt.id, &node.identity.key(), Reply::Answer(answer), now(), "{}").await.unwrap()
        };
        let first = body(&right);
        assert!(matches!(record(&first).await, Recorded::New { .. }));
        assert_eq!(record(&first).await, Recorded::Same);
        assert!(shown().await.contradictions.is_empty(), "one answer is none");
        let second = body(&other(&dealt, node, 2, &right, two_packages.then_some(b"another package")));
        let version = async || store.job_with_seats(&dealt.id).await.unwrap().unwrap().0.version;
        let before = version().await;
        assert_eq!(record(&second).await, Recorded::Contradiction);
        assert_eq!(version().await, before + 1, "whoever waits is told");
        // Said again, or with a third answer, it is no news: the first two are kept.
        let third = body(&other(&dealt, node, 2, &right, Some(b"a third package")));
        for again in [&second, &third] {
            assert_eq!(record(again).await, Recorded::Contradiction);
        }
        assert_eq!(version().await, before + 1);

        let [found] = shown().await.contradictions.try_into().unwrap();
        assert_eq!((found.index, found.identity), (2, node.identity.key()));
        assert_eq!(found.answers, [hex::encode(first), hex::encode(second)]);
        let (_, status) = network.api.get(&format!("/v1/jobs/{}", dealt.id)).await;
        let status: JobStatus = serde_json::from_slice(&status).unwrap();
        assert_eq!(status.nodes.iter().map(|n| n.contradicted).collect::<Vec<_>>(), [false, true, false]);
        // Under the client's seal only the client can tell.
        assert_eq!(found.evidence.is_some(), by_coordinator || two_packages);
        if let Some(evidence) = found.evidence {
            let evidence = Evidence::from_json(evidence.to_string().as_bytes()).unwrap();
            assert_eq!(evidence.node(), node.identity.key());
            let verdict = evidence.audit::<Bn254, String>(|_| Err("no key".into())).unwrap();
            assert!(matches!(verdict, Verdict::Guilty { .. }), "{verdict:?}");
        }
    }
    let (status, _) = network.api.get(&format!("/v1/jobs/{}/contradictions", "ab".repeat(32))).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    store.close().await;
    network.stop().await;
}
