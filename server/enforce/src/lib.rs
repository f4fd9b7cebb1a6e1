//! The policy enforcer. Promise: no batch leaves a governed table unless its policies ran.
//!
//! ```text
//!   statement (AST)                                     ┌──────────────── sealed leaf ─────────────────┐
//!        │ bind: every name meets the resolver          │ raw scan → policy arguments → row filter     │
//!        ▼                                              │   → admitted predicates → masks → columns    │
//!   logical plan over governed tables ── optimise ──▶   └──────────────────────────────────────────────┘
//!        │                                                       ▲ no children, no expressions of users
//!        ▼                                                       │ but those that `leakproof` admits
//!   physical plan ── check_governed: only permitted leaves ──▶ GovernedPlan, the only thing that runs
//! ```
//!
//! The crate knows no Delta, no Flight and no HTTP. Raw tables come through [`OpenTable`], the
//! tables of the `system` catalog through [`OpenSystemTable`].
//!
//! How to add a policy kind: its rules in `weir_catalog::policy`, its compilation in
//! `policy_expression.rs`, its place in `governed_table.rs`; the oracle and the leak tests fail
//! until it holds there.

pub mod aside;
mod asking_values;
pub mod binder;
pub mod caller;
mod change_call;
pub mod check_governed;
mod common_type;
mod constant_row;
mod counted_subqueries;
pub mod counting;
mod empty_subqueries;
pub mod error;
pub mod explain;
mod exponents;
pub mod govern;
pub mod governed_plan;
pub mod governed_scan_exec;
pub mod governed_table;
pub mod governing;
pub mod identity_function;
mod inlet;
mod inner_names;
mod inside;
pub mod leakproof;
pub mod masked_values;
mod named_alike;
pub mod named_casts;
pub mod new_rows;
pub mod open_table;
pub mod permit;
mod policed_view;
pub mod policy_expression;
pub mod resolver;
mod row_bytes;
pub mod sealed_view;
mod signed_zeros;
mod spans;
pub mod sql_function;
mod subqueries;
mod three_valued;
mod time_travel;
mod type_names;
mod using_joins;
mod value_type;
mod whole_numbers;
pub mod witness;

pub use aside::{aside, stretches_aside};
pub use binder::{bind_expression, bind_statement};
pub use caller::Caller;
pub use change_call::TABLE_CHANGES;
pub use common_type::{ComparisonPlanner, NO_COMMON_TYPE};
pub use counted_subqueries::counted;
pub use error::Refusal;
pub use govern::{OptimisedPlan, govern};
pub use governed_plan::{GovernedPlan, ScannedLeaf};
pub use governed_scan_exec::{GovernedScanExec, LeafReadings};
pub use governing::Repeatable;
pub use named_alike::physical_rules;
pub use open_table::{
    IdentifyRows, Moment, OpenSystemTable, OpenTable, OpenedChanges, OpenedTable, PlannedFiles, ScanNumbers,
    Stretch, SystemTable, SystemTableRequest,
};
pub use permit::Permit;
pub use policy_expression::{Policies, PolicyCompiler};
pub use resolver::{Access, ChangedTable, Pinned, Scope};
pub use sealed_view::{bind_parameters, parameter_fields, view_type};
pub use signed_zeros::SignedZeros;
pub use sql_function::{check_constant, is_builtin};
pub use time_travel::moment_of;
pub use value_type::value_type;
pub use witness::Witness;

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a failed test is a panic")]
mod leaks;
#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test is a panic")]
mod oracle;
#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a failed test is a panic")]
mod test_world;
