//! Logs to a collector: with the feature `otlp` they arrive, without it a program that is told of one says so.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::path::{Path, PathBuf};

use common::tacit;

/// Makes a coordinator in a folder of its own.
fn coordinator(root: &Path) -> PathBuf {
    let dir = root.join("coordinator");
    tacit().args(["coordinator", "init", "--dir"]).arg(&dir).assert().success();
    let config = "http_listen = \"127.0.0.1:0\"\nquic_listen = \"127.0.0.1:0\"\n";
    std::fs::write(dir.join("coordinator.toml"), config).unwrap();
    dir
}

#[test]
fn a_collector_that_cannot_be_used_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let dir = coordinator(root.path());
    let url = if cfg!(feature = "otlp") { "https://collector.example:4318" } else { "http://127.0.0.1:4318" };
    tacit()
        .args(["coordinator", "run", "--dir"])
        .arg(&dir)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        .assert()
        .failure()
        .stderr(predicates::str::contains("OTEL_EXPORTER_OTLP_ENDPOINT"));
}

#[cfg(feature = "otlp")]
mod with_collector {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::process::{Command, Stdio};

    use super::*;

    /// Takes requests until a body has the text; returns the heads and bodies that came.
    fn collect(listener: &TcpListener, until: &str) -> Vec<(String, Vec<u8>)> {
        let mut came = Vec::new();
        loop {
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                assert_ne!(stream.read_line(&mut head).unwrap(), 0, "{head}");
            }
            let lower = head.to_lowercase();
            let length = lower.lines().find_map(|l| l.strip_prefix("content-length: ")).unwrap();
            let mut body = vec![0; length.parse().unwrap()];
            stream.read_exact(&mut body).unwrap();
            stream
                .get_mut()
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .unwrap();
            let found = body.windows(until.len()).any(|w| w == until.as_bytes());
            came.push((head, body));
            if found {
                return came;
            }
        }
    }

    #[test]
    fn what_is_logged_reaches_the_collector() {
        let root = tempfile::tempdir().unwrap();
        let dir = coordinator(root.path());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut child = Command::new(env!("CARGO_BIN_EXE_tacit"))
            .args(["coordinator", "run", "--json", "--dir"])
            .arg(&dir)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", url)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
        // What was logged last is sent before it ends.
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let came = collect(&listener, "coordinator stopped");
        assert!(child.wait().unwrap().success());
        let (head, _) = &came[0];
        assert!(head.starts_with("POST /v1/logs HTTP/1.1\r\n"), "{head}");
        assert!(head.to_lowercase().contains("content-type: application/x-protobuf"), "{head}");
        let all: Vec<u8> = came.into_iter().flat_map(|(_, body)| body).collect();
        for text in ["coordinator listens", "identity", "tacit-coordinator", "service.name"] {
            assert!(all.windows(text.len()).any(|w| w == text.as_bytes()), "{text}");
        }
    }
}
