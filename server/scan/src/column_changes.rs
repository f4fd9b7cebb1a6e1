//! Renames, drops and adds columns of tables with column mapping: one commit that changes the schema and no file.
//!
//! In such a table a file knows its columns by physical names and ids, which stay with a column for good; what changes is
//! the name that the schema gives to them. Without column mapping the files themselves carry the names, so nothing but
//! rewriting them would do: that is refused. A column that partitions the table, or that a constraint, an invariant or a
//! generated column names, is refused as well.

use std::collections::HashMap;
use std::fmt;

use datafusion::arrow::datatypes::SchemaRef;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::kernel::{
    Action, ArrayType, DataType, MapType, MetadataExt, MetadataValue, StructField, StructType,
};
use deltalake::protocol::DeltaOperation;

use crate::delta_tables::DeltaTables;
use crate::error::{self, Error, Result};
use crate::location::TableLocation;
use crate::pinned_table::{FIELD_ID, PinnedTable};
use crate::table_writer::commit_properties;
use crate::{table_features, table_schema};

pub(crate) const PHYSICAL_NAME: &str = "delta.columnMapping.physicalName";
const MAX_ID: &str = "delta.columnMapping.maxColumnId";
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

    /// The field ids that columns would have which are added to this version; none without column mapping.
    pub fn added_field_ids(&self, columns: &SchemaRef) -> Result<HashMap<String, i64>> {
        if !self.has_column_mapping() {
            return Ok(HashMap::new());
        }
        let (fields, _) = mapped(self, columns)?;
        let id = |field: &StructField| Some((field.name().clone(), field_id(field)?));
        Ok(fields.iter().filter_map(id).collect())
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

    /// Adds nullable columns to a table with column mapping.
    pub(crate) async fn add_mapped_columns(
        &self,
        table: &PinnedTable,
        columns: &SchemaRef,
        commit_metadata: Vec<(String, String)>,
    ) -> Result<PinnedTable> {
        let (added, max_id) = mapped(table, columns)?;
        let known = table.described().schema();
        let fields = known.fields().cloned().chain(added);
        let schema = schema_of(table, fields)?;
        self.commit_schema(table, &schema, Some(max_id), commit_metadata).await
    }

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

/// The columns as fields with ids after the table's highest, and the highest afterwards.
fn mapped(table: &PinnedTable, columns: &SchemaRef) -> Result<(Vec<StructField>, i64)> {
    let invalid = |source| Error::InvalidDefinition { table: table.location().clone(), source };
    let columns = table_schema::for_delta(columns)?;
    let columns: StructType = columns.as_ref().try_into_kernel().map_err(|cause| invalid(Box::new(cause)))?;
    let Some(known) = table.properties().get(MAX_ID).and_then(|id| id.parse::<i64>().ok()) else {
        return Err(invalid(format!("the table does not say `{MAX_ID}`").into()));
    };
    let mut ids = Ids { last: known, version: table.version().saturating_add(1) };
    let fields = columns.fields().map(|field| ids.field(field)).collect();
    Ok((fields, ids.last))
}

/// Gives out ids, and physical names made of them: as unique as these are.
struct Ids {
    last: i64,
    version: u64,
}

impl Ids {
    fn field(&mut self, field: &StructField) -> StructField {
        self.last += 1;
        let physical = format!("col-{}-{}", self.version, self.last);
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

fn is_named(field: &StructField, name: &str) -> bool {
    field.name().to_lowercase() == name.to_lowercase()
}

fn refusal(column: &str, change: ColumnChange, obstacle: Obstacle) -> Error {
    Error::ColumnChange { column: column.to_owned(), change, obstacle }
}

#[cfg(test)]
mod tests {
    use super::names;

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
