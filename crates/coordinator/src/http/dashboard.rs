//! The dashboard: files of this program, which fetch all they show from the API. They hold nothing of anybody's, so that
//! they are served to whoever asks; what they fetch needs a key wherever the API does.

use axum::extract::Path;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;

/// Nothing from elsewhere, nothing inline, no markup made from strings, in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Name, type and contents.
const FILES: &[(&str, &str, &str)] = &[
    ("style.css", "text/css; charset=utf-8", include_str!("../../dashboard/style.css")),
    ("icon.svg", "image/svg+xml", include_str!("../../dashboard/icon.svg")),
    ("main.js", SCRIPT, include_str!("../../dashboard/main.js")),
    ("api.js", SCRIPT, include_str!("../../dashboard/api.js")),
    ("dom.js", SCRIPT, include_str!("../../dashboard/dom.js")),
    ("jobs.js", SCRIPT, include_str!("../../dashboard/jobs.js")),
    ("nodes.js", SCRIPT, include_str!("../../dashboard/nodes.js")),
    ("log.js", SCRIPT, include_str!("../../dashboard/log.js")),
    ("merkle.js", SCRIPT, include_str!("../../dashboard/merkle.js")),
];

/// The page.
pub async fn page() -> Response {
    file("text/html; charset=utf-8", include_str!("../../dashboard/index.html"))
}

/// What the page loads.
pub async fn asset(Path(name): Path<String>) -> Result<Response, ApiError> {
    let found = FILES.iter().find(|(known, ..)| *known == name);
    let (_, kind, text) = found
        .ok_or_else(|| ApiError::not_found("unknown_path", format!("the dashboard has no file {name:?}")))?;
    Ok(file(kind, text))
}

fn file(kind: &'static str, text: &'static str) -> Response {
    let value = HeaderValue::from_static;
    let headers: [(HeaderName, HeaderValue); 6] = [
        (header::CONTENT_TYPE, value(kind)),
        (header::CONTENT_SECURITY_POLICY, value(POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, value("nosniff")),
        (header::REFERRER_POLICY, value("no-referrer")),
        (HeaderName::from_static("cross-origin-opener-policy"), value("same-origin")),
        // A new program brings new files under the same names.
        (header::CACHE_CONTROL, value("no-cache")),
    ];
    (headers, text).into_response()
}
