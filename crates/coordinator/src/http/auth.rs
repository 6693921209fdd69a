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
use crate::outgo::Carried;
use crate::service::Service;
use crate::store::JobRow;

/// Who sends a request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// For whom its costs are counted.
    pub client: Client,
    /// Where it is.
    pub address: Client,
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

    /// Whom an event stream is counted for: the key, and the address.
    pub fn both(&self) -> Vec<Client> {
        let mut both = vec![self.client.clone()];
        if self.address != self.client {
            both.push(self.address.clone());
        }
        both
    }

    /// Whether its key is still one.
    ///
    /// # Errors
    /// 401 when it was revoked; when the database fails.
    pub async fn still_may(&self, service: &Service) -> Result<(), ApiError> {
        match self.key {
            Some(id) if !service.store.key_holds(id).await? => Err(unauthorised("bad_key", REVOKED)),
            _ => Ok(()),
        }
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

const REVOKED: &str = "this API key is unknown here, or was revoked: ask the coordinator's operator";

fn unauthorised(code: &'static str, message: &str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, code, Blame::Client, message)
}

/// Refuses requests of an address that sends too many, or has too many in progress.
pub async fn limit(
    State(service): State<Arc<Service>>,
    Extension(Peer(client)): Extension<Peer>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    service.usage.request(&client)?;
    let place = service.usage.begin(&client)?;
    let mut response = next.run(request).await;
    // Until its last byte is written.
    let carried = response.extensions_mut().remove::<Carried>().unwrap_or_default();
    response.extensions_mut().insert(carried.with_place(place));
    Ok(response)
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
    let Some(sent) = headers.get(header::AUTHORIZATION) else {
        if open {
            return Ok(Caller { address: client.clone(), client, key: None, sees_all: true });
        }
        return Err(unauthorised(
            "key_required",
            "this coordinator takes requests with an API key only: ask its operator for one, and name its file in \
             network.toml (coordinator.api_key_file), with --api-key-file, or put the key into TACIT_API_KEY",
        ));
    };
    let text = sent.to_str().unwrap_or_default();
    let (scheme, key) = text.split_once(' ').unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("bearer") || !key.starts_with(access::PREFIX) {
        return Err(unauthorised("bad_key", "an API key is sent as `Authorization: Bearer tacit_...`"));
    }
    let Some(key) = service.store.key(&access::digest(key)).await? else {
        return Err(unauthorised("bad_key", REVOKED));
    };
    let address = client;
    let client = Client::Key(key.id);
    service.usage.request(&client)?;
    Ok(Caller { client, address, key: Some(key.id), sees_all: open || key.role == Role::Operator })
}
