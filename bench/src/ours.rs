//! What this repository's crates do.

use std::hint::black_box;

use tacit_algebra::{Bn254, CurveId, Domain, Group, Groups};
use tacit_delegate::{DealTerms, Dials, Handover, Layout, Secrets, deal, respond};
use tacit_groth16::prepared;
use tacit_groth16::prove::prove;
use tacit_groth16::verify::verify;

use crate::Outcome;
use crate::contestant::{Runner, Work};
use crate::cost::measure;
use crate::files::{self, Files, Fr};
use crate::inputs::{CHECKED_AT, Msm, Transform, same, transform_runner};

/// The committee of the deal whose response is measured.
const NODES: u8 = 4;
const THRESHOLD: u8 = 1;

/// Gets ready for a piece of work.
pub fn runner(work: Work, files: &Files) -> Outcome<Runner> {
    match work {
        Work::Prove => local_proof(files),
        Work::Respond => response(files),
        Work::MsmG1 => Ok(msm::<<Bn254 as Groups>::G1>(files.log_size)),
        Work::MsmG2 => Ok(msm::<<Bn254 as Groups>::G2>(files.log_size)),
        Work::Fft => transform(files.log_size),
        Work::Import => import(files),
        Work::Open => open(files),
    }
}

fn local_proof(files: &Files) -> Outcome<Runner> {
    let key = files.prepared_key()?;
    let witness = files.witness()?;
    Ok(Box::new(move || {
        let (proof, cost) = measure(|| prove(&key, &witness, &mut rand::rng()))?;
        verify(&key.vk, witness.get(1..=key.n_public).unwrap_or_default(), &proof?)?;
        Ok(cost)
    }))
}

/// A node that got explicit shares: the larger package. (The response itself costs the same for all.)
fn response(files: &Files) -> Outcome<Runner> {
    let key = files.prepared_key()?;
    let (header, package) = {
        let witness = files.witness()?;
        let terms = DealTerms {
            curve: CurveId::Bn254,
            circuit: key.circuit_id,
            dials: Dials::new(Handover::Witness, NODES, THRESHOLD)?,
            assembler_key: vec![0; 32],
            client_key: [0; 32],
            expiry: u64::MAX,
            public: witness.get(1..=key.n_public).unwrap_or_default().to_vec(),
        };
        let private = witness.get(key.n_public + 1..).unwrap_or_default();
        let layout = Layout::of(&key, Handover::Witness);
        let mut dealt = deal(terms, &layout, Secrets::witness(private), &mut rand::rng())?;
        (dealt.header, dealt.packages.pop().ok_or("the deal has no packages")?)
    };
    Ok(Box::new(move || {
        let (response, cost) = measure(|| respond(&key, &header, &package))?;
        black_box(response?);
        Ok(cost)
    }))
}

fn msm<G: Group<Fr>>(log_size: u32) -> Runner {
    let msm = Msm::new(log_size);
    let bases = G::multiples(&G::generator(), &msm.logarithms);
    let expected = G::generator().scale(&msm.logarithm());
    Box::new(move || {
        let (sum, cost) = measure(|| G::msm(&bases, &msm.scalars))?;
        same(&sum, &expected)?;
        Ok(cost)
    })
}

fn transform(log_size: u32) -> Outcome<Runner> {
    let transform = Transform::new(log_size)?;
    let domain = Domain::<Fr>::new(log_size)?;
    let expected = transform.expected();
    let fft = move |values: &mut Vec<Fr>| domain.fft_in_place(values);
    Ok(transform_runner(transform.coefficients, CHECKED_AT, expected, fft))
}

fn import(files: &Files) -> Outcome<Runner> {
    let zkey = files.zkey()?;
    let to = files.path("import.tacit-key");
    Ok(Box::new(move || {
        let (key, cost) = measure(|| files::import(&zkey, &to))?;
        black_box(key?);
        Ok(cost)
    }))
}

fn open(files: &Files) -> Outcome<Runner> {
    files.prepared_key()?;
    let path = files.path("tacit-key");
    Ok(Box::new(move || {
        let (key, cost) = measure(|| prepared::open::<Bn254>(&path))?;
        black_box(key?);
        Ok(cost)
    }))
}
