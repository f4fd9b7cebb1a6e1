//! The two columns that name a securable: its kind and its id.

use super::{damaged, id};
use crate::securable::SecurableId;
use crate::store::Error;

/// Which securable two columns mean.
pub(in crate::store) fn securable_id(kind: &str, text: &str) -> Result<SecurableId, Error> {
    Ok(match kind {
        "METASTORE" => SecurableId::Metastore,
        "CATALOG" => SecurableId::Catalog(id("catalog id", text)?),
        "SCHEMA" => SecurableId::Schema(id("schema id", text)?),
        "TABLE" => SecurableId::Table(id("table id", text)?),
        "FUNCTION" => SecurableId::Function(id("function id", text)?),
        "VOLUME" => SecurableId::Volume(id("volume id", text)?),
        "EXTERNAL_LOCATION" => SecurableId::ExternalLocation(id("external location id", text)?),
        "STORAGE_CREDENTIAL" => SecurableId::StorageCredential(id("storage credential id", text)?),
        "GOVERNED_TAG" => SecurableId::GovernedTag(id("governed tag id", text)?),
        other => return Err(damaged("securable kind", other)),
    })
}

/// The two columns that say which securable is meant.
pub(in crate::store) fn securable_cells(securable: SecurableId) -> (&'static str, String) {
    match securable {
        SecurableId::Metastore => ("METASTORE", String::new()),
        SecurableId::Catalog(id) => ("CATALOG", id.to_string()),
        SecurableId::Schema(id) => ("SCHEMA", id.to_string()),
        SecurableId::Table(id) => ("TABLE", id.to_string()),
        SecurableId::Function(id) => ("FUNCTION", id.to_string()),
        SecurableId::Volume(id) => ("VOLUME", id.to_string()),
        SecurableId::ExternalLocation(id) => ("EXTERNAL_LOCATION", id.to_string()),
        SecurableId::StorageCredential(id) => ("STORAGE_CREDENTIAL", id.to_string()),
        SecurableId::GovernedTag(id) => ("GOVERNED_TAG", id.to_string()),
    }
}
