//! Who sends a request, and what of it they may see.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tacit_wire::Blame;

use super::serve::Peer;
use crate::access::{self, Access, Role};
use crate::error::ApiError;
use crate::limits::Client;
use crate::service::Service;
use crate::store::JobRow;

/// Who sends a request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// For whom its costs are counted.
    pub client: Client,
    /// The API key's number in the database.
    pub key: Option<i64>,
    /// Whether it sees everybody's jobs.
    pub sees_all: bool,
}

impl Caller {
    /// Whether it may see this job.
    pub fn may_see(&self, job: &JobRow) -> bool {
        self.sees_all || (self.key.is_some() && job.owner == self.key)
    }

    /// Whose jobs it sees; `None` for all.
    pub fn sees_only(&self) -> Option<i64> {
        // No key has this number.
        (!self.sees_all).then(|| self.key.unwrap_or(-1))
    }

    /// Lets operators pass.
    ///
    /// # Errors
    /// For everybody else.
    pub fn must_be_operator(&self) -> Result<(), ApiError> {
        if self.sees_all {
            return Ok(());
        }
        let message = "this is for operators: a key with --role operator";
        Err(ApiError::new(StatusCode::FORBIDDEN, "operators_only", Blame::Client, message))
    }
}

/// Refuses requests of an address that sends too many.
pub async fn limit(
    State(service): State<Arc<Service>>,
    Extension(Peer(client)): Extension<Peer>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    service.usage.request(&client)?;
    Ok(next.run(request).await)
}

/// Lets in who may come in, and tells the handlers who it is.
pub async fn authenticate(
    State(service): State<Arc<Service>>,
    Extension(Peer(client)): Extension<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    match caller(&service, client, request.headers()).await {
        Ok(caller) => {
            // Nothing behind this needs the key: nothing behind this can log it.
            request.headers_mut().remove(header::AUTHORIZATION);
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refusal) => {
            let unauthorised = refusal.status == StatusCode::UNAUTHORIZED;
            let mut response = refusal.into_response();
            if unauthorised {
                let scheme = HeaderValue::from_static("Bearer realm=\"tacit\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
            }
            response
        }
    }
}

async fn caller(service: &Service, client: Client, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let open = service.access == Access::Open;
    let unauthorised =
        |code, message| Err(ApiError::new(StatusCode::UNAUTHORIZED, code, Blame::Client, message));
    let Some(sent) = headers.get(header::AUTHORIZATION) else {
        if open {
            return Ok(Caller { client, key: None, sees_all: true });
        }
        return unauthorised(
            "key_required",
            "this coordinator takes requests with an API key only: ask its operator for one, and name its file in \
             network.toml (coordinator.api_key_file), with --api-key-file, or put the key into TACIT_API_KEY",
        );
    };
    let text = sent.to_str().unwrap_or_default();
    let (scheme, key) = text.split_once(' ').unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("bearer") || !key.starts_with(access::PREFIX) {
        return unauthorised("bad_key", "an API key is sent as `Authorization: Bearer tacit_...`");
    }
    let Some(key) = service.store.key(&access::digest(key)).await? else {
        return unauthorised(
            "bad_key",
            "this API key is unknown here, or was revoked: ask the coordinator's operator",
        );
    };
    let client = Client::Key(key.id);
    service.usage.request(&client)?;
    Ok(Caller { client, key: Some(key.id), sees_all: open || key.role == Role::Operator })
}
