//! Bulk ingestion: rows that the client sends go into a table that is there, or into a new one, as those of a query do.
//!
//! Nothing is read for them, so nothing is governed but where they go: the rights, the row filter and the constraints that
//! hold for INSERT and for CREATE TABLE AS hold here. Columns are matched by name.

use std::sync::Arc;

use arrow::array::new_null_array;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use weir_catalog::metastore::{Storage, TableSpec};
use weir_catalog::{ObjectName, Privilege, Snapshot, Tags};
use weir_enforce::govern;
use weir_enforce::new_rows::NewRows;

use super::{
    Existing, NewTable, PreparedWrite, Writer, assigned, catalog_columns, check_may_create,
    check_may_replace, told_apart, writable,
};
use crate::context::Context;
use crate::error::{Condition, Error, Result};
use crate::query::engine::Engine;
use crate::query::execute::Guard;
use crate::query::gauges::StatementGauges;
use crate::query::wire::wire_schema;
use crate::sql::{ObjectReference, types};

/// Where sent rows go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingestion {
    /// The table.
    pub table: ObjectReference,
    /// What happens where there is none.
    pub if_missing: IfMissing,
    /// What happens where there is one.
    pub if_exists: IfExists,
}

/// What happens where there is no such table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfMissing {
    /// It is made, with the columns that are sent.
    Create,
    /// A refusal.
    Fail,
}

/// What happens where there is such a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfExists {
    /// The rows are added.
    Append,
    /// Columns and rows are replaced, as by CREATE OR REPLACE TABLE.
    Replace,
    /// A refusal.
    Fail,
}

/// Rows as the client sends them.
pub struct SentRows {
    /// Their columns.
    pub schema: SchemaRef,
    /// The rows, each batch with these columns.
    pub batches: BoxStream<'static, Result<RecordBatch>>,
}

impl Ingestion {
    /// Into the table whose name has these parts, one to three.
    pub fn new(table: &[String], if_missing: IfMissing, if_exists: IfExists) -> Result<Self> {
        Ok(Self { table: ObjectReference::from_parts(table, None)?, if_missing, if_exists })
    }

    /// The right to all that it may do. What the name stands for is looked up once; a new table is not there yet.
    pub(crate) async fn check_rights(&self, context: &Context, snapshot: &Snapshot) -> Result<()> {
        let name = self.table.resolve(&context.session)?;
        if self.appends(snapshot, &name) {
            return writable(context, snapshot, &name, Privilege::Insert).await.map(drop);
        }
        check_may_create(context, snapshot, &name)?;
        match snapshot.table(&name).filter(|_| self.if_exists == IfExists::Replace) {
            Some(table) => check_may_replace(context, snapshot, table),
            None => Ok(()),
        }
    }

    /// Whether the rows go into a table that is there, or has to be.
    fn appends(&self, snapshot: &Snapshot, name: &ObjectName) -> bool {
        match snapshot.table(name) {
            Some(_) => self.if_exists == IfExists::Append,
            None => self.if_missing == IfMissing::Fail,
        }
    }
}

/// A table that takes rows which are sent.
pub struct PreparedIngestion {
    write: PreparedWrite,
    columns: Columns,
}

impl PreparedIngestion {
    /// The write. Its plan reads nothing.
    pub fn write(&self) -> &PreparedWrite {
        &self.write
    }
}

impl Writer {
    /// Prepares a table for rows with these columns.
    pub async fn prepare_ingestion(
        &self,
        engine: &Engine,
        context: &Context,
        snapshot: &Arc<Snapshot>,
        ingestion: &Ingestion,
        sent: &SchemaRef,
    ) -> Result<PreparedIngestion> {
        let name = ingestion.table.resolve(&context.session)?;
        let scope = engine.scope(context, snapshot)?;
        let asked = LogicalPlanBuilder::empty(false).build()?;
        let plan = govern(&scope, scope.state(), &asked).await?;
        if ingestion.appends(snapshot, &name) {
            let table = writable(context, snapshot, &name, Privilege::Insert).await?;
            let opened = scope.open(table).await?;
            let schema = opened.provider.schema();
            let columns = Columns::matched(sent, &schema, &name)?;
            let location = self.locations.of_stored(table)?;
            let filter = NewRows::of(&scope, table, &opened).await?;
            let into = Some(Existing { table: table.clone(), filter });
            let write = PreparedWrite { scope, plan, location, schema, made: None, into, asked };
            return Ok(PreparedIngestion { write, columns });
        }
        check_may_create(context, snapshot, &name)?;
        let existing = snapshot.table(&name);
        let telling = self.telling(context, snapshot, &name, ingestion.if_exists == IfExists::Replace)?;
        let schema = new_columns(sent)?;
        let columns = Columns::matched(sent, &schema, &name)?;
        let stored = self.locations.new_managed();
        let location = self.locations.managed(&stored)?;
        let spec = TableSpec {
            name,
            storage: Storage::Managed { location: stored },
            columns: catalog_columns(&schema),
            properties: Default::default(),
            comment: None,
            tags: Tags::new(),
            row_filter: None,
            masks: Vec::new(),
        };
        let made = Some(NewTable { spec, partition_columns: Vec::new(), telling });
        // Whoever may replace a table chooses all of its rows: its filter is asked of none.
        let into = existing.map(|table| Existing { table: table.clone(), filter: None });
        let write = PreparedWrite { scope, plan, location, schema, made, into, asked };
        Ok(PreparedIngestion { write, columns })
    }

    /// Writes the rows that are sent; their number.
    pub async fn write_sent(
        &self,
        context: &Context,
        prepared: PreparedIngestion,
        sent: SentRows,
        gauges: &Arc<StatementGauges>,
        guard: Guard,
    ) -> Result<u64> {
        let PreparedIngestion { write, columns } = prepared;
        let schema = Arc::clone(&columns.schema);
        let rows = sent.batches.map(move |batch| columns.of(&batch?));
        let rows = rows.map_err(|error| DataFusionError::External(Box::new(error)));
        let rows = gauges.meter().stream(Box::pin(RecordBatchStreamAdapter::new(schema, rows)) as _);
        self.write_rows(context, write, rows, gauges, guard).await
    }
}

/// From columns that are sent to those of a table.
struct Columns {
    /// The table's columns, all of which may be NULL: that none is where none may be is looked at later.
    schema: SchemaRef,
    /// For each of them its place among those sent; one that is not sent is NULL.
    sent: Vec<Option<usize>>,
}

impl Columns {
    fn matched(sent: &SchemaRef, table: &SchemaRef, name: &ObjectName) -> Result<Self> {
        told_apart(sent, "the rows sent have")?;
        let same = |one: &Field, other: &Field| one.name().to_lowercase() == other.name().to_lowercase();
        let unknown = |field: &&FieldRef| !table.fields().iter().any(|known| same(known, field));
        if let Some(field) = sent.fields().iter().find(unknown) {
            let text = format!("column `{}` of the rows sent is not in table `{name}`", field.name());
            return Err(Error::new(Condition::UnresolvedColumn, text));
        }
        let place = |field: &FieldRef| sent.fields().iter().position(|given| same(given, field));
        for field in table.fields() {
            if let Some(given) = sent.fields().iter().find(|given| same(given, field)) {
                assigned::check(given.data_type(), field)?;
            }
        }
        let open = |field: &FieldRef| field.as_ref().clone().with_nullable(true);
        Ok(Self {
            schema: Arc::new(Schema::new(table.fields().iter().map(open).collect::<Vec<_>>())),
            sent: table.fields().iter().map(place).collect(),
        })
    }

    fn of(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let columns = self.schema.fields().iter().zip(&self.sent).map(|(field, place)| {
            let Some(column) = place.and_then(|place| batch.columns().get(place)) else {
                return Ok(new_null_array(field.data_type(), batch.num_rows()));
            };
            let options = CastOptions { safe: false, ..CastOptions::default() };
            cast_with_options(column, field.data_type(), &options).map_err(|cause| {
                let (from, to) = (types::text_of(column.data_type()), types::text_of(field.data_type()));
                let text = format!(
                    "a value of column `{}` was sent as {from} and cannot be stored as {to}",
                    field.name()
                );
                Error::new(Condition::DatatypeMismatch, text).caused_by(cause)
            })
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(Error::internal)
    }
}

/// The columns of a new table for rows of these.
fn new_columns(sent: &SchemaRef) -> Result<SchemaRef> {
    let sent = told_apart(&wire_schema(sent), "the rows sent have")?;
    if sent.fields().is_empty() {
        return Err(Error::new(Condition::InvalidParameterValue, "the rows sent have no columns"));
    }
    let fields = sent.fields().iter().map(|field| {
        let stored = stored_type(field.data_type()).ok_or_else(|| {
            let text = format!("column `{}` is {}, which no table can hold", field.name(), field.data_type());
            Error::new(Condition::DatatypeMismatch, text)
                .with_hint("cast it to a type of SQL before it is sent")
        })?;
        Ok(Field::new(field.name(), stored, field.is_nullable()))
    });
    Ok(Arc::new(Schema::new(fields.collect::<Result<Vec<_>>>()?)))
}

/// The type of a table's column that holds values of a wire type; none where no table has such values.
fn stored_type(sent: &DataType) -> Option<DataType> {
    Some(match sent {
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Utf8
        | DataType::Binary
        | DataType::Date32
        | DataType::Decimal128(..) => sent.clone(),
        DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Date64 => DataType::Date32,
        DataType::Decimal256(precision @ ..=38, scale) => DataType::Decimal128(*precision, *scale),
        DataType::Timestamp(_, zone) => {
            DataType::Timestamp(TimeUnit::Microsecond, zone.as_ref().map(|_| "UTC".into()))
        }
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            let item = stored_type(item.data_type())?;
            DataType::List(Arc::new(Field::new("element", item, true)))
        }
        DataType::Struct(fields) => DataType::Struct(stored_fields(fields)?),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => {
                let entries = DataType::Struct(stored_fields(fields)?);
                DataType::Map(Arc::new(Field::new("key_value", entries, false)), false)
            }
            _ => return None,
        },
        _ => return None,
    })
}

fn stored_fields(fields: &Fields) -> Option<Fields> {
    let stored = |field: &FieldRef| {
        Some(Field::new(field.name(), stored_type(field.data_type())?, field.is_nullable()))
    };
    fields.iter().map(stored).collect()
}
