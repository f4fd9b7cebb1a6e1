//! Queries: plan, govern, execute; the life of one statement that reads or writes rows.
//!
//! * [`engine`]: what all statements share; a statement's [`Scope`](weir_enforce::Scope)
//! * [`plan`]: syntax tree → logical plan through the enforcer, with the wire schema
//! * [`execute`]: a [`GovernedPlan`](weir_enforce::GovernedPlan) → rows; nothing else runs
//! * [`write`]: INSERT, CTAS and changes of rows
//! * [`digest`], [`standing`]: what governs a plan, told and watched
//! * [`statement_mark`], [`plan_cache`], [`result_cache`]: what a statement comes to, and what is kept for the next that comes to it
//! * [`explain`], [`profile`]: what a plan is and what it did
//! * [`counting`]: plans that end in numbers, for what shows policies at work
//! * [`analysis`]: functions, views and policies, checked before the catalog takes them
//! * [`dependents`]: what stands on a function, checked before it says something else
//! * [`record`], [`history`], [`decisions`]: what is known of a statement for the books
//! * [`open_delta`]: raw tables for the enforcer
//! * [`wire`]: types as clients know them

pub mod analysis;
mod bounded_aggregates;
mod bounded_functions;
mod calendar;
mod case_nesting;
mod cast_names;
pub mod change;
mod column_bounds;
pub mod column_names;
pub mod counting;
mod date_patterns;
pub mod decisions;
pub mod dependents;
pub mod digest;
pub mod division;
pub mod element_at;
pub mod engine;
pub mod engine_error;
pub mod execute;
pub mod expansion;
pub mod explain;
pub mod fold;
pub mod function_calls;
pub mod functions;
pub mod gauges;
mod half_up_averages;
pub mod history;
mod large_limits;
mod now;
pub mod open_delta;
pub mod parameters;
pub mod plan;
pub mod plan_cache;
pub mod profile;
pub mod record;
pub mod result_cache;
mod rounding;
pub mod session_functions;
mod spark_calls;
mod spark_functions;
pub mod staleness;
mod standard_forms;
pub mod standing;
pub mod statement_mark;
pub mod statement_memory;
pub(crate) mod stored_parameters;
pub mod text_casts;
mod whole_sums;
pub mod wire;
pub mod write;

pub use analysis::Analysis;
pub use engine::Engine;
