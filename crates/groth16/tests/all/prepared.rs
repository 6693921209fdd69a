//! Keys on disk.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::both_curves;
use crate::support::{random_circuit, rng};
use tacit_algebra::{Bls12_381, Bn254, Curve, CurveId};
use tacit_groth16::prepared::{self, PreparedError};
use tacit_groth16::slice::Cut;
use tacit_groth16::{KeyError, KeySlice, ProvingKey, setup};

both_curves! {
    a_key_comes_back_as_it_was
    every_damage_is_noticed
    unsafe_places_are_refused
    a_slice_comes_back_as_it_was
    every_damage_of_a_slice_is_noticed
    slices_and_keys_are_not_mixed_up
    what_is_not_in_the_key_is_not_cut
}

fn key<C: Curve>() -> ProvingKey<C> {
    let circuit = random_circuit::<C>(2, 3, 12, 7);
    ProvingKey::from_zkey(setup::dev(&circuit.r1cs, &mut rng(8)).unwrap()).unwrap()
}

fn a_key_comes_back_as_it_was<C: Curve + PartialEq>() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    let key = key::<C>();
    let digest = prepared::write(&path, &key).unwrap();
    // Again, over the one that is there.
    assert_eq!(prepared::write(&path, &key).unwrap(), digest);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    let header = prepared::inspect(&path).unwrap();
    assert_eq!((header.curve, header.circuit_id, header.digest), (C::ID, key.circuit_id, digest));
    let opened = prepared::open::<C>(&path).unwrap();
    assert!(opened == key);
    assert_eq!(opened.compute_circuit_id(), key.circuit_id);
    let other = match C::ID {
        CurveId::Bn254 => prepared::open::<Bls12_381>(&path).unwrap_err(),
        CurveId::Bls12_381 => prepared::open::<Bn254>(&path).unwrap_err(),
    };
    assert!(matches!(other, PreparedError::Curve { got: Some(got), .. } if got == C::ID));
}

fn every_damage_is_noticed<C: Curve>() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    prepared::write(&path, &key::<C>()).unwrap();
    let bytes = fs::read(&path).unwrap();
    let open = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        prepared::open::<C>(&path).unwrap_err()
    };
    for at in (0..bytes.len()).step_by(37).chain(0..140) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        let error = open(&damaged);
        match at {
            0..8 => assert!(matches!(error, PreparedError::Magic { .. }), "{at}: {error}"),
            8..12 => assert!(matches!(error, PreparedError::Version { .. }), "{at}: {error}"),
            12..16 => {
                let curve = matches!(error, PreparedError::Curve { .. } | PreparedError::Damaged { .. });
                assert!(curve, "{at}: {error}");
            }
            _ => assert!(matches!(error, PreparedError::Damaged { .. }), "{at}: {error}"),
        }
    }
    for len in [0, 7, 135, 136, bytes.len() - 1] {
        open(&bytes[..len]);
    }
    let mut longer = bytes.clone();
    longer.push(0);
    open(&longer);
    // Sizes beyond all measure are compared, not allocated.
    for at in (80..136).step_by(8) {
        let mut huge = bytes.clone();
        huge[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
        open(&huge);
        huge[at..at + 8].copy_from_slice(&(1u64 << 40).to_le_bytes());
        open(&huge);
    }
    let mut version = bytes.clone();
    version[8] = 2;
    let error = open(&version);
    assert!(matches!(error, PreparedError::Version { got: 2, .. }));
    assert!(error.to_string().contains("import the zkey again"));
}

fn unsafe_places_are_refused<C: Curve>() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    let key = key::<C>();
    prepared::write(&path, &key).unwrap();
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();

    mode(&path, 0o620);
    let error = prepared::open::<C>(&path).unwrap_err();
    assert!(matches!(error, PreparedError::Writable { directory: false, .. }));
    assert!(error.to_string().contains("chmod 600"));
    mode(&path, 0o644);
    prepared::open::<C>(&path).unwrap();

    mode(dir.path(), 0o777);
    for error in [
        prepared::open::<C>(&path).unwrap_err(),
        prepared::inspect(&path).unwrap_err(),
        prepared::write(&path, &key).unwrap_err(),
    ] {
        assert!(matches!(error, PreparedError::Writable { directory: true, .. }));
        let fix = format!("chmod 700 {}", dir.path().display());
        assert!(error.to_string().contains(&fix), "{error}");
    }
    mode(dir.path(), 0o755);
    prepared::open::<C>(&path).unwrap();

    // Somebody else's directory: `/` belongs to root.
    if fs::metadata(dir.path()).map(|m| std::os::unix::fs::MetadataExt::uid(&m)).unwrap() != 0 {
        let error = prepared::write(Path::new("/key"), &key).unwrap_err();
        assert!(matches!(error, PreparedError::NotOwned { owner: 0, .. }));
    }
    let missing = prepared::open::<C>(&dir.path().join("missing")).unwrap_err();
    assert!(matches!(missing, PreparedError::Io { .. }));
    let directory = dir.path().join("directory");
    fs::create_dir(&directory).unwrap();
    assert!(prepared::open::<C>(&directory).is_err());
}

/// The slice of one of two groups: some of everything, from the start or from the end.
fn slice<C: Curve>(key: &ProvingKey<C>, group: u8) -> KeySlice<C> {
    let n = key.n_private();
    let (wires, quotient) = match group {
        0 => (0..n - 2, 0..3),
        _ => (n - 2..n, 3..key.h_query.len()),
    };
    let (in_a, in_b): (Vec<u32>, Vec<u32>) =
        (wires.clone().map(|k| k as u32).collect(), vec![wires.start as u32]);
    let cut = Cut { group, groups: 2, wires, quotient, in_a: &in_a, in_b: &in_b };
    KeySlice::gather(key, &cut).unwrap()
}

fn a_slice_comes_back_as_it_was<C: Curve + PartialEq>() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("slice");
    let key = key::<C>();
    for group in [0, 1] {
        let slice = slice(&key, group);
        let digest = prepared::write_slice(&path, &slice).unwrap();
        assert_eq!(prepared::write_slice(&path, &slice).unwrap(), digest);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
        let header = prepared::inspect_slice(&path).unwrap();
        assert_eq!((header.curve, header.circuit_id, header.digest), (C::ID, key.circuit_id, digest));
        assert_eq!((header.group, header.groups), (group, 2));
        assert!(prepared::open_slice::<C>(&path).unwrap() == slice);
        let other = match C::ID {
            CurveId::Bn254 => prepared::open_slice::<Bls12_381>(&path).unwrap_err(),
            CurveId::Bls12_381 => prepared::open_slice::<Bn254>(&path).unwrap_err(),
        };
        assert!(matches!(other, PreparedError::Curve { got: Some(got), .. } if got == C::ID));
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o620)).unwrap();
    let error = prepared::open_slice::<C>(&path).unwrap_err();
    assert!(matches!(error, PreparedError::Writable { directory: false, .. }));
}

fn every_damage_of_a_slice_is_noticed<C: Curve>() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("slice");
    let key = key::<C>();
    for group in [0, 1] {
        prepared::write_slice(&path, &slice(&key, group)).unwrap();
        let bytes = fs::read(&path).unwrap();
        let open = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            prepared::open_slice::<C>(&path).unwrap_err()
        };
        for at in (0..bytes.len()).step_by(37).chain(0..150) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            let error = open(&damaged);
            match at {
                0..8 => assert!(matches!(error, PreparedError::Magic { .. }), "{at}: {error}"),
                8..12 => assert!(matches!(error, PreparedError::Version { reads: 2, .. }), "{at}: {error}"),
                12..16 => {
                    let curve = matches!(error, PreparedError::Curve { .. } | PreparedError::Damaged { .. });
                    assert!(curve, "{at}: {error}");
                }
                _ => assert!(matches!(error, PreparedError::Damaged { .. }), "{at}: {error}"),
            }
        }
        for len in [0, 7, 143, 144, bytes.len() - 1] {
            open(&bytes[..len]);
        }
        open(&[&bytes[..], &[0]].concat());
        // Sizes beyond all measure are compared, not allocated.
        for at in (80..144).step_by(8) {
            for size in [u64::MAX, 1 << 40] {
                let mut huge = bytes.clone();
                huge[at..at + 8].copy_from_slice(&size.to_le_bytes());
                open(&huge);
            }
        }
    }
}

fn slices_and_keys_are_not_mixed_up<C: Curve>() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, part) = (dir.path().join("key"), dir.path().join("slice"));
    let key = key::<C>();
    prepared::write(&whole, &key).unwrap();
    prepared::write_slice(&part, &slice(&key, 0)).unwrap();
    let error = prepared::open::<C>(&part).unwrap_err();
    assert!(matches!(error, PreparedError::Magic { form: "a prepared key", .. }), "{error}");
    let error = prepared::open_slice::<C>(&whole).unwrap_err();
    assert!(matches!(error, PreparedError::Magic { form: "a slice of a prepared key", .. }), "{error}");

    // What contradicts itself is not written.
    let bad = |change: fn(&mut KeySlice<C>)| {
        let mut slice = slice(&key, 0);
        change(&mut slice);
        match prepared::write_slice(&part, &slice).unwrap_err() {
            PreparedError::Key { why, .. } => why,
            other => panic!("{other}"),
        }
    };
    assert!(matches!(bad(|s| s.group = 1), KeyError::Slice { group: 1, groups: 2 }));
    assert!(matches!(bad(|s| s.groups = 0), KeyError::Slice { group: 0, groups: 0 }));
    assert!(matches!(bad(|s| s.once = None), KeyError::Slice { .. }));
    assert!(matches!(bad(|s| s.a_query.truncate(1)), KeyError::Size { query: "A-query", .. }));
    assert!(matches!(bad(|s| s.b_g2_query.clear()), KeyError::Size { .. }));
    assert!(matches!(bad(|s| s.n_public += 1), KeyError::Size { .. }));
    assert!(matches!(bad(|s| s.n_private = 1), KeyError::Size { query: "L-query", .. }));
    assert!(matches!(bad(|s| s.wires_in_a.swap(0, 1)), KeyError::Wires { query: "A-query", .. }));
    assert!(matches!(bad(|s| s.wires_in_b[0] = u32::MAX), KeyError::Wires { query: "B-query", .. }));
}

fn what_is_not_in_the_key_is_not_cut<C: Curve + PartialEq>() {
    let key = key::<C>();
    let n = key.n_private();
    let good =
        Cut { group: 0, groups: 1, wires: 0..n, quotient: 0..key.h_query.len(), in_a: &[1], in_b: &[] };
    KeySlice::gather(&key, &good).unwrap();
    let outside = [n as u32];
    let before = Cut { wires: 1..n, in_a: &[0], ..good.clone() };
    for cut in [
        Cut { wires: 0..n + 1, ..good.clone() },
        Cut { quotient: 0..usize::MAX, ..good.clone() },
        Cut { in_a: &outside, ..good.clone() },
        Cut { in_b: &outside, ..good.clone() },
        Cut { in_a: &[2, 1], ..good.clone() },
        Cut { group: 1, ..good.clone() },
        before,
    ] {
        assert!(KeySlice::gather(&key, &cut).is_err(), "{cut:?}");
    }
}
