//! Renames, drops and adds columns of tables with column mapping: one commit that changes the schema and no file.
//!
//! In such a table a file knows its columns by physical names and ids, which stay with a column for good; what changes is
//! the name that the schema gives to them. Without column mapping the files themselves carry the names, so nothing but
//! rewriting them would do: that is refused. A column that partitions the table, or that a constraint, an invariant or a
//! generated column names, is refused as well.
//!
//! Policies hang on ids, so a column is added under the very id that was told of it ([`NewColumns`]): on the version at which it
//! was told, and not at all where another commit changed the columns since.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::kernel::{
    Action, ArrayType, DataType, MapType, MetadataExt, MetadataValue, StructField, StructType,
};
use deltalake::protocol::DeltaOperation;
use uuid::Uuid;

use crate::delta_tables::DeltaTables;
use crate::error::{self, Error, Result};
use crate::location::TableLocation;
use crate::pinned_table::{FIELD_ID, PinnedTable};
use crate::table_writer::commit_properties;
use crate::{table_features, table_schema};

pub(crate) const PHYSICAL_NAME: &str = "delta.columnMapping.physicalName";
const MAX_ID: &str = "delta.columnMapping.maxColumnId";
/// Files keep ids in 32 bits; what is added at once is far from filling the rest.
const MAX_ID_MAX: i64 = i32::MAX as i64 - 100_000;
const CONSTRAINT: &str = "delta.constraints.";
const INVARIANT: &str = "delta.invariants";
const GENERATION: &str = "delta.generationExpression";
const STATISTICS: &str = "delta.dataSkippingStatsColumns";

/// What was to be done with a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ColumnChange {
    Rename,
    Drop,
}

impl fmt::Display for ColumnChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ColumnChange::Rename => "renamed",
            ColumnChange::Drop => "dropped",
        })
    }
}

/// Why a column cannot be renamed or dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The files carry the columns' names.
    NoColumnMapping,
    /// The column partitions the table.
    Partition,
    /// A constraint or property of the table names it.
    Constraint(String),
    /// A generated column names it.
    Generated(String),
    /// There is no other column.
    LastColumn,
    /// There is no such column.
    Missing,
    /// The new name is taken.
    Taken(String),
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::NoColumnMapping => f.write_str("the table has no column mapping"),
            Obstacle::Partition => f.write_str("it partitions the table"),
            Obstacle::Constraint(name) => write!(f, "`{name}` of the table names it"),
            Obstacle::Generated(column) => write!(f, "column `{column}` is generated from it"),
            Obstacle::LastColumn => f.write_str("a table has a column at least"),
            Obstacle::Missing => f.write_str("the table has no such column"),
            Obstacle::Taken(name) => write!(f, "there is a column `{name}` already"),
        }
    }
}

/// Columns that a version of a table is to get, with what its log will know them by.
#[derive(Clone, Debug)]
pub struct NewColumns {
    columns: SchemaRef,
    /// With column mapping: the fields with their ids, and the highest id of the table then.
    mapped: Option<(Vec<StructField>, i64)>,
}

impl NewColumns {
    /// Their field ids, by name; none without column mapping.
    pub fn field_ids(&self) -> HashMap<String, i64> {
        let id = |field: &StructField| Some((field.name().clone(), field_id(field)?));
        self.fields().iter().filter_map(id).collect()
    }

    fn fields(&self) -> &[StructField] {
        self.mapped.as_ref().map(|(fields, _)| fields.as_slice()).unwrap_or_default()
    }
}

impl PinnedTable {
    /// Whether its files know columns by id and physical name.
    pub fn has_column_mapping(&self) -> bool {
        let mode = self.described().table_configuration().column_mapping_mode();
        Some(mode) != "none".parse().ok()
    }

    /// Refuses what [`DeltaTables::rename_column`] would refuse.
    pub fn check_rename(&self, from: &str, to: &str) -> Result<()> {
        renamed(self, from, to).map(drop)
    }

    /// Refuses what [`DeltaTables::drop_columns`] would refuse.
    pub fn check_drop(&self, names: &[String]) -> Result<()> {
        without(self, names).map(drop)
    }

    /// The columns as this version would get them: with column mapping under ids above all that it has given, and above
    /// `beyond`, the highest that somebody else has told of it.
    pub fn new_columns(&self, columns: &SchemaRef, beyond: Option<i64>) -> Result<NewColumns> {
        let mapped = match self.has_column_mapping() {
            true => Some(mapped(self, columns, beyond)?),
            false => None,
        };
        Ok(NewColumns { columns: Arc::clone(columns), mapped })
    }

    /// The field ids that columns would have which are added to this version; none without column mapping.
    pub fn added_field_ids(&self, columns: &SchemaRef) -> Result<HashMap<String, i64>> {
        Ok(self.new_columns(columns, None)?.field_ids())
    }

    /// Whether this version has the column that was to come under `name`, whatever it is called: files know it by a name that no
    /// other column has. One that has its name and its id counts as well, for what was told of it holds for that one; so does
    /// one of its name where files know columns by nothing else.
    pub fn has_new_column(&self, columns: &NewColumns, name: &str) -> bool {
        let schema = self.described().schema();
        let Some(wanted) = columns.fields().iter().find(|field| is_named(field, name)) else {
            return schema.fields().any(|field| is_named(field, name));
        };
        schema.fields().any(|field| {
            physical_name(field) == physical_name(wanted)
                || (is_named(field, name) && field_id(field) == field_id(wanted))
        })
    }
}

impl DeltaTables {
    /// Gives a column of a table with column mapping another name.
    pub async fn rename_column(
        &self,
        location: &TableLocation,
        from: &str,
        to: &str,
        commit_metadata: Vec<(String, String)>,
    ) -> Result<PinnedTable> {
        let table = self.open(location).await?;
        let schema = renamed(&table, from, to)?;
        self.commit_schema(&table, &schema, None, commit_metadata).await
    }

    /// Takes columns out of the schema of a table with column mapping; their values stay in its files, where nothing
    /// reads them: a column of the same name that is added later has another id.
    pub async fn drop_columns(
        &self,
        location: &TableLocation,
        names: &[String],
        commit_metadata: Vec<(String, String)>,
    ) -> Result<PinnedTable> {
        let table = self.open(location).await?;
        let schema = without(&table, names)?;
        self.commit_schema(&table, &schema, None, commit_metadata).await
    }

    /// Adds nullable columns after those that `table` has, in one commit, as that version told of them. With column mapping
    /// that is a conflict where the table's columns are not those of that version any more. Without it a column is its name,
    /// and nothing that was told can be another's.
    pub async fn add_new_columns(
        &self,
        table: &PinnedTable,
        columns: &NewColumns,
        commit_metadata: Vec<(String, String)>,
    ) -> Result<PinnedTable> {
        match &columns.mapped {
            Some((fields, max_id)) => self.add_fields(table, fields, *max_id, commit_metadata).await,
            None => self.add_columns(table.location(), Arc::clone(&columns.columns), commit_metadata).await,
        }
    }

    /// Adds nullable columns to a table with column mapping.
    pub(crate) async fn add_mapped_columns(
        &self,
        table: &PinnedTable,
        columns: &SchemaRef,
        commit_metadata: Vec<(String, String)>,
    ) -> Result<PinnedTable> {
        let (added, max_id) = mapped(table, columns, None)?;
        self.add_fields(table, &added, max_id, commit_metadata).await
    }

    async fn add_fields(
        &self,
        table: &PinnedTable,
        added: &[StructField],
        max_id: i64,
        commit_metadata: Vec<(String, String)>,
    ) -> Result<PinnedTable> {
        let known = table.described().schema();
        let schema = schema_of(table, known.fields().chain(added).cloned())?;
        self.commit_schema(table, &schema, Some(max_id), commit_metadata).await
    }

    /// A conflict where another commit changed the schema since `table` was opened.
    async fn commit_schema(
        &self,
        table: &PinnedTable,
        schema: &StructType,
        max_id: Option<i64>,
        commit_metadata: Vec<(String, String)>,
    ) -> Result<PinnedTable> {
        let location = table.location();
        let failed = |failure| error::commit_failure(location, failure);
        let unwritten = |failure: deltalake::kernel::Error| failed(failure.into());
        let mut metadata = table.described().metadata().clone().with_schema(schema).map_err(unwritten)?;
        if let Some(id) = max_id {
            metadata = metadata.add_config_key(MAX_ID.to_owned(), id.to_string()).map_err(unwritten)?;
        }
        let operation = DeltaOperation::UpdateFieldMetadata { fields: schema.fields().cloned().collect() };
        let protocol = table_features::with_schema(table, schema)?;
        let actions = protocol.into_iter().chain([Action::Metadata(metadata)]).collect();
        let properties = commit_properties(commit_metadata, None);
        self.commit(table, actions, properties, operation).await?.1
    }
}

fn renamed(table: &PinnedTable, from: &str, to: &str) -> Result<StructType> {
    let refused = |obstacle| refusal(from, ColumnChange::Rename, obstacle);
    check_mapped(table, from, ColumnChange::Rename)?;
    let schema = table.described().schema();
    let taken = schema.fields().find(|field| is_named(field, to) && !is_named(field, from));
    if let Some(taken) = taken {
        return Err(refused(Obstacle::Taken(taken.name().clone())));
    }
    check_free(table, from, ColumnChange::Rename)?;
    let fields = schema.fields().map(|field| match is_named(field, from) {
        true => field.with_name(to),
        false => field.clone(),
    });
    schema_of(table, fields)
}

fn without(table: &PinnedTable, names: &[String]) -> Result<StructType> {
    for name in names {
        check_mapped(table, name, ColumnChange::Drop)?;
        check_free(table, name, ColumnChange::Drop)?;
    }
    let schema = table.described().schema();
    let stays = |field: &&StructField| !names.iter().any(|name| is_named(field, name));
    let left: Vec<StructField> = schema.fields().filter(stays).cloned().collect();
    if let (true, Some(name)) = (left.is_empty(), names.first()) {
        return Err(refusal(name, ColumnChange::Drop, Obstacle::LastColumn));
    }
    schema_of(table, left)
}

fn check_mapped(table: &PinnedTable, column: &str, change: ColumnChange) -> Result<()> {
    let refused = |obstacle| Err(refusal(column, change, obstacle));
    let schema = table.described().schema();
    let Some(field) = schema.fields().find(|field| is_named(field, column)) else {
        return refused(Obstacle::Missing);
    };
    let physical = matches!(field.metadata().get(PHYSICAL_NAME), Some(MetadataValue::String(_)));
    if !table.has_column_mapping() || !physical || field_id(field).is_none() {
        return refused(Obstacle::NoColumnMapping);
    }
    Ok(())
}

/// Refuses while something of the table itself names the column.
fn check_free(table: &PinnedTable, column: &str, change: ColumnChange) -> Result<()> {
    let refused = |obstacle| Err(refusal(column, change, obstacle));
    if table.partition_columns().iter().any(|partition| partition.to_lowercase() == column.to_lowercase()) {
        return refused(Obstacle::Partition);
    }
    let told = |property: &&String| property.starts_with(CONSTRAINT) || *property == STATISTICS;
    let mut properties: Vec<&String> = table.properties().keys().filter(told).collect();
    properties.sort();
    let naming =
        |property: &&&String| table.properties().get(**property).is_some_and(|text| names(text, column));
    if let Some(property) = properties.iter().find(naming) {
        let constraint = property.strip_prefix(CONSTRAINT).unwrap_or(property);
        return refused(Obstacle::Constraint(constraint.to_owned()));
    }
    for field in table.described().schema().fields() {
        let says = |key: &str| field.metadata().get(key).is_some_and(|text| names(&text.to_string(), column));
        if says(GENERATION) {
            return refused(Obstacle::Generated(field.name().clone()));
        }
        if says(INVARIANT) {
            return refused(Obstacle::Constraint(INVARIANT.to_owned()));
        }
    }
    Ok(())
}

/// Whether the text of an expression has the name as a word of its own; it refuses once too often rather than once too
/// seldom.
fn names(text: &str, column: &str) -> bool {
    let fold = |text: &str| text.replace('`', "").to_lowercase();
    let (text, column) = (fold(text), fold(column));
    let in_name = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(&column).any(|(at, found)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + found.len()..).and_then(|after| after.chars().next());
        !in_name(before) && !in_name(after)
    })
}

/// The columns as fields with ids after the table's highest and after `beyond`, and the highest afterwards.
fn mapped(table: &PinnedTable, columns: &SchemaRef, beyond: Option<i64>) -> Result<(Vec<StructField>, i64)> {
    let invalid = |source| Error::InvalidDefinition { table: table.location().clone(), source };
    let columns = table_schema::for_delta(columns)?;
    let columns: StructType = columns.as_ref().try_into_kernel().map_err(|cause| invalid(Box::new(cause)))?;
    let Some(known) = table.properties().get(MAX_ID).and_then(|id| id.parse::<i64>().ok()) else {
        return Err(invalid(format!("the table does not say `{MAX_ID}`").into()));
    };
    // A log may say less than its columns have.
    let given = highest(&table.described().schema());
    let last = known.max(given).max(beyond.unwrap_or(0));
    if last > MAX_ID_MAX {
        return Err(invalid("the table has given all the ids that columns can have".into()));
    }
    let mut ids = Ids { last };
    let fields = columns.fields().map(|field| ids.field(field)).collect();
    Ok((fields, ids.last))
}

/// The highest id of the fields, at whatever depth.
fn highest(fields: &StructType) -> i64 {
    let of_field = |field: &StructField| field_id(field).unwrap_or(0).max(highest_within(field.data_type()));
    fields.fields().map(of_field).max().unwrap_or(0)
}

fn highest_within(data_type: &DataType) -> i64 {
    match data_type {
        DataType::Struct(fields) => highest(fields),
        DataType::Array(array) => highest_within(array.element_type()),
        DataType::Map(map) => highest_within(map.key_type()).max(highest_within(map.value_type())),
        _ => 0,
    }
}

/// Gives out ids, and physical names, of which there is each once.
struct Ids {
    last: i64,
}

impl Ids {
    fn field(&mut self, field: &StructField) -> StructField {
        self.last += 1;
        let physical = format!("col-{}", Uuid::new_v4());
        let own = [
            (FIELD_ID.to_owned(), MetadataValue::Number(self.last)),
            (PHYSICAL_NAME.to_owned(), MetadataValue::String(physical)),
        ];
        let metadata = field.metadata().clone().into_iter().chain(own).collect();
        StructField {
            name: field.name().clone(),
            data_type: self.data_type(field.data_type()),
            nullable: field.is_nullable(),
            metadata,
        }
    }

    fn data_type(&mut self, data_type: &DataType) -> DataType {
        match data_type {
            DataType::Struct(fields) => {
                let named: Vec<StructField> = fields.fields().map(|field| self.field(field)).collect();
                // The same names in the same order as before.
                StructType::try_new(named).map_or_else(|_| data_type.clone(), |fields| fields.into())
            }
            DataType::Array(array) => {
                let element = self.data_type(array.element_type());
                ArrayType::new(element, array.contains_null()).into()
            }
            DataType::Map(map) => {
                let (key, value) = (self.data_type(map.key_type()), self.data_type(map.value_type()));
                MapType::new(key, value, map.value_contains_null()).into()
            }
            other => other.clone(),
        }
    }
}

fn schema_of(table: &PinnedTable, fields: impl IntoIterator<Item = StructField>) -> Result<StructType> {
    let invalid = |source| Error::InvalidDefinition { table: table.location().clone(), source };
    StructType::try_new(fields).map_err(|cause| invalid(Box::new(cause)))
}

fn field_id(field: &StructField) -> Option<i64> {
    match field.metadata().get(FIELD_ID) {
        Some(MetadataValue::Number(id)) => Some(*id),
        _ => None,
    }
}

fn physical_name(field: &StructField) -> Option<&str> {
    match field.metadata().get(PHYSICAL_NAME) {
        Some(MetadataValue::String(name)) => Some(name),
        _ => None,
    }
}

fn is_named(field: &StructField, name: &str) -> bool {
    field.name().to_lowercase() == name.to_lowercase()
}

fn refusal(column: &str, change: ColumnChange, obstacle: Obstacle) -> Error {
    Error::ColumnChange { column: column.to_owned(), change, obstacle }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use datafusion::arrow::datatypes::{DataType as ArrowType, Field, Fields, Schema};

    use super::*;
    use crate::{Config, NewTable, RangeCache, RootName, Router};

    fn columns(fields: Vec<Field>) -> SchemaRef {
        Arc::new(Schema::new(fields))
    }

    fn text(name: &str) -> Field {
        Field::new(name, ArrowType::Utf8, true)
    }

    /// Tables in a temporary directory, and a table `t` of one column in it.
    async fn ground(properties: &[(&str, &str)]) -> (tempfile::TempDir, DeltaTables, TableLocation) {
        let (directory, config) = (tempfile::tempdir().unwrap(), Config::default());
        let root = RootName::new("main").unwrap();
        let router = Arc::new(Router::new(RangeCache::new(config.range_cache_bytes)));
        router.add_local_root(&root, directory.path()).unwrap();
        let tables = DeltaTables::new(router, config);
        let location = TableLocation::new(root, "t").unwrap();
        let properties = properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let definition = NewTable {
            schema: columns(vec![text("id")]),
            partition_columns: Vec::new(),
            properties: properties.collect(),
            comment: None,
        };
        tables.create_as(&location, definition, Vec::new()).await.unwrap();
        (directory, tables, location)
    }

    const BY_NAME: (&str, &str) = ("delta.columnMapping.mode", "name");

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_column_has_the_id_that_was_told_of_it_or_does_not_come() {
        let (_directory, tables, location) = ground(&[BY_NAME]).await;
        let looked_at = tables.open(&location).await.unwrap();
        let plain = looked_at.new_columns(&columns(vec![text("plain")]), None).unwrap();
        let secret = looked_at.new_columns(&columns(vec![text("secret")]), None).unwrap();
        assert_eq!(plain.field_ids().get("plain"), secret.field_ids().get("secret"));
        let added = tables.add_new_columns(&looked_at, &plain, Vec::new()).await.unwrap();
        assert_eq!(added.field_ids().get("plain"), plain.field_ids().get("plain"));
        let refused = tables.add_new_columns(&looked_at, &secret, Vec::new()).await;
        assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
        let there = tables.open(&location).await.unwrap();
        assert!(there.has_new_column(&plain, "plain") && !there.has_new_column(&secret, "secret"));
        let again = there.new_columns(&columns(vec![text("secret")]), None).unwrap();
        let added = tables.add_new_columns(&there, &again, Vec::new()).await.unwrap();
        assert_eq!(added.field_ids().get("secret"), again.field_ids().get("secret"));
        assert_ne!(added.field_ids().get("secret"), added.field_ids().get("plain"));
        // It is known again under another name, and another of its name is not taken for it.
        tables.rename_column(&location, "secret", "other", Vec::new()).await.unwrap();
        tables.rename_column(&location, "plain", "secret", Vec::new()).await.unwrap();
        let there = tables.open(&location).await.unwrap();
        assert!(there.has_new_column(&again, "secret"));
        tables.drop_columns(&location, &["other".to_owned()], Vec::new()).await.unwrap();
        let there = tables.open(&location).await.unwrap();
        assert!(!there.has_new_column(&again, "secret") && there.has_new_column(&plain, "plain"));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn ids_are_above_all_that_were_given_or_told() {
        let (_directory, tables, location) = ground(&[BY_NAME]).await;
        let first = tables.open(&location).await.unwrap();
        let inner = ArrowType::Struct(Fields::from(vec![text("a"), text("b")]));
        let nested = columns(vec![Field::new("nested", inner, true)]);
        let told = first.new_columns(&nested, Some(7)).unwrap();
        assert_eq!(told.field_ids().get("nested"), Some(&8));
        let added = tables.add_new_columns(&first, &told, Vec::new()).await.unwrap();
        assert_eq!(added.field_ids().get("nested"), Some(&8));
        assert_eq!(added.properties().get(MAX_ID).map(String::as_str), Some("10"));
        assert_eq!(highest(&added.described().schema()), 10);
        let more = added.added_field_ids(&columns(vec![text("c")])).unwrap();
        assert_eq!(more.get("c"), Some(&11));
        let refused = added.new_columns(&nested, Some(i64::MAX));
        assert!(matches!(refused, Err(Error::InvalidDefinition { .. })), "{refused:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn without_ids_a_column_is_its_name() {
        let (_directory, tables, location) = ground(&[]).await;
        let looked_at = tables.open(&location).await.unwrap();
        let told = looked_at.new_columns(&columns(vec![text("more")]), Some(7)).unwrap();
        assert!(told.field_ids().is_empty() && !looked_at.has_new_column(&told, "more"));
        let added = tables.add_new_columns(&looked_at, &told, Vec::new()).await.unwrap();
        assert!(added.has_new_column(&told, "MORE") && added.field_ids().is_empty());
    }

    #[test]
    fn a_column_is_named_by_a_whole_word() {
        for (text, column, named) in [
            ("age > 0", "AGE", true),
            ("`Age` > 0", "age", true),
            ("average > age_2", "age", false),
            ("upper(name)", "name", true),
            ("`odd name` = 1", "odd name", true),
        ] {
            assert_eq!(names(text, column), named, "{text} {column}");
        }
    }
}
