//! From entries of the books, and from events of the catalog's trail, to rows of
//! `system.access.audit`.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int32Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::Date32Type;
use arrow::error::ArrowError;
use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Utc};
use uuid::Uuid;
use weir_catalog::Privilege;
use weir_catalog::audit::{AuditEvent, CATALOG_SERVICE, REFUSAL_KIND, ReferenceAction};

use super::schema::{identity_metadata, response, user_identity};
use crate::billing::{Account, Entry};
use crate::query::decisions::{Access, Outcome};
use crate::system::SystemTableName;
use crate::system::nested::{maps, same_text, structs, text};

/// The version of the table's form.
const VERSION: &str = "2.0";

/// The workspace of what belongs to the whole account.
const WHOLE_ACCOUNT: &str = "0";

/// Done, in the reference's codes.
const ALLOWED: i32 = 200;
/// Refused for want of rights, or for another reason the caller was told.
const FORBIDDEN: i32 = 403;
/// Not there, or not for the caller.
const NOT_FOUND: i32 = 404;

/// One row.
struct Row<'a> {
    account_id: &'a str,
    workspace_id: &'a str,
    at: DateTime<Utc>,
    address: Option<&'a str>,
    user_agent: Option<&'a str>,
    session_id: Option<&'a str>,
    run_as: &'a str,
    run_by: &'a str,
    rights_of: Option<&'a str>,
    service: &'a str,
    action: &'a str,
    request_id: Option<String>,
    parameters: BTreeMap<String, String>,
    status: i32,
    because: &'a str,
    level: &'static str,
    id: Uuid,
}

/// The rows of `entries`: one for each table, view or function that was asked for, and one that counts
/// those of a statement that are not kept.
pub(crate) fn rows(entries: &[Arc<Entry>]) -> Result<RecordBatch, ArrowError> {
    let mut rows = Vec::new();
    for entry in entries {
        let decisions = &entry.record.decisions;
        rows.extend(
            (0_usize..).zip(&decisions.accesses).map(|(number, access)| of_access(entry, number, access)),
        );
        if decisions.accesses_left_out > 0 {
            rows.push(of_the_rest(entry));
        }
    }
    batch(&rows)
}

/// The rows of events of the catalog's trail, one each.
pub(super) fn of_events(account: &Account, events: &[AuditEvent]) -> Result<RecordBatch, ArrowError> {
    let rows: Vec<Row<'_>> = events.iter().map(|event| of_event(account, event)).collect();
    batch(&rows)
}

fn of_access<'a>(entry: &'a Entry, number: usize, access: &'a Access) -> Row<'a> {
    let parameters = [("full_name_arg", &access.name), ("privilege", &access.privilege)];
    Row {
        rights_of: access.rights_of.as_deref(),
        action: if access.privilege == Privilege::Execute.name() { "getFunction" } else { "getTable" },
        parameters: parameters.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect(),
        status: match access.outcome {
            Outcome::Allowed => ALLOWED,
            Outcome::NotFound => NOT_FOUND,
            Outcome::Denied => FORBIDDEN,
        },
        because: &access.because,
        ..of_statement(entry, &number.to_string())
    }
}

fn of_the_rest(entry: &Entry) -> Row<'_> {
    let left_out = entry.record.decisions.accesses_left_out.to_string();
    Row {
        parameters: BTreeMap::from([("accesses_not_kept".to_owned(), left_out)]),
        ..of_statement(entry, "rest")
    }
}

fn of_statement<'a>(entry: &'a Entry, part: &str) -> Row<'a> {
    let record = &entry.record;
    Row {
        account_id: &entry.account.account_id,
        workspace_id: &entry.account.workspace_id,
        at: record.started_at,
        address: record.client_address.as_deref(),
        user_agent: record.client.as_deref(),
        session_id: None,
        run_as: &record.run_as,
        run_by: record.run_by.as_deref().unwrap_or(&record.run_as),
        rights_of: None,
        service: CATALOG_SERVICE,
        action: "getTable",
        request_id: Some(record.statement_id.to_string()),
        parameters: BTreeMap::new(),
        status: ALLOWED,
        because: "",
        level: "WORKSPACE_LEVEL",
        id: event_id(&format!("weir access {} {part}", record.statement_id)),
    }
}

fn of_event<'a>(account: &'a Account, event: &'a AuditEvent) -> Row<'a> {
    let reference = ReferenceAction::of(&event.action);
    let mut parameters = event.parameters.clone();
    let kind = parameters.remove(REFUSAL_KIND);
    parameters.insert("operation".to_owned(), event.action.clone());
    if let Some((kind, name)) = event.securable.split_once('`') {
        parameters.insert("securable_type".to_owned(), kind.trim().to_uppercase());
        parameters.insert("full_name_arg".to_owned(), name.trim_end_matches('`').to_owned());
    } else {
        parameters.insert("securable_type".to_owned(), event.securable.to_uppercase());
    }
    Row {
        account_id: &account.account_id,
        workspace_id: WHOLE_ACCOUNT,
        at: event.at,
        address: event.origin.source_address.as_deref(),
        user_agent: event.origin.user_agent.as_deref(),
        session_id: event.origin.session_id.as_deref(),
        run_as: &event.by_name,
        run_by: event.origin.run_by.as_deref().unwrap_or(&event.by_name),
        rights_of: None,
        service: reference.service,
        action: reference.action,
        request_id: event.origin.request_id.clone(),
        parameters,
        status: match (event.answer.as_str(), kind.as_deref()) {
            ("allowed", _) => ALLOWED,
            (_, Some("not_found")) => NOT_FOUND,
            (_, Some("already_exists" | "conflict" | "dependency_exists")) => 409,
            (_, Some("invalid")) => 400,
            (_, Some("unavailable")) => 503,
            (_, Some("internal")) => 500,
            (_, _) => FORBIDDEN,
        },
        because: &event.because,
        level: "ACCOUNT_LEVEL",
        id: event_id(&format!("weir event {}", event.id)),
    }
}

/// The id of a row: a name-based UUID of our own kind (version 8) from a SHA-256.
fn event_id(name: &str) -> Uuid {
    let hash = digest(&SHA256, name.as_bytes());
    let mut bytes = [0_u8; 16];
    for (to, from) in bytes.iter_mut().zip(hash.as_ref()) {
        *to = *from;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

fn batch(rows: &[Row<'_>]) -> Result<RecordBatch, ArrowError> {
    let count = rows.len();
    let columns: Vec<ArrayRef> = vec![
        texts(rows, |row| Some(row.account_id)),
        texts(rows, |row| Some(row.workspace_id)),
        same_text(VERSION, count),
        Arc::new(
            TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.at.timestamp_micros()))
                .with_timezone("UTC"),
        ),
        Arc::new(Date32Array::from_iter_values(
            rows.iter().map(|row| Date32Type::from_naive_date(row.at.date_naive())),
        )),
        texts(rows, |row| row.address),
        texts(rows, |row| row.user_agent),
        texts(rows, |row| row.session_id),
        structs(&user_identity(), count, vec![("email", texts(rows, |row| Some(row.run_as)))])?,
        texts(rows, |row| Some(row.service)),
        texts(rows, |row| Some(row.action)),
        texts(rows, |row| row.request_id.as_deref()),
        maps(rows.iter().map(|row| &row.parameters))?,
        answers(rows)?,
        texts(rows, |row| Some(row.level)),
        Arc::new(arrow::array::StringArray::from_iter_values(rows.iter().map(|row| row.id.to_string()))),
        structs(
            &identity_metadata(),
            count,
            vec![
                ("run_by", texts(rows, |row| Some(row.run_by))),
                ("run_as", texts(rows, |row| Some(row.run_as))),
            ],
        )?,
        texts(rows, |row| row.rights_of),
    ];
    RecordBatch::try_new(SystemTableName::AccessAudit.arrow_schema(), columns)
}

fn answers(rows: &[Row<'_>]) -> Result<ArrayRef, ArrowError> {
    let allowed = |row: &Row<'_>| row.status == ALLOWED;
    structs(
        &response(),
        rows.len(),
        vec![
            ("status_code", Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.status)))),
            ("error_message", texts(rows, |row| Some(row.because).filter(|_| !allowed(row)))),
            ("result", texts(rows, |row| Some(row.because).filter(|_| allowed(row)))),
        ],
    )
}

fn texts<'a>(rows: &'a [Row<'a>], of: impl Fn(&'a Row<'a>) -> Option<&'a str>) -> ArrayRef {
    text(rows.iter().map(of))
}
