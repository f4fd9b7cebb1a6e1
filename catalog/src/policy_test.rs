//! Policy tests: a query, a user, and what that user must get from it, kept beside the policies.

use crate::id::{PolicyTestId, PrincipalId};
use crate::name::Name;
use crate::stamps::Stamps;

/// What a policy test expects of its query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// That many rows.
    Rows(u64),
    /// Exactly the rows of `VALUES …`, in any order, as SQL.
    Values(String),
    /// A refusal; of this condition, where it is named.
    Error(Option<String>),
}

/// A policy test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyTest {
    /// Survives CREATE OR REPLACE.
    pub id: PolicyTestId,
    /// Unique in the metastore among policy tests.
    pub name: Name,
    /// As whom the query runs.
    pub as_user: PrincipalId,
    /// The query, names resolved.
    pub query: String,
    /// What must come.
    pub expectation: Expectation,
    /// Who may run, replace and drop it.
    pub owner: PrincipalId,
    /// A remark for people.
    pub comment: Option<String>,
    /// When and by whom.
    pub stamps: Stamps,
}
