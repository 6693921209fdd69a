//! Commits to a secret polynomial and opens it, with another crate's KZG and without doing its multi-scalar multiplications:
//!
//! ```text
//! tacit network up --dir net
//! cargo run -p tacit-client --example kzg -- net/network.toml 4096
//! ```
//!
//! The nodes learn nothing about the polynomial, and the other crate's verifier accepts the result: it is what its own prover computes, bit by bit.

use std::time::Instant;

use ark_bn254::Fr;
use ark_ff::UniformRand;
use ark_poly::Polynomial;
use ark_std::rand::SeedableRng;
use ark_std::rand::rngs::StdRng;
use tacit_client::{Client, Network, Options};

mod commit;

use commit::{Delegate, Kzg, Srs, secrets};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut arguments = std::env::args().skip(1);
    let network = arguments.next().ok_or("usage: kzg NETWORK.toml [SIZE]")?;
    let size: usize = arguments.next().map_or(Ok(1024), |size| size.parse())?;
    if size < 2 {
        return Err("a polynomial needs at least two coefficients".into());
    }

    // A reference string of our own, for the example; a real one comes out of a ceremony.
    let mut seed = [0; 32];
    rand::Rng::fill_bytes(&mut rand::rng(), &mut seed);
    let mut rng = StdRng::from_seed(seed);
    let failed = |e| format!("{e:?}");
    let params = Kzg::setup(size - 1, false, &mut rng).map_err(failed)?;
    let srs = Srs::new(&params, size).map_err(|e| e.to_string())?;
    let (polynomial, hiding) = secrets(size, &mut rng);

    let client = Client::new(Network::load(network.as_ref())?)?;
    let delegate = Delegate::new(&client, &srs, Options::msm()?).await?;
    println!("bases {} registered: {} points", srs.bases.id(), srs.bases.points().len());

    let started = Instant::now();
    let commitment = delegate.commit(&polynomial, &hiding).await?;
    println!("commitment after {} ms: {}", started.elapsed().as_millis(), commitment.0);

    let (started, point) = (Instant::now(), Fr::rand(&mut rng));
    let proof = delegate.open(&polynomial, point, &hiding).await?;
    println!("opening after {} ms: {}", started.elapsed().as_millis(), proof.w);

    let value = polynomial.evaluate(&point);
    if Kzg::check(&srs.vk, &commitment, point, value, &proof).map_err(failed)? {
        println!("ark-poly-commit's verifier accepts the opening");
        Ok(())
    } else {
        Err("ark-poly-commit's verifier rejects the opening".into())
    }
}
