//! The API's description (OpenAPI 3.1), made from the handlers that it describes: a route without one cannot be added.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::header;
use axum::response::IntoResponse;
use utoipa::openapi::path::Parameter;
use utoipa::openapi::schema::{Schema, SchemaType, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, Response};
use utoipa::{IntoResponses, Modify, OpenApi};

use super::router::description;
use crate::error::CODES;

/// What the description says beside the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tacit coordinator",
        description = "Jobs, circuits, nodes and the audit log of a coordinator. Times are Unix seconds, ids and keys hexadecimal. \
                       Bodies of the type `application/vnd.tacit` are frames of the protocol: see the page Wire format of the book. \
                       Every refusal has an `ErrorBody`; `x-error-codes` below lists the codes."
    ),
    components(schemas(tacit_wire::status::ErrorBody)),
    security((), ("key" = [])),
    modifiers(&Extras),
    tags(
        (name = "health", description = "Whether it lives, and can be given work"),
        (name = "network", description = "The coordinator and its nodes"),
        (name = "circuits", description = "What proofs can be asked for"),
        (name = "jobs", description = "Deals, from their submission to their proof"),
        (name = "log", description = "The audit log: public"),
        (name = "operators", description = "For keys of the role `operator`, or where access is open"),
    )
)]
pub struct Description;

/// What the macros have no words for.
struct Extras;

impl Modify for Extras {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let key = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        api.components.get_or_insert_default().add_security_scheme("key", key);
        let codes: serde_json::Map<_, _> =
            CODES.iter().map(|(code, meaning)| ((*code).to_owned(), (*meaning).into())).collect();
        let extensions = api.info.extensions.get_or_insert_default();
        extensions.insert("x-error-codes".to_owned(), serde_json::Value::Object(codes));
    }
}

/// Every refusal: a status from 400 on, with an `ErrorBody`.
pub struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut response = Response::new("A refusal; see x-error-codes");
        let body = Content::new(Some(RefOr::Ref(Ref::from_schema_name("ErrorBody"))));
        response.content.insert("application/json".to_owned(), RefOr::T(body));
        BTreeMap::from([("default".to_owned(), RefOr::T(response))])
    }
}

/// Names every operation after its method and path, and says the usual words of a status where a response has none of its
/// own: OpenAPI asks for both.
pub fn complete(api: &mut utoipa::openapi::OpenApi) {
    for (path, item) in &mut api.paths.paths {
        let operations = [
            ("get", &mut item.get),
            ("put", &mut item.put),
            ("post", &mut item.post),
            ("delete", &mut item.delete),
        ];
        for (method, operation) in operations.into_iter().filter_map(|(m, o)| Some((m, o.as_mut()?))) {
            let words =
                path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty() && *w != "v1");
            for parameter in operation.parameters.iter_mut().flatten() {
                not_null(parameter);
            }
            operation.operation_id =
                Some(words.fold(method.to_owned(), |name, word| format!("{name}_{word}")));
            for (status, response) in &mut operation.responses.responses {
                if let RefOr::T(response) = response
                    && response.description.is_empty()
                {
                    let usual =
                        status.parse().ok().and_then(|s: axum::http::StatusCode| s.canonical_reason());
                    response.description = usual.unwrap_or("See the description").to_owned();
                }
            }
        }
    }
}

/// A parameter that need not be there has a value of its type where it is there: `null` is none.
fn not_null(parameter: &mut RefOr<Parameter>) {
    if let RefOr::T(parameter) = parameter
        && let Some(RefOr::T(Schema::Object(object))) = &mut parameter.schema
        && let SchemaType::Array(types) = &object.schema_type
        && let [one] = types.iter().filter(|t| **t != Type::Null).collect::<Vec<_>>()[..]
    {
        object.schema_type = SchemaType::Type(one.clone());
    }
}

/// This description.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "health", responses((status = OK, body = Object), Refusals))]
pub async fn show() -> impl IntoResponse {
    // Made once; what is sent shares its bytes.
    static TEXT: LazyLock<Bytes> =
        LazyLock::new(|| serde_json::to_vec(&description()).unwrap_or_default().into());
    ([(header::CONTENT_TYPE, "application/json")], TEXT.clone())
}
