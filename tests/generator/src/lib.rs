//! Cases for tests of enforcement: [`Setup`]s of governed tables with rows, [`Query`]s that ask of them and [`Change`]s of
//! their rows, all plain data that shows as SQL to be run by hand. A [`Campaign`] makes them from a seed and shrinks the one that fails.
//!
//! Nothing here runs a query. Who does says which names the tables have and takes rows as [`Value`]s or as literals; a
//! policy comes as a function and its arguments, and inline as a user would have to write it ([`Clause`]).
//!
//! How to add a shape: a line in `row_filter.rs`, `column_mask.rs`, `predicate.rs`, `query.rs` or `change.rs`.

mod campaign;
mod change;
mod clause;
mod column_mask;
mod predicate;
mod query;
mod row_filter;
mod setup;
mod table;
mod value;

pub use self::campaign::Campaign;
pub use self::change::{Change, Outcome, change};
pub use self::clause::{Clause, PolicyFunction};
pub use self::column_mask::Mask;
pub use self::query::{Query, query};
pub use self::setup::{Setup, setup};
pub use self::table::{COLUMNS, Governed, KEYED, Layout, Row, partition_column};
pub use self::value::{ColumnType, Value};
