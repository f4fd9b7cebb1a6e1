//! SQL functions of the catalog in queries, views, policies and other functions: a call's name is
//! resolved like a table's, and what its body says takes the call's place in the plan.
//!
//! A body runs with its owner's rights; identity functions in it speak of the session user, and the
//! session user's policies hold on what it reads. Names of one part mean a built-in function where
//! there is one: a function of the catalog shadows none. What the caller may not call is not found.
//!
//! **Why a body with tables in it needs more than EXECUTE.** Its subqueries become joins of the
//! statement, and the optimiser moves predicates through joins: `1/(f(x)-5) > 0` would be asked of
//! rows that no value of `f` shows. So the body stands in the plan only where whoever wrote the
//! call may SELECT all that the body reads; for others a call with constant arguments is a sealed leaf of one
//! row, and any other call is refused. A call inside a policy is inside the policy's leaf already.
//!
//! How calls are found is in [`calls`], how bodies take their places in [`inline`], rows in
//! [`table`], and how names of body and statement are kept from meeting in [`apart`].

mod apart;
mod body;
mod calls;
mod inline;
mod table;

pub use body::check_constant;
pub(crate) use body::{Body, Uses, exists};
pub(crate) use calls::Calls;
pub use calls::is_builtin;
pub(crate) use inline::{Budget, Spot, in_expression, in_plan};

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed test is a panic")]
mod tests;
