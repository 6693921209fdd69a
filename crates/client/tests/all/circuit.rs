//! A circuit with a witness: the files that circom and snarkjs wrote for `tiny.circom`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tacit_algebra::{Bn254, Check};
use tacit_circom::{R1cs, Zkey, wtns::Wtns};
use tacit_client::{Event, Handover, Prepared, Progress};
use tacit_groth16::ProvingKey;

pub type Fr = ark_bn254::Fr;

pub struct Circuit {
    pub zkey: PathBuf,
    pub r1cs_file: PathBuf,
    pub key: ProvingKey<Bn254>,
    pub r1cs: R1cs<Fr>,
    pub witness: Vec<Fr>,
}

impl Circuit {
    pub fn tiny() -> Self {
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../circom/tests/fixtures/bn128"));
        let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
        let zkey = Zkey::<Bn254>::read(&read("final.zkey"), Check::Full).unwrap();
        Self {
            zkey: folder.join("final.zkey"),
            r1cs_file: folder.join("tiny.r1cs"),
            key: ProvingKey::from_zkey(zkey).unwrap(),
            r1cs: R1cs::read(&read("tiny.r1cs")).unwrap(),
            witness: Wtns::read(&read("tiny.wtns")).unwrap().values.to_vec(),
        }
    }

    /// The witness with its last wire changed.
    pub fn wrong_witness(&self) -> Vec<Fr> {
        let mut wrong = self.witness.clone();
        *wrong.last_mut().unwrap() += Fr::from(1u64);
        wrong
    }

    pub fn prepared(&self) -> Prepared<Bn254> {
        Prepared::new(&self.key, &self.witness, Some(&self.r1cs), Handover::Witness).unwrap()
    }
}

/// Keeps every event.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<Vec<Event>>>);

impl Recorder {
    pub fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }

    pub fn count(&self, which: impl Fn(&Event) -> bool) -> usize {
        self.events().iter().filter(|e| which(e)).count()
    }

    pub fn shared(&self) -> Arc<dyn Progress> {
        Arc::new(self.clone())
    }
}

impl Progress for Recorder {
    fn event(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}
