//! Schemas of the types that JSON has as hexadecimal text, for the coordinator's description of its API.

use std::borrow::Cow;

use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::{digest::Digest32, identity::IdentityKey};

fn hexadecimal(what: &str) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::String))
        .description(Some(what))
        .pattern(Some("^[0-9a-f]{64}$"))
        .into()
}

impl PartialSchema for Digest32 {
    fn schema() -> RefOr<Schema> {
        hexadecimal("32 bytes: the name of a job (its deal id) or of a circuit")
    }
}

impl ToSchema for Digest32 {
    fn name() -> Cow<'static, str> {
        "Id".into()
    }
}

impl PartialSchema for IdentityKey {
    fn schema() -> RefOr<Schema> {
        hexadecimal("32 bytes: an Ed25519 verifying key")
    }
}

impl ToSchema for IdentityKey {
    fn name() -> Cow<'static, str> {
        "Identity".into()
    }
}
