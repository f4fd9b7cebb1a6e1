//! What stands on a function, and whether it still works when the function says something else.
//!
//! Everything that names the function, directly or through other functions and views, is planned
//! twice: in the catalog as it is, and in the catalog as it would be. What works in the first and not
//! in the second is broken by the replacement. What the caller may not see is counted, not named.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::DataType;
use weir_catalog::error::Dependents;
use weir_catalog::{Function, FunctionId, SecurableId, Snapshot, Table, TableId, may_see};
use weir_enforce::error::PolicyKind;
use weir_enforce::{PolicyCompiler, Scope, view_type};

use crate::error::{Condition, Error, Result};

/// Refuses when anything that works in `before` does not in `after`, where `function` is another.
pub async fn check(before: &Arc<Scope>, after: &Arc<Scope>, function: &Function) -> Result<()> {
    let standing = Standing::on(before.snapshot(), function.id);
    let mut broken = BTreeMap::new();
    for id in standing.functions.iter().filter(|id| **id != function.id) {
        if breaks(function_type(before, *id).await, function_type(after, *id).await)
            && let Some(found) = before.snapshot().function_by_id(*id)
        {
            broken.insert(SecurableId::Function(*id), format!("function `{}`", found.name));
        }
    }
    for id in &standing.views {
        if breaks(type_of_view(before, *id).await, type_of_view(after, *id).await)
            && let Some(found) = before.snapshot().table_by_id(*id)
        {
            broken.insert(SecurableId::Table(*id), format!("view `{}`", found.name));
        }
    }
    for (id, policies) in policies_of(before.snapshot(), &standing.functions) {
        let works = fits_policies(before, id).await;
        if works && !fits_policies(after, id).await {
            broken.extend(policies);
        }
    }
    let dependents = told(before, broken);
    if dependents.is_empty() {
        return Ok(());
    }
    let text = format!("function `{}` cannot be replaced: it would break {dependents}", function.name);
    Err(Error::new(Condition::DependentsExist, text).with_hint("drop or alter what uses it first"))
}

/// Whether tables are read, by the text itself or by what it calls.
pub fn reads_data(snapshot: &Snapshot, reads: &[TableId], calls: &[FunctionId]) -> bool {
    let mut seen = BTreeSet::new();
    let mut open: Vec<FunctionId> = calls.to_vec();
    while let Some(id) = open.pop() {
        let Some(function) = snapshot.function_by_id(id).filter(|_| seen.insert(id)) else { continue };
        if !function.reads.is_empty() {
            return true;
        }
        open.extend(&function.calls);
    }
    !reads.is_empty()
}

/// All that names a function, directly or not.
struct Standing {
    /// The function itself among them.
    functions: BTreeSet<FunctionId>,
    views: BTreeSet<TableId>,
}

impl Standing {
    fn on(snapshot: &Snapshot, function: FunctionId) -> Self {
        let mut standing = Self { functions: BTreeSet::from([function]), views: BTreeSet::new() };
        loop {
            let known = standing.functions.len() + standing.views.len();
            let functions = snapshot.all_functions().filter(|f| standing.stands(&f.reads, &f.calls));
            let functions: Vec<FunctionId> = functions.map(|function| function.id).collect();
            let views = snapshot
                .all_tables()
                .filter(|table| table.view().is_some_and(|view| standing.stands(&view.reads, &view.calls)));
            let views: Vec<TableId> = views.map(|view| view.id).collect();
            standing.functions.extend(functions);
            standing.views.extend(views);
            if standing.functions.len() + standing.views.len() == known {
                return standing;
            }
        }
    }

    fn stands(&self, reads: &[TableId], calls: &[FunctionId]) -> bool {
        reads.iter().any(|id| self.views.contains(id)) || calls.iter().any(|id| self.functions.contains(id))
    }
}

/// The policies that call one of `functions`, by the function.
fn policies_of(
    snapshot: &Snapshot,
    functions: &BTreeSet<FunctionId>,
) -> BTreeMap<FunctionId, BTreeMap<SecurableId, String>> {
    let mut found: BTreeMap<FunctionId, BTreeMap<SecurableId, String>> = BTreeMap::new();
    for table in snapshot.all_tables() {
        for id in Table::policy_functions(table).filter(|id| functions.contains(id)) {
            let text = format!("the policies of table `{}`", table.name);
            found.entry(id).or_default().insert(SecurableId::Table(table.id), text);
        }
    }
    for policy in snapshot.all_tag_policies() {
        if let Some(id) = policy.function.sql().filter(|id| functions.contains(id)) {
            found.entry(id).or_default().insert(policy.scope, format!("policy `{}`", policy.name));
        }
    }
    found
}

async fn function_type(scope: &Arc<Scope>, id: FunctionId) -> Option<DataType> {
    let function = scope.snapshot().function_by_id(id)?;
    PolicyCompiler::new(scope).body_type(function).await.ok()
}

async fn type_of_view(scope: &Arc<Scope>, id: TableId) -> Option<DataType> {
    let table = scope.snapshot().table_by_id(id)?;
    view_type(scope, table, table.view()?).await.ok()
}

/// Whether the function can be a policy's. A filter gives BOOLEAN, and a mask that does can be planned like one.
async fn fits_policies(scope: &Arc<Scope>, id: FunctionId) -> bool {
    let Some(function) = scope.snapshot().function_by_id(id) else { return false };
    let compiler = PolicyCompiler::new(scope);
    compiler.check_function(function, PolicyKind::RowFilter).await.is_ok()
}

/// What worked must work and give the same types; NULLs may come and go.
fn breaks(before: Option<DataType>, after: Option<DataType>) -> bool {
    match (before, after) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(DataType::Struct(before)), Some(DataType::Struct(after))) => {
            let same = |(before, after): (&Arc<arrow::datatypes::Field>, &Arc<arrow::datatypes::Field>)| {
                before.name() == after.name() && before.data_type().equals_datatype(after.data_type())
            };
            before.len() != after.len() || !before.iter().zip(&after).all(same)
        }
        (Some(before), Some(after)) => !before.equals_datatype(&after),
    }
}

fn told(scope: &Scope, broken: BTreeMap<SecurableId, String>) -> Dependents {
    let mut dependents = Dependents::default();
    for (id, text) in broken {
        match may_see(scope.snapshot(), scope.caller().principal(), id) {
            true => dependents.visible.push(text),
            false => dependents.hidden += 1,
        }
    }
    dependents.visible.sort();
    dependents
}
