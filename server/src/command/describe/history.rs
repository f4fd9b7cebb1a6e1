//! DESCRIBE HISTORY: the commits of a table, in the columns of the reference.
//!
//! What a commit did tells of rows: predicates hold values, numbers count hidden rows, a user's own words may say
//! anything. So it is for those who read all of the table. Who committed is for them and for those who administer the
//! table; one's own name one may know. A writer's id of a statement is not shown.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, MapBuilder, MapFieldNames, StringArray, StringBuilder,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use serde_json::Value;
use weir_catalog::{ObjectName, Snapshot};
use weir_scan::Commit;

use super::{administers, logged, opened, reads_all};
use crate::command::Call;
use crate::command::sight::Sight;
use crate::error::{Error, Result};
use crate::run::{Outcome, RowStream};

/// The zone of times on the wire.
const UTC: &str = "UTC";

pub(super) fn schema() -> SchemaRef {
    let texts = |names: &[&str]| {
        DataType::Struct(names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect::<Fields>())
    };
    let job = ["jobId", "jobName", "jobRunId", "runId", "jobOwnerId", "triggerType"];
    let columns = [
        ("version", DataType::Int64),
        ("timestamp", time_type()),
        ("userId", DataType::Utf8),
        ("userName", DataType::Utf8),
        ("operation", DataType::Utf8),
        ("operationParameters", map_type()),
        ("job", texts(&job)),
        ("notebook", texts(&["notebookId"])),
        ("clusterId", DataType::Utf8),
        ("readVersion", DataType::Int64),
        ("isolationLevel", DataType::Utf8),
        ("isBlindAppend", DataType::Boolean),
        ("operationMetrics", map_type()),
        ("userMetadata", DataType::Utf8),
        ("engineInfo", DataType::Utf8),
    ];
    let fields = columns.map(|(name, data_type)| Field::new(name, data_type, true));
    Arc::new(Schema::new(fields.to_vec()))
}

pub(super) async fn run(
    call: Call<'_>,
    sight: Sight<'_>,
    snapshot: &Arc<Snapshot>,
    name: &ObjectName,
    limit: Option<usize>,
) -> Result<Outcome> {
    let table = logged(sight, name, "DESCRIBE HISTORY")?;
    let shown = Shown {
        all: reads_all(call, sight, snapshot, table).await?,
        users: administers(sight, table),
        own: call.context.identity().name(),
    };
    let pinned = opened(call, table).await?;
    let commits = call.environment.tables.history(&pinned, limit).await?;
    Ok(Outcome::Rows(RowStream::of(rows(&commits, shown)?)))
}

/// What of a commit the caller may know.
#[derive(Clone, Copy)]
struct Shown<'a> {
    all: bool,
    users: bool,
    own: &'a str,
}

impl Shown<'_> {
    fn user(self, commit: &Commit) -> bool {
        self.all || self.users || commit.told.get("userName").and_then(Value::as_str) == Some(self.own)
    }
}

fn rows(commits: &[Commit], shown: Shown<'_>) -> Result<RecordBatch> {
    let schema = schema();
    let columns = schema.fields().iter().map(|field| column(field, commits, shown)).collect::<Result<_>>()?;
    RecordBatch::try_new(Arc::clone(&schema), columns).map_err(Error::internal)
}

fn column(field: &Field, commits: &[Commit], shown: Shown<'_>) -> Result<ArrayRef> {
    let name = field.name().as_str();
    let told = |commit: &Commit| {
        let tells = match name {
            "userId" | "userName" => shown.user(commit),
            "operationParameters" | "operationMetrics" | "userMetadata" => shown.all,
            _ => true,
        };
        commit.told.get(name).filter(|_| tells).cloned()
    };
    let values = commits.iter().map(told);
    Ok(match (name, field.data_type()) {
        ("version", _) => {
            Arc::new(commits.iter().map(|commit| i64::try_from(commit.version).ok()).collect::<Int64Array>())
        }
        ("timestamp", _) => times(commits.iter().map(|commit| Some(commit.time_millis))),
        // Other servers know these.
        ("job" | "notebook" | "clusterId", data_type) => new_null_array(data_type, commits.len()),
        (_, DataType::Utf8) => Arc::new(values.map(|value| value.and_then(text)).collect::<StringArray>()),
        (_, DataType::Int64) => Arc::new(values.map(|value| value?.as_i64()).collect::<Int64Array>()),
        (_, DataType::Boolean) => Arc::new(values.map(|value| value?.as_bool()).collect::<BooleanArray>()),
        _ => texts_by_name(values.map(|value| match value {
            Some(Value::Object(entries)) => Some(entries.into_iter().map(|(key, value)| (key, text(value)))),
            _ => None,
        }))?,
    })
}

/// A value as the reference writes it: strings as they are, all else as JSON.
fn text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

/// Milliseconds since 1970 as times.
pub(super) fn times(millis: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    let micros = millis.map(|millis| millis.and_then(|millis| millis.checked_mul(1000)));
    Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone(UTC))
}

/// The type of a time.
pub(super) fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()))
}

/// The type of texts by name.
pub(super) fn map_type() -> DataType {
    let key = Field::new("key", DataType::Utf8, false);
    let value = Field::new("value", DataType::Utf8, true);
    let entries = DataType::Struct(vec![key, value].into());
    DataType::Map(Arc::new(Field::new("entries", entries, false)), false)
}

/// Texts by name, one such map a row.
pub(super) fn texts_by_name<M>(maps: impl Iterator<Item = Option<M>>) -> Result<ArrayRef>
where
    M: Iterator<Item = (String, Option<String>)>,
{
    let names =
        MapFieldNames { entry: "entries".to_owned(), key: "key".to_owned(), value: "value".to_owned() };
    let mut built = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for map in maps {
        let there = map.is_some();
        for (key, value) in map.into_iter().flatten() {
            built.keys().append_value(key);
            built.values().append_option(value);
        }
        built.append(there).map_err(Error::internal)?;
    }
    Ok(Arc::new(built.finish()))
}
