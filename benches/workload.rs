//! What the benches ask, and of whom: the queries and policies in `workload/*.toml` as texts, the
//! sample warehouse they run on, and rounds in which two sides take turns.
//!
//! A query is written once, with `{table}` where a table stands. It is asked in three [`Form`]s:
//! over tables that the catalog governs, over the same tables with the policies written out by
//! hand, and over plain tables. A new query or policy is a new entry in a file.

use std::collections::BTreeMap;

use serde::Deserialize;

pub mod bare;
pub mod engine;
pub mod log_table;
pub mod plot;
pub mod rounds;
pub mod warehouse;

/// What can go wrong: a bench ends with it.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
/// What comes of a step.
pub type Result<T> = std::result::Result<T, Error>;

/// The queries and the policies.
#[derive(Debug, Clone)]
pub struct Workload {
    /// In the order of the file.
    pub queries: Vec<Query>,
    /// Row filters and masks.
    pub policies: Policies,
}

/// A query, see `workload/queries.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// Its name in the results.
    pub name: String,
    /// The tables it reads.
    pub tables: Vec<String>,
    /// Its text with `{table}` for each of them.
    pub sql: String,
    /// Whether more than one result is right.
    #[serde(default)]
    pub ties: bool,
}

/// The policies, see `workload/policies.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policies {
    /// Row filters, one a table.
    #[serde(rename = "filter")]
    pub filters: Vec<Policy>,
    /// Masks, one a column.
    #[serde(rename = "mask")]
    pub masks: Vec<Policy>,
}

/// A row filter or a mask over one column.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The table it governs.
    pub table: String,
    /// The column it speaks of; of a mask, the masked one.
    pub column: String,
    /// That column's SQL type.
    #[serde(rename = "type")]
    pub column_type: String,
    /// The body of the policy's function over `value`.
    pub function: String,
    /// What somebody would write instead, over the column.
    pub by_hand: String,
}

/// How a query's tables are written.
#[derive(Debug, Clone, Copy)]
pub enum Form<'a> {
    /// By their names in the schema; policies are the catalog's business.
    Governed {
        /// `catalog.schema`.
        schema: &'a str,
    },
    /// As subqueries with the policies written out.
    ByHand {
        /// `catalog.schema`.
        schema: &'a str,
        /// The columns of each table.
        columns: &'a BTreeMap<String, Vec<String>>,
    },
    /// By their bare names.
    Plain,
}

/// Runs a bench to its end; a failure is told in a sentence.
pub fn finish<F>(measurement: F) -> std::process::ExitCode
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    weir_testkit::block_on(async {
        match measurement.await {
            Ok(()) => std::process::ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                std::process::ExitCode::FAILURE
            }
        }
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Queries {
    query: Vec<Query>,
}

impl Workload {
    /// Reads the files, which are part of the program.
    pub fn load() -> Result<Self> {
        let queries: Queries = toml::from_str(include_str!("workload/queries.toml"))?;
        let policies = toml::from_str(include_str!("workload/policies.toml"))?;
        Ok(Self { queries: queries.query, policies })
    }

    /// The text of `query` in `form`.
    pub fn text(&self, query: &Query, form: Form<'_>) -> String {
        query.tables.iter().fold(query.sql.trim().to_owned(), |text, table| {
            text.replace(&format!("{{{table}}}"), &self.relation(table, form))
        })
    }

    fn relation(&self, table: &str, form: Form<'_>) -> String {
        match form {
            Form::Governed { schema } => format!("{schema}.{table} AS {table}"),
            Form::Plain => table.to_owned(),
            Form::ByHand { schema, columns } => {
                let columns = columns.get(table).map(Vec::as_slice).unwrap_or_default();
                let values: Vec<String> = columns.iter().map(|column| self.value(table, column)).collect();
                let filter = self.policies.filters.iter().find(|filter| filter.table == table);
                let filter = filter.map(|filter| format!(" WHERE {}", filter.by_hand)).unwrap_or_default();
                format!("(SELECT {} FROM {schema}.{table}{filter}) AS {table}", values.join(", "))
            }
        }
    }

    fn value(&self, table: &str, column: &str) -> String {
        let mask = self.policies.masks.iter().find(|mask| mask.table == table && mask.column == column);
        mask.map_or_else(|| column.to_owned(), |mask| format!("{} AS {column}", mask.by_hand))
    }
}
