//! Encodings are canonical: what decodes encodes to the same bytes, what is cut or extended does not decode, lengths
//! claimed and not there are refused before anything is allocated.

use proptest::prelude::*;
use tacit_algebra::{Bls12_381, Bn254, CurveId, DecodeError, Groups, field};
use tacit_groth16::CircuitId;

use super::support::*;
use crate::encoding::{Malformed, Message};
use crate::header::curve_of;
use crate::package::{QuotientShares, Shares, WhichGroup};
use crate::{
    Acknowledgement, Assignment, Body, CircuitShape, Culprit, DealHeader, DealId, DealTerms, DialsError,
    EncodingError, Handover, Layout, Package, Record, Response, Seat, Seed,
};

type Fr = <Bn254 as Groups>::Scalar;

/// What is dealt for so many private wires with the handover `witness`.
fn of_wires(n_private: usize) -> Layout {
    Layout::witness(CircuitShape { id: CircuitId([0; 32]), n_public: 0, n_private })
}

/// Every truncation and an extension is refused, and a changed byte is refused or decodes to what encodes back to it.
fn canonical<T: PartialEq + std::fmt::Debug>(
    bytes: &[u8],
    value: &T,
    decode: impl Fn(&[u8]) -> Result<T, EncodingError>,
    encode: impl Fn(&T) -> Vec<u8>,
    (place, flip): (prop::sample::Index, u8),
) {
    assert_eq!(&decode(bytes).unwrap(), value);
    assert_eq!(encode(value), bytes);
    for len in 0..bytes.len() {
        let error = decode(&bytes[..len]).unwrap_err();
        assert!(matches!(error.reason, Malformed::Truncated { .. }), "{len} of {}: {error}", bytes.len());
    }
    let mut longer = bytes.to_vec();
    longer.push(0);
    assert_eq!(decode(&longer).unwrap_err().reason, Malformed::Trailing { extra: 1 });
    let mut changed = bytes.to_vec();
    changed[place.index(bytes.len())] ^= flip;
    if let Ok(other) = decode(&changed) {
        assert_eq!(encode(&other), changed);
        assert_ne!(&other, value);
    }
}

fn element() -> impl Strategy<Value = Fr> {
    any::<[u8; 32]>().prop_map(|bytes| field::from_uniform_bytes(&bytes))
}

fn flip() -> impl Strategy<Value = (prop::sample::Index, u8)> {
    (any::<prop::sample::Index>(), 1..=255u8)
}

fn some_dials() -> impl Strategy<Value = crate::Dials> {
    (3..=16u8).prop_flat_map(|n| (Just(n), 1..=(n - 1) / 2)).prop_map(|(n, t)| dials(n, t))
}

prop_compose! {
    fn header()(
        circuit in any::<[u8; 32]>(),
        dials in some_dials(),
        assembler_key in prop::collection::vec(any::<u8>(), 0..80),
        client_key in any::<[u8; 32]>(),
        expiry in any::<u64>(),
        nonce in any::<[u8; 32]>(),
        public in prop::collection::vec(element(), 0..6),
    ) -> DealHeader<Fr> {
        let circuit = CircuitId(circuit);
        let terms = DealTerms { curve: CurveId::Bn254, circuit, dials, assembler_key, client_key, expiry, public };
        DealHeader { terms, nonce }
    }
}

prop_compose! {
    fn package()(
        deal in any::<[u8; 32]>(),
        place in 1..=16u8,
        salt in any::<[u8; 32]>(),
        seed in prop::option::of(any::<[u8; 32]>()),
        wires in prop::collection::vec(element(), 0..6),
        [r, s, mask] in [element(), element(), element()],
    ) -> Package<Fr> {
        let body = match seed {
            Some(seed) => Body::Seed(Seed(seed)),
            None => Body::Explicit(Shares { wires, r, s, mask }),
        };
        Package { deal: DealId(deal), place, salt, body }
    }
}

prop_compose! {
    fn assignment()(
        deal in any::<[u8; 32]>(),
        [group, slice, index] in any::<[u8; 3]>(),
        node in any::<[u8; 32]>(),
        sealing_key in any::<[u8; 32]>(),
        epoch in any::<u64>(),
        ciphertext_digest in any::<[u8; 32]>(),
    ) -> Assignment {
        let seat = Seat { deal: DealId(deal), group, slice, index, node, sealing_key, epoch };
        Assignment { seat, ciphertext_digest }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn headers(header in header(), flip in flip()) {
        let id = header.deal_id();
        canonical(&header.encode(), &header, DealHeader::decode, DealHeader::encode, flip);
        prop_assert_eq!(curve_of(&header.encode()), Ok(CurveId::Bn254));
        // Whatever is changed in a header, the deal has another name.
        let mut changed = header.encode();
        let place = flip.0.index(changed.len());
        changed[place] ^= flip.1;
        if let Ok(other) = DealHeader::<Fr>::decode(&changed) {
            prop_assert_ne!(other.deal_id(), id);
        }
    }

    #[test]
    fn packages(package in package(), flip in flip()) {
        let wires = match &package.body {
            Body::Seed(_) => 3,
            Body::Explicit(shares) => shares.wires.len(),
            Body::ExplicitQuotient(_) | Body::Msm(_) => unreachable!(),
        };
        let decode = |bytes: &[u8]| Package::decode(bytes, &of_wires(wires), dials(16, 7));
        canonical(&package.encode(), &package, decode, |p| p.encode().to_vec(), flip);
        if let Body::Explicit(_) = &package.body {
            let error = Package::<Fr>::decode(&package.encode(), &of_wires(wires + 1), dials(16, 7)).unwrap_err();
            let length = matches!(error.reason, Malformed::Length { .. });
            prop_assert!(length);
            prop_assert_eq!(error.culprits(), vec![Culprit::Client]);
        }
    }

    /// Of the only group, of the first of several, of another.
    #[test]
    fn packages_with_the_handover_quotient(
        (wires, quotient, in_a, in_b) in (0..6usize, 0..6usize, any::<u8>(), any::<u8>()),
        groups in 1..=3u8,
        place in any::<prop::sample::Index>(),
        elements in prop::collection::vec(element(), 30),
        flip in flip(),
    ) {
        let with_base = |mask: u8| (0..wires as u32).filter(|wire| mask >> wire & 1 == 1).collect::<Vec<u32>>();
        let circuit = CircuitShape { id: CircuitId([0; 32]), n_public: 0, n_private: wires };
        let layout = Layout::quotient(circuit, quotient, with_base(in_a), with_base(in_b));
        let dials = crate::Dials::new(Handover::Quotient, 2, 1).unwrap().with_groups(groups).unwrap();
        let place = place.index(usize::from(dials.seats())) as u8 + 1;
        let (number, _) = dials.seat_at(place).unwrap();
        let slice = layout.slice(number, groups);
        let group = WhichGroup { number, of: groups };
        let mut elements = elements.into_iter().cycle();
        let mut take = |n: usize| elements.by_ref().take(n).collect::<Vec<Fr>>();
        let shares = QuotientShares {
            wires: take(slice.wires.len()),
            quotient: take(slice.quotient.len()),
            times_s: take(slice.times_s.len()),
            times_r: take(slice.times_r.len()),
            blinders: group.has_blinders().then(|| take(3).try_into().unwrap()),
            masks: group.has_masks().then(|| take(3).try_into().unwrap()),
        };
        let body = Body::ExplicitQuotient(shares);
        let package = Package { deal: DealId([1; 32]), place, salt: [2; 32], body };
        let decode = |bytes: &[u8]| Package::decode(bytes, &layout, dials);
        canonical(&package.encode(), &package, decode, |p| p.encode().to_vec(), flip);
    }

    #[test]
    fn assignments(assignment in assignment(), flip in flip()) {
        canonical(&assignment.encode(), &assignment, Assignment::decode, Assignment::encode, flip);
        // The seat's associated data change with everything but the ciphertext's digest; what is signed with that too.
        let mut changed = assignment.encode();
        let place = flip.0.index(changed.len());
        changed[place] ^= flip.1;
        if let Ok(other) = Assignment::decode(&changed) {
            let same_seat = place >= changed.len() - 32;
            prop_assert_eq!(
                other.seat.associated_data() == assignment.seat.associated_data(),
                same_seat
            );
            prop_assert_ne!(other.signing_bytes(), assignment.signing_bytes());
            prop_assert_ne!(other.digest(), assignment.digest());
            prop_assert_ne!(other.response_associated_data(), assignment.response_associated_data());
        }
    }

    #[test]
    fn acknowledgements(assignment in any::<[u8; 32]>(), package in any::<[u8; 32]>(), flip in flip()) {
        let value = Acknowledgement { assignment, package };
        canonical(&value.encode(), &value, Acknowledgement::decode, Acknowledgement::encode, flip);
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), message in 1..8u8) {
        let mut framed = vec![1, 0, message];
        framed.extend(bytes);
        for bytes in [&framed[3..], &framed[..]] {
            let _ = DealHeader::<Fr>::decode(bytes);
            let _ = Package::<Fr>::decode(bytes, &of_wires(2), dials(16, 7));
            let _ = Assignment::decode(bytes);
            let _ = Acknowledgement::decode(bytes);
            let _ = Record::decode(bytes);
            let _ = Response::<Bn254>::decode(bytes);
            let _ = Response::<Bls12_381>::decode(bytes);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn responses(scalars in any::<[u64; 3]>(), flip in flip()) {
        fn check<G: Groups + PartialEq>(scalars: [u64; 3], flip: (prop::sample::Index, u8)) {
            use tacit_algebra::Group;
            let [a, b, c] = scalars.map(G::Scalar::from);
            let response = Response::<G> {
                a: G::G1::generator().scale(&a).to_affine(),
                b: G::G2::generator().scale(&b).to_affine(),
                c: G::G1::generator().scale(&c).to_affine(),
            };
            canonical(&response.encode(), &response, Response::decode, Response::encode, flip);
        }
        check::<Bn254>(scalars, flip);
        check::<Bls12_381>(scalars, flip);
    }
}

fn some_header() -> DealHeader<Fr> {
    let terms = DealTerms {
        curve: CurveId::Bn254,
        circuit: CircuitId([0x11; 32]),
        dials: dials(4, 1),
        assembler_key: vec![0x22; 5],
        client_key: [0x33; 32],
        expiry: 0x0102_0304_0506_0708,
        public: vec![Fr::from(7u64), Fr::from(256u64)],
    };
    DealHeader { terms, nonce: [0x44; 32] }
}

/// Byte for byte, so that a change of the encoding, or of a label, does not go unnoticed.
#[test]
fn a_header_and_its_deal_id_are_these_bytes() {
    let expected = [
        "0100",
        "01",
        "01",
        &"11".repeat(32),
        "01",
        "04",
        "01",
        "01",
        "00",
        "05000000",
        "2222222222",
        &"33".repeat(32),
        "0807060504030201",
        &"44".repeat(32),
        "02000000",
        &format!("07{}", "00".repeat(31)),
        &format!("0001{}", "00".repeat(30)),
    ]
    .concat();
    let header = some_header();
    assert_eq!(hex::encode(header.encode()), expected);
    let digest = blake3::derive_key("tacit v1 deal id", &hex::decode(expected).unwrap());
    assert_eq!(header.deal_id(), DealId(digest));
}

#[test]
fn every_field_of_the_header_is_in_the_deal_id() {
    type Change = fn(&mut DealHeader<Fr>);
    let changes: [Change; 11] = [
        |_| (),
        |h| h.terms.curve = CurveId::Bls12_381,
        |h| h.terms.circuit.0[31] ^= 1,
        |h| h.terms.dials = dials(5, 1),
        |h| h.terms.dials = dials(5, 2),
        |h| h.terms.assembler_key.push(0),
        |h| h.terms.client_key[0] ^= 1,
        |h| h.terms.expiry += 1,
        |h| h.nonce[31] ^= 1,
        |h| h.terms.public[1] += Fr::from(1u64),
        |h| h.terms.public.push(Fr::from(0u64)),
    ];
    let ids: std::collections::BTreeSet<DealId> = changes
        .iter()
        .map(|change| {
            let mut header = some_header();
            change(&mut header);
            header.deal_id()
        })
        .collect();
    assert_eq!(ids.len(), changes.len());
}

#[test]
fn headers_that_are_not_of_this_version_say_why() {
    let bytes = some_header().encode();
    let change = |at: usize, to: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = to;
        let error = DealHeader::<Fr>::decode(&bytes).unwrap_err();
        assert_eq!(error.message, Message::Header);
        error.reason
    };
    assert_eq!(change(0, 2), Malformed::Version { got: 2 });
    assert_eq!(change(1, 1), Malformed::Version { got: 257 });
    assert_eq!(change(2, 2), Malformed::Message { got: 2 });
    assert_eq!(change(3, 9), Malformed::Code { field: "curve", got: 9 });
    assert_eq!(change(3, 2), Malformed::Curve { curve: CurveId::Bls12_381 });
    let handover = 4 + 32;
    let reason = change(handover, 3);
    assert_eq!(reason, Malformed::Dials(DialsError::NotSupported { handover: "inputs" }));
    assert!(reason.to_string().contains("not supported by this version"));
    assert!(matches!(change(handover, 5), Malformed::Dials(DialsError::UnknownHandover { .. })));
    assert!(matches!(change(handover + 1, 17), Malformed::Dials(DialsError::Committee { n: 17, .. })));
    assert!(matches!(change(handover + 1, 2), Malformed::Dials(DialsError::Committee { n: 2, .. })));
    assert!(matches!(change(handover + 2, 0), Malformed::Dials(DialsError::Threshold { t: 0, .. })));
    assert!(matches!(change(handover + 2, 2), Malformed::Dials(DialsError::Threshold { t: 2, .. })));
    assert_eq!(
        change(handover + 3, 2),
        Malformed::Dials(DialsError::Groups { handover: Handover::Witness, n: 4, groups: 2 })
    );
    assert_eq!(change(handover + 4, 1), Malformed::Code { field: "slice", got: 1 });
    assert_eq!(
        change(handover + 6, 0xff),
        Malformed::Range { field: "length of the assembler's key", got: 0xff05 }
    );
    let last = bytes.len() - 1;
    assert_eq!(
        change(last, 0xff),
        Malformed::Element { field: "public inputs", error: DecodeError::NonCanonical }
    );
}

/// Four billion elements claimed, none there: refused by arithmetic, not by the allocator.
#[test]
fn claimed_lengths_drive_no_allocation() {
    let mut header = some_header();
    header.terms.public.clear();
    let mut bytes = header.encode();
    let len = bytes.len();
    bytes[len - 4..].copy_from_slice(&[0xff; 4]);
    let reason = DealHeader::<Fr>::decode(&bytes).unwrap_err().reason;
    assert_eq!(
        reason,
        Malformed::Truncated { field: "public inputs", needed: u64::from(u32::MAX) * 32, left: 0 }
    );
}

#[test]
fn a_share_that_is_not_canonical_or_cut_off_blames_the_client() {
    let one = Fr::from(1u64);
    let shares = Shares { wires: vec![one; 2], r: one, s: one, mask: one };
    let package = Package { deal: DealId([1; 32]), place: 2, salt: [3; 32], body: Body::Explicit(shares) };
    let good = package.encode();
    for at in [good.len() - 1, good.len() - 33, good.len() - 65, good.len() - 97] {
        let mut bytes = good.to_vec();
        bytes[at] = 0xff;
        let error = Package::<Fr>::decode(&bytes, &of_wires(2), dials(16, 7)).unwrap_err();
        assert!(
            matches!(error.reason, Malformed::Element { error: DecodeError::NonCanonical, .. }),
            "{error}"
        );
        assert_eq!(error.offset, at - 31);
        assert_eq!(error.culprits(), [Culprit::Client]);
    }
    let error = Package::<Fr>::decode(&good[..good.len() - 1], &of_wires(2), dials(16, 7)).unwrap_err();
    assert_eq!(error.culprits(), [Culprit::Client]);
    assert_eq!(
        error.to_string(),
        format!(
            "malformed package at byte {}: share of the mask needs 32 bytes, 31 are left",
            good.len() - 32
        )
    );
}
