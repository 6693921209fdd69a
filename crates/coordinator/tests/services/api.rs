//! What the HTTPS API refuses, and how it says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::{Method, StatusCode};
use serde_json::Value;
use tacit_algebra::{Bn254, Group, Groups};
use tacit_delegate::{Bases, Dials, Handover};
use tacit_vault::Clock;
use tacit_wire::messages::{Assembler, SubmitJob};
use tacit_wire::status::{CircuitInfo, CircuitKind, JobState, JobStatus};
use tacit_wire::{Digest32, Identity, SignedAssignment};

use crate::fixture::{By, Dealt, F, FakeKeys, Network, circuit, deal, new_circuit, now};

fn refused((status, body): (StatusCode, Value)) -> (StatusCode, String) {
    for field in ["code", "message", "blame"] {
        assert!(body[field].is_string(), "{status} without {field}: {body}");
    }
    (status, body["code"].as_str().unwrap().to_owned())
}

async fn without_nodes() -> (Network, Vec<FakeKeys>) {
    let fakes: Vec<_> = (0..4).map(|_| FakeKeys::new()).collect();
    let network = Network::new(0, &fakes.iter().map(|f| &f.identity).collect::<Vec<_>>()).await;
    (network, fakes)
}

fn to_fakes(fakes: &[FakeKeys], expiry: u64) -> Dealt {
    let certificates: Vec<_> = fakes.iter().map(|f| f.certificate.clone()).collect();
    deal(&certificates, By::Client, expiry, 3)
}

#[tokio::test(flavor = "multi_thread")]
pub async fn circuits_are_checked_and_named_by_their_content() {
    let (network, _) = without_nodes().await;
    let api = &network.api;
    let path = format!("/v1/circuits/{}", circuit().id);
    let put = |body: Vec<u8>| api.send(Method::PUT, &path, body);

    let (status, code) = refused(put(new_circuit().zkey).await);
    assert_eq!((status, code.as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "circuit_id_mismatch"));
    for broken in [Vec::new(), b"zkey".to_vec(), circuit().zkey[..circuit().zkey.len() - 7].to_vec()] {
        assert_eq!(refused(put(broken).await).1, "malformed_zkey");
    }
    assert_eq!(refused(api.send(Method::PUT, "/v1/circuits/12", vec![]).await).1, "bad_id");
    assert_eq!(api.get(&path).await.0, StatusCode::NOT_FOUND);

    api.register(circuit()).await;
    assert_eq!(put(circuit().zkey.clone()).await.0, StatusCode::OK);
    let (_, body) = api.get(&path).await;
    let info: CircuitInfo = serde_json::from_slice(&body).unwrap();
    assert_eq!((info.id, info.curve.as_str(), info.n_public), (circuit().id, "bn128", 1));
    assert_eq!(info.bytes, circuit().zkey.len() as u64);
    let (_, body) = api.get("/v1/circuits").await;
    assert_eq!(serde_json::from_slice::<Vec<CircuitInfo>>(&body).unwrap(), [info]);

    let r1cs = format!("{path}/r1cs");
    assert_eq!(api.get(&r1cs).await.0, StatusCode::NOT_FOUND);
    assert_eq!(refused(api.send(Method::PUT, &r1cs, vec![1, 2, 3]).await).1, "malformed_r1cs");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub async fn a_constraint_system_is_kept_and_served() {
    let (network, _) = without_nodes().await;
    let api = &network.api;
    api.register(circuit()).await;
    let path = format!("/v1/circuits/{}/r1cs", circuit().id);
    let file = r1cs_file(22, 1);
    assert_eq!(refused(api.send(Method::PUT, &path, r1cs_file(23, 1)).await).1, "r1cs_mismatch");
    assert_eq!(api.send(Method::PUT, &path, file.clone()).await.0, StatusCode::CREATED);
    assert_eq!(api.send(Method::PUT, &path, file.clone()).await.0, StatusCode::OK);
    assert_eq!(refused(api.send(Method::PUT, &path, r1cs_file(22, 2)).await).1, "r1cs_conflict");
    assert_eq!(api.get(&path).await, (StatusCode::OK, file));
    network.stop().await;
}

/// The smallest file of iden3's binary format that has these sizes: no constraint in it.
pub fn r1cs_file(n_wires: u32, first_label: u64) -> Vec<u8> {
    let mut header = 32u32.to_le_bytes().to_vec();
    header.extend(tacit_algebra::CurveId::Bn254.scalar_modulus_le());
    for n in [n_wires, 1, 0, 1] {
        header.extend(n.to_le_bytes());
    }
    header.extend(100u64.to_le_bytes());
    header.extend(0u32.to_le_bytes());
    let labels: Vec<u8> = (0..u64::from(n_wires)).flat_map(|i| (i * first_label).to_le_bytes()).collect();
    let mut file = b"r1cs".to_vec();
    file.extend(1u32.to_le_bytes());
    file.extend(3u32.to_le_bytes());
    for (kind, section) in [(1u32, header), (2, Vec::new()), (3, labels)] {
        file.extend(kind.to_le_bytes());
        file.extend((section.len() as u64).to_le_bytes());
        file.extend(section);
    }
    file
}

#[tokio::test(flavor = "multi_thread")]
pub async fn submissions_are_checked() {
    let (network, fakes) = without_nodes().await;
    let api = &network.api;
    let fresh = || to_fakes(&fakes, now() + 600);
    assert_eq!(refused(api.submit(&fresh().message).await).1, "unknown_circuit");
    api.register(circuit()).await;

    let broken = |change: fn(&mut SubmitJob)| {
        let mut message = fresh().message;
        change(&mut message);
        async move { refused(api.submit(&message).await).1 }
    };
    assert_eq!(broken(|m| m.header.truncate(50)).await, "malformed_header");
    assert_eq!(broken(|m| m.header[0] = 7).await, "unsupported_version");
    // Byte 36 is the handover: 3 is reserved for `inputs`.
    assert_eq!(broken(|m| m.header[36] = 3).await, "unsupported_handover");
    assert_eq!(broken(|m| m.header[38] = 2).await, "bad_dials");
    assert_eq!(broken(|m| m.deliveries.truncate(3)).await, "committee_size");
    assert_eq!(broken(|m| m.deliveries.swap(0, 1)).await, "committee_order");
    assert_eq!(broken(|m| m.deliveries[2].envelope[40] ^= 1).await, "envelope_digest");
    let stranger = |m: &mut SubmitJob| {
        let delivery = &mut m.deliveries[1];
        delivery.assignment =
            SignedAssignment::sign(&Identity::from_seed(&[3; 32]), delivery.assignment.assignment);
    };
    assert_eq!(broken(stranger).await, "forged_assignment");
    assert_eq!(
        broken(|m| m.assembler = tacit_wire::messages::Assembler::Coordinator).await,
        "unknown_assembler_key"
    );
    // A header that another deal's assignments came with.
    let mut mixed = fresh().message;
    mixed.header = fresh().message.header;
    assert_eq!(refused(api.submit(&mixed).await).1, "wrong_deal");

    assert_eq!(refused(api.submit(&to_fakes(&fakes, now() - 5).message).await).1, "expired");
    assert_eq!(refused(api.submit(&to_fakes(&fakes, now() + (1 << 30)).message).await).1, "expiry_too_far");
    let twice: Vec<_> = [0, 1, 2, 2].iter().map(|i: &usize| fakes[*i].certificate.clone()).collect();
    assert_eq!(
        refused(api.submit(&deal(&twice, By::Client, now() + 600, 3).message).await).1,
        "duplicate_node"
    );
    let mut outsider: Vec<_> = fakes[..3].iter().map(|f| f.certificate.clone()).collect();
    outsider.push(FakeKeys::new().certificate);
    assert_eq!(
        refused(api.submit(&deal(&outsider, By::Client, now() + 600, 3).message).await).1,
        "unknown_node"
    );

    for noise in [Vec::new(), vec![1], b"GET / HTTP/1.1\r\n\r\n".to_vec(), vec![0xff; 5000]] {
        let (status, code) = refused(api.send(Method::POST, "/v1/jobs", noise).await);
        assert_eq!(status, StatusCode::BAD_REQUEST, "{code}");
    }
    network.stop().await;
}

/// Circuits and bases share a namespace and nothing else.
#[tokio::test(flavor = "multi_thread")]
pub async fn sums_are_over_bases_and_their_clients_assemble() {
    let (network, fakes) = without_nodes().await;
    let api = &network.api;
    api.register(circuit()).await;
    let points = (2u64..6).map(|k| <Bn254 as Groups>::G1::generator().scale(&F::from(k)).to_affine());
    let bases = Bases::<Bn254>::new(points.collect()).unwrap();
    let path = format!("/v1/circuits/{}", Digest32(bases.id().0));
    let (status, _) = api.send(Method::PUT, &path, bases.encode()).await;
    assert_eq!(status, StatusCode::CREATED);
    let (_, body) = api.get(&path).await;
    let info: CircuitInfo = serde_json::from_slice(&body).unwrap();
    assert_eq!((info.kind, info.n_wires, info.n_public), (CircuitKind::Bases, 4, 0));

    let msm = Dials::new(Handover::Msm, 4, 1).unwrap();
    let submitted = |change: &dyn Fn(&mut Dealt)| {
        let mut dealt = to_fakes(&fakes, now() + 600);
        change(&mut dealt);
        dealt.message.header = dealt.header.encode();
        async move { refused(api.submit(&dealt.message).await).1 }
    };
    assert_eq!(submitted(&|d| d.header.terms.dials = msm).await, "circuit_kind");
    assert_eq!(submitted(&|d| d.header.terms.circuit = bases.id().into()).await, "circuit_kind");
    let sum = |d: &mut Dealt| {
        d.header.terms.dials = msm;
        d.header.terms.circuit = bases.id().into();
    };
    assert_eq!(submitted(&sum).await, "public_inputs");
    let by_coordinator = |d: &mut Dealt| {
        sum(d);
        d.header.terms.public.clear();
        d.message.assembler = Assembler::Coordinator;
    };
    assert_eq!(submitted(&by_coordinator).await, "unsupported_assembler");
    let right_but_for_the_deal = |d: &mut Dealt| {
        sum(d);
        d.header.terms.public.clear();
    };
    assert_eq!(submitted(&right_but_for_the_deal).await, "wrong_deal");

    let other = format!("/v1/circuits/{}", Digest32([1; 32]));
    assert_eq!(refused(api.send(Method::PUT, &other, bases.encode()).await).1, "circuit_id_mismatch");
    let cut = bases.encode()[..60].to_vec();
    assert_eq!(refused(api.send(Method::PUT, &other, cut).await).1, "malformed_bases");
    let r1cs = api.send(Method::PUT, &format!("{path}/r1cs"), r1cs_file(22, 1)).await;
    assert_eq!(refused(r1cs).1, "r1cs_mismatch");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub async fn a_deal_is_one_job() {
    let (network, fakes) = without_nodes().await;
    let api = &network.api;
    api.register(circuit()).await;
    let dealt = to_fakes(&fakes, now() + 600);
    assert_eq!(api.submit(&dealt.message).await.0, StatusCode::CREATED);
    assert_eq!(api.submit(&dealt.message).await.0, StatusCode::OK);
    // The same deal with an envelope sealed anew.
    let mut other = dealt.message.clone();
    let (assignment, envelope) = tacit_wire::envelope::seal_package(
        &dealt.client,
        dealt.id.0,
        tacit_wire::Slot::index(1),
        &fakes[0].certificate,
        &dealt.packages[0],
        &mut tacit_vault::identity::system_rng().unwrap(),
    )
    .unwrap();
    other.deliveries[0] = tacit_wire::messages::Delivery { assignment, envelope };
    let (status, code) = refused(api.submit(&other).await);
    assert_eq!((status, code.as_str()), (StatusCode::CONFLICT, "conflicting_job"));

    let (_, body) = api.get("/v1/jobs").await;
    let jobs: Vec<JobStatus> = serde_json::from_slice(&body).unwrap();
    assert_eq!(jobs.len(), 1);
    assert_eq!((jobs[0].id, jobs[0].state, jobs[0].dials.n), (dealt.id, JobState::Queued, 4));
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub async fn what_is_not_there_is_said_not_to_be() {
    let (network, fakes) = without_nodes().await;
    let api = &network.api;
    api.register(circuit()).await;
    let nowhere = format!("/v1/jobs/{}", "ab".repeat(32));
    let get = |path: String| async move {
        let (status, body) = api.get(&path).await;
        refused((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    };
    for path in [nowhere.clone(), format!("{nowhere}/answers"), format!("{nowhere}/proof")] {
        assert_eq!(get(path).await, (StatusCode::NOT_FOUND, "unknown_job".to_owned()));
    }
    assert_eq!(get("/v1/jobs/xyz".to_owned()).await.1, "bad_id");
    assert_eq!(get(format!("{nowhere}?wait=soon")).await.1, "bad_query");
    assert_eq!(get("/v2".to_owned()).await, (StatusCode::NOT_FOUND, "unknown_path".to_owned()));
    let (status, code) = refused(api.send(Method::DELETE, "/v1/jobs", vec![]).await);
    assert_eq!((status, code.as_str()), (StatusCode::METHOD_NOT_ALLOWED, "unknown_method"));
    assert_eq!(api.get("/healthz").await.0, StatusCode::OK);

    let dealt = to_fakes(&fakes, now() + 600);
    api.submit(&dealt.message).await;
    assert_eq!(get(format!("/v1/jobs/{}/proof", dealt.id)).await.1, "client_assembles");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub async fn a_line_is_measured_with_up_to_a_mebibyte_of_anything() {
    let (network, _) = without_nodes().await;
    let api = &network.api;
    for bytes in [0, 1, 1 << 20] {
        assert_eq!(
            api.send(Method::POST, "/v1/line", vec![7; bytes]).await.0,
            StatusCode::NO_CONTENT,
            "{bytes}"
        );
    }
    let (status, code) = refused(api.send(Method::POST, "/v1/line", vec![7; (1 << 20) + 1]).await);
    assert_eq!((status, code.as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "too_large"));
    assert_eq!(refused(api.send(Method::GET, "/v1/line", vec![]).await).1, "unknown_method");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub async fn more_than_the_limits_is_refused() {
    let (mut network, fakes) = without_nodes().await;
    network.api.register(circuit()).await;
    network.coordinator.take().unwrap().stop().await;
    network.config.limits.zkey_bytes = 100;
    network.config.limits.job_bytes = 100_000;
    network.config.limits.open_jobs = 1;
    network.start_coordinator().await;
    let api = &network.api;

    let path = format!("/v1/circuits/{}", "cd".repeat(32));
    assert_eq!(refused(api.send(Method::PUT, &path, vec![0; 101]).await).0, StatusCode::PAYLOAD_TOO_LARGE);
    let (status, _) = refused(api.send(Method::POST, "/v1/jobs", vec![0; 100_001]).await);
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(api.submit(&to_fakes(&fakes, now() + 600).message).await.0, StatusCode::CREATED);
    let (status, code) = refused(api.submit(&to_fakes(&fakes, now() + 600).message).await);
    assert_eq!((status, code.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "full"));
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub async fn an_expired_job_ends_and_its_envelopes_are_gone() {
    let time = Arc::new(AtomicU64::new(now()));
    let clock = {
        let time = Arc::clone(&time);
        Clock::from_fn(move || time.load(Ordering::Relaxed))
    };
    let fakes: Vec<_> = (0..3).map(|_| FakeKeys::new()).collect();
    let mut network =
        Network::with_clock(0, &fakes.iter().map(|f| &f.identity).collect::<Vec<_>>(), clock).await;
    network.api.register(circuit()).await;
    // By the coordinator's clock, which stands still.
    let dealt = to_fakes(&fakes, time.load(Ordering::Relaxed) + 600);
    network.api.submit(&dealt.message).await;
    let database = network.config.data_dir.join("coordinator.sqlite");
    let database = tacit_coordinator::store::Database::Sqlite(database);
    let store = tacit_coordinator::store::Store::open(&database).await.unwrap();
    assert_eq!(store.count_envelopes().await.unwrap(), 3);
    assert_eq!(on_disk_of(&network, &dealt), 3, "they are looked for in the right place");

    time.fetch_add(601, Ordering::Relaxed);
    let status = network.api.wait_for(dealt.id, |s| s.state == JobState::Expired).await;
    assert!(status.state.is_final());
    assert_eq!(store.count_envelopes().await.unwrap(), 0);
    store.close().await;
    // Not in any corner of the database either.
    network.coordinator.take().unwrap().stop().await;
    assert_eq!(on_disk_of(&network, &dealt), 0, "an envelope is left on disk");
}

/// How many of a deal's envelopes are in any file of the network.
fn on_disk_of(network: &Network, dealt: &Dealt) -> usize {
    let files = network.coordinator_bytes();
    let is_there = |part: &[u8]| files.windows(part.len()).any(|w| w == part);
    dealt.message.deliveries.iter().filter(|d| is_there(&d.envelope[..64])).count()
}
