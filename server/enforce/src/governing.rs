//! What governs a plan: which tables, views and policies it stands on, told in two ways.
//!
//! [`canonical`] is text for a digest that people compare: equal for two callers with the same effective
//! policies on the same versions. Of what a caller may not know of (what policies read, what lies below a sealed view)
//! it has the policies and not the versions, so that a commit there does not show.
//!
//! [`Marking`] feeds a hasher with the same facts, for comparisons that must not err: values by their bytes, never by
//! how they are shown. Neither leaves the server but through a keyed digest.

use std::any::Any;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::{ViewTable, source_as_provider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, TableScan, Volatility};

use crate::governed_table::GovernedTable;
use crate::identity_function::is_identity_function;
use crate::permit::Permit;
use crate::sealed_view::SealedView;

/// The leaves of `plan`, one a line: table, version, effective policy. Not for users.
pub fn canonical(plan: &LogicalPlan) -> Result<String> {
    let mut lines = Vec::new();
    scans(plan, &mut |scan| {
        lines.push(line(scan, Versions::Told)?);
        Ok(())
    })?;
    lines.sort();
    lines.dedup();
    Ok(lines.join("\n"))
}

/// What the subqueries of a policy's expression stand on, without versions.
pub(crate) fn read_by(expression: &Expr) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    subqueries(expression, &mut |plan| {
        scans(plan, &mut |scan| {
            lines.push(line(scan, Versions::Kept)?);
            Ok(())
        })
    })?;
    Ok(lines)
}

/// Whether a line says which version of a table is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Versions {
    Told,
    Kept,
}

fn line(scan: &TableScan, versions: Versions) -> Result<String> {
    let provider = source_as_provider(&scan.source)?;
    // A mapping table that nothing governs, read raw by a policy.
    Ok(line_of(&provider, versions)?.unwrap_or_else(|| format!("raw {}", scan.table_name)))
}

fn line_of(provider: &Arc<dyn TableProvider>, versions: Versions) -> Result<Option<String>> {
    let provider: &dyn Any = provider.as_ref();
    if let Some(table) = provider.downcast_ref::<GovernedTable>() {
        let mut line = match versions {
            Versions::Told => table.permit().canonical(),
            Versions::Kept => table.permit().without_version(),
        };
        if table.is_of_view() {
            line.push_str(&within(line_of(table.raw(), Versions::Kept)?));
        }
        return Ok(Some(line));
    }
    if let Some(view) = provider.downcast_ref::<SealedView>() {
        let mut inner = Vec::new();
        scans(view.plan(), &mut |scan| {
            inner.push(line(scan, Versions::Kept)?);
            Ok(())
        })?;
        let line = view.permit().without_version();
        return Ok(Some(format!("{line}{}", within(Some(inner.join("; "))))));
    }
    match provider.downcast_ref::<ViewTable>() {
        Some(view) => Ok(Some(within(Some(canonical(view.logical_plan())?)))),
        None => Ok(None),
    }
}

fn within(line: Option<String>) -> String {
    line.map_or_else(String::new, |line| format!(" ({line})"))
}

/// Visits every scan of `plan`, those in its subqueries among them.
fn scans(plan: &LogicalPlan, visit: &mut dyn FnMut(&TableScan) -> Result<()>) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            visit(scan)?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// Visits the plans of the subqueries that stand in `expression` itself.
fn subqueries(expression: &Expr, visit: &mut dyn FnMut(&LogicalPlan) -> Result<()>) -> Result<()> {
    expression.apply(|part| {
        match part {
            Expr::InSubquery(of) => visit(&of.subquery.subquery)?,
            Expr::Exists(of) => visit(&of.subquery.subquery)?,
            Expr::SetComparison(of) => visit(&of.subquery.subquery)?,
            Expr::ScalarSubquery(of) => visit(&of.subquery)?,
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// Whether the same plan on the same versions gives the same rows whenever it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeatable {
    /// It does.
    Yes,
    /// It asks for the time, for chance, or for what has no versions.
    No,
}

/// Feeds `sink` with what governs a plan.
pub struct Marking<'a> {
    sink: &'a mut dyn Hasher,
    /// Names of functions that are neither of the row alone nor of the time, and that the plan holds with their answers.
    answered: &'a dyn Fn(&str) -> bool,
    versions: Versions,
    repeatable: Repeatable,
}

impl std::fmt::Debug for Marking<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Marking").field("repeatable", &self.repeatable).finish_non_exhaustive()
    }
}

/// The policies that hold in `plan`, whatever else it does and whichever versions it reads.
pub fn mark_policies(plan: &LogicalPlan, sink: &mut dyn Hasher) -> Result<()> {
    let answered = |_: &str| true;
    let versions = Versions::Kept;
    Marking { sink, answered: &answered, versions, repeatable: Repeatable::Yes }.scans_of(plan)
}

/// All of `plan`: what it does, the policies that hold, the versions of the caller's tables. The versions of what policies
/// read are [`Scope::pins`](crate::Scope::pins). `answered` names functions of the session's own, which the plan
/// holds with their answers.
pub fn mark_plan(
    plan: &LogicalPlan,
    answered: &dyn Fn(&str) -> bool,
    sink: &mut dyn Hasher,
) -> Result<Repeatable> {
    let versions = Versions::Told;
    let mut marking = Marking { sink, answered, versions, repeatable: Repeatable::Yes };
    marking.plan(plan)?;
    Ok(marking.repeatable)
}

impl Marking<'_> {
    fn put(&mut self, value: &impl Hash) {
        value.hash(&mut self.sink);
    }

    /// The plan with everything in it, then what its scans stand on.
    fn plan(&mut self, plan: &LogicalPlan) -> Result<()> {
        self.put(plan);
        plan.apply_with_subqueries(|node| {
            node.apply_expressions(|expression| {
                self.look_at(expression)?;
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        self.scans_of(plan)
    }

    fn scans_of(&mut self, plan: &LogicalPlan) -> Result<()> {
        scans(plan, &mut |scan| {
            self.put(&scan.table_name);
            self.provider(&source_as_provider(&scan.source)?)
        })
    }

    fn provider(&mut self, provider: &Arc<dyn TableProvider>) -> Result<()> {
        let any: &dyn Any = provider.as_ref();
        if let Some(table) = any.downcast_ref::<GovernedTable>() {
            return self.governed(table);
        }
        if let Some(view) = any.downcast_ref::<SealedView>() {
            self.put(&("view", &view.permit().name, view.permit().table.map(|id| id.to_string())));
            self.told_of(view.permit());
            return self.plan(view.plan());
        }
        match any.downcast_ref::<ViewTable>() {
            Some(view) => self.plan(view.logical_plan()),
            None => {
                self.put(&"raw");
                Ok(())
            }
        }
    }

    fn governed(&mut self, table: &GovernedTable) -> Result<()> {
        let permit = table.permit();
        self.put(&("table", &permit.name, permit.table.map(|id| id.to_string()), permit.barrier as u8));
        self.told_of(permit);
        // The server's own tables have no versions, and no file's change leaves a trace.
        if permit.table.is_none() || (permit.version.is_none() && !table.is_of_view()) {
            self.repeatable = Repeatable::No;
        }
        for (name, expression) in table.policies().expressions() {
            self.put(&(name, expression));
            self.look_at(expression)?;
            subqueries(expression, &mut |plan| self.plan(plan))?;
        }
        match table.is_of_view() {
            true => self.provider(table.raw()),
            false => Ok(()),
        }
    }

    /// Which version a leaf reads, and what a plan tells of its policies beside what they do.
    fn told_of(&mut self, permit: &Permit) {
        if self.versions == Versions::Told {
            self.put(&(permit.version, &permit.place, &permit.policies, permit.exempt));
        }
    }

    fn look_at(&mut self, expression: &Expr) -> Result<()> {
        expression.apply(|part| {
            let (name, volatility) = match part {
                Expr::ScalarFunction(call) => (call.name().to_owned(), call.func.signature().volatility),
                Expr::AggregateFunction(call) => {
                    (call.func.name().to_owned(), call.func.signature().volatility)
                }
                Expr::WindowFunction(call) => (call.fun.name().to_owned(), call.fun.signature().volatility),
                // The hash of a nested value is not its own: an empty list has that of none at all.
                Expr::Literal(value, _) if value.data_type().is_nested() => {
                    self.repeatable = Repeatable::No;
                    return Ok(TreeNodeRecursion::Continue);
                }
                _ => return Ok(TreeNodeRecursion::Continue),
            };
            let known = volatility == Volatility::Immutable
                || (volatility == Volatility::Stable
                    && (is_identity_function(&name) || (self.answered)(&name)));
            if !known {
                self.repeatable = Repeatable::No;
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed test is a panic")]
mod tests;
