//! `information_schema`: what there is in the catalog, as far as the caller may know.
//!
//! Each view is the reference's, columns and order; what it has more comes last. A view is no stored
//! table: its rows are made when it is read, from the very snapshot of the catalog that the statement
//! sees, and only those of which the caller may be told; so everybody may read it. `system` shows
//! the views over all catalogs, each other catalog those over itself.
//!
//! Never in a row: column statistics, a policy's body, a path or a view's text for those who may not
//! read it.
//!
//! How to add a view: a `View` in a file of this folder, with its columns and the function that makes its
//! rows; its line in [`VIEWS`]; regenerate `tests/golden/system_tables.md` with
//! `WEIR_UPDATE_GOLDEN=1`.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::nested::list_of_text;
use super::{Column, access_views};

pub mod asked;
mod columns;
mod constraints;
mod containers;
mod policies;
mod privileges;
mod provider;
mod routines;
mod rows;
mod storage;
mod tables;
mod tags;
mod type_facts;

pub use asked::Asked;
pub use provider::InformationTable;
pub(crate) use rows::{Cell, Rows, yes_or_no};
pub(crate) use tables::names as table_names;

/// The schema that holds the views.
pub const SCHEMA: &str = "information_schema";

/// Where a view is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// In each catalog, over that catalog; in `system`, over all.
    Catalog,
    /// In `system` only: it speaks of what lies beside the catalogs.
    Metastore,
    /// In the schema `access` of `system` only: it tells of access, not of what there is.
    Access,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    Text,
    Number,
    Moment,
    Texts,
}

/// A column of a view: name, content, meaning.
pub(crate) type Definition = (&'static str, Holds, &'static str);

/// The columns that name what a row speaks of: catalog, schema, object. An equality with one of them
/// narrows what is looked at.
pub(crate) type Key = [Option<&'static str>; 3];

/// One view.
pub struct View {
    pub(crate) name: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) reach: Reach,
    pub(crate) key: Key,
    pub(crate) columns: &'static [&'static [Definition]],
    pub(crate) rows: fn(&Asked<'_>, &mut Rows),
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for View {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for View {}

/// Every view.
pub static VIEWS: &[&View] = &[
    &policies::ABAC_POLICY_DEFINITIONS,
    &privileges::CATALOG_PRIVILEGES,
    &tags::CATALOG_TAGS,
    &containers::CATALOGS,
    &constraints::CHECK_CONSTRAINTS,
    &policies::COLUMN_MASKS,
    &tags::COLUMN_TAGS,
    &columns::COLUMNS,
    &constraints::CONSTRAINT_COLUMN_USAGE,
    &constraints::CONSTRAINT_TABLE_USAGE,
    &privileges::EXTERNAL_LOCATION_PRIVILEGES,
    &storage::EXTERNAL_LOCATIONS,
    &containers::INFORMATION_SCHEMA_CATALOG_NAME,
    &constraints::KEY_COLUMN_USAGE,
    &privileges::METASTORE_PRIVILEGES,
    &routines::PARAMETERS,
    &policies::POLICIES,
    &privileges::PRIVILEGE_DENIALS,
    &constraints::REFERENTIAL_CONSTRAINTS,
    &routines::ROUTINE_COLUMNS,
    &privileges::ROUTINE_PRIVILEGES,
    &routines::ROUTINES,
    &policies::ROW_FILTERS,
    &privileges::SCHEMA_PRIVILEGES,
    &tags::SCHEMA_TAGS,
    &containers::SCHEMATA,
    &privileges::STORAGE_CREDENTIAL_PRIVILEGES,
    &storage::STORAGE_CREDENTIALS,
    &constraints::TABLE_CONSTRAINTS,
    &privileges::TABLE_PRIVILEGES,
    &tags::TABLE_TAGS,
    &tables::TABLES,
    &tables::VIEWS,
    &privileges::VOLUME_PRIVILEGES,
    &tags::VOLUME_TAGS,
    &storage::VOLUMES,
];

impl View {
    /// The views of `information_schema` that a catalog shows.
    pub fn all_in(catalog: &str) -> impl Iterator<Item = &'static View> {
        let everywhere = catalog == super::SYSTEM_CATALOG;
        VIEWS.iter().copied().filter(move |view| everywhere || view.reach == Reach::Catalog)
    }

    /// The schema that shows it.
    pub fn schema(&self) -> &'static str {
        match self.reach {
            Reach::Catalog | Reach::Metastore => SCHEMA,
            Reach::Access => access_views::SCHEMA,
        }
    }

    /// Its columns.
    pub fn columns(&self) -> Vec<Column> {
        let definitions = self.columns.iter().flat_map(|group| group.iter());
        definitions
            .map(|(name, holds, meaning)| {
                let data_type = match holds {
                    Holds::Text => DataType::Utf8,
                    Holds::Number => DataType::Int64,
                    Holds::Moment => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                    Holds::Texts => list_of_text(),
                };
                Column::new(name, data_type, meaning)
            })
            .collect()
    }

    /// Its Arrow schema.
    pub fn arrow_schema(&self) -> SchemaRef {
        let fields = self.columns().into_iter().map(|column| Field::new(column.name, column.data_type, true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

/// When and by whom, as most views end.
pub(crate) const STAMPS: &[Definition] = &[
    ("created", Holds::Moment, "When it was made."),
    ("created_by", Holds::Text, "Who made it; null when that principal is gone."),
    ("last_altered", Holds::Moment, "When it was last changed."),
    ("last_altered_by", Holds::Text, "Who changed it last; null when that principal is gone."),
];

#[cfg(test)]
mod tests;
