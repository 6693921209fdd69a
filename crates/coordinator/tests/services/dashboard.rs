//! The dashboard in a browser: it loads, follows a job through its phases, and nothing complains.

use reqwest::StatusCode;
use tacit_coordinator::Access;
use tacit_coordinator::access::{self, Role};

use crate::browser::Browser;
use crate::fixture::{By, Network, circuit, deal, now};

/// Pictures of a page in both themes, and on a phone.
async fn pictures(browser: &Browser, name: &str) {
    for (look, width, height, theme) in [
        ("light", 1280, 900, "light"),
        ("dark", 1280, 900, "dark"),
        ("phone", 390, 844, "light"),
        ("phone-dark", 390, 844, "dark"),
    ] {
        browser.dress(width, height, theme).await;
        // Nothing sticks out: whoever reads it on a phone does not scroll sideways.
        let beyond = browser.run("return document.documentElement.scrollWidth - innerWidth").await;
        assert!(beyond.as_i64().unwrap() <= 0, "{name} is {beyond} wider than a window of {width}");
        browser.picture(&format!("{name}-{look}")).await;
    }
    browser.dress(1280, 900, "light").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_follows_a_job() {
    let mut network = Network::new(4, &[]).await;
    let Some(browser) = Browser::start(&network.api).await else { return network.stop().await };
    network.api.register(circuit()).await;
    let base = network.api.base.clone();
    browser.open(&base).await;
    browser.wait_for("No jobs yet").await;
    browser.wait_for("0 of 4").await;
    pictures(&browser, "empty").await;

    for i in 0..4 {
        network.start_node(i).await;
    }
    network.wait_connected(4).await;
    browser.wait_for("4 of 4").await;
    let certificates = network.certificates().await;
    let assembler = network.api.network().await.assembler_certificate.unwrap().decode().unwrap();
    // Two nodes away: enough for no proof.
    for i in 2..4 {
        network.nodes[i].take().unwrap().kill().await;
    }
    let proved = deal(&certificates, By::Coordinator(&assembler), now() + 600, 5);
    assert_eq!(network.api.submit(&proved.message).await.0, StatusCode::CREATED);
    browser.wait_for("Running").await;
    browser.wait_for("2 of 4 answers").await;
    browser.run("document.querySelector('a[href^=\"#/job/\"]').click()").await;
    browser.wait_for("Who saw what").await;
    pictures(&browser, "job-open").await;
    for i in 2..4 {
        network.start_node(i).await;
    }
    browser.wait_for("Proved").await;
    let text = browser.text().await;
    assert!(text.contains(&proved.id.to_string()) && text.contains("operator-2"), "{text}");
    let label = "return [...document.querySelectorAll('tbody tr')].map(r => r.innerText.replace(/\\s+/g, ' ')).join('|')";
    let rows = browser.run(label).await.to_string();
    assert!(rows.contains("Coordinator – never ● in the clear"), "{rows}");
    pictures(&browser, "job").await;

    browser.run("document.querySelector('nav a').click()").await;
    browser.wait_for("succeeded").await;
    pictures(&browser, "jobs").await;
    browser.run("location.hash = '#/nodes'").await;
    browser.wait_for("operator-3").await;
    pictures(&browser, "nodes").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());

    browser.run("location.hash = '#/log'").await;
    browser.wait_for("Root").await;
    let verdict = browser.run("return document.getElementById('verdict').dataset.verdict").await;
    let text = browser.text().await;
    assert_eq!(verdict, "holds", "{text}");
    assert!(text.contains("Audit log") && text.contains("1 entry"), "{text}");
    assert!(!text.contains("not checked"), "this browser knows Ed25519: {text}");
    pictures(&browser, "log").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.stop().await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_asks_for_an_operators_key() {
    let mut network = Network::new(1, &[]).await;
    let Some(browser) = Browser::start(&network.api).await else { return network.stop().await };
    network.coordinator.take().unwrap().stop().await;
    network.config.access = Some(Access::Keys);
    network.start_coordinator().await;
    let client = access::add_key(&network.config, "client", Role::Client, now()).await.unwrap();
    let operator = access::add_key(&network.config, "operator", Role::Operator, now()).await.unwrap();
    browser.open(&network.api.base).await;
    browser.wait_for("This coordinator asks for a key").await;
    pictures(&browser, "key").await;
    let give = async |key: &str| {
        let script = format!(
            "document.getElementById('key-text').value = '{key}'; document.querySelector('#key button').click()"
        );
        browser.run(&script).await;
    };
    give(client.reveal()).await;
    browser.wait_for("This key is a client's").await;
    give(operator.reveal()).await;
    browser.wait_for("No jobs yet").await;
    // The browser says of each refused request that it failed; nothing else is complained about.
    let other = |c: &String| !c.contains("401") && !c.contains("403");
    assert_eq!(
        browser.complaints().await.into_iter().filter(other).collect::<Vec<_>>(),
        Vec::<String>::new()
    );
    let kept = browser.run("return JSON.stringify([localStorage, document.cookie])").await.to_string();
    assert!(!kept.contains("tacit_"), "the key outlives its tab: {kept}");
    browser.stop().await;
    network.stop().await;
}
