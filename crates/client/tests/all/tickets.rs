use tacit_client::JobTicket;
use tacit_client::TicketError;

use crate::circuit::{Circuit, Recorder};
use crate::hostile::{Hostile, Node};

fn ticket() -> JobTicket {
    let nodes: Vec<Node> = (1..=4).map(Node::new).collect();
    let committee = Hostile::committee(&nodes);
    let options = tacit_client::Options::standard().unwrap();
    let key = tacit_client::AssemblerKey::Fresh;
    let seen = Recorder::default();
    Circuit::tiny().prepared().deal(&committee, key, &options, &mut rand::rng(), &seen).unwrap().ticket
}

#[test]
fn a_ticket_survives_a_file_that_only_its_owner_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("job.ticket");
    let ticket = ticket();
    ticket.save(&path).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let again = JobTicket::load(&path).unwrap();
    assert_eq!(again.to_json().unwrap(), ticket.to_json().unwrap());
    assert_eq!(again.members(), ticket.members());
    assert!(matches!(ticket.save(&path), Err(TicketError::Io { .. })), "a ticket is never overwritten");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = JobTicket::load(&path).unwrap_err();
        assert!(matches!(error, TicketError::Exposed { mode: 0o644, .. }), "{error}");
    }
}

#[test]
fn a_damaged_ticket_is_refused() {
    let json = String::from_utf8(ticket().to_json().unwrap().to_vec()).unwrap();
    let refused = |text: &str| JobTicket::from_json(text.as_bytes()).unwrap_err().to_string();
    assert!(refused(&json.replacen("\"version\": 1", "\"version\": 2", 1)).contains("version 2"));
    assert!(refused(&json.replacen("bn128", "secp256k1", 1)).contains("curve"));
    assert!(refused(&json.replacen("\"index\": 2", "\"index\": 3", 1)).contains("another job"));
    assert!(refused(&json[..json.len() / 2]).contains("not a job ticket"));
    assert!(refused("{}").contains("missing field"));
}

#[test]
fn secrets_are_not_printed() {
    let ticket = ticket();
    let json = String::from_utf8(ticket.to_json().unwrap().to_vec()).unwrap();
    let secret = json.split("\"assembler_secret\": \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(secret.len(), 64);
    assert!(!format!("{ticket:?}").contains(&secret));
}
