//! `system.billing.usage`: one row for each statement, product and hour in which something was
//! used.

pub mod rows;
pub mod schema;
pub mod table;

/// What the table holds.
pub const MEANING: &str = "Usage in DBU: one row for each statement, product and UTC hour in which \
something was used. Rows are appended and never changed; readers sum. The rows of a statement sum \
exactly to `filtering_dbus` and `sql_dbus` of its row in `system.query.history`.";
