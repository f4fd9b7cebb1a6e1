//! [`ServerTable`]: every table that the server itself provides, whether it is a table of the books or
//! made when it is read. What lists tables (SHOW, DESCRIBE, the doors' metadata) asks here.

use arrow::datatypes::SchemaRef;

use super::access_views;
use super::information_schema::View;
use super::{Column, SystemTableName};

/// The catalog in which the warehouse shows its own tables.
pub const SYSTEM_CATALOG: &str = "system";

/// Who owns the server's own tables, in listings.
pub const SYSTEM_OWNER: &str = "System user";

/// One table of the server's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerTable {
    /// A table of the books; in the catalog `system`.
    Book(SystemTableName),
    /// A view: of `information_schema` in every catalog, of `access` in `system`.
    Information(&'static View),
}

impl ServerTable {
    /// Those that a catalog shows.
    pub fn all_in(catalog: &str) -> impl Iterator<Item = Self> + use<'_> {
        let books = SystemTableName::ALL.into_iter().map(Self::Book);
        let access = access_views::VIEWS.iter().copied().map(Self::Information);
        let system = books.chain(access).filter(move |_| catalog == SYSTEM_CATALOG);
        system.chain(View::all_in(catalog).map(Self::Information))
    }

    /// The table of that name, in any case of letters. Whether the catalog is there, and for whom, is not
    /// asked here.
    pub fn find(catalog: &str, schema: &str, table: &str) -> Option<Self> {
        Self::all_in(&catalog.to_lowercase()).find(|found| {
            found.schema().eq_ignore_ascii_case(schema) && found.table().eq_ignore_ascii_case(table)
        })
    }

    /// The schemas in which a catalog shows them, by name.
    pub fn schemas_in(catalog: &str) -> Vec<&'static str> {
        let mut schemas: Vec<&str> = Self::all_in(catalog).map(Self::schema).collect();
        schemas.sort_unstable();
        schemas.dedup();
        schemas
    }

    /// Its schema.
    pub fn schema(self) -> &'static str {
        match self {
            Self::Book(name) => name.schema(),
            Self::Information(view) => view.schema(),
        }
    }

    /// Its name in that schema.
    pub fn table(self) -> &'static str {
        match self {
            Self::Book(name) => name.table(),
            Self::Information(view) => view.name,
        }
    }

    /// Whether listings call it a view.
    pub fn is_view(self) -> bool {
        matches!(self, Self::Information(_))
    }

    /// What it holds.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Book(name) => name.meaning(),
            Self::Information(view) => view.meaning,
        }
    }

    /// Its columns.
    pub fn columns(self) -> Vec<Column> {
        match self {
            Self::Book(name) => name.columns(),
            Self::Information(view) => view.columns(),
        }
    }

    /// Its Arrow schema.
    pub fn arrow_schema(self) -> SchemaRef {
        match self {
            Self::Book(name) => name.arrow_schema(),
            Self::Information(view) => view.arrow_schema(),
        }
    }
}
