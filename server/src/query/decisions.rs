//! What was decided in one statement, as the books keep it: which tables and functions were asked for and why
//! they were given or not, and what each policy over the given ones let pass.
//!
//! Plain data, bounded for each statement; no text of a statement, no policy's body, no value.
//! `system.access.audit` and `system.access.policy_decisions` are made from it.

use serde::{Deserialize, Serialize};
use weir_enforce::ScannedLeaf;
use weir_enforce::witness::{AccessAnswer, StandingKind, TableAccess, Witnessed};

/// How many policy decisions are kept of one statement.
const POLICIES_KEPT_MAX: usize = 128;

/// How much of a fact or a refusal is kept, in characters.
const TEXT_CHARS_MAX: usize = 512;

/// Everything that was decided in a statement.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decisions {
    /// The tables, views and functions that were asked for, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accesses: Vec<Access>,
    /// How many more there were than are kept.
    #[serde(default)]
    pub accesses_left_out: u64,
    /// What each policy let pass in each reading of its table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<PolicyDecision>,
    /// How many more there were than are kept.
    #[serde(default)]
    pub policies_left_out: u64,
    /// The catalog's epoch under which was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
}

/// A table, view or function that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Its full name.
    pub name: String,
    /// The privilege that was needed on it.
    pub privilege: String,
    /// Whose rights held, where they were not the user's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rights_of: Option<String>,
    /// How it was answered.
    pub outcome: Outcome,
    /// The facts that decided, or what the reader was told.
    pub because: String,
}

/// How an access was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was allowed.
    Allowed,
    /// There is none, or the reader does not know of it.
    NotFound,
    /// The reader knows of it and may not.
    Denied,
}

/// What one policy let pass in one reading of its table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyDecision {
    /// The table's full name.
    pub table: String,
    /// Its id.
    pub table_id: String,
    /// The Delta version that was read.
    pub table_version: Option<u64>,
    /// Which reading of a table in the statement, from one.
    pub leaf: u64,
    /// The policy.
    pub policy: String,
    /// What it is set on.
    pub scope: String,
    /// `ROW_FILTER` or `COLUMN_MASK`.
    pub kind: String,
    /// Its function; none of a policy that spares the user by name.
    pub function: Option<String>,
    /// The columns it masks.
    pub columns: Vec<String>,
    /// Rows that were read and looked at.
    pub rows_in: Option<u64>,
    /// Rows that left the table's leaf.
    pub rows_out: u64,
    /// Whether it hid nothing from this user, whatever the row.
    pub exempt: bool,
}

impl Decisions {
    /// From what was seen in resolving, and what the leaves let pass.
    pub fn of(seen: &Witnessed, leaves: &[ScannedLeaf]) -> Self {
        let mut policies = Vec::new();
        let mut policies_left_out = 0;
        for (number, leaf) in (1_u64..).zip(leaves) {
            for decision in decisions_of(seen, number, leaf) {
                match policies.len() < POLICIES_KEPT_MAX {
                    true => policies.push(decision),
                    false => policies_left_out += 1,
                }
            }
        }
        Self {
            accesses: seen.accesses.iter().map(Access::of).collect(),
            accesses_left_out: seen.accesses_left_out,
            policies,
            policies_left_out,
            epoch: seen.epoch.map(|epoch| epoch.0),
        }
    }
}

impl Access {
    fn of(seen: &TableAccess) -> Self {
        let (outcome, because) = match &seen.answer {
            AccessAnswer::Allowed(facts) => (Outcome::Allowed, facts),
            AccessAnswer::NotFound(told) => (Outcome::NotFound, told),
            AccessAnswer::Denied(told) => (Outcome::Denied, told),
        };
        Self {
            name: shortened(&seen.name),
            privilege: seen.privilege.to_string(),
            rights_of: seen.rights_of.clone(),
            outcome,
            because: shortened(because),
        }
    }
}

/// A name that was asked for can be as long as the statement.
fn shortened(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

fn decisions_of(seen: &Witnessed, number: u64, leaf: &ScannedLeaf) -> Vec<PolicyDecision> {
    let Some(table) = leaf.permit.table else { return Vec::new() };
    let standing = seen.governed.iter().find(|(id, _)| *id == table);
    let standing = standing.map(|(_, policies)| policies.as_slice()).unwrap_or_default();
    standing
        .iter()
        .map(|policy| PolicyDecision {
            table: leaf.permit.name.clone(),
            table_id: table.to_string(),
            table_version: leaf.permit.version,
            leaf: number,
            policy: policy.name.clone(),
            scope: policy.scope.clone(),
            kind: match policy.kind {
                StandingKind::RowFilter => "ROW_FILTER".to_owned(),
                StandingKind::ColumnMask => "COLUMN_MASK".to_owned(),
            },
            function: policy.function.clone(),
            columns: policy.columns.clone(),
            rows_in: leaf.rows_in,
            rows_out: leaf.rows_out,
            exempt: policy.spares || leaf.permit.exempt,
        })
        .collect()
}
