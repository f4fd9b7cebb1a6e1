//! SetSessionOptions, GetSessionOptions, CloseSession. Their bodies are bare protobuf, without
//! the envelope of the other actions; the messages are written here because the Flight crate
//! has none of them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use prost::Message;
use weir_catalog::{Name, SchemaName, SecurableId, Snapshot, may_see};

use super::Door;
use super::action::decode_bare;
use super::call::Call;
use crate::error::Result;
use crate::session::SessionSettings;

/// A value of an option; none erases the option.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct OptionValue {
    #[prost(oneof = "Value", tags = "1, 2, 3, 4, 5")]
    pub(crate) value: Option<Value>,
}

/// The types a value can have.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Value {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(sfixed64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(message, tag = "5")]
    Texts(Texts),
}

/// A list of strings.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Texts {
    #[prost(string, repeated, tag = "1")]
    values: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SetRequest {
    #[prost(btree_map = "string, message", tag = "1")]
    pub(crate) options: BTreeMap<String, OptionValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SetResult {
    #[prost(btree_map = "string, message", tag = "1")]
    pub(crate) errors: BTreeMap<String, OptionError>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct OptionError {
    #[prost(enumeration = "OptionErrorValue", tag = "1")]
    value: i32,
}

/// Why an option was not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum OptionErrorValue {
    /// Not said.
    Unspecified = 0,
    /// No option of that name.
    InvalidName = 1,
    /// The option cannot have that value.
    InvalidValue = 2,
    /// Another reason.
    Error = 3,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct GetResult {
    #[prost(btree_map = "string, message", tag = "1")]
    pub(crate) options: BTreeMap<String, OptionValue>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct CloseResult {
    /// 1: closed.
    #[prost(int32, tag = "1")]
    status: i32,
}

const CATALOG: &str = "catalog";
const SCHEMA: &str = "schema";
const DOUBLE_QUOTED: &str = "double_quoted_identifiers";
const READ_AT: &str = "read_at_snapshot";

impl Door {
    pub(crate) async fn set_session_options(&self, call: &Call, body: &[u8]) -> Result<Vec<u8>> {
        let request: SetRequest = decode_bare(body)?;
        call.must_keep_sessions()?;
        let snapshot = self.warehouse.snapshot_for(&call.context).await?;
        let principal = call.context.identity().principal();
        let visible = |id| may_see(&snapshot, principal, id);
        let now = call.context.clock().now();
        let session = (call.context.session.clone(), &call.beginning);
        let (settings, errors) = apply(session, request.options, now, &snapshot, &visible);
        if errors.is_empty() {
            call.keep(settings)?;
        }
        Ok(SetResult { errors }.encode_to_vec())
    }

    pub(crate) fn session_options(&self, call: &Call) -> Vec<u8> {
        let session = &call.context.session;
        let text = |text: &str| OptionValue { value: Some(Value::Text(text.to_owned())) };
        let mut options = BTreeMap::from([
            (CATALOG.to_owned(), text(&session.catalog)),
            (SCHEMA.to_owned(), text(&session.schema)),
            (
                DOUBLE_QUOTED.to_owned(),
                OptionValue { value: Some(Value::Bool(session.double_quoted_identifiers)) },
            ),
        ]);
        options.extend(session.read_at_text().map(|moment| (READ_AT.to_owned(), text(&moment))));
        GetResult { options }.encode_to_vec()
    }

    pub(crate) fn close_session(&self, call: &Call) -> Vec<u8> {
        call.end_session();
        CloseResult { status: 1 }.encode_to_vec()
    }
}

/// The settings after `options`; when any of them is refused, none is to be kept.
/// Erased options are as the session began.
fn apply(
    (mut settings, beginning): (SessionSettings, &SessionSettings),
    mut options: BTreeMap<String, OptionValue>,
    now: DateTime<Utc>,
    snapshot: &Snapshot,
    visible: &dyn Fn(SecurableId) -> bool,
) -> (SessionSettings, BTreeMap<String, OptionError>) {
    let mut errors = BTreeMap::new();
    let mut refuse = |name: &str, why: OptionErrorValue| {
        errors.insert(name.to_owned(), OptionError { value: why as i32 });
    };
    // the catalog first: a schema is looked up in it
    if let Some(value) = options.remove(CATALOG) {
        match text_or(value, &beginning.catalog) {
            Some(name) if catalog_exists(snapshot, &name, visible) => {
                if settings.catalog != name {
                    settings.schema = beginning.schema.clone();
                }
                settings.catalog = name;
            }
            _ => refuse(CATALOG, OptionErrorValue::InvalidValue),
        }
    }
    if let Some(value) = options.remove(SCHEMA) {
        match text_or(value, &beginning.schema) {
            Some(name) if schema_exists(snapshot, &settings.catalog, &name, visible) => {
                settings.schema = name
            }
            _ => refuse(SCHEMA, OptionErrorValue::InvalidValue),
        }
    }
    if let Some(value) = options.remove(DOUBLE_QUOTED) {
        match truth(value) {
            Some(truth) => settings.double_quoted_identifiers = truth,
            None => refuse(DOUBLE_QUOTED, OptionErrorValue::InvalidValue),
        }
    }
    if let Some(value) = options.remove(READ_AT) {
        match moment(value, now) {
            Some(moment) => settings.read_at = moment,
            None => refuse(READ_AT, OptionErrorValue::InvalidValue),
        }
    }
    for name in options.keys() {
        refuse(name, OptionErrorValue::InvalidName);
    }
    (settings, errors)
}

fn text_or(value: OptionValue, default: &str) -> Option<String> {
    match value.value {
        None => Some(default.to_owned()),
        Some(Value::Text(text)) if text.is_empty() => Some(default.to_owned()),
        Some(Value::Text(text)) => Some(text.to_lowercase()),
        Some(Value::Bool(_) | Value::Int(_) | Value::Double(_) | Value::Texts(_)) => None,
    }
}

fn truth(value: OptionValue) -> Option<bool> {
    match value.value {
        None => Some(false),
        Some(Value::Bool(truth)) => Some(truth),
        Some(Value::Text(text)) if text.eq_ignore_ascii_case("true") => Some(true),
        Some(Value::Text(text)) if text.eq_ignore_ascii_case("false") || text.is_empty() => Some(false),
        Some(Value::Text(_) | Value::Int(_) | Value::Double(_) | Value::Texts(_)) => None,
    }
}

/// The moment at which tables are read, in microseconds; none where the option is erased.
fn moment(value: OptionValue, now: DateTime<Utc>) -> Option<Option<i64>> {
    match value.value {
        None => Some(None),
        Some(Value::Text(text)) if text.is_empty() => Some(None),
        Some(Value::Text(text)) => {
            let moment = DateTime::parse_from_rfc3339(&text).ok().filter(|moment| *moment <= now)?;
            Some(Some(moment.timestamp_micros()))
        }
        Some(Value::Bool(_) | Value::Int(_) | Value::Double(_) | Value::Texts(_)) => None,
    }
}

fn catalog_exists(snapshot: &Snapshot, name: &str, visible: &dyn Fn(SecurableId) -> bool) -> bool {
    let found = Name::new(name).ok().and_then(|name| snapshot.catalog(&name));
    name == super::metadata::SYSTEM_CATALOG
        || name == SessionSettings::default().catalog
        || found.is_some_and(|catalog| visible(SecurableId::Catalog(catalog.id)))
}

fn schema_exists(
    snapshot: &Snapshot,
    catalog: &str,
    name: &str,
    visible: &dyn Fn(SecurableId) -> bool,
) -> bool {
    let found = SchemaName::new(catalog, name).ok().and_then(|name| snapshot.schema(&name));
    catalog == super::metadata::SYSTEM_CATALOG
        || name == SessionSettings::default().schema
        || found.is_some_and(|schema| visible(SecurableId::Schema(schema.id)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use super::*;

    #[test]
    fn messages_have_the_layout_of_the_protocol() {
        // as protoc encodes {"schema": string "eu", "n": sfixed64 1}
        let options = BTreeMap::from([
            ("n".to_owned(), OptionValue { value: Some(Value::Int(1)) }),
            ("schema".to_owned(), OptionValue { value: Some(Value::Text("eu".to_owned())) }),
        ]);
        let bytes = SetRequest { options }.encode_to_vec();
        let expected: &[u8] =
            b"\x0a\x0e\x0a\x01n\x12\x09\x19\x01\0\0\0\0\0\0\0\x0a\x0e\x0a\x06schema\x12\x04\x0a\x02eu";
        assert_eq!(bytes, expected);
        assert_eq!(CloseResult { status: 1 }.encode_to_vec(), b"\x08\x01");
        assert_eq!(SetRequest::decode(expected).unwrap().options.len(), 2);
    }

    #[test]
    fn values_are_taken_in_their_string_forms() {
        let text = |text: &str| OptionValue { value: Some(Value::Text(text.to_owned())) };
        assert_eq!(text_or(text("EU"), "default").unwrap(), "eu");
        assert_eq!(text_or(OptionValue { value: None }, "default").unwrap(), "default");
        assert_eq!(text_or(OptionValue { value: Some(Value::Int(1)) }, "default"), None);
        assert_eq!(truth(text("TRUE")), Some(true));
        assert_eq!(truth(text("maybe")), None);
        let now = DateTime::from_timestamp(1, 0).unwrap();
        assert_eq!(moment(text("1970-01-01T00:00:00.5Z"), now), Some(Some(500_000)));
        assert_eq!(moment(text("1970-01-01T00:00:02Z"), now), None);
        assert_eq!(moment(text(""), now), Some(None));
    }
}
