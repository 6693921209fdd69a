//! Vectors of the delegation protocol's own encodings: header, deal id, packages, responses, bases.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use ark_ff::{AdditiveGroup, Field, PrimeField};
use common::{check_vectors, counting, read_vectors, unhex};
use serde_json::{Value, json};
use tacit_algebra::{Bls12_381, Bn254, Curve, CurveId, Group, Groups, Point, field};
use tacit_delegate::{
    Body, CircuitId, CircuitShape, DealHeader, DealTerms, Dials, Handover, Layout, Package, Response, Seed,
    msm::{Bases, MsmBody, MsmResponse, MsmShares, bases},
    package::{QuotientShares, Shares},
};
use tacit_wire::{Acknowledgement, DealId, Seat, ciphertext_digest, identity::Label};

fn h(bytes: impl AsRef<[u8]>) -> Value {
    Value::String(hex::encode(bytes))
}

fn element<F: PrimeField>(value: &F) -> Value {
    let mut bytes = Vec::new();
    field::write_le(value, &mut bytes);
    h(bytes)
}

fn elements<F: PrimeField>(values: &[F]) -> Value {
    Value::Array(values.iter().map(element).collect())
}

fn point<P: Point>(point: &P) -> Value {
    let mut bytes = Vec::new();
    point.write_be(&mut bytes);
    h(bytes)
}

/// Three private wires, for either handover.
fn layout(handover: Handover) -> Layout {
    let circuit = CircuitShape { id: CircuitId(counting(0x60)), n_public: 2, n_private: 3 };
    match handover {
        Handover::Quotient => Layout::quotient(circuit, 2, vec![0, 2], vec![1]),
        Handover::Msm => Layout::msm(circuit),
        _ => Layout::witness(circuit),
    }
}

fn vector<C: Curve>() -> Value {
    type F<C> = <C as Groups>::Scalar;
    // The largest element shows the byte order and the width.
    let public: Vec<F<C>> = vec![F::<C>::from(5u64), -F::<C>::ONE];
    let header = DealHeader {
        terms: DealTerms {
            curve: C::ID,
            circuit: CircuitId(counting(0x60)),
            dials: Dials::new(Handover::Witness, 4, 1).unwrap(),
            assembler_key: counting::<40>(0x70).to_vec(),
            client_key: counting(0x10),
            expiry: 1_900_000_000,
            public: public.clone(),
        },
        nonce: counting(0xb0),
    };
    let encoding = header.encode();
    assert_eq!(DealHeader::<F<C>>::decode(&encoding).unwrap(), header);
    let deal = header.deal_id();

    let seed_package =
        Package::<F<C>> { deal, place: 1, salt: counting(0x01), body: Body::Seed(Seed(counting(0x21))) };
    let shares = Shares::<F<C>> {
        wires: vec![F::<C>::from(7u64), F::<C>::ZERO, -F::<C>::from(2u64)],
        r: F::<C>::from(11u64),
        s: F::<C>::from(13u64),
        mask: F::<C>::from(17u64),
    };
    let explicit_package =
        Package::<F<C>> { deal, place: 2, salt: counting(0x41), body: Body::Explicit(shares.clone()) };
    let quotient_shares = QuotientShares::<F<C>> {
        wires: vec![F::<C>::from(19u64), F::<C>::ZERO, -F::<C>::from(3u64)],
        quotient: vec![F::<C>::from(23u64), F::<C>::from(29u64)],
        times_s: vec![F::<C>::from(31u64), F::<C>::from(37u64)],
        times_r: vec![F::<C>::from(41u64)],
        blinders: Some([43u64, 47, 53].map(F::<C>::from)),
        masks: None,
    };
    let quotient_package = Package::<F<C>> {
        deal,
        place: 2,
        salt: counting(0x81),
        body: Body::ExplicitQuotient(quotient_shares.clone()),
    };
    // The second of two groups, whose slice has the last wire and all of the quotient.
    let sharded = Dials::new(Handover::Quotient, 2, 1).unwrap().with_groups(2).unwrap();
    let sharded_shares = QuotientShares::<F<C>> {
        wires: vec![F::<C>::from(59u64)],
        quotient: vec![F::<C>::from(61u64), F::<C>::from(67u64)],
        times_s: vec![F::<C>::from(71u64)],
        times_r: vec![],
        blinders: None,
        masks: Some([73u64, 79, 83].map(F::<C>::from)),
    };
    let sharded_package = Package::<F<C>> {
        deal,
        place: 4,
        salt: counting(0xa1),
        body: Body::ExplicitQuotient(sharded_shares.clone()),
    };
    let decoded = Package::<F<C>>::decode(&sharded_package.encode(), &layout(Handover::Quotient), sharded);
    assert_eq!(decoded.unwrap(), sharded_package);
    for (package, handover) in [
        (&seed_package, Handover::Witness),
        (&seed_package, Handover::Quotient),
        (&explicit_package, Handover::Witness),
        (&quotient_package, Handover::Quotient),
    ] {
        assert_eq!(
            &Package::<F<C>>::decode(&package.encode(), &layout(handover), header.terms.dials).unwrap(),
            package
        );
    }

    // Two scalars over three bases.
    let msm_seed_package = Package::<F<C>> {
        deal,
        place: 1,
        salt: counting(0xc1),
        body: Body::Msm(MsmBody::Seed { count: 2, seed: Seed(counting(0x31)) }),
    };
    let msm_shares = MsmShares::<F<C>> {
        scalars: vec![F::<C>::from(89u64), -F::<C>::from(5u64)],
        macs: vec![F::<C>::from(97u64), F::<C>::from(101u64)],
    };
    let msm_package = Package::<F<C>> {
        deal,
        place: 2,
        salt: counting(0xe1),
        body: Body::Msm(MsmBody::Explicit(msm_shares.clone())),
    };
    let msm_dials = Dials::new(Handover::Msm, 2, 1).unwrap();
    for package in [&msm_seed_package, &msm_package] {
        let decoded = Package::<F<C>>::decode(&package.encode(), &layout(Handover::Msm), msm_dials);
        assert_eq!(&decoded.unwrap(), package);
    }
    let multiple = |k: u64| C::G1::generator().scale(&F::<C>::from(k)).to_affine();
    let bases = Bases::<C>::new(vec![multiple(1), multiple(7), Point::identity()]).unwrap();
    assert_eq!(Bases::<C>::read(&bases.encode()).unwrap().points(), bases.points());
    let mut msm_response = 1u16.to_le_bytes().to_vec();
    msm_response.push(7);
    let msm_points = [point(&multiple(2)), point(&multiple(5))];
    msm_points.iter().for_each(|point| msm_response.extend(unhex(point)));
    assert_eq!(MsmResponse::<C>::decode(&msm_response).unwrap().encode(), msm_response);

    let envelope = b"an envelope".to_vec();
    let seat = Seat {
        deal,
        group: 0,
        slice: 0,
        index: 2,
        node: counting(0x20),
        sealing_key: counting(0x30),
        epoch: 7,
    };
    let assignment = seat.assign(&envelope);
    let acknowledgement = Acknowledgement::new(&assignment, &explicit_package.encode());

    // Multiples of the generators stand for a response: the encoding does not know better.
    let a = C::G1::generator().scale(&F::<C>::from(2u64)).to_affine();
    let b = C::G2::generator().scale(&F::<C>::from(3u64)).to_affine();
    let c = C::G1::generator().scale(&F::<C>::from(5u64)).to_affine();
    let mut response = 1u16.to_le_bytes().to_vec();
    response.push(5);
    let points: [Value; 3] = [point(&a), point(&b), point(&c)];
    for point in &points {
        response.extend(unhex(point));
    }
    let decoded = Response::<C>::decode(&response).unwrap();
    assert_eq!(decoded.encode(), response);
    let signing_bytes = decoded.signing_bytes(&acknowledgement);
    assert_eq!(
        signing_bytes,
        Label::Response.message(&[acknowledgement.encode(), response.clone()].concat())
    );

    json!({
        "curve": C::ID.snarkjs_name(),
        "header": {
            "curve_code": C::ID.code(),
            "circuit": h(header.terms.circuit.0),
            "handover": 1, "n": 4, "t": 1, "groups": 1, "slices": [0],
            "assembler_key": h(&header.terms.assembler_key),
            "client_key": h(header.terms.client_key),
            "expiry": header.terms.expiry,
            "nonce": h(header.nonce),
            "public": elements(&public),
            "encoding": h(&encoding),
            "deal_id": h(deal.0),
        },
        "seed_package": {
            "index": 1, "salt": h(seed_package.salt), "seed": h(counting::<32>(0x21)),
            "encoding": h(&*seed_package.encode()),
        },
        "explicit_package": {
            "index": 2, "salt": h(explicit_package.salt),
            "wires": elements(&shares.wires),
            "r": element(&shares.r), "s": element(&shares.s), "mask": element(&shares.mask),
            "encoding": h(&*explicit_package.encode()),
        },
        "quotient_package": {
            "index": 2, "salt": h(quotient_package.salt),
            "wires": elements(&quotient_shares.wires), "quotient": elements(&quotient_shares.quotient),
            "times_s": elements(&quotient_shares.times_s), "times_r": elements(&quotient_shares.times_r),
            "blinders": elements(quotient_shares.blinders.as_slice().as_flattened()),
            "encoding": h(&*quotient_package.encode()),
        },
        "sharded_package": {
            "groups": 2, "place": 4, "salt": h(sharded_package.salt),
            "wires": elements(&sharded_shares.wires), "quotient": elements(&sharded_shares.quotient),
            "times_s": elements(&sharded_shares.times_s), "times_r": elements(&sharded_shares.times_r),
            "masks": elements(sharded_shares.masks.as_slice().as_flattened()),
            "encoding": h(&*sharded_package.encode()),
        },
        "msm_seed_package": {
            "index": 1, "salt": h(msm_seed_package.salt), "scalars": 2, "seed": h(counting::<32>(0x31)),
            "encoding": h(&*msm_seed_package.encode()),
        },
        "msm_package": {
            "index": 2, "salt": h(msm_package.salt),
            "scalars": elements(&msm_shares.scalars), "macs": elements(&msm_shares.macs),
            "encoding": h(&*msm_package.encode()),
        },
        "msm_response": { "x": msm_points[0], "y": msm_points[1], "encoding": h(&msm_response) },
        "bases": {
            "points": bases.points().iter().map(point).collect::<Vec<_>>(),
            "file": h(bases.encode()),
            "id": h(bases.id().0),
        },
        "assignment": {
            "group": 0, "slice": 0, "index": 2,
            "node": h(seat.node), "sealing_key": h(seat.sealing_key), "epoch": 7,
            "envelope": h(&envelope),
            "ciphertext_digest": h(ciphertext_digest(&envelope)),
            "associated_data": h(seat.associated_data()),
            "encoding": h(assignment.encode()),
            "signing_bytes": h(assignment.signing_bytes()),
            "digest": h(assignment.digest()),
            "response_associated_data": h(assignment.response_associated_data()),
        },
        "acknowledgement": {
            "assignment_digest": h(acknowledgement.assignment),
            "package_digest": h(acknowledgement.package),
            "encoding": h(acknowledgement.encode()),
            "signing_bytes": h(acknowledgement.signing_bytes()),
        },
        "response": {
            "a": points[0], "b": points[1], "c": points[2],
            "encoding": h(&response),
            "signing_bytes": h(&signing_bytes),
        },
    })
}

#[test]
fn deals() {
    check_vectors(
        "delegate",
        &json!({
            "about": "Encodings of the delegation protocol. Integers and field elements are little-endian, points uncompressed \
                      affine big-endian (c1 before c0). Digests are BLAKE3 in key derivation mode.",
            "digest_contexts": {
                "deal_id": tacit_delegate::labels::DEAL_ID,
                "ciphertext": tacit_delegate::labels::CIPHERTEXT,
                "assignment": tacit_delegate::labels::ASSIGNMENT_DIGEST,
                "package": tacit_delegate::labels::PACKAGE,
                "bases": tacit_delegate::labels::BASES,
            },
            "vectors": [vector::<Bn254>(), vector::<Bls12_381>()],
        }),
    );
}

#[test]
fn committed_deals_decode_to_themselves() {
    fn check<C: Curve>(vector: &Value) {
        let encoding = unhex(&vector["header"]["encoding"]);
        let header = DealHeader::<C::Scalar>::decode(&encoding).unwrap();
        assert_eq!(header.encode(), encoding);
        assert_eq!(DealId(unhex(&vector["header"]["deal_id"]).try_into().unwrap()), header.deal_id());
        for (package, handover) in [
            ("seed_package", Handover::Witness),
            ("explicit_package", Handover::Witness),
            ("quotient_package", Handover::Quotient),
            ("msm_seed_package", Handover::Msm),
            ("msm_package", Handover::Msm),
        ] {
            let encoding = unhex(&vector[package]["encoding"]);
            assert_eq!(
                *Package::<C::Scalar>::decode(&encoding, &layout(handover), header.terms.dials)
                    .unwrap()
                    .encode(),
                encoding
            );
        }
        let encoding = unhex(&vector["response"]["encoding"]);
        assert_eq!(Response::<C>::decode(&encoding).unwrap().encode(), encoding);
        let encoding = unhex(&vector["msm_response"]["encoding"]);
        assert_eq!(MsmResponse::<C>::decode(&encoding).unwrap().encode(), encoding);
        let file = unhex(&vector["bases"]["file"]);
        assert_eq!(bases::curve_of(&file), Ok(C::ID));
        let bases = Bases::<C>::read(&file).unwrap();
        assert_eq!(
            (bases.encode(), hex::encode(bases.id().0)),
            (file, vector["bases"]["id"].as_str().unwrap().into())
        );
    }
    for vector in read_vectors("delegate")["vectors"].as_array().unwrap() {
        match vector["curve"].as_str() {
            Some(name) if name == CurveId::Bn254.snarkjs_name() => check::<Bn254>(vector),
            _ => check::<Bls12_381>(vector),
        }
    }
}
