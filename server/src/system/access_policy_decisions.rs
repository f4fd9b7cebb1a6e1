//! `system.access.policy_decisions`: what each policy over a table let pass in each reading of it.

pub mod rows;
pub mod schema;
pub mod table;

/// What the table holds.
pub const MEANING: &str = "Policies at work: one row for each statement, reading of a table in it, and policy \
over that table, also where it spared the user. Admins, and who has MANAGE on the table and wherever a policy over it stands, \
see all its rows; a user sees their own for the tables they may read themselves, without `rows_in`, which would count hidden rows.";
