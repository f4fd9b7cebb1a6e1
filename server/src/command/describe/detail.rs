//! DESCRIBE DETAIL: one row of what a table's newest version is made of. Sizes count hidden rows and are for those who
//! read all of the table; where it lies is for those who administer it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, ListBuilder, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use weir_catalog::{ObjectName, Snapshot, Table, TableKind};
use weir_scan::PinnedTable;

use super::history::{map_type, texts_by_name, time_type, times};
use super::{administers, logged, opened, reads_all};
use crate::command::Call;
use crate::command::sight::Sight;
use crate::error::{Error, Result};
use crate::run::{Outcome, RowStream};

/// How the names of properties begin whose values are conditions on rows.
const CONSTRAINTS: &str = "delta.constraints.";

pub(super) fn schema() -> SchemaRef {
    let texts = DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)));
    let columns = [
        ("format", DataType::Utf8),
        ("id", DataType::Utf8),
        ("name", DataType::Utf8),
        ("description", DataType::Utf8),
        ("location", DataType::Utf8),
        ("createdAt", time_type()),
        ("lastModified", time_type()),
        ("partitionColumns", texts.clone()),
        ("numFiles", DataType::Int64),
        ("sizeInBytes", DataType::Int64),
        ("properties", map_type()),
        ("minReaderVersion", DataType::Int32),
        ("minWriterVersion", DataType::Int32),
        ("tableFeatures", texts),
    ];
    let fields = columns.map(|(name, data_type)| Field::new(name, data_type, true));
    Arc::new(Schema::new(fields.to_vec()))
}

pub(super) async fn run(
    call: Call<'_>,
    sight: Sight<'_>,
    snapshot: &Arc<Snapshot>,
    name: &ObjectName,
) -> Result<Outcome> {
    let table = logged(sight, name, "DESCRIBE DETAIL")?;
    let all = reads_all(call, sight, snapshot, table).await?;
    let pinned = opened(call, table).await?;
    let newest = call.environment.tables.history(&pinned, Some(1)).await?;
    let detail = pinned.detail()?;
    let size =
        |number: u64| Arc::new(Int64Array::from(vec![i64::try_from(number).ok().filter(|_| all)])) as _;
    let columns: Vec<ArrayRef> = vec![
        text(Some("delta")),
        text(Some(&detail.id)),
        text(Some(&table.name.to_string())),
        text(table.comment.as_deref()),
        text(location(table).filter(|_| administers(sight, table))),
        times(std::iter::once(detail.created_millis)),
        times(std::iter::once(newest.first().map(|commit| commit.time_millis))),
        texts(pinned.partition_columns()),
        size(pinned.file_count()),
        size(pinned.total_bytes()),
        texts_by_name(std::iter::once(Some(properties(table, &pinned, all).into_iter())))?,
        Arc::new(Int32Array::from(vec![detail.min_reader_version])),
        Arc::new(Int32Array::from(vec![detail.min_writer_version])),
        texts(&detail.features),
    ];
    let batch = RecordBatch::try_new(schema(), columns).map_err(Error::internal)?;
    Ok(Outcome::Rows(RowStream::of(batch)))
}

fn location(table: &Table) -> Option<&str> {
    match &table.kind {
        TableKind::Managed { location } | TableKind::External { location } => Some(location),
        TableKind::View(_) => None,
    }
}

/// The log's properties and the catalog's.
fn properties(table: &Table, pinned: &PinnedTable, all: bool) -> BTreeMap<String, Option<String>> {
    let known = pinned.properties().iter().chain(&table.properties);
    let shown = known.filter(|(name, _)| all || !name.starts_with(CONSTRAINTS));
    shown.map(|(name, value)| (name.clone(), Some(value.clone()))).collect()
}

fn text(value: Option<&str>) -> ArrayRef {
    Arc::new(StringArray::from(vec![value]))
}

fn texts(values: &[String]) -> ArrayRef {
    let mut built = ListBuilder::new(StringBuilder::new());
    values.iter().for_each(|value| built.values().append_value(value));
    built.append(true);
    Arc::new(built.finish())
}
