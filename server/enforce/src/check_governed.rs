//! [`check_governed`]: the last look at a physical plan. A plan in which anything is reached
//! other than through a permitted leaf of this very statement is refused.
//!
//! It is an allow-list of leaves: the sealed leaf with this statement's seal, rows written out
//! in the statement (VALUES), and the empty and the one-row relation. Whatever else has no
//! children is refused, known or not.

use std::any::Any;
use std::sync::Arc;

use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;

use crate::error::Refusal;
use crate::governed_scan_exec::{GovernedScanExec, StatementSeal};
use crate::permit::Permit;

/// Checks every leaf of `plan` and returns the permits of the sealed ones.
pub fn check_governed(
    plan: &Arc<dyn ExecutionPlan>,
    seal: &StatementSeal,
) -> Result<Vec<Arc<Permit>>, Refusal> {
    let mut permits = Vec::new();
    walk(plan, seal, &mut permits)?;
    Ok(permits)
}

fn walk(
    plan: &Arc<dyn ExecutionPlan>,
    seal: &StatementSeal,
    permits: &mut Vec<Arc<Permit>>,
) -> Result<(), Refusal> {
    let children = plan.children();
    if children.is_empty() {
        if let Some(permit) = permitted_leaf(plan, seal)? {
            permits.push(permit);
        }
        return Ok(());
    }
    for child in children {
        walk(child, seal, permits)?;
    }
    Ok(())
}

fn permitted_leaf(
    plan: &Arc<dyn ExecutionPlan>,
    seal: &StatementSeal,
) -> Result<Option<Arc<Permit>>, Refusal> {
    // The node itself, not what it delegates to.
    let node: &dyn Any = plan.as_ref();
    if let Some(leaf) = node.downcast_ref::<GovernedScanExec>() {
        return match leaf.seal().is(seal) {
            true => Ok(Some(Arc::clone(leaf.permit()))),
            false => Err(Refusal::Ungoverned("a leaf of another statement".to_owned())),
        };
    }
    if node.is::<PlaceholderRowExec>() || node.is::<EmptyExec>() {
        return Ok(None);
    }
    if let Some(source) = node.downcast_ref::<DataSourceExec>() {
        let source: &dyn Any = source.data_source().as_ref();
        if source.is::<MemorySourceConfig>() {
            return Ok(None);
        }
    }
    Err(Refusal::Ungoverned(plan.name().to_owned()))
}

#[cfg(test)]
mod tests;
