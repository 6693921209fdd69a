//! Nothing that a client deals is found in any file or log that the processes of a network leave, in any form that it could have there.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use common::fixture;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tacit_algebra::field::{self, Montgomery};
use tacit_algebra::{Bn254, Check, CurveId, Group, Groups};
use tacit_circom::{Zkey, wtns::Wtns};
use tacit_client::{
    Artefact, Assembler, AssemblerKey, Bases, Client, Handover, Network, Options, Patience, Prepared, Silent,
};
use tacit_delegate::msm::MsmBody;
use tacit_delegate::{Body, Custody, DealHeader, DealTerms, Layout, Package, Secrets, deal_msm};
use tacit_groth16::{ProvingKey, qap};
use tacit_wire::envelope::{Slot, seal_package};
use tacit_wire::messages::{Delivery, Outcome, SubmitJob};
use tacit_wire::{Body as _, Digest32, Identity, SealingKeyPair};

type F = <Bn254 as Groups>::Scalar;

/// Values that must not be found, in the forms in which they might be.
struct Needles(HashMap<[u8; 8], Vec<(String, Vec<u8>)>>);

impl Needles {
    fn new() -> Self {
        Self(HashMap::new())
    }

    fn add(&mut self, name: &str, form: &str, bytes: Vec<u8>) {
        let start = *bytes.first_chunk().expect("long enough to be no accident");
        self.0.entry(start).or_default().push((format!("{name} {form}"), bytes));
    }

    /// Bytes as they are, reversed, and as hexadecimal text.
    fn bytes(&mut self, name: &str, bytes: &[u8]) {
        let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
        for (form, bytes) in [("as it is", bytes), ("reversed", &reversed)] {
            self.add(name, form, bytes.to_vec());
            let hex = hex::encode(bytes);
            self.add(name, &format!("{form}, hexadecimal"), hex.clone().into_bytes());
            self.add(name, &format!("{form}, hexadecimal capitals"), hex.to_uppercase().into_bytes());
        }
        // As derived `Debug` prints them.
        let list: Vec<String> = bytes.iter().map(u8::to_string).collect();
        self.add(name, "as a list", list.join(", ").into_bytes());
    }

    fn scalar(&mut self, name: &str, value: &F) {
        let (mut canonical, mut montgomery) = (Vec::new(), Vec::new());
        field::write_le(value, &mut canonical);
        value.write_montgomery_le(&mut montgomery);
        self.bytes(&format!("{name}, canonical"), &canonical);
        self.bytes(&format!("{name}, Montgomery"), &montgomery);
        self.add(name, "decimal", value.to_string().into_bytes());
    }

    fn found_in(&self, bytes: &[u8]) -> Vec<&str> {
        let starts = bytes.windows(8).enumerate();
        let hits = starts.flat_map(|(at, start)| {
            let known = self.0.get(start).map(Vec::as_slice).unwrap_or_default();
            known.iter().filter(move |(_, needle)| bytes[at..].starts_with(needle))
        });
        hits.map(|(name, _)| name.as_str()).collect()
    }

    /// Where, and what.
    fn found_below(&self, dir: &Path) -> Vec<String> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(self.found_below(&path));
            } else if path.is_file() {
                let hits = self.found_in(&std::fs::read(&path).unwrap()).into_iter();
                found.extend(hits.map(|what| format!("{}: {what}", path.display())));
            }
        }
        found
    }
}

/// What nodes `1..=t` expand from their seeds, for threshold 1: the values at 1 of polynomials whose values at 2, 3 (and 4) were written out.
fn at_one(shares: &[&[F]], degree: usize) -> Vec<F> {
    let three = F::from(3u64);
    (0..shares[0].len())
        .map(|k| match degree {
            1 => shares[0][k] + shares[0][k] - shares[1][k],
            _ => three * shares[0][k] - three * shares[1][k] + shares[2][k],
        })
        .collect()
}

/// Everything in the packages of a deal with threshold 1.
fn dealt(packages: &[Package<F>], needles: &mut Needles) {
    let (mut linear, mut quadratic): (Vec<Vec<F>>, Vec<Vec<F>>) = Default::default();
    for package in packages {
        let name = format!("package {}", package.place);
        needles.bytes(&name, &package.encode());
        needles.bytes(&format!("{name}'s salt"), &package.salt);
        let mut single = Vec::new();
        let wires = match &package.body {
            Body::Seed(_) => {
                // The encoding ends with it.
                let encoded = package.encode();
                needles.bytes(&format!("{name}'s seed"), encoded.last_chunk::<32>().unwrap());
                continue;
            }
            Body::Explicit(shares) => {
                quadratic.push(vec![shares.mask]);
                [&shares.wires[..], &[shares.r, shares.s]].concat()
            }
            Body::ExplicitQuotient(shares) => {
                single.extend(shares.blinders.iter().chain(&shares.masks).flatten().copied());
                [&shares.wires[..], &shares.quotient, &shares.times_s, &shares.times_r, &single].concat()
            }
            Body::Msm(MsmBody::Seed { .. }) => {
                let encoded = package.encode();
                needles.bytes(&format!("{name}'s seed"), encoded.last_chunk::<32>().unwrap());
                continue;
            }
            Body::Msm(MsmBody::Explicit(shares)) => [&shares.scalars[..], &shares.macs].concat(),
        };
        linear.push(wires);
    }
    let mut add = |name: &str, values: &[F]| {
        values.iter().for_each(|value| needles.scalar(name, value));
    };
    for shares in linear.iter().chain(&quadratic) {
        add("a share", shares);
    }
    // One group: shares at 2, 3, ... are of the same polynomials.
    let linear: Vec<&[F]> = linear.iter().map(Vec::as_slice).collect();
    let quadratic: Vec<&[F]> = quadratic.iter().map(Vec::as_slice).collect();
    if linear.len() >= 2 && linear.iter().all(|shares| shares.len() == linear[0].len()) {
        add("an expanded share", &at_one(&linear, 1));
    }
    if quadratic.len() >= 3 {
        add("an expanded mask", &at_one(&quadratic, 2));
    }
}

struct Up {
    dir: tempfile::TempDir,
    child: Child,
}

impl Up {
    /// `tacit network up` whose processes log all that they can.
    fn new(nodes: u8) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_tacit"))
            .env("TACIT_LOG", "trace")
            .args(["network", "up", "--json", "--nodes", &nodes.to_string(), "--dir"])
            .arg(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut text = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        while serde_json::from_str::<serde_json::Value>(&text).is_err() {
            assert_ne!(out.read_line(&mut text).unwrap(), 0, "network up ended early: {text}");
        }
        Self { dir, child }
    }

    fn stop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A sum, whose packages are sealed and submitted here, because the client keeps its randomness to itself.
async fn sum(client: &Client, needles: &mut Needles) {
    let mut rng = StdRng::from_seed([4; 32]);
    let scalars: Vec<F> = (0..20).map(|_| field::random(&mut rng)).collect();
    let generator = <Bn254 as Groups>::G1::generator();
    let bases = Bases::<Bn254>::new(<Bn254 as Groups>::G1::multiples(&generator, &scalars)).unwrap();
    client.register_bases(&bases, Arc::new(Silent)).await.unwrap();
    let options = Options::with_dials(Handover::Msm, 3, 1).unwrap();
    let (committee, _) = client.committee(&options, &[]).await.unwrap();
    let identity = Identity::from_seed(&[4; 32]);
    let terms = DealTerms {
        curve: CurveId::Bn254,
        circuit: bases.id().into(),
        dials: options.dials,
        assembler_key: SealingKeyPair::generate(&mut rng).unwrap().public().as_bytes().to_vec(),
        client_key: identity.key().0,
        expiry: committee.deal_expiry(),
        public: Vec::new(),
    };
    let deal = deal_msm(terms, &scalars, &mut rng).unwrap().deal;
    dealt(&deal.packages, needles);
    let deliveries = committee.seats().iter().zip(&deal.packages).map(|(seat, package)| {
        let slot = Slot::at(options.dials, package.place).unwrap();
        let bytes = package.encode();
        let sealed = seal_package(&identity, deal.id.0, slot, &seat.certificate, &bytes, &mut rng);
        let (assignment, envelope) = sealed.unwrap();
        Delivery { assignment, envelope }
    });
    let deliveries = deliveries.collect();
    let job = SubmitJob { header: deal.header.encode(), assembler: Assembler::Client, deliveries };
    client.api().submit(job.to_frame().into()).await.unwrap();
    let answered = async {
        loop {
            let got = client.api().answers(Digest32(deal.id.0)).await.unwrap().answers;
            if got.iter().all(|a| matches!(a.outcome, Outcome::Answered(_))) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(300), answered).await.expect("every node answers");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_process_writes_a_share_down() {
    let mut up = Up::new(4);
    let client = Client::new(Network::load(&up.dir.path().join("network.toml")).unwrap()).unwrap();
    let zkey = std::fs::read(fixture("bn128", "final.zkey")).unwrap();
    let key = Arc::new(ProvingKey::<Bn254>::from_zkey(Zkey::read(&zkey, Check::Full).unwrap()).unwrap());
    let wtns = std::fs::read(fixture("bn128", "tiny.wtns")).unwrap();
    let witness = Wtns::<F>::read(&wtns).unwrap().into_values();
    let file = Artefact::from(fixture("bn128", "final.zkey"));
    client.register_circuit(key.circuit_id, &file, None, Arc::new(Silent)).await.unwrap();

    let patience = || Patience {
        timeout: Duration::from_secs(300),
        grace: Duration::from_secs(30),
        replace_after: None,
    };
    let mut needles = Needles::new();
    let mut samples = Vec::new();
    for (handover, n, groups, seed) in
        [(Handover::Witness, 4, 1, 1), (Handover::Quotient, 3, 1, 2), (Handover::Quotient, 2, 2, 3)]
    {
        let mut options = Options::with_dials(handover, n, 1).unwrap();
        options.dials = options.dials.with_groups(groups).unwrap();
        options.identity = Some(Identity::from_seed(&[seed; 32]));
        let prepared = Prepared::new(&key, &witness, None, handover).unwrap();
        let (committee, _) = client.committee(&options, &[]).await.unwrap();
        let rng = || StdRng::from_seed([seed; 32]);
        let made = prepared.deal(&committee, AssemblerKey::Fresh, &options, &mut rng(), &Silent).unwrap();

        // The same deal once more, to know what is in it.
        let submitted = SubmitJob::from_frame(&made.frame, made.frame.len()).unwrap();
        let header = DealHeader::<F>::decode(&submitted.header).unwrap();
        let quotient = match handover {
            Handover::Quotient => qap::quotient(&key, &key.domain().unwrap(), &witness),
            _ => Vec::new(),
        };
        let secrets = Secrets { private: &witness[key.n_public + 1..], quotient: &quotient };
        let mut again = rng();
        SealingKeyPair::generate(&mut again).unwrap();
        let layout = Layout::of(&key, handover);
        let (deal, _) = Custody::deal(header.terms, &layout, secrets, 1, &mut again).unwrap();
        assert_eq!(
            deal.id.0,
            made.ticket.job().0,
            "another deal was made again than the one that was submitted"
        );
        dealt(&deal.packages, &mut needles);
        samples.push(deal.packages.iter().map(|p| p.encode().to_vec()).collect::<Vec<_>>());

        // Dealt by the network's own rules, computed by its processes.
        client.api().submit(made.frame).await.unwrap();
        let mut waiting = client.resume(made.ticket, key.vk.clone()).unwrap();
        waiting.finish(client.api(), patience(), &Silent).await.unwrap();
    }
    sum(&client, &mut needles).await;
    // While they still run: the database's log, sockets, what was not yet cleaned up.
    assert_eq!(needles.found_below(up.dir.path()), Vec::<String>::new());
    up.stop();
    assert_eq!(needles.found_below(up.dir.path()), Vec::<String>::new());
    // The processes did log and record: the jobs are in what was searched.
    let log: PathBuf = up.dir.path().join("node-1/log");
    assert!(std::fs::read_to_string(&log).unwrap().contains("answered"));

    // The same search finds what is planted: every needle, in its own form, in the midst of others' bytes.
    let planted = up.dir.path().join("node-2/planted");
    let all: Vec<_> = needles.0.values().flatten().collect();
    assert!(all.len() > 1000, "{}", all.len());
    for (name, needle) in &all {
        let noise = [&b"noise before"[..], needle, b"and after"].concat();
        assert!(needles.found_in(&noise).contains(&name.as_str()), "{name}");
    }
    for package in samples.iter().flatten() {
        std::fs::write(&planted, [b"....", &package[..]].concat()).unwrap();
        assert!(!needles.found_below(up.dir.path()).is_empty());
    }
}
