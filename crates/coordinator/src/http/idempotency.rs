//! `Idempotency-Key`: a request that is sent again gives the first response again.
//!
//! A key belongs to whoever sends it and is bound to the contents of the first request that is accepted with it, for a
//! day. Jobs have a natural key as well, the deal's id; uploads are named by their contents, and replacements and
//! cancellations are signed for one job: sent again, they change nothing.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tacit_wire::Digest32;

use super::auth::Caller;
use crate::error::ApiError;
use crate::limits::Client;
use crate::service::Service;
use crate::store::Claim;

/// The request's header.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that a response is an earlier one.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The longest key.
const LONGEST: usize = 128;

/// A request's idempotency key.
#[derive(Debug)]
pub struct IdempotencyKey {
    scope: String,
    key: String,
    contents: Digest32,
}

impl IdempotencyKey {
    /// The one of a request with these contents, if it has one.
    ///
    /// # Errors
    /// When it is not a plain word.
    pub fn of(caller: &Caller, headers: &HeaderMap, contents: Digest32) -> Result<Option<Self>, ApiError> {
        let Some(value) = headers.get(KEY) else { return Ok(None) };
        let key = value.to_str().ok().filter(|k| !k.is_empty() && k.len() <= LONGEST);
        let Some(key) = key.filter(|k| k.bytes().all(|b| b.is_ascii_graphic())) else {
            let message =
                format!("an Idempotency-Key has 1 to {LONGEST} visible ASCII characters, such as a UUID");
            return Err(ApiError::bad_request("bad_idempotency_key", message));
        };
        let scope = match &caller.client {
            Client::Key(id) => format!("key {id}"),
            Client::Address(address) => format!("address {address}"),
        };
        Ok(Some(Self { scope, key: key.to_owned(), contents }))
    }

    /// The first response, if there was one.
    ///
    /// # Errors
    /// When the key was used with other contents.
    pub async fn replay(&self, service: &Service) -> Result<Option<Response>, ApiError> {
        let known = service.store.claimed(&self.scope, &self.key, &self.contents).await?;
        known.map_or(Ok(None), replayed)
    }

    /// Binds the key, before anything is changed. The first response, if there was one.
    ///
    /// # Errors
    /// When the key was used with other contents.
    pub async fn claim(&self, service: &Service) -> Result<Option<Response>, ApiError> {
        let now = service.clock.now();
        replayed(service.store.claim_key(&self.scope, &self.key, &self.contents, now).await?)
    }

    /// Keeps the response.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keep(
        &self,
        service: &Service,
        status: StatusCode,
        body: &impl Serialize,
    ) -> Result<(), ApiError> {
        let body = serde_json::to_string(body).map_err(|e| ApiError::internal("writing a response", e))?;
        Ok(service.store.answered(&self.scope, &self.key, status.as_u16(), &body).await?)
    }
}

fn replayed(known: Claim) -> Result<Option<Response>, ApiError> {
    match known {
        // Sent again because nothing is recorded: the request itself is idempotent.
        Claim::New | Claim::Unfinished => Ok(None),
        Claim::Other => Err(ApiError::unprocessable(
            "idempotency_key_reused",
            "this Idempotency-Key was used with another request; every request needs a fresh one",
        )),
        Claim::Answered(status, body) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            let headers = [
                (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
                (REPLAYED, HeaderValue::from_static("true")),
            ];
            Ok(Some((status, headers, body).into_response()))
        }
    }
}
