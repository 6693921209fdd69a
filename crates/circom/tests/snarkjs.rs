//! snarkjs and circom, run here: they accept what this crate writes, and it accepts what they write.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{fixture, fixtures};
use tacit_algebra::{Bn254, Check, Curve, Groups, Point};
use tacit_circom::ptau::{LagrangePoints, Points};
use tacit_circom::{
    FormatError, Proof, Ptau, PtauPoints, R1cs, Reason, Sym, VerificationKey, Wtns, Zkey, public,
};

both_curves! {
    snarkjs_makes_the_same_key_from_powers_written_here
    snarkjs_files_of_a_circuit_without_public_signals
}

struct Peers {
    modules: PathBuf,
    dir: tempfile::TempDir,
}

impl Peers {
    /// `None`, said aloud, where the npm packages are not installed.
    fn find() -> Option<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/node_modules");
        let modules = std::env::var_os("TACIT_NODE_MODULES").map_or(here, PathBuf::from);
        if modules.join("snarkjs/build/cli.cjs").is_file() {
            return Some(Self { modules, dir: tempfile::tempdir().unwrap() });
        }
        assert!(
            std::env::var_os("TACIT_REQUIRE_NODE").is_none(),
            "npm packages are not installed (npm ci --prefix tests)"
        );
        eprintln!("skipped: npm packages are not installed (npm ci --prefix tests)");
        None
    }

    fn run(&self, script: &str, arguments: &[&str]) {
        let mut command = Command::new("node");
        command.current_dir(&self.dir).arg(self.modules.join(script)).args(arguments);
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "{script} {arguments:?}\n{}\n{}",
            text(&output.stdout),
            text(&output.stderr)
        );
    }

    fn snarkjs(&self, arguments: &str) {
        self.run("snarkjs/build/cli.cjs", &arguments.split(' ').collect::<Vec<_>>());
    }

    fn circom(&self, arguments: &str) {
        self.run("circom2/cli.js", &arguments.split(' ').collect::<Vec<_>>());
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.dir.path().join(name), content).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.dir.path().join(name)).unwrap()
    }
}

fn all<P: Point>(points: Result<Points<'_, P>, FormatError>) -> Vec<P> {
    points.unwrap().read_all(Check::Full).unwrap()
}

fn snarkjs_makes_the_same_key_from_powers_written_here<C: Curve>() {
    let Some(peers) = Peers::find() else { return };
    let bytes = fixture::<C>("pot.ptau");
    let ptau = Ptau::<C>::open(&bytes).unwrap();
    let points = PtauPoints::<C> {
        power: 3,
        tau_g1: all(ptau.tau_g1()),
        tau_g2: all(ptau.tau_g2()),
        alpha_tau_g1: all(ptau.alpha_tau_g1()),
        beta_tau_g1: all(ptau.beta_tau_g1()),
        beta_g2: ptau.beta_g2(Check::Full).unwrap(),
        lagrange: Some(LagrangePoints {
            tau_g1: (0..=4).flat_map(|p| all(ptau.lagrange_tau_g1(p))).collect(),
            tau_g2: (0..=3).flat_map(|p| all(ptau.lagrange_tau_g2(p))).collect(),
            alpha_tau_g1: (0..=3).flat_map(|p| all(ptau.lagrange_alpha_tau_g1(p))).collect(),
            beta_tau_g1: (0..=3).flat_map(|p| all(ptau.lagrange_beta_tau_g1(p))).collect(),
        }),
    };
    peers.write("pot.ptau", points.write());
    peers.write("tiny.r1cs", fixture::<C>("tiny.r1cs"));
    peers.snarkjs("groth16 setup tiny.r1cs pot.ptau tiny.zkey");
    assert!(peers.read("tiny.zkey") == fixture::<C>("initial.zkey"));
}

fn snarkjs_files_of_a_circuit_without_public_signals<C: Curve>() {
    let Some(peers) = Peers::find() else { return };
    let curve = C::ID.snarkjs_name();
    peers.write(
        "none.circom",
        "pragma circom 2.1.0; template None() { signal input a; signal b; b <== a * a; b * a === 27; } \
         component main = None();",
    );
    peers.write("input.json", r#"{"a": 3}"#);
    peers.write("pot.ptau", fixture::<C>("pot.ptau"));
    peers.circom(&format!("none.circom --r1cs --sym --wasm --prime {curve}"));
    peers.snarkjs("groth16 setup none.r1cs pot.ptau none.zkey");
    peers.snarkjs("zkey export verificationkey none.zkey verification_key.json");
    peers.snarkjs("groth16 fullprove input.json none_js/none.wasm none.zkey proof.json public.json");
    peers.snarkjs("wtns calculate none_js/none.wasm input.json none.wtns");

    let r1cs = R1cs::<C::Scalar>::read(&peers.read("none.r1cs")).unwrap();
    let wtns = Wtns::<C::Scalar>::read(&peers.read("none.wtns")).unwrap();
    assert_eq!(r1cs.check(&wtns.values), Ok(()));
    assert_eq!(*wtns.write(), peers.read("none.wtns"));
    assert!(Sym::read(&peers.read("none.sym")).unwrap().by_name("main.a").is_some());
    let key = Zkey::<C>::read(&peers.read("none.zkey"), Check::Full).unwrap();
    assert!(key.write() == peers.read("none.zkey"));
    assert_eq!(key.vk.to_json().as_bytes(), peers.read("verification_key.json"));
    let vk = VerificationKey::<C>::from_json(peers.read("verification_key.json")).unwrap();
    assert_eq!(vk.ic.len(), 1);
    let public = public::from_json::<C::Scalar>(peers.read("public.json")).unwrap();
    assert_eq!(public::to_json(&public).as_bytes(), peers.read("public.json"));
    let proof = Proof::<C>::from_json(peers.read("proof.json")).unwrap();
    peers.write("again.json", proof.to_json());
    peers.write("again_vk.json", vk.to_json());
    peers.write("again_public.json", public::to_json(&public));
    peers.snarkjs("groth16 verify again_vk.json again_public.json again.json");
}

#[test]
fn snarkjs_keys_for_plonk_and_fflonk_are_refused() {
    let Some(peers) = Peers::find() else { return };
    peers.write("tiny.r1cs", fixture::<Bn254>("tiny.r1cs"));
    peers.snarkjs("powersoftau new bn128 8 new.ptau");
    peers.snarkjs("powersoftau prepare phase2 new.ptau pot.ptau");
    for protocol in ["plonk", "fflonk"] {
        peers.snarkjs(&format!("{protocol} setup tiny.r1cs pot.ptau {protocol}.zkey"));
        let error = Zkey::<Bn254>::read(&peers.read(&format!("{protocol}.zkey")), Check::Full).unwrap_err();
        assert!(matches!(error.reason, Reason::Protocol { .. }), "{error}");
        assert!(error.to_string().contains(protocol), "{error}");
    }
}

#[test]
fn snarkjs_circuits_with_custom_gates_are_refused() {
    let Some(peers) = Peers::find() else { return };
    peers.write(
        "gate.circom",
        "pragma circom 2.1.0; pragma custom_templates; \
         template custom Gate() { signal input a; signal output b; b <-- a * a; } \
         template Main() { signal input a; signal output b; component g = Gate(); g.a <== a; b <== g.b * a; } \
         component main = Main();",
    );
    peers.circom("gate.circom --r1cs");
    let error = R1cs::<<Bn254 as Groups>::Scalar>::read(&peers.read("gate.r1cs")).unwrap_err();
    assert_eq!(error.reason, Reason::CustomGates, "{error}");
}

/// The committed fixtures come from the committed sources.
#[test]
fn snarkjs_fixtures_are_those_of_their_circuit() {
    let Some(peers) = Peers::find() else { return };
    peers.write("tiny.circom", std::fs::read(fixtures().join("tiny.circom")).unwrap());
    peers.circom("tiny.circom --r1cs --sym");
    assert!(peers.read("tiny.r1cs") == fixture::<Bn254>("tiny.r1cs"));
    assert!(peers.read("tiny.sym") == fixture::<Bn254>("tiny.sym"));
}
