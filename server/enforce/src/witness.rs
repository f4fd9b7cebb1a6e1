//! [`Witness`]: what was decided in one statement, for the books: which tables, views and
//! functions were asked for and why they were given or not, and which policies stand over the given ones.
//!
//! It is bounded: whatever a statement names, it keeps the first of each and counts the rest. It
//! holds names, facts and refusals as their reader was told them; no text of a statement and no
//! policy's body.

use tokio::sync::Mutex;
use weir_catalog::effective::{OpenedColumn, PolicyOrigin};
use weir_catalog::{
    Epoch, PolicyFunction, PrincipalId, Privilege, Reason, SecurableId, SecurableName, Snapshot, Table,
    TableId, TagPolicyRule,
};

use crate::error::Refusal;

/// How many accesses, and how many tables with policies, are kept of one statement.
const KEPT_MAX: usize = 64;

/// The property by which a reader of whom no row filter speaks gets no rows.
const DEFAULT_PROPERTY: &str = "policy.default";

/// What was asked for, by its full name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableAccess {
    /// The table, view or function.
    pub name: String,
    /// What was needed on it.
    pub privilege: Privilege,
    /// Whose rights held, where they were not the caller's own: the owner's of a view.
    pub rights_of: Option<String>,
    /// How it was answered.
    pub answer: AccessAnswer,
}

/// How an access was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessAnswer {
    /// It was allowed, by these facts.
    Allowed(String),
    /// The reader does not know of it, or there is none; as the reader was told.
    NotFound(String),
    /// The reader knows of it and may not; as the reader was told.
    Denied(String),
}

/// A policy that stands over a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingPolicy {
    /// Its name; a policy set on the table itself is known by its function.
    pub name: String,
    /// The securable it is set on, e.g. ``table `main.hr.people` ``.
    pub scope: String,
    /// Row filter or column mask.
    pub kind: StandingKind,
    /// Its function's full name; none of a policy that spares the reader.
    pub function: Option<String>,
    /// The columns it masks.
    pub columns: Vec<String>,
    /// Whether it spares this reader by name.
    pub spares: bool,
}

/// What a standing policy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandingKind {
    /// Hides rows.
    RowFilter,
    /// Replaces values.
    ColumnMask,
}

/// Everything that was seen so far.
#[derive(Debug, Clone, Default)]
pub struct Witnessed {
    /// The accesses, each once, in the order of asking.
    pub accesses: Vec<TableAccess>,
    /// How many more there were.
    pub accesses_left_out: u64,
    /// The tables with policies and these policies, each once.
    pub governed: Vec<(TableId, Vec<StandingPolicy>)>,
    /// The catalog's epoch under which was decided.
    pub epoch: Option<Epoch>,
}

/// Sees what is decided in one statement.
#[derive(Debug, Default)]
pub struct Witness {
    witnessed: Mutex<Witnessed>,
}

impl Witness {
    /// What was seen. Nothing while somebody is deciding: to be asked when planning is over.
    pub fn witnessed(&self) -> Witnessed {
        // reason: it is the books' alone; who decides holds the lock for as long as noting it takes
        self.witnessed.try_lock().map(|seen| seen.clone()).unwrap_or_default()
    }

    /// Another one that has seen the same.
    pub fn copy(&self) -> Self {
        Self { witnessed: Mutex::new(self.witnessed()) }
    }

    /// What was seen is of a plan that another one takes the place of.
    pub async fn forget(&self) {
        *self.witnessed.lock().await = Witnessed::default();
    }

    /// Somebody asked for a table or view.
    pub async fn access(&self, epoch: Epoch, access: TableAccess) {
        let mut seen = self.witnessed.lock().await;
        seen.epoch = Some(epoch);
        if seen.accesses.contains(&access) {
            return;
        }
        match seen.accesses.len() < KEPT_MAX {
            true => seen.accesses.push(access),
            false => seen.accesses_left_out += 1,
        }
    }

    /// A table with policies was given.
    pub(crate) async fn governed(&self, snapshot: &Snapshot, table: &Table, reader: PrincipalId) {
        let mut seen = self.witnessed.lock().await;
        let known = seen.governed.iter().any(|(id, _)| *id == table.id);
        if !known && seen.governed.len() < KEPT_MAX {
            seen.governed.push((table.id, standing_over(snapshot, table, reader)));
        }
    }
}

impl AccessAnswer {
    /// The answer as facts, or as what the reader was told.
    pub(crate) fn of(snapshot: &Snapshot, decided: Result<&[Reason], &Refusal>) -> Self {
        match decided {
            Ok(because) => Self::allowed(snapshot, because),
            Err(refusal @ (Refusal::NotFound { .. } | Refusal::FunctionNotFound { .. })) => {
                AccessAnswer::NotFound(refusal.to_string())
            }
            Err(refusal) => AccessAnswer::Denied(refusal.to_string()),
        }
    }

    /// Allowed by these facts.
    pub fn allowed(snapshot: &Snapshot, because: &[Reason]) -> Self {
        let facts: Vec<String> = because.iter().map(|reason| reason.told(snapshot)).collect();
        AccessAnswer::Allowed(facts.join("; "))
    }
}

/// The policies over `table` as they stand for `reader`, those among them that spare the reader by
/// name. Of a table whose policies cannot hold together nothing is read.
fn standing_over(snapshot: &Snapshot, table: &Table, reader: PrincipalId) -> Vec<StandingPolicy> {
    let columns = OpenedColumn::of_catalog(table);
    let Ok(effective) = snapshot.effective_policies(table, reader, &columns) else { return Vec::new() };
    let mut standing = Vec::new();
    for filter in &effective.filters {
        let function = name_of(snapshot, filter.function);
        standing.extend(filter.origins.iter().map(|origin| {
            standing_from(snapshot, table, origin, StandingKind::RowFilter, &function, Vec::new())
        }));
    }
    for mask in &effective.masks {
        let function = name_of(snapshot, mask.function);
        let path = std::iter::once(mask.column.name.as_str()).chain(mask.path.iter().map(String::as_str));
        let column = path.collect::<Vec<_>>().join(".");
        standing.extend(mask.origins.iter().map(|origin| {
            let columns = vec![column.clone()];
            standing_from(snapshot, table, origin, StandingKind::ColumnMask, &function, columns)
        }));
    }
    if effective.denied_by_default {
        standing.push(StandingPolicy {
            name: DEFAULT_PROPERTY.to_owned(),
            scope: described(table),
            kind: StandingKind::RowFilter,
            function: None,
            columns: Vec::new(),
            spares: false,
        });
    }
    let over = snapshot.tag_policies_over(table);
    standing.extend(effective.excepted.iter().map(|origin| {
        let kind = match origin {
            PolicyOrigin::Tag(tag) => {
                over.iter().find(|policy| policy.id == tag.id).map(|policy| &policy.rule)
            }
            PolicyOrigin::Table => None,
        };
        let kind = match kind {
            Some(TagPolicyRule::ColumnMask { .. }) => StandingKind::ColumnMask,
            Some(TagPolicyRule::RowFilter) | None => StandingKind::RowFilter,
        };
        let spared = standing_from(snapshot, table, origin, kind, "", Vec::new());
        StandingPolicy { function: None, spares: true, ..spared }
    }));
    standing
}

fn standing_from(
    snapshot: &Snapshot,
    table: &Table,
    origin: &PolicyOrigin,
    kind: StandingKind,
    function: &str,
    columns: Vec<String>,
) -> StandingPolicy {
    let (name, scope) = match origin {
        PolicyOrigin::Table => (function.to_owned(), described(table)),
        PolicyOrigin::Tag(tag) => {
            let scope = snapshot.name_of(tag.scope).map_or_else(|| "?".to_owned(), |scope| scope.to_string());
            (tag.name.to_string(), scope)
        }
    };
    StandingPolicy { name, scope, kind, function: Some(function.to_owned()), columns, spares: false }
}

/// E.g. ``table `main.hr.people` ``.
fn described(table: &Table) -> String {
    format!("{} `{}`", table.securable_kind().noun(), table.name)
}

fn name_of(snapshot: &Snapshot, function: PolicyFunction) -> String {
    match function {
        PolicyFunction::Sql(id) => match snapshot.name_of(SecurableId::Function(id)) {
            Some(SecurableName::Function(name)) => name.to_string(),
            _ => "?".to_owned(),
        },
        PolicyFunction::Builtin(mask) => mask.to_string(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed test is a panic")]
mod tests {
    use super::*;

    fn access(name: &str) -> TableAccess {
        TableAccess {
            name: name.to_owned(),
            privilege: Privilege::Select,
            rights_of: None,
            answer: AccessAnswer::NotFound(format!("table or view `{name}` not found")),
        }
    }

    #[tokio::test]
    async fn each_access_is_kept_once_and_of_too_many_the_rest_is_counted() {
        let witness = Witness::default();
        for round in 0..2 {
            for number in 0..KEPT_MAX + 3 {
                witness.access(Epoch(round), access(&format!("t{number}"))).await;
            }
        }
        let seen = witness.witnessed();
        assert_eq!(seen.accesses.len(), KEPT_MAX);
        assert_eq!(seen.accesses_left_out, 6);
        assert_eq!(seen.accesses.first().unwrap(), &access("t0"));
        assert_eq!(seen.epoch, Some(Epoch(1)));
    }
}
