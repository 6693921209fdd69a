//! Every message: round trips, truncations, mutations, garbage, and claims about size.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::*;
use proptest::{collection::vec, prelude::*};
use tacit_delegate::DealId;
use tacit_wire::{
    Acknowledgement, Assignment, Blame, Body, DecodeReason, Digest32, FrameError, FrameHeader, Message,
    MessageType, PROTOCOL_VERSION, SealingKeyCertificate, Seat, Signature, SignedAcknowledgement,
    SignedAssignment, SignedResponse, frame::HEADER_BYTES, messages::*,
};

const ANY: usize = usize::MAX;

fn digest() -> impl Strategy<Value = Digest32> {
    any::<[u8; 32]>().prop_map(Digest32)
}

fn held_slice() -> impl Strategy<Value = HeldSlice> {
    let group = (1u8..=32).prop_flat_map(|groups| (0..groups, Just(groups)));
    (digest(), group).prop_map(|(circuit, (group, groups))| HeldSlice { circuit, group, groups })
}

fn signature() -> impl Strategy<Value = Signature> {
    any::<[u8; 64]>().prop_map(Signature)
}

fn assignment() -> impl Strategy<Value = SignedAssignment> {
    (any::<[[u8; 32]; 4]>(), any::<[u8; 3]>(), any::<u64>(), signature()).prop_map(
        |([deal, node, sealing_key, ciphertext_digest], [group, slice, index], epoch, signature)| {
            let seat = Seat { deal: DealId(deal), group, slice, index, node, sealing_key, epoch };
            SignedAssignment { assignment: Assignment { seat, ciphertext_digest }, signature }
        },
    )
}

fn bytes(limit: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..limit)
}

fn answer() -> impl Strategy<Value = Answer> {
    (any::<[[u8; 32]; 2]>(), signature(), bytes(300)).prop_map(
        |([assignment, package], signature, response)| {
            let acknowledgement = Acknowledgement { assignment, package };
            Answer { acknowledgement: SignedAcknowledgement { acknowledgement, signature }, response }
        },
    )
}

fn refusal() -> impl Strategy<Value = Refusal> {
    (
        proptest::sample::select(RefusalCode::ALL),
        proptest::sample::select(&[Blame::Nobody, Blame::Client, Blame::Node, Blame::Coordinator][..]),
        "[ -~äöü€]{0,40}",
    )
        .prop_map(|(code, blame, text)| Refusal { code, blame, text })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Pending),
        answer().prop_map(Outcome::Answered),
        refusal().prop_map(Outcome::Refused),
        Just(Outcome::Lost),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        (
            vec(any::<u16>(), 0..5),
            "[a-z/0-9.]{0,20}",
            vec(digest(), 0..5),
            vec(held_slice(), 0..5),
            any::<(u16, u64)>()
        )
            .prop_map(|(versions, software, circuits, slices, (capacity, bases_per_second))| {
                Hello {
                    versions,
                    software,
                    certificate: certificate(),
                    circuits,
                    slices,
                    capacity,
                    bases_per_second,
                }
                .into()
            }),
        (any::<u16>(), "[a-z/0-9.]{0,20}", any::<u64>()).prop_map(|(version, software, time)| Welcome {
            version,
            software,
            time
        }
        .into()),
        (bytes(200), assignment(), bytes(300)).prop_map(|(header, assignment, envelope)| Offer {
            header,
            assignment,
            envelope
        }
        .into()),
        answer().prop_map(Message::from),
        refusal().prop_map(Message::from),
        (digest(), any::<u64>()).prop_map(|(circuit, offset)| CircuitRequest { circuit, offset }.into()),
        (any::<u32>(), any::<u32>(), bytes(300)).prop_map(|(offset, more, bytes)| {
            let offset = u64::from(offset);
            CircuitChunk { offset, total: offset + bytes.len() as u64 + u64::from(more), bytes }.into()
        }),
        any::<u64>().prop_map(|number| Ping { number }.into()),
        any::<u64>().prop_map(|number| Pong { number }.into()),
        "[ -~]{0,40}".prop_map(|text| Bye { text }.into()),
        (bytes(200), any::<bool>(), vec((assignment(), bytes(200)), 0..4)).prop_map(
            |(header, client, deliveries)| {
                let assembler = if client { Assembler::Client } else { Assembler::Coordinator };
                let deliveries = deliveries
                    .into_iter()
                    .map(|(assignment, envelope)| Delivery { assignment, envelope })
                    .collect();
                SubmitJob { header, assembler, deliveries }.into()
            }
        ),
        (digest(), vec(outcome(), 0..5)).prop_map(|(deal, outcomes)| {
            let answers =
                outcomes.into_iter().zip(1..).map(|(outcome, index)| NodeAnswer { index, outcome }).collect();
            JobAnswers { deal, answers }.into()
        }),
    ]
}

proptest! {
    #[test]
    fn every_message_survives_its_frame(message in message()) {
        let frame = message.to_frame();
        prop_assert_eq!(Message::from_frame(&frame, ANY), Ok(message));
    }

    #[test]
    fn a_jobs_bytes_are_known_beforehand(message in message()) {
        if let Message::SubmitJob(job) = &message {
            let envelopes = job.deliveries.iter().map(|delivery| delivery.envelope.len());
            prop_assert_eq!(SubmitJob::frame_bytes(job.header.len(), envelopes), message.to_frame().len());
        }
    }

    #[test]
    fn no_truncation_decodes(message in message(), at in any::<prop::sample::Index>()) {
        let frame = message.to_frame();
        let cut = &frame[..at.index(frame.len())];
        prop_assert!(Message::from_frame(cut, ANY).is_err());

        // The same with a header that admits to the cut.
        if cut.len() >= HEADER_BYTES {
            let mut honest = cut.to_vec();
            honest[4..8].copy_from_slice(&((cut.len() - HEADER_BYTES) as u32).to_le_bytes());
            prop_assert!(Message::from_frame(&honest, ANY).is_err());
        }
    }

    #[test]
    fn nothing_follows_the_end(message in message(), extra in 1usize..4) {
        let mut frame = message.to_frame();
        frame.extend(std::iter::repeat_n(0, extra));
        let too_long = matches!(Message::from_frame(&frame, ANY), Err(FrameError::Length { .. }));
        prop_assert!(too_long);
        let length = (frame.len() - HEADER_BYTES) as u32;
        frame[4..8].copy_from_slice(&length.to_le_bytes());
        prop_assert!(Message::from_frame(&frame, ANY).is_err());
    }

    /// One value, one encoding: what decodes encodes to the same bytes.
    #[test]
    fn mutations_are_refused_or_canonical(
        message in message(), at in any::<prop::sample::Index>(), flip in 1u8..,
    ) {
        let mut frame = message.to_frame();
        let at = at.index(frame.len());
        frame[at] ^= flip;
        if let Ok(other) = Message::from_frame(&frame, ANY) {
            prop_assert_eq!(other.to_frame(), frame);
            prop_assert_ne!(other, message);
        }
    }

    #[test]
    fn garbage_is_refused_or_canonical(
        kind in proptest::sample::select(MessageType::ALL), body in bytes(400),
    ) {
        let header = FrameHeader { kind, length: body.len() };
        if let Ok(message) = Message::from_body(header, &body) {
            prop_assert_eq!(&message.to_frame()[HEADER_BYTES..], &body[..]);
        }
    }

    #[test]
    fn parts_survive_their_encodings(
        assignment in assignment(), answer in answer(), response in bytes(300), signature in signature(),
    ) {
        prop_assert_eq!(SignedAssignment::decode(&assignment.encode()), Ok(assignment));
        let acknowledgement = answer.acknowledgement;
        prop_assert_eq!(SignedAcknowledgement::decode(&acknowledgement.encode()), Ok(acknowledgement));
        let response = SignedResponse { response, signature };
        prop_assert_eq!(SignedResponse::decode(&response.encode()), Ok(response));
    }

    #[test]
    fn certificates_with_a_flipped_byte_never_verify(
        at in any::<prop::sample::Index>(), flip in 1u8..,
    ) {
        let mut bytes = certificate().encode();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(certificate) = SealingKeyCertificate::decode(&bytes) {
            prop_assert!(certificate.verify(NOT_BEFORE).is_err());
        }
    }
}

#[test]
fn an_unknown_version_names_itself_and_what_is_spoken() {
    let mut frame = Ping { number: 1 }.to_frame();
    frame[0] = 99;
    let error = Message::from_frame(&frame, ANY).unwrap_err();
    assert_eq!(error, FrameError::UnsupportedVersion { got: 99, supported: &[PROTOCOL_VERSION] });
    assert!(error.to_string().contains("99") && error.to_string().contains("[1]"), "{error}");
}

#[test]
fn an_unknown_type_names_itself_and_what_is_known() {
    let mut frame = Ping { number: 1 }.to_frame();
    frame[2..4].copy_from_slice(&0x7777u16.to_le_bytes());
    let error = Message::from_frame(&frame, ANY).unwrap_err();
    assert!(matches!(error, FrameError::UnknownType { got: 0x7777, .. }));
    assert!(error.to_string().contains("0x7777") && error.to_string().contains("Hello"), "{error}");
}

#[test]
fn another_type_than_the_one_that_was_due_is_named() {
    assert_eq!(
        Pong::from_frame(&Ping { number: 1 }.to_frame(), ANY),
        Err(FrameError::Unexpected { got: MessageType::Ping, expected: MessageType::Pong })
    );
}

#[test]
fn every_type_has_a_limit_and_the_receiver_may_lower_it() {
    for kind in MessageType::ALL.iter().copied() {
        assert_eq!(MessageType::from_code(kind.code()), Some(kind));
        let header = |length: usize| {
            let mut bytes = [0; HEADER_BYTES];
            bytes[0..2].copy_from_slice(&PROTOCOL_VERSION.to_le_bytes());
            bytes[2..4].copy_from_slice(&kind.code().to_le_bytes());
            bytes[4..8].copy_from_slice(&(length as u32).to_le_bytes());
            bytes
        };
        let limit = kind.limit();
        assert!(limit < u32::MAX as usize);
        assert_eq!(FrameHeader::parse(header(limit), ANY), Ok(FrameHeader { kind, length: limit }));
        assert_eq!(
            FrameHeader::parse(header(limit + 1), ANY),
            Err(FrameError::TooLarge { kind, got: limit + 1, limit })
        );
        assert_eq!(FrameHeader::parse(header(8), 7), Err(FrameError::TooLarge { kind, got: 8, limit: 7 }));
    }
}

/// Sixty-four envelopes of 256 MiB each, in a body of a few bytes.
#[test]
fn claimed_sizes_are_compared_with_what_is_there() {
    let mut body = Vec::new();
    body.extend_from_slice(&0u32.to_le_bytes());
    body.push(1);
    body.extend_from_slice(&64u16.to_le_bytes());
    let assignment = SignedAssignment {
        assignment: Assignment {
            seat: Seat {
                deal: DealId([0; 32]),
                group: 0,
                slice: 0,
                index: 1,
                node: [0; 32],
                sealing_key: [0; 32],
                epoch: 0,
            },
            ciphertext_digest: [0; 32],
        },
        signature: Signature([0; 64]),
    };
    body.extend_from_slice(&assignment.encode());
    body.extend_from_slice(&(256u32 << 20).to_le_bytes());
    let error = SubmitJob::from_body(&body).unwrap_err();
    assert!(matches!(error.reason, DecodeReason::Truncated { field: "envelope", left: 0, .. }), "{error}");

    body[5..7].copy_from_slice(&65u16.to_le_bytes());
    let error = SubmitJob::from_body(&body).unwrap_err();
    assert!(
        matches!(error.reason, DecodeReason::TooLarge { field: "deliveries", got: 65, limit: 64 }),
        "{error}"
    );
    assert_eq!(error.offset, 5);
}

#[test]
fn texts_are_fit_for_a_log_line() {
    let refusal = Refusal::new(RefusalCode::Busy, Blame::Nobody, "line\nbreak\u{1b}[31m".repeat(200));
    let Message::Refusal(received) = Message::from_frame(&refusal.to_frame(), ANY).unwrap() else {
        panic!("another message");
    };
    assert!(received.text.len() <= MAX_TEXT_BYTES);
    assert!(!received.text.chars().any(char::is_control));

    let mut frame = Bye { text: "x".into() }.to_frame();
    *frame.last_mut().unwrap() = b'\n';
    assert!(Message::from_frame(&frame, ANY).is_err());
}

#[test]
fn answers_come_in_ascending_order() {
    let answer = |index| NodeAnswer { index, outcome: Outcome::Pending };
    for indices in [[1, 1], [2, 1]] {
        let answers = JobAnswers { deal: [0; 32].into(), answers: indices.map(answer).to_vec() };
        assert!(JobAnswers::from_frame(&answers.to_frame(), ANY).is_err());
    }
}

/// Four groups of sixteen nodes, every one with the longest answer that a node may give: a job of all seats goes both ways.
#[test]
fn jobs_of_as_many_seats_as_a_deal_has_fit() {
    use tacit_delegate::{Dials, Handover};
    let seats = Dials::new(Handover::Quotient, 16, 1).unwrap().with_groups(4).unwrap().seats();
    assert_eq!(usize::from(seats), MAX_NODES);
    let assignment = |index: u8| SignedAssignment {
        assignment: Assignment {
            seat: Seat {
                deal: DealId([0; 32]),
                group: (index - 1) / 16,
                slice: (index - 1) / 16,
                index: (index - 1) % 16 + 1,
                node: [index; 32],
                sealing_key: [0; 32],
                epoch: 0,
            },
            ciphertext_digest: [0; 32],
        },
        signature: Signature([0; 64]),
    };
    let deliveries = (1..=seats)
        .map(|index| Delivery { assignment: assignment(index), envelope: vec![index; 10] })
        .collect();
    let job = SubmitJob { header: vec![1; 10], assembler: Assembler::Client, deliveries };
    assert_eq!(SubmitJob::from_frame(&job.to_frame(), ANY), Ok(job.clone()));
    let answer = |index| {
        let acknowledgement = Acknowledgement { assignment: [index; 32], package: [0; 32] };
        let signed = SignedAcknowledgement { acknowledgement, signature: Signature([0; 64]) };
        let response = vec![0; tacit_wire::messages::node::MAX_SEALED_RESPONSE_BYTES];
        NodeAnswer { index, outcome: Outcome::Answered(Answer { acknowledgement: signed, response }) }
    };
    let answers = JobAnswers { deal: [0; 32].into(), answers: (1..=seats).map(answer).collect() };
    assert_eq!(JobAnswers::from_frame(&answers.to_frame(), ANY), Ok(answers.clone()));

    let mut job = job;
    job.deliveries.push(job.deliveries[0].clone());
    let Err(FrameError::Body(error)) = SubmitJob::from_frame(&job.to_frame(), ANY) else { panic!("taken") };
    assert!(matches!(error.reason, DecodeReason::TooLarge { field: "deliveries", got: 65, limit: 64 }));
    let mut answers = answers;
    answers.answers.push(NodeAnswer { index: seats + 1, outcome: Outcome::Lost });
    let Err(FrameError::Body(error)) = JobAnswers::from_frame(&answers.to_frame(), ANY) else {
        panic!("taken")
    };
    assert!(matches!(error.reason, DecodeReason::TooLarge { field: "answers", got: 65, limit: 64 }));
}

/// Slices that no deal can have are refused, and so are more than a node may announce; what it may announce fits.
#[test]
fn announced_slices_are_possible_and_bounded() {
    use tacit_wire::messages::node::{MAX_CIRCUITS, MAX_SLICES};
    let slice = |group, groups| HeldSlice { circuit: Digest32([6; 32]), group, groups };
    let hello = |circuits, slices| Hello {
        versions: vec![PROTOCOL_VERSION; 16],
        software: "x".repeat(64),
        certificate: certificate(),
        circuits: vec![Digest32([5; 32]); circuits],
        slices,
        capacity: 1,
        bases_per_second: 0,
    };
    let most = hello(MAX_CIRCUITS, vec![slice(31, 32); MAX_SLICES]);
    assert_eq!(Hello::from_frame(&most.to_frame(), ANY), Ok(most));
    let refused = |slices| match Hello::from_frame(&hello(0, slices).to_frame(), ANY) {
        Err(FrameError::Body(error)) => error.reason,
        other => panic!("{other:?}"),
    };
    let too_many = refused(vec![slice(0, 1); MAX_SLICES + 1]);
    assert!(matches!(too_many, DecodeReason::TooLarge { field: "slices", .. }));
    for (group, groups) in [(0, 0), (1, 1), (4, 4), (200, 4), (0, 33)] {
        let reason = refused(vec![slice(0, 1), slice(group, groups)]);
        assert!(
            matches!(&reason, DecodeReason::Invalid { problem, .. } if problem.contains("no group")),
            "{reason}"
        );
    }
}
