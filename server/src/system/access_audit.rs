//! `system.access.audit`: one row for each operation on the catalog, done or refused, and for each
//! table, view or function that a statement asked for.

pub mod rows;
pub mod schema;
pub mod table;
pub mod trail;

/// What the table holds.
pub const MEANING: &str = "Who did what and was refused what: one row for each operation on the catalog \
(level `ACCOUNT_LEVEL`, from the catalog's own trail, which commits with the change), and one for each table, \
view or function that a statement asked for (level `WORKSPACE_LEVEL`, actions `getTable` and `getFunction`, from the \
statement's record). Logins by password are operations too; calls with a token are not, their statements are. \
No row holds a statement's text, a value, a password or a policy's body.";
