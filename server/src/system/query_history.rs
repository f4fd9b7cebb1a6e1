//! `system.query.history`: one row for each statement that ended.

pub mod rows;
pub mod schema;
pub mod table;

/// What the table holds.
pub const MEANING: &str = "Statements that ended: who ran what, how it ended, what it read and what \
it cost. One row for each statement. `filtering_dbus` and `sql_dbus` are the exact sums of the \
statement's rows in `system.billing.usage`. Where one of its tables is protected strictly, the \
user who ran the statement sees no numbers of files and caches; account admins see all.";
