//! Carries out a change of rows: the query's rows are gathered, new ones looked at, the files written and committed.

use std::sync::Arc;

use datafusion::logical_expr::LogicalPlan;
use futures::StreamExt;
use weir_catalog::Snapshot;
use weir_enforce::new_rows::NewRows;
use weir_enforce::{GovernedPlan, Scope, govern};
use weir_scan::{PinnedTable, RowChanges, TextLengths};

use super::Writer;
use crate::context::Context;
use crate::error::{Condition, Error, Result};
use crate::query::change::ChangePlan;
use crate::query::engine::Engine;
use crate::query::execute::{self, Guard};
use crate::query::gauges::StatementGauges;
use crate::run::Parameters;
use crate::sql::Change;

/// A governed query that finds rows to change.
#[derive(Debug)]
pub struct PreparedChange {
    change: ChangePlan,
    plan: GovernedPlan,
    pinned: PinnedTable,
}

impl PreparedChange {
    /// What is read.
    pub fn plan(&self) -> &GovernedPlan {
        &self.plan
    }

    /// The scope in which it was planned, and that plan, parameters open.
    pub fn stands_on(&self) -> (&Arc<Scope>, &LogicalPlan) {
        (&self.change.scope, self.change.unbound())
    }
}

impl Writer {
    /// Plans `change`.
    pub async fn prepare_change(
        &self,
        engine: &Engine,
        context: &Context,
        snapshot: &Arc<Snapshot>,
        change: &Change,
        parameters: &Parameters,
    ) -> Result<PreparedChange> {
        let change = ChangePlan::new(engine, context, snapshot, change).await?;
        let bound = change.bound(parameters)?;
        let plan = govern(&change.scope, change.scope.state(), &bound).await?;
        let pinned = PinnedTable::of(change.changed.rows.as_ref());
        let pinned = pinned.ok_or_else(|| Error::internal("rows that are not known by their places"))?;
        Ok(PreparedChange { change, plan, pinned })
    }

    /// Changes the rows; how many.
    pub async fn change(
        &self,
        context: &Context,
        prepared: PreparedChange,
        gauges: &Arc<StatementGauges>,
        guard: Guard,
    ) -> Result<u64> {
        let deadline = guard.deadline;
        let changes = Arc::new(self.gathered(context, &prepared, gauges, guard).await?);
        let PreparedChange { change, pinned, .. } = prepared;
        if changes.makes_rows() {
            let filter = NewRows::of(&change.scope, &change.table, &change.changed.opened).await?;
            if let Some(filter) = filter {
                let rows = self.tables.new_rows(&pinned, change.scope.state(), &changes).await?;
                let admitted =
                    self.admitted(context, (&change.scope, &change.table), &filter, rows, gauges, deadline);
                let mut admitted = admitted.await?;
                while let Some(rows) = admitted.next().await {
                    rows?;
                }
            }
        }
        self.mark_derived(context, &change.scope, &prepared.plan, &change.table).await?;
        let metadata = super::commit_metadata(context);
        let work =
            self.tables.change_rows(&pinned, change.scope.state(), &changes, change.operation, metadata);
        let written = gauges.meter().future(Box::pin(work)).await;
        let written = written.map_err(|error| without_rows(error, &change.table.name.to_string()))?;
        let rows = changes.updated() + changes.deleted() + changes.inserted();
        gauges.wrote(rows, written.files_added, written.bytes_added);
        Ok(rows)
    }

    async fn gathered(
        &self,
        context: &Context,
        prepared: &PreparedChange,
        gauges: &Arc<StatementGauges>,
        guard: Guard,
    ) -> Result<RowChanges> {
        let change = &prepared.change;
        let source = execute::start(&change.scope, &prepared.plan, gauges)?;
        let mut found = execute::checked(context, source, &change.schema(), gauges, guard);
        let pool = &gauges.environment(change.scope.state().runtime_env()).memory_pool;
        let schema = change.changed.opened.provider.schema();
        let lengths = TextLengths::of(&prepared.pinned, change.given.iter().copied())?;
        let mut changes = RowChanges::new(schema, change.clauses.clone(), &change.given, lengths, pool);
        while let Some(batch) = found.next().await {
            changes.push(&batch?)?;
        }
        Ok(changes)
    }
}

/// The refusal of a constraint with nothing of the rows in it: some of them their writer may not see.
fn without_rows(error: weir_scan::Error, table: &str) -> Error {
    match error {
        weir_scan::Error::InvalidRows { source, .. } => {
            let text = format!("rows of `{table}` would break a NOT NULL or a constraint of the table");
            Error::new(Condition::ConstraintViolated, text).caused_by(source)
        }
        other => Error::from(other),
    }
}
