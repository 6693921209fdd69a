//! Files that are not what they claim to be: each gets its typed error, none a panic or a large allocation.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use ark_ec::AffineRepr;
use common::{Sections, fixture, text};
use proptest::prelude::*;
use tacit_algebra::{
    Bls12_381, Bn254, Check, Curve, CurveId, DecodeError, G1Affine, G2Affine, Groups, Point,
};
use tacit_circom::{
    FileKind, FormatError, JsonError, JsonReason, Proof, Protocol, Ptau, R1cs, Reason, Sym, VerificationKey,
    Wtns, Zkey, json, ptau, public, r1cs, wtns, zkey,
};

both_curves! {
    every_truncation_is_refused
    claimed_sizes_allocate_nothing
    containers_are_checked
    headers_are_checked
    keys_for_other_proof_systems_are_refused_by_name
    counts_must_fit_the_sections
    coefficients_are_checked
    points_are_checked_and_the_first_bad_one_is_named
    contributions_are_checked
    constraint_systems_are_checked
    witnesses_are_checked
    powers_of_tau_are_checked
    json_points_are_checked
    json_headers_are_checked
}

type Fr<C> = <C as Groups>::Scalar;

fn read_zkey<C: Curve>(bytes: &[u8]) -> FormatError {
    let error = Zkey::<C>::read(bytes, Check::Full).unwrap_err();
    assert_eq!(error.file, FileKind::Zkey);
    error
}

/// Everything that parses binary files, on any bytes.
fn read_all<C: Curve>(bytes: &[u8], check: Check) {
    let _ = Zkey::<C>::read(bytes, check);
    let _ = R1cs::<Fr<C>>::read(bytes);
    let _ = Wtns::<Fr<C>>::read(bytes);
    if let Ok(ptau) = Ptau::<C>::open(bytes) {
        let _ = ptau.tau_g1().map(|points| points.read(0..2, check));
        let _ = ptau.lagrange_tau_g2(1).map(|points| points.read_all(check));
    }
    let _ = (zkey::curve_of(bytes), r1cs::curve_of(bytes), wtns::curve_of(bytes), ptau::curve_of(bytes));
}

fn every_truncation_is_refused<C: Curve>() {
    let [key, system, witness, tau] = ["final.zkey", "tiny.r1cs", "tiny.wtns", "pot.ptau"].map(fixture::<C>);
    for n in 0..key.len() {
        let error = read_zkey::<C>(&key[..n]);
        assert!(error.offset <= n as u64, "{error}");
    }
    for n in 0..system.len() {
        assert!(R1cs::<Fr<C>>::read(&system[..n]).unwrap_err().offset <= n as u64);
    }
    for n in 0..witness.len() {
        assert!(Wtns::<Fr<C>>::read(&witness[..n]).unwrap_err().offset <= n as u64);
    }
    for n in 0..tau.len() {
        assert!(Ptau::<C>::open(&tau[..n]).unwrap_err().offset <= n as u64);
    }
}

/// Reserving what these files claim would take more memory than there is.
fn claimed_sizes_allocate_nothing<C: Curve>() {
    for name in ["final.zkey", "tiny.r1cs", "tiny.wtns", "pot.ptau"] {
        let bytes = fixture::<C>(name);
        for at in 0..bytes.len().min(2000) {
            for claim in [0xffff_ffffu32, 0x7fff_ffff] {
                let mut bytes = bytes.clone();
                let end = (at + 4).min(bytes.len());
                bytes[at..end].copy_from_slice(&claim.to_le_bytes()[..end - at]);
                read_all::<C>(&bytes, Check::Trusted);
            }
        }
    }
}

fn containers_are_checked<C: Curve>() {
    let whole = fixture::<C>("final.zkey");
    let parts = Sections::of(&whole);

    let mut magic = whole.clone();
    magic[0] = b'y';
    assert_eq!(read_zkey::<C>(&magic).reason, Reason::Magic { expected: "zkey" });
    assert_eq!(read_zkey::<C>(&fixture::<C>("tiny.wtns")).offset, 0);

    let mut version = whole.clone();
    version[4] = 2;
    let error = read_zkey::<C>(&version);
    assert_eq!((error.offset, error.reason), (4, Reason::Version { expected: 1, got: 2 }));

    let trailing = [&whole[..], b"garbage"].concat();
    let error = read_zkey::<C>(&trailing);
    assert_eq!((error.offset, error.reason), (whole.len() as u64, Reason::TrailingFile { bytes: 7 }));

    for i in 0..parts.sections.len() {
        let (id, content) = parts.sections[i].clone();
        let mut missing = parts.clone();
        missing.sections.remove(i);
        let error = read_zkey::<C>(&missing.bytes());
        assert_eq!((error.section.unwrap().id, error.reason), (id, Reason::MissingSection));

        let mut twice = parts.clone();
        twice.sections.push((id, content));
        let error = read_zkey::<C>(&twice.bytes());
        assert_eq!((error.section.unwrap().id, error.reason), (id, Reason::DuplicateSection));
        assert_eq!(error.offset, whole.len() as u64);

        let mut longer = parts.clone();
        longer.get(id).push(0);
        let error = read_zkey::<C>(&longer.bytes());
        assert_eq!(error.section.unwrap().id, id, "{error}");
        assert!(matches!(error.reason, Reason::SectionSize { .. }), "{error}");

        let mut shorter = parts.clone();
        shorter.get(id).pop();
        let error = read_zkey::<C>(&shorter.bytes());
        assert_eq!(error.section.unwrap().id, id, "{error}");
    }

    let mut unknown = parts.clone();
    unknown.sections.push((11, vec![1, 2, 3]));
    let error = read_zkey::<C>(&unknown.bytes());
    assert_eq!((error.offset, error.reason), (whole.len() as u64, Reason::UnknownSection { id: 11 }));
}

fn headers_are_checked<C: Curve>() {
    let whole = fixture::<C>("final.zkey");
    let parts = Sections::of(&whole);
    let start = parts.offset(2);
    let n8 = C::ID.base_modulus_le().len();
    let counts = 4 + n8 + 4 + 32;

    let mut prime = parts.clone();
    prime.get(2)[4] ^= 2;
    let error = read_zkey::<C>(&prime.bytes());
    assert_eq!((error.offset, error.reason), (start, Reason::UnknownPrime));
    assert_eq!(error.section.unwrap().to_string(), "section 2 (header)");

    let mut scalar = parts.clone();
    scalar.get(2)[4 + n8 + 4] ^= 2;
    let error = read_zkey::<C>(&scalar.bytes());
    assert_eq!((error.offset, error.reason), (start + 4 + n8 as u64, Reason::UnknownPrime));

    for got in [0, 3, 12, u32::MAX] {
        let mut domain = parts.clone();
        domain.put(2, counts + 8, got);
        let error = read_zkey::<C>(&domain.bytes());
        assert_eq!((error.offset, error.reason), (start + counts as u64 + 8, Reason::DomainSize { got }));
    }
    let mut public = parts.clone();
    public.put(2, counts + 4, 10);
    assert!(matches!(read_zkey::<C>(&public.bytes()).reason, Reason::Count { got: 11, limit: 10, .. }));
    public.put(2, counts + 4, u32::MAX);
    assert!(matches!(read_zkey::<C>(&public.bytes()).reason, Reason::Count { limit: 10, .. }));

    // A key whose gamma is the neutral element verifies anything.
    let mut infinity = parts.clone();
    let gamma = counts + 12 + 2 * G1Affine::<C>::LEN + G2Affine::<C>::LEN;
    infinity.get(2)[gamma..gamma + G2Affine::<C>::LEN].fill(0);
    let error = read_zkey::<C>(&infinity.bytes());
    assert_eq!((error.offset, error.reason), (start + gamma as u64, Reason::Infinity { index: 3 }));
}

#[test]
fn a_key_over_the_other_curve_is_refused() {
    let error = Zkey::<Bn254>::read(&fixture::<Bls12_381>("final.zkey"), Check::Full).unwrap_err();
    let (bn, bls) = (CurveId::Bn254, CurveId::Bls12_381);
    assert_eq!(error.reason, Reason::WrongCurve { expected: bn, got: bls });
    let error = Zkey::<Bls12_381>::read(&fixture::<Bn254>("final.zkey"), Check::Trusted).unwrap_err();
    assert_eq!(error.reason, Reason::WrongCurve { expected: bls, got: bn });
    let error = R1cs::<Fr<Bn254>>::read(&fixture::<Bls12_381>("tiny.r1cs")).unwrap_err();
    assert_eq!(error.reason, Reason::WrongCurve { expected: bn, got: bls });
    let error = Wtns::<Fr<Bn254>>::read(&fixture::<Bls12_381>("tiny.wtns")).unwrap_err();
    assert_eq!(error.reason, Reason::WrongCurve { expected: bn, got: bls });
    let error = Ptau::<Bn254>::open(&fixture::<Bls12_381>("pot.ptau")).unwrap_err();
    assert_eq!(error.reason, Reason::WrongCurve { expected: bn, got: bls });
    let error = Proof::<Bn254>::from_json(text::<Bls12_381>("proof.json")).unwrap_err();
    assert_eq!(
        (error.path.as_str(), error.reason),
        ("curve", JsonReason::WrongCurve { expected: bn, got: bls })
    );
    assert!(VerificationKey::<Bls12_381>::from_json(text::<Bn254>("verification_key.json")).is_err());
}

#[test]
fn errors_say_kind_section_offset_and_reason() {
    let mut parts = Sections::of(&fixture::<Bn254>("final.zkey"));
    parts.put(4, 4, 2);
    let error = read_zkey::<Bn254>(&parts.bytes());
    let expected = format!(
        "malformed .zkey file: section 4 (coefficients), byte {}: matrix 2 is neither 0 (A) nor 1 (B)",
        parts.offset(4) + 4
    );
    assert_eq!(error.to_string(), expected);
    let error = Wtns::<Fr<Bn254>>::read(b"what").unwrap_err();
    assert!(error.to_string().starts_with("malformed .wtns file: byte 0: "), "{error}");
}

fn keys_for_other_proof_systems_are_refused_by_name<C: Curve>() {
    let parts = Sections::of(&fixture::<C>("final.zkey"));
    for (id, protocol, name) in [
        (2, Protocol::Plonk, "plonk"),
        (10, Protocol::Fflonk, "fflonk"),
        (7, Protocol::Unknown(7), "number 7"),
    ] {
        let mut other = parts.clone();
        other.put(1, 0, id);
        // Other proof systems have other sections.
        other.sections.push((17, vec![0; 3]));
        let error = read_zkey::<C>(&other.bytes());
        assert_eq!((error.offset, &error.reason), (24, &Reason::Protocol { protocol }));
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(zkey::curve_of(&other.bytes()), Err(error));
    }
}

fn counts_must_fit_the_sections<C: Curve>() {
    let parts = Sections::of(&fixture::<C>("final.zkey"));
    let counts = 4 + C::ID.base_modulus_le().len() + 4 + 32;
    // One more wire, one public wire less, twice the domain: a section no longer fits.
    for (at, value) in [(0, 11), (4, 1), (8, 16)] {
        let mut wrong = parts.clone();
        wrong.put(2, counts + at, value);
        assert!(matches!(read_zkey::<C>(&wrong.bytes()).reason, Reason::SectionSize { .. }));
    }
    let mut wrong = parts.clone();
    wrong.put(4, 0, u32::MAX);
    let error = read_zkey::<C>(&wrong.bytes());
    assert_eq!((error.offset, error.section.unwrap().id), (parts.offset(4), 4));
}

fn coefficients_are_checked<C: Curve>() {
    let parts = Sections::of(&fixture::<C>("final.zkey"));
    let start = parts.offset(4) + 4;
    // The second coefficient: matrix, constraint, wire, value.
    let second = 4 + 44;
    let cases = [
        (0, 2, 0, Reason::Matrix { got: 2 }),
        (4, 8, 4, Reason::Constraint { got: 8, size: 8 }),
        (4, u32::MAX, 4, Reason::Constraint { got: u32::MAX, size: 8 }),
        (8, 10, 8, Reason::Wire { got: 10, wires: 10 }),
        (40, u32::MAX, 12, Reason::Element { index: 1, why: DecodeError::NonCanonical }),
    ];
    for (at, value, fault, reason) in cases {
        let mut wrong = parts.clone();
        wrong.put(4, second + at, value);
        let error = read_zkey::<C>(&wrong.bytes());
        assert_eq!((error.offset, error.reason), (start + 44 + fault, reason));
    }
}

/// A point on the curve, outside the subgroup; none where the cofactor is one.
fn outside_subgroup<C: Curve>() -> (Option<Vec<u8>>, Vec<u8>) {
    fn find<A: AffineRepr + Point>(
        x: impl Fn(u64) -> A::BaseField,
        get: impl Fn(A::BaseField) -> Option<A>,
    ) -> Vec<u8> {
        let mut out = Vec::new();
        let outside = |p: &A| {
            let mut bytes = Vec::new();
            p.write_montgomery_le(&mut bytes);
            A::read_montgomery_le(&bytes, Check::Full) == Err(DecodeError::NotInSubgroup)
        };
        let point = (1u64..).find_map(|i| get(x(i)).filter(outside)).unwrap();
        point.write_montgomery_le(&mut out);
        out
    }
    match C::ID {
        CurveId::Bn254 => {
            let get = |x| ark_bn254::G2Affine::get_point_from_x_unchecked(x, false);
            (None, find(|i| ark_bn254::Fq2::new(i.into(), 1.into()), get))
        }
        CurveId::Bls12_381 => {
            let g1 = find(ark_bls12_381::Fq::from, |x| {
                ark_bls12_381::G1Affine::get_point_from_x_unchecked(x, false)
            });
            let get = |x| ark_bls12_381::G2Affine::get_point_from_x_unchecked(x, false);
            (Some(g1), find(|i| ark_bls12_381::Fq2::new(i.into(), 1.into()), get))
        }
    }
}

fn points_are_checked_and_the_first_bad_one_is_named<C: Curve>() {
    let parts = Sections::of(&fixture::<C>("final.zkey"));
    let (g1, g2) = (G1Affine::<C>::LEN, G2Affine::<C>::LEN);
    for (id, len) in [(3, g1), (5, g1), (6, g1), (7, g2), (8, g1), (9, g1)] {
        // Two bad points: the first is named. Swapping coordinates leaves the curve.
        let mut wrong = parts.clone();
        let n = wrong.get(id).len() / len;
        for bad in [n - 2, n - 1] {
            let mut one = vec![0; len];
            one[0] = 1;
            wrong.get(id)[bad * len..(bad + 1) * len].copy_from_slice(&one);
        }
        let error = read_zkey::<C>(&wrong.bytes());
        let index = n as u64 - 2;
        assert_eq!(error.offset, parts.offset(id) + index * len as u64);
        assert_eq!(error.section.unwrap().id, id);
        assert_eq!(error.reason, Reason::Point { index, why: DecodeError::NotOnCurve });
        assert!(Zkey::<C>::read(&wrong.bytes(), Check::Trusted).is_ok());

        // Coordinates must be canonical even when the file is trusted.
        let mut wrong = parts.clone();
        wrong.get(id)[..len].fill(0xff);
        let error = Zkey::<C>::read(&wrong.bytes(), Check::Trusted).unwrap_err();
        assert_eq!(error.offset, parts.offset(id));
        assert_eq!(error.reason, Reason::Point { index: 0, why: DecodeError::NonCanonical });

        let (outside_g1, outside_g2) = outside_subgroup::<C>();
        let outside = if len == g2 { Some(outside_g2) } else { outside_g1 };
        if let Some(outside) = outside {
            let mut wrong = parts.clone();
            wrong.get(id)[len..2 * len].copy_from_slice(&outside);
            let error = read_zkey::<C>(&wrong.bytes());
            assert_eq!(error.offset, parts.offset(id) + len as u64);
            assert_eq!(error.reason, Reason::Point { index: 1, why: DecodeError::NotInSubgroup });
        }
    }
}

fn contributions_are_checked<C: Curve>() {
    let parts = Sections::of(&fixture::<C>("final.zkey"));
    let points = 3 * G1Affine::<C>::LEN + G2Affine::<C>::LEN;
    // csHash, count; points, transcript; kind, size of the parameters, name ("first").
    let kind = 64 + 4 + points + 64;
    let reason = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut wrong = parts.clone();
        change(wrong.get(10));
        let error = read_zkey::<C>(&wrong.bytes());
        assert_eq!(error.section.unwrap().id, 10);
        error.reason
    };
    let parameters = |what| matches!(what, Reason::ContributionParameters { .. });
    assert_eq!(reason(&|s| s[kind] = 2), Reason::ContributionKind { got: 2 });
    // A beacon without a beacon's parameters.
    assert!(parameters(reason(&|s| s[kind] = 1)));
    assert!(parameters(reason(&|s| s[kind + 4] += 1)));
    assert!(parameters(reason(&|s| s[kind + 8] = 9)));
    assert!(parameters(reason(&|s| s[kind + 8] = 0)));
    assert_eq!(reason(&|s| s[kind + 10] = 0xff), Reason::Utf8);
    assert!(matches!(reason(&|s| s[64] = 1), Reason::SectionSize { .. }));
    assert!(matches!(reason(&|s| s[64] = 3), Reason::Truncated { .. }));
    assert!(matches!(reason(&|s| s[64 + 4] ^= 1), Reason::Point { index: 0, .. }));
}

fn constraint_systems_are_checked<C: Curve>() {
    let parts = Sections::of(&fixture::<C>("tiny.r1cs"));
    let read = |parts: &Sections| R1cs::<Fr<C>>::read(&parts.bytes());
    assert!(read(&parts).is_ok());
    let fault = |change: &dyn Fn(&mut Sections)| {
        let mut wrong = parts.clone();
        change(&mut wrong);
        read(&wrong).unwrap_err()
    };
    // The header's counts follow the prime: wires, outputs, public inputs, private inputs, labels (8), constraints.
    let counts = 4 + 32;
    let error = fault(&|p| p.put(1, counts + 4, 10));
    assert_eq!((error.offset, error.section.unwrap().id), (parts.offset(1) + counts as u64, 1));
    assert!(matches!(error.reason, Reason::Count { got: 12, limit: 10, .. }));
    assert!(matches!(fault(&|p| p.put(1, counts + 24, 3)).reason, Reason::SectionSize { .. }));
    assert!(matches!(fault(&|p| p.put(1, counts + 24, 5)).reason, Reason::Truncated { .. }));
    assert!(matches!(fault(&|p| p.put(1, counts + 24, u32::MAX)).reason, Reason::Truncated { .. }));
    assert!(matches!(fault(&|p| p.put(1, counts, 11)).reason, Reason::SectionSize { .. }));
    // The constraints begin with a count of terms, a wire, a coefficient.
    let start = parts.offset(2);
    let error = fault(&|p| p.put(2, 0, u32::MAX));
    assert_eq!(error.offset, start + 4);
    assert!(matches!(error.reason, Reason::Truncated { .. }));
    let error = fault(&|p| p.put(2, 4, 10));
    assert_eq!((error.offset, error.reason), (start + 4, Reason::Wire { got: 10, wires: 10 }));
    let error = fault(&|p| p.put(2, 8 + 28, u32::MAX));
    let why = DecodeError::NonCanonical;
    assert_eq!((error.offset, error.reason), (start + 8, Reason::Element { index: 0, why }));
    // Labels.
    let error = fault(&|p| p.put(3, 8, 1000));
    assert_eq!(error.offset, parts.offset(3) + 8);
    assert!(matches!(error.reason, Reason::Label { got: 1000, .. }));
    // Custom gates are refused, empty sections for them and sections of later versions are not.
    let mut gates = parts.clone();
    gates.sections.push((4, vec![0; 4]));
    gates.sections.push((5, vec![0; 4]));
    gates.sections.push((99, vec![1, 2, 3]));
    assert_eq!(read(&gates).unwrap(), read(&parts).unwrap());
    gates.put(4, 0, 1);
    let error = read(&gates).unwrap_err();
    assert_eq!((error.offset, error.reason), (gates.offset(4), Reason::CustomGates));
    // Order does not matter.
    let mut order = parts.clone();
    order.sections.reverse();
    assert_eq!(read(&order).unwrap(), read(&parts).unwrap());
}

fn witnesses_are_checked<C: Curve>() {
    let parts = Sections::of(&fixture::<C>("tiny.wtns"));
    let read = |parts: &Sections| Wtns::<Fr<C>>::read(&parts.bytes()).unwrap_err();
    let mut wrong = parts.clone();
    wrong.get(2)[3 * 32..4 * 32].copy_from_slice(&C::ID.scalar_modulus_le());
    let error = read(&wrong);
    let why = DecodeError::NonCanonical;
    assert_eq!((error.offset, error.reason), (parts.offset(2) + 96, Reason::Element { index: 3, why }));
    for count in [9, 11, u32::MAX] {
        let mut wrong = parts.clone();
        wrong.put(1, 36, count);
        let error = read(&wrong);
        assert_eq!((error.offset, error.section.unwrap().id), (parts.offset(2), 2));
        assert_eq!(error.reason, Reason::SectionSize { expected: 32 * u64::from(count), got: 320 });
    }
}

fn powers_of_tau_are_checked<C: Curve>() {
    let parts = Sections::of(&fixture::<C>("pot.ptau"));
    let fault = |change: &dyn Fn(&mut Sections)| {
        let mut wrong = parts.clone();
        change(&mut wrong);
        Ptau::<C>::open(&wrong.bytes()).unwrap_err()
    };
    let n8 = C::ID.base_modulus_le().len();
    assert!(matches!(fault(&|p| p.put(1, 4 + n8, 2)).reason, Reason::SectionSize { .. }));
    assert!(matches!(fault(&|p| p.put(1, 4 + n8, 33)).reason, Reason::Power { got: 33, .. }));
    assert!(matches!(fault(&|p| p.put(1, 4 + n8, u32::MAX)).reason, Reason::Power { .. }));
    let error = fault(&|p| p.sections.retain(|(id, _)| *id != 13));
    assert_eq!((error.section.unwrap().id, error.reason), (13, Reason::MissingSection));
    assert!(matches!(fault(&|p| p.put(7, 0, 3)).reason, Reason::Truncated { .. }));
    assert!(matches!(fault(&|p| p.put(7, 0, 1)).reason, Reason::SectionSize { .. }));
    assert!(matches!(fault(&|p| p.sections.push((8, vec![]))).reason, Reason::UnknownSection { id: 8 }));
    // Points are checked when they are read, with offsets in the file.
    let len = G1Affine::<C>::LEN;
    let mut wrong = parts.clone();
    wrong.get(12)[5 * len] ^= 1;
    let bytes = wrong.bytes();
    let ptau = Ptau::<C>::open(&bytes).unwrap();
    assert!(ptau.lagrange_tau_g1(1).unwrap().read_all(Check::Full).is_ok());
    let error = ptau.lagrange_tau_g1(2).unwrap().read_all(Check::Full).unwrap_err();
    assert_eq!(error.offset, parts.offset(12) + 5 * len as u64);
    assert_eq!(error.reason, Reason::Point { index: 5, why: DecodeError::NotOnCurve });
}

#[test]
fn symbols_are_checked() {
    let reason = |text: &[u8]| {
        let error = Sym::read(text).unwrap_err();
        assert_eq!((error.file, error.section), (FileKind::Sym, None));
        (error.offset, error.reason)
    };
    let good = "1,1,0,main.a\r\n\n2,-1,0,main.b[0]\n3,1,4,main.c.d";
    let sym = Sym::read(good.as_bytes()).unwrap();
    assert_eq!(sym.by_wire(1).map(|s| s.name.as_str()).collect::<Vec<_>>(), ["main.a", "main.c.d"]);
    assert_eq!(sym.by_name("main.b[0]").unwrap().wire, None);
    assert!(Sym::read(b"").unwrap().signals().is_empty());
    for bad in
        ["1,1,0", "1,1,0,", "x,1,0,a", "1,-2,0,a", "1,4294967296,0,a", "1,1,-1,a", "1,1,0,a,b", " 1,1,0,a"]
    {
        let text = format!("1,1,0,main.a\n{bad}\n");
        assert_eq!(reason(text.as_bytes()), (13, Reason::Line { line: 2 }), "{bad}");
    }
    assert_eq!(reason(b"1,1,0,main.\xff"), (11, Reason::Utf8));
}

fn proof_error<C: Curve>(text: &str) -> (String, JsonReason) {
    let error: JsonError = Proof::<C>::from_json(text).unwrap_err();
    (error.path, error.reason)
}

fn json_points_are_checked<C: Curve>() {
    let good = text::<C>("proof.json");
    let proof: serde_json::Value = serde_json::from_str(&good).unwrap();
    let change = |edit: &dyn Fn(&mut serde_json::Value)| {
        let mut wrong = proof.clone();
        edit(&mut wrong);
        proof_error::<C>(&wrong.to_string())
    };
    let decode = JsonReason::Decode;
    assert_eq!(change(&|p| p["pi_a"][0] = "1".into()), ("pi_a".into(), decode(DecodeError::NotOnCurve)));
    assert_eq!(change(&|p| p["pi_b"][0][1] = 7.into()), ("pi_b".into(), decode(DecodeError::NotOnCurve)));
    let huge = "9".repeat(100_000);
    assert_eq!(
        change(&|p| p["pi_c"][1] = huge.clone().into()),
        ("pi_c[1]".into(), decode(DecodeError::NonCanonical))
    );
    let hex: String = C::ID.base_modulus_le().iter().rev().map(|b| format!("{b:02x}")).collect();
    let modulus = format!("0x{hex}");
    assert_eq!(
        change(&|p| p["pi_c"][1] = modulus.clone().into()),
        ("pi_c".into(), decode(DecodeError::NonCanonical))
    );
    for bad in ["", "-1", "1.5", "0x", "0xg", "1 ", "one"] {
        assert_eq!(
            change(&|p| p["pi_a"][1] = bad.into()),
            ("pi_a[1]".into(), JsonReason::NotInteger),
            "{bad}"
        );
    }
    assert_eq!(change(&|p| p["pi_a"][1] = 1.5.into()), ("pi_a[1]".into(), JsonReason::InexactNumber));
    assert_eq!(change(&|p| p["pi_a"][1] = (-1).into()), ("pi_a[1]".into(), JsonReason::NotInteger));
    assert_eq!(change(&|p| p["pi_a"][2] = "2".into()), ("pi_a".into(), JsonReason::NotNormalised));
    assert_eq!(change(&|p| p["pi_a"][2] = "0".into()), ("pi_a".into(), JsonReason::NotNormalised));
    assert_eq!(change(&|p| p["pi_b"][2][1] = "1".into()), ("pi_b".into(), JsonReason::NotNormalised));
    let length = |expected, got| JsonReason::Length { expected, got };
    assert_eq!(change(&|p| p["pi_a"] = serde_json::json!(["1"])), ("pi_a".into(), length(3, 1)));
    assert_eq!(change(&|p| p["pi_b"][1] = serde_json::json!(["1"])), ("pi_b[1]".into(), length(2, 1)));
    assert_eq!(change(&|p| p["pi_b"] = "x".into()), ("pi_b".into(), JsonReason::Type { expected: "array" }));
    // The neutral element has its own form, and goes there and back.
    let infinity = Proof::<C> { a: Point::identity(), b: Point::identity(), c: Point::identity() };
    let json = infinity.to_json();
    assert!(json.contains("\"pi_a\": [\n  \"0\",\n  \"1\",\n  \"0\"\n ]"), "{json}");
    assert!(Proof::<C>::from_json(&json).unwrap().b.is_identity());

    // Nothing of the two groups that lies outside them passes.
    let (outside_g1, outside_g2) = outside_subgroup::<C>();
    let limbs = |point: Vec<Vec<u8>>| -> Vec<serde_json::Value> {
        let hex =
            |le: &Vec<u8>| format!("0x{}", le.iter().rev().map(|b| format!("{b:02x}")).collect::<String>());
        point.iter().map(|le| hex(le).into()).collect()
    };
    let outside = decode(DecodeError::NotInSubgroup);
    if let Some(bytes) = outside_g1 {
        let point = G1Affine::<C>::read_montgomery_le(&bytes, Check::Trusted).unwrap();
        let xy = limbs(point.coordinates_le().unwrap());
        let fault = change(&|p| p["pi_a"] = serde_json::json!([xy[0], xy[1], "1"]));
        assert_eq!(fault, ("pi_a".into(), outside.clone()));
    }
    let point = G2Affine::<C>::read_montgomery_le(&outside_g2, Check::Trusted).unwrap();
    let xy = limbs(point.coordinates_le().unwrap());
    let fault = change(&|p| p["pi_b"] = serde_json::json!([[xy[0], xy[1]], [xy[2], xy[3]], ["1", "0"]]));
    assert_eq!(fault, ("pi_b".into(), outside));
}

fn json_headers_are_checked<C: Curve>() {
    let vk: serde_json::Value = serde_json::from_str(&text::<C>("verification_key.json")).unwrap();
    let change = |edit: &dyn Fn(&mut serde_json::Value)| {
        let mut wrong = vk.clone();
        edit(&mut wrong);
        let error = VerificationKey::<C>::from_json(wrong.to_string()).map(|_| ()).unwrap_err();
        assert_eq!(error.file, FileKind::VerificationKey);
        (error.path, error.reason)
    };
    let remove =
        |p: &mut serde_json::Value, name: &str| p.as_object_mut().unwrap().shift_remove(name).unwrap();
    for name in ["nPublic", "vk_alpha_1", "vk_beta_2", "vk_gamma_2", "vk_delta_2", "IC"] {
        let missing = |p: &mut serde_json::Value| {
            remove(p, name);
        };
        assert_eq!(change(&missing), (name.into(), JsonReason::MissingField));
    }
    let plonk = JsonReason::Protocol { got: "plonk".into() };
    assert_eq!(change(&|p| p["protocol"] = "plonk".into()), ("protocol".into(), plonk));
    let unknown = JsonReason::UnknownCurve { got: "bls12377".into() };
    assert_eq!(change(&|p| p["curve"] = "bls12377".into()), ("curve".into(), unknown));
    assert_eq!(
        change(&|p| p["nPublic"] = 3.into()),
        ("IC".into(), JsonReason::Length { expected: 4, got: 3 })
    );
    assert_eq!(change(&|p| p["nPublic"] = u64::MAX.into()).0, "IC");
    assert_eq!(change(&|p| p["nPublic"] = "2".into()), ("nPublic".into(), JsonReason::NotInteger));
    let zero = serde_json::json!([["0", "0"], ["1", "0"], ["0", "0"]]);
    assert_eq!(change(&|p| p["vk_delta_2"] = zero.clone()), ("vk_delta_2".into(), JsonReason::Infinity));
    assert_eq!(change(&|p| *p = 1.into()).0, "nPublic");
    // What follows from the rest may be missing.
    let mut short = vk.clone();
    remove(&mut short, "vk_alphabeta_12");
    assert!(VerificationKey::<C>::from_json(short.to_string()).is_ok());

    assert_eq!(json::curve_of("{}").unwrap_err().reason, JsonReason::MissingField);
    assert_eq!(json::curve_of(r#"{"curve":"BN-254"}"#), Ok(CurveId::Bn254));
    assert!(matches!(json::curve_of("{").unwrap_err().reason, JsonReason::Syntax { .. }));

    let public = |text: &str| public::from_json::<Fr<C>>(text).map_err(|e| (e.path, e.reason));
    assert_eq!(public("[]"), Ok(vec![]));
    assert_eq!(public(r#"["1", 2, "0x3"]"#), Ok([1u64, 2, 3].map(Fr::<C>::from).to_vec()));
    let all = "f".repeat(64);
    let fault = Err(("[0]".to_owned(), JsonReason::Decode(DecodeError::NonCanonical)));
    assert_eq!(public(&format!(r#"["0x{all}"]"#)), fault);
    assert_eq!(public("{}"), Err((String::new(), JsonReason::Type { expected: "array" })));
}

/// Replaces a few bytes.
fn mutate(mut bytes: Vec<u8>, changes: &[(prop::sample::Index, u8)]) -> Vec<u8> {
    for (at, to) in changes {
        let at = at.index(bytes.len());
        bytes[at] = *to;
    }
    bytes
}

fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    let byte = prop_oneof![Just(0u8), Just(1), Just(2), Just(0xff), any::<u8>()];
    prop::collection::vec((any::<prop::sample::Index>(), byte), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// What reads at all is written back as it was: no byte of a file is without meaning.
    #[test]
    fn mutated_keys_are_refused_or_kept(changes in changes()) {
        let bytes = mutate(fixture::<Bn254>("final.zkey"), &changes);
        if let Ok(key) = Zkey::<Bn254>::read(&bytes, Check::Full) {
            prop_assert!(key.write() == bytes);
        }
    }

    #[test]
    fn mutated_witnesses_are_refused_or_kept(changes in changes()) {
        let bytes = mutate(fixture::<Bls12_381>("tiny.wtns"), &changes);
        if let Ok(wtns) = Wtns::<Fr<Bls12_381>>::read(&bytes) {
            prop_assert!(*wtns.write() == bytes);
        }
    }

    #[test]
    fn mutated_files_do_not_panic(changes in changes(), which in 0usize..4) {
        let name = ["contributed.zkey", "tiny.r1cs", "tiny.sym", "pot.ptau"][which];
        let bytes = mutate(fixture::<Bls12_381>(name), &changes);
        read_all::<Bls12_381>(&bytes, Check::Trusted);
        let _ = Sym::read(&bytes);
    }

    #[test]
    fn mutated_json_does_not_panic(changes in changes(), which in 0usize..3) {
        let name = ["proof.json", "public.json", "verification_key.json"][which];
        let bytes = mutate(fixture::<Bn254>(name), &changes);
        let _ = Proof::<Bn254>::from_json(&bytes);
        let _ = VerificationKey::<Bn254>::from_json(&bytes);
        let _ = public::from_json::<Fr<Bn254>>(&bytes);
        let _ = json::curve_of(&bytes);
    }
}
