//! Names of securables as keys of a document: kind and name, e.g. `table main.hr.people`.

use crate::name::{Name, ObjectName, SchemaName};
use crate::securable::{SecurableId, SecurableName};
use crate::snapshot::Snapshot;
use crate::tag::TagKey;

/// The key of a securable; of one that is not there, its id, which no import takes.
pub(super) fn key_of(snapshot: &Snapshot, securable: SecurableId) -> String {
    match snapshot.name_of(securable) {
        Some(SecurableName::Metastore) => "metastore".to_owned(),
        Some(SecurableName::Catalog(name)) => format!("catalog {name}"),
        Some(SecurableName::Schema(name)) => format!("schema {name}"),
        Some(SecurableName::Table(name)) => format!("table {name}"),
        Some(SecurableName::Function(name)) => format!("function {name}"),
        Some(SecurableName::Volume(name)) => format!("volume {name}"),
        Some(SecurableName::ExternalLocation(name)) => format!("external location {name}"),
        Some(SecurableName::StorageCredential(name)) => format!("storage credential {name}"),
        Some(SecurableName::GovernedTag(key)) => format!("governed tag {key}"),
        None => format!("{securable:?}"),
    }
}

/// What a key means.
pub(super) fn securable_of(key: &str) -> Option<SecurableName> {
    if key == "metastore" {
        return Some(SecurableName::Metastore);
    }
    type Named = fn(&str) -> Option<SecurableName>;
    let kinds: [(&str, Named); 8] = [
        ("catalog ", |name| Some(SecurableName::Catalog(one(name)?))),
        ("schema ", |name| Some(SecurableName::Schema(two(name)?))),
        ("table ", |name| Some(SecurableName::Table(three(name)?))),
        ("function ", |name| Some(SecurableName::Function(three(name)?))),
        ("volume ", |name| Some(SecurableName::Volume(three(name)?))),
        ("external location ", |name| Some(SecurableName::ExternalLocation(one(name)?))),
        ("storage credential ", |name| Some(SecurableName::StorageCredential(one(name)?))),
        ("governed tag ", |key| Some(SecurableName::GovernedTag(TagKey::new(key).ok()?))),
    ];
    kinds.iter().find_map(|(kind, named)| key.strip_prefix(kind).and_then(named))
}

pub(super) fn one(name: &str) -> Option<Name> {
    Name::new(name).ok()
}

pub(super) fn two(name: &str) -> Option<SchemaName> {
    let (catalog, schema) = name.split_once('.')?;
    SchemaName::new(catalog, schema).ok()
}

pub(super) fn three(name: &str) -> Option<ObjectName> {
    let (catalog, rest) = name.split_once('.')?;
    let (schema, object) = rest.split_once('.')?;
    ObjectName::new(catalog, schema, object).ok()
}
