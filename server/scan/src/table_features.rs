//! What a table's protocol says of column mapping and of TIMESTAMP_NTZ, where delta-rs would leave one of them out.
//!
//! A log says what its readers must know by versions, and by names of features once its versions are 3 and 7 (Delta's protocol,
//! "Table Features"). delta-rs raises the versions of a new table with column mapping to 2 and 5, and from there to 3 and 7 for
//! another feature without naming column mapping: whoever reads such a log must take no notice of the mapping. So a table with
//! column mapping is made with names of features, and a feature that is added brings the names of what the versions meant.

use deltalake::kernel::{Action, DataType, StructType};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::location::TableLocation;
use crate::pinned_table::PinnedTable;

const MAPPING: &str = "columnMapping";
const NTZ: &str = "timestampNtz";

/// What readers of these versions must know, by the version that brought it.
const OF_READERS: [(i64, &str); 1] = [(2, MAPPING)];
/// The same for writers.
const OF_WRITERS: [(i64, &str); 7] = [
    (2, "appendOnly"),
    (2, "invariants"),
    (3, "checkConstraints"),
    (4, "changeDataFeed"),
    (4, "generatedColumns"),
    (5, MAPPING),
    (6, "identityColumns"),
];

/// The protocol from which a new table with these properties is made; none where delta-rs' own is right.
pub(crate) fn of_new_table(location: &TableLocation, properties: &[(String, String)]) -> Result<Vec<Action>> {
    let is_mapped = |(key, value): &(String, String)| key == "delta.columnMapping.mode" && value != "none";
    match properties.iter().any(is_mapped) {
        true => protocol(location, &[MAPPING.to_owned()], &[MAPPING.to_owned()]).map(|action| vec![action]),
        false => Ok(Vec::new()),
    }
}

/// The protocol that a table comes to need with `schema`; none where its own says all of it.
pub(crate) fn with_schema(table: &PinnedTable, schema: &StructType) -> Result<Option<Action>> {
    if !schema.fields().any(|field| has_ntz(field.data_type())) {
        return Ok(None);
    }
    let location = table.location();
    let known = Action::Protocol(table.described().protocol().clone());
    let known = serde_json::to_value(known).map_err(|cause| unreadable(location, cause))?;
    let known = known.get("protocol").unwrap_or(&Value::Null);
    let readers = features(known, "minReaderVersion", "readerFeatures", &OF_READERS);
    let writers = features(known, "minWriterVersion", "writerFeatures", &OF_WRITERS);
    let is_known = |features: &[String]| features.iter().any(|feature| feature == NTZ);
    if is_known(&readers) && is_known(&writers) {
        return Ok(None);
    }
    let extended = |mut features: Vec<String>| {
        if !is_known(&features) {
            features.push(NTZ.to_owned());
        }
        features
    };
    protocol(location, &extended(readers), &extended(writers)).map(Some)
}

fn has_ntz(data_type: &DataType) -> bool {
    match data_type {
        DataType::Struct(fields) => fields.fields().any(|field| has_ntz(field.data_type())),
        DataType::Array(items) => has_ntz(items.element_type()),
        DataType::Map(entries) => has_ntz(entries.key_type()) || has_ntz(entries.value_type()),
        other => *other == DataType::TIMESTAMP_NTZ,
    }
}

/// The features that a protocol names, or those that its version means.
fn features(known: &Value, version: &str, named: &str, meant: &[(i64, &str)]) -> Vec<String> {
    if let Some(named) = known.get(named).and_then(Value::as_array) {
        return named.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    }
    let version = known.get(version).and_then(Value::as_i64).unwrap_or(1);
    meant.iter().filter(|(since, _)| *since <= version).map(|(_, feature)| (*feature).to_owned()).collect()
}

fn protocol(location: &TableLocation, readers: &[String], writers: &[String]) -> Result<Action> {
    let protocol = json!({
        "minReaderVersion": 3,
        "minWriterVersion": 7,
        "readerFeatures": readers,
        "writerFeatures": writers,
    });
    serde_json::from_value(protocol).map(Action::Protocol).map_err(|cause| unreadable(location, cause))
}

fn unreadable(location: &TableLocation, cause: serde_json::Error) -> Error {
    Error::CorruptLog { table: location.clone(), source: Box::new(cause) }
}
