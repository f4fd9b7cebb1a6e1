//! GetTables and GetTableTypes.
//!
//! With `include_schema` each table is opened to tell its columns in wire types, several at a
//! time. A table that cannot be opened is listed without columns: one broken table must not
//! hide the others.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow_flight::sql::metadata::GetTablesBuilder;
use arrow_flight::sql::{CommandGetTableTypes, CommandGetTables};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use weir_catalog::{SecurableKind, Snapshot, Table};

use super::pattern::Pattern;
use super::{catalogs_of, visible, within};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::flight::sql_type;
use crate::run::Warehouse;

const TABLE: &str = "TABLE";
const VIEW: &str = "VIEW";

/// Tables opened at a time.
const OPENED_AT_ONCE: usize = 8;

/// One line of the answer.
struct Row {
    catalog: String,
    schema: String,
    name: String,
    kind: &'static str,
    columns: Schema,
}

/// GetTables.
pub(super) async fn list(
    warehouse: &Warehouse,
    context: &Context,
    command: CommandGetTables,
) -> Result<RecordBatch> {
    let snapshot = warehouse.snapshot_for(context).await?;
    let tables = matching(&snapshot, context, &command);
    let include_schema = command.include_schema;
    let stored: Vec<BoxFuture<'_, Row>> =
        tables.into_iter().map(|table| row(warehouse, context, table, include_schema).boxed()).collect();
    let mut rows: Vec<Row> = futures::stream::iter(stored).buffered(OPENED_AT_ONCE).collect().await;
    rows.extend(system_rows(warehouse, &snapshot, context, &command));
    let no_filter = None::<String>;
    let mut answer = GetTablesBuilder::new(
        no_filter.clone(),
        no_filter.clone(),
        no_filter,
        Vec::<String>::new(),
        include_schema,
    );
    for row in rows {
        answer.append(row.catalog, row.schema, row.name, row.kind, &row.columns).map_err(Error::internal)?;
    }
    answer.build().map_err(Error::internal)
}

async fn row(warehouse: &Warehouse, context: &Context, table: &Table, include_schema: bool) -> Row {
    let columns = match include_schema {
        true => columns_of(warehouse, context, table).await,
        false => Schema::empty(),
    };
    Row {
        catalog: table.name.catalog.to_string(),
        schema: table.name.schema.to_string(),
        name: table.name.object.to_string(),
        kind: type_of(table),
        columns,
    }
}

/// GetTableTypes.
pub(super) fn types(command: CommandGetTableTypes) -> Result<RecordBatch> {
    let mut answer = command.into_builder();
    answer.append(TABLE);
    answer.append(VIEW);
    answer.build().map_err(Error::internal)
}

fn matching<'a>(snapshot: &'a Snapshot, context: &Context, command: &CommandGetTables) -> Vec<&'a Table> {
    let schemas = Pattern::new(command.db_schema_filter_pattern.as_deref());
    let names = Pattern::new(command.table_name_filter_pattern.as_deref());
    let Some(within) = within(command.catalog.as_deref()) else { return Vec::new() };
    let mut tables = visible(snapshot, context).tables(&within);
    tables.retain(|table| {
        schemas.matches(table.name.schema.as_str())
            && names.matches(table.name.object.as_str())
            && type_asked(&command.table_types, type_of(table))
    });
    tables
}

/// The server's own tables in the catalogs of the caller.
fn system_rows(
    warehouse: &Warehouse,
    snapshot: &Snapshot,
    context: &Context,
    command: &CommandGetTables,
) -> Vec<Row> {
    let schemas = Pattern::new(command.db_schema_filter_pattern.as_deref());
    let names = Pattern::new(command.table_name_filter_pattern.as_deref());
    let mut rows = Vec::new();
    for catalog in catalogs_of(snapshot, context, command.catalog.as_deref()) {
        for table in warehouse.system_tables(&catalog) {
            let kind = if table.is_view { VIEW } else { TABLE };
            if schemas.matches(table.schema)
                && names.matches(table.name)
                && type_asked(&command.table_types, kind)
            {
                rows.push(Row {
                    columns: described(&table.columns, [&catalog, table.schema, table.name], &HashMap::new()),
                    catalog: catalog.clone(),
                    schema: table.schema.to_owned(),
                    name: table.name.to_owned(),
                    kind,
                });
            }
        }
    }
    rows
}

fn type_of(table: &Table) -> &'static str {
    match table.securable_kind() {
        SecurableKind::View => VIEW,
        _ => TABLE,
    }
}

/// Whether the filter asks for `kind`; tools have several words for a table.
fn type_asked(filter: &[String], kind: &str) -> bool {
    let same = |asked: &String| match asked.to_uppercase().as_str() {
        "TABLE" | "BASE TABLE" | "SYSTEM TABLE" => kind == TABLE,
        "VIEW" => kind == VIEW,
        _ => false,
    };
    filter.is_empty() || filter.iter().any(same)
}

async fn columns_of(warehouse: &Warehouse, context: &Context, table: &Table) -> Schema {
    let columns = warehouse.table_wire_schema(context, table).await.unwrap_or_else(|error| {
        tracing::info!(table = %table.name, condition = error.condition().name(), "listed without its columns");
        Arc::new(Schema::empty())
    });
    let known = table.columns.iter().map(|column| {
        let known = Known { remark: column.comment.clone(), text_length: column.text_length() };
        (column.name.to_lowercase(), known)
    });
    let known: HashMap<String, Known> = known.collect();
    let name = &table.name;
    described(&columns, [name.catalog.as_str(), name.schema.as_str(), name.object.as_str()], &known)
}

/// What the catalog knows of a column beside its wire type.
#[derive(Debug, Default)]
struct Known {
    remark: Option<String>,
    text_length: Option<i32>,
}

/// The columns with what drivers want to know about them in their metadata.
fn described(columns: &SchemaRef, name: [&str; 3], known: &HashMap<String, Known>) -> Schema {
    let describe = |field: &Arc<Field>| {
        let metadata = column_metadata(field, name, known.get(&field.name().to_lowercase()));
        field.as_ref().clone().with_metadata(metadata)
    };
    Schema::new(columns.fields().iter().map(describe).collect::<Vec<_>>())
}

fn column_metadata(
    field: &Field,
    [catalog, schema, table]: [&str; 3],
    told: Option<&Known>,
) -> HashMap<String, String> {
    let yes_or_no = |yes: bool| if yes { "1" } else { "0" }.to_owned();
    let (precision, scale) = sql_type::precision_and_scale(field.data_type());
    let text_length = told.and_then(|told| told.text_length);
    let type_name = text_length.map_or_else(|| sql_type::name(field.data_type()), |_| "VARCHAR".to_owned());
    let known = [
        ("CATALOG_NAME", Some(catalog.to_owned())),
        ("SCHEMA_NAME", Some(schema.to_owned())),
        ("TABLE_NAME", Some(table.to_owned())),
        ("TYPE_NAME", Some(type_name)),
        ("PRECISION", precision.or(text_length).map(|size| size.to_string())),
        ("SCALE", scale.map(|digits| digits.to_string())),
        ("IS_AUTO_INCREMENT", Some(yes_or_no(false))),
        ("IS_CASE_SENSITIVE", Some(yes_or_no(sql_type::is_case_sensitive(field.data_type())))),
        ("IS_READ_ONLY", Some(yes_or_no(false))),
        ("IS_SEARCHABLE", Some(yes_or_no(true))),
        ("REMARKS", told.and_then(|told| told.remark.clone())),
    ];
    let pairs =
        known.into_iter().filter_map(|(key, value)| Some((format!("ARROW:FLIGHT:SQL:{key}"), value?)));
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;

    use super::*;

    #[test]
    fn tools_find_tables_by_any_of_their_words() {
        let asked = |filter: &[&str], kind| {
            let filter: Vec<String> = filter.iter().map(|word| (*word).to_owned()).collect();
            type_asked(&filter, kind)
        };
        assert!(asked(&[], TABLE) && asked(&[], VIEW));
        assert!(asked(&["BASE TABLE"], TABLE) && asked(&["table"], TABLE) && asked(&["System Table"], TABLE));
        assert!(!asked(&["table"], VIEW) && asked(&["VIEW", "TABLE"], VIEW));
        assert!(!asked(&["LOCAL TEMPORARY"], TABLE));
    }

    #[test]
    fn columns_say_what_drivers_ask_for() {
        let columns = Arc::new(Schema::new(vec![
            Field::new("Amount", DataType::Decimal128(15, 2), true),
            Field::new("code", DataType::Utf8, true),
        ]));
        let known =
            |remark: Option<&str>, text_length| Known { remark: remark.map(str::to_owned), text_length };
        let known = HashMap::from([
            ("amount".to_owned(), known(Some("in euro"), None)),
            ("code".to_owned(), known(None, Some(7))),
        ]);
        let told = described(&columns, ["main", "eu", "orders"], &known);
        let code = told.field(1).metadata();
        for (key, value) in [("TYPE_NAME", "VARCHAR"), ("PRECISION", "7")] {
            assert_eq!(code.get(&format!("ARROW:FLIGHT:SQL:{key}")).map(String::as_str), Some(value));
        }
        let metadata = told.field(0).metadata();
        for (key, value) in [
            ("CATALOG_NAME", "main"),
            ("TABLE_NAME", "orders"),
            ("TYPE_NAME", "DECIMAL"),
            ("PRECISION", "15"),
            ("SCALE", "2"),
            ("IS_SEARCHABLE", "1"),
            ("REMARKS", "in euro"),
        ] {
            assert_eq!(metadata.get(&format!("ARROW:FLIGHT:SQL:{key}")).map(String::as_str), Some(value));
        }
    }
}
