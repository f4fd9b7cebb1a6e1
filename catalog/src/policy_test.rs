//! Policy tests: a query, a user, and what that user must get from it, kept beside the policies.

use std::fmt;

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

impl fmt::Display for Expectation {
    /// In words, without the values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expectation::Rows(1) => f.write_str("1 row"),
            Expectation::Rows(rows) => write!(f, "{rows} rows"),
            Expectation::Values(_) => f.write_str("exactly the rows of its VALUES"),
            Expectation::Error(Some(condition)) => write!(f, "error {condition}"),
            Expectation::Error(None) => f.write_str("an error"),
        }
    }
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
