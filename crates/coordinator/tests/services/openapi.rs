//! The API's description is of this API, and the one in `docs/` is current.

use std::collections::BTreeSet;
use std::path::Path;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::fixture::Network;

/// Rewrites the file instead of comparing.
const BLESS: &str = "TACIT_BLESS";

fn described() -> Value {
    serde_json::to_value(tacit_coordinator::api_description()).unwrap()
}

#[test]
fn the_file_in_docs_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let text = format!("{}\n", serde_json::to_string_pretty(&described()).unwrap());
    if std::env::var_os(BLESS).is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "docs/openapi.json is not the API's: {BLESS}=1 cargo nextest run --workspace --test services openapi"
    );
}

/// Every `$ref` leads somewhere.
fn references<'a>(value: &'a Value, out: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get("$ref") {
                out.insert(reference);
            }
            map.values().for_each(|v| references(v, out));
        }
        Value::Array(items) => items.iter().for_each(|v| references(v, out)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_described_and_every_description_is_a_route() {
    let network = Network::new(0, &[]).await;
    let (status, body) = network.api.get("/v1/openapi.json").await;
    let api: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &api), (StatusCode::OK, &described()));

    // The paths that the metrics know were routed; whatever method of a path is not described is none of its methods.
    let id = "ab".repeat(32);
    let methods = [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH];
    let mut names = BTreeSet::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        for method in &methods {
            let described = item.get(method.as_str().to_lowercase());
            let address = path.replace("{id}", &id);
            let request = network.api.http.request(method.clone(), format!("{}{address}", network.api.base));
            // An event stream is not read to its end.
            let response = request.send().await.unwrap();
            let refused = response.status() == StatusCode::METHOD_NOT_ALLOWED;
            assert_eq!(refused, described.is_none(), "{method} {path}: {}", response.status());
            if let Some(described) = described {
                assert!(
                    names.insert(described["operationId"].as_str().unwrap()),
                    "{method} {path}: its name is another's"
                );
                for response in described["responses"].as_object().unwrap().values() {
                    assert!(response["description"].is_string(), "{method} {path}: {response}");
                }
                assert!(described["responses"]["default"].is_object(), "{method} {path}");
                assert!(
                    described["description"].is_string() || described["summary"].is_string(),
                    "{method} {path}"
                );
            }
        }
    }
    // A header or a query has no null: what need not be there is left out.
    for operation in api["paths"].as_object().unwrap().values().flat_map(|p| p.as_object().unwrap().values())
    {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let kind = &parameter["schema"]["type"];
            assert!(kind.is_string() || parameter["schema"]["$ref"].is_string(), "{parameter}");
        }
    }
    assert_ne!(api["paths"]["/v1/line"]["post"]["requestBody"]["required"], true);
    let stream = "/paths/~1v1~1events/get/responses/200/content/text~1event-stream/schema/$ref";
    let event = api.pointer(stream).unwrap().as_str().unwrap().trim_start_matches('#');
    for field in ["event", "data"] {
        assert_eq!(api.pointer(event).unwrap()["properties"][field]["type"], "string", "{event}");
    }

    let mut used = BTreeSet::new();
    references(&api, &mut used);
    for reference in used {
        assert!(api.pointer(reference.trim_start_matches('#')).is_some(), "{reference} leads nowhere");
    }
    let codes = api["info"]["x-error-codes"].as_object().unwrap();
    assert!(codes.contains_key("unknown_job") && codes.len() > 40);
    network.stop().await;
}
