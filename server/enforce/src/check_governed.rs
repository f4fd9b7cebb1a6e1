//! [`check_governed`]: the last look at a physical plan. A plan in which anything is reached
//! other than through a permitted leaf of this very statement is refused.
//!
//! It is an allow-list of leaves: the sealed leaf with this statement's seal (what was resolved within a
//! view with policies of its own has another, and stands within that view's leaf alone), rows written out
//! in the statement (VALUES), and the empty and the one-row relation. Whatever else has no
//! children is refused, known or not, and so is a node above them that is not one of the engine's
//! own ([`operators`]). The tables of the logical plan are checked too, before and after it was
//! optimised, since rows in memory look alike wherever they come from.

use std::any::Any;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::source_as_provider;
use datafusion::error::Result;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;

use crate::error::Refusal;
use crate::governed_scan_exec::{GovernedScanExec, StatementSeal};
use crate::governed_table::GovernedTable;
use crate::permit::Permit;
use crate::sealed_view::SealedView;

mod operators;

use operators::is_operator;

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
    if !is_operator(plan.as_ref()) {
        return Err(Refusal::Ungoverned(plan.name().to_owned()));
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
        if source.downcast_ref::<MemorySourceConfig>().is_some_and(is_values) {
            return Ok(None);
        }
    }
    Err(Refusal::Ungoverned(plan.name().to_owned()))
}

/// Whether rows in memory look like those of VALUES: no order, and columns with the names that
/// VALUES gives. What a table in memory holds under such names is refused by [`check_resolved`].
fn is_values(source: &MemorySourceConfig) -> bool {
    let schema = source.original_schema();
    let mut names = (1..).map(|position: usize| format!("column{position}"));
    source.sort_information().is_empty()
        && schema.fields().iter().all(|field| names.next().as_ref() == Some(field.name()))
}

/// Checks that every table a logical plan reads was resolved for this statement.
pub(crate) fn check_resolved(plan: &LogicalPlan, seal: &StatementSeal) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let provider = source_as_provider(&scan.source)?;
            let provider: &dyn Any = provider.as_ref();
            let table = provider.downcast_ref::<GovernedTable>().is_some_and(|table| table.is_of(seal));
            let view = provider.downcast_ref::<SealedView>().is_some_and(|view| view.is_of(seal));
            if !table && !view {
                return Err(Refusal::Ungoverned(format!("table `{}`", scan.table_name)).into());
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed test is a panic")]
mod tests;
