//! Views with policies of their own.
//!
//! Such a view is a leaf like a governed table, whoever asks: row filter, admitted predicates and masks
//! stand above its body, which is sealed and in which the policies of what it reads hold. Nothing of the
//! statement and nothing of the view's policies enters the body.
//!
//! That the policies are there is provable in the final plan: everything resolved within the view is
//! marked with it, and a leaf so marked is permitted within the view's leaf alone.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use datafusion::error::Result;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use weir_catalog::Table;

use crate::error::Refusal;
use crate::governed_scan_exec::{GovernedScanExec, StatementSeal};
use crate::open_table::{OpenedTable, PlannedFiles, ScanNumbers};
use crate::permit::{Barrier, Permit};
use crate::sealed_view;

/// The view's query as what its policies stand on. `open` says that the caller could read all of the
/// query's sources.
pub(crate) fn opened(
    table: &Table,
    plan: LogicalPlan,
    open: bool,
    seal: StatementSeal,
) -> Result<OpenedTable> {
    let barrier = if open { Barrier::None } else { Barrier::Standard };
    Ok(OpenedTable {
        provider: sealed_view::body(table, plan, barrier, seal.clone())?,
        version: None,
        mark: String::new(),
        field_ids: HashMap::new(),
        inner_ids: HashMap::new(),
        numbers: Arc::new(BodyNumbers { seal }),
        identified: None,
    })
}

/// The permission of a view's leaf over `inner`, which must hold the view's body: a plan in which the
/// view's rows came from elsewhere is refused. The leaf hides what its policies hide and what its body
/// does.
pub(crate) fn permit_over(
    permit: &Permit,
    inner: &Arc<dyn ExecutionPlan>,
    body: &StatementSeal,
) -> Result<Permit, Refusal> {
    let mut found = Found::default();
    found.look_at(inner, body)?;
    if found.bodies.is_empty() && found.others {
        return Err(Refusal::Ungoverned(format!("the policies of `{}` over another plan", permit.name)));
    }
    let own = if permit.exempt { Barrier::None } else { permit.barrier };
    let permits = || found.bodies.iter().map(|leaf| leaf.permit());
    let mut lines = vec![permit.fingerprint.clone()];
    lines.extend(permits().map(|within| within.canonical()));
    let mut policies = permit.policies.clone();
    policies.extend(permits().flat_map(|within| within.policies.iter().cloned()));
    Ok(Permit {
        barrier: permits().map(|within| within.barrier).fold(own, Ord::max),
        fingerprint: lines.join("\n"),
        policies,
        ..permit.clone()
    })
}

/// The leaves of a plan below the policies of a view.
#[derive(Default)]
struct Found<'a> {
    bodies: Vec<&'a GovernedScanExec>,
    others: bool,
}

impl<'a> Found<'a> {
    fn look_at(&mut self, plan: &'a Arc<dyn ExecutionPlan>, body: &StatementSeal) -> Result<(), Refusal> {
        let children = plan.children();
        if children.is_empty() {
            return self.leaf(plan, body);
        }
        children.into_iter().try_for_each(|child| self.look_at(child, body))
    }

    fn leaf(&mut self, plan: &'a Arc<dyn ExecutionPlan>, body: &StatementSeal) -> Result<(), Refusal> {
        let node: &dyn Any = plan.as_ref();
        match node.downcast_ref::<GovernedScanExec>() {
            Some(leaf) if leaf.seal().is(body) => self.bodies.push(leaf),
            Some(leaf) if leaf.seal().is_of_statement(body) => {
                return Err(Refusal::Ungoverned(format!("`{}` in another's place", leaf.permit().name)));
            }
            // What a policy reads.
            Some(_) => self.others = true,
            None => self.others |= !node.is::<EmptyExec>() && !node.is::<PlaceholderRowExec>(),
        }
        Ok(())
    }
}

/// The numbers of a view are those of its body.
#[derive(Debug)]
struct BodyNumbers {
    seal: StatementSeal,
}

impl ScanNumbers for BodyNumbers {
    fn planned(&self, inner: &Arc<dyn ExecutionPlan>) -> PlannedFiles {
        let mut found = Found::default();
        // reason: a plan that does not fit is refused before anybody asks for its numbers
        if found.look_at(inner, &self.seal).is_err() {
            return PlannedFiles::default();
        }
        let files = found.bodies.iter().map(|leaf| leaf.readings().files);
        files.fold(PlannedFiles::default(), PlannedFiles::and)
    }

    fn rows_read(&self, inner: &Arc<dyn ExecutionPlan>) -> Option<u64> {
        let mut found = Found::default();
        // reason: the same
        found.look_at(inner, &self.seal).ok()?;
        Some(found.bodies.iter().map(|leaf| leaf.readings().rows).sum())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test is a panic")]
mod tests;
