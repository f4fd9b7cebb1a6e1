//! What changes something: which statements do, and when they may. UPDATE, DELETE, TRUNCATE and MERGE: planned, run, and,
//! where another writer was first, planned and run again.

use std::time::Duration;

use futures::FutureExt;

use super::{Outcome, Run, failed, written};
use crate::command;
use crate::context::Context;
use crate::error::{Condition, Error, Result};
use crate::query::history::StatementType;
use crate::query::record::{QueryRecord, Received, Running};
use crate::query::standing::Asked;
use crate::query::write::PreparedChange;
use crate::sql::{Change, ChangeKind, Statement};

/// How often a change is tried while other writers are first.
const ATTEMPTS_MAX: u32 = 6;
/// How long the second attempt waits; each further one waits twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

impl Run<'_> {
    pub(super) async fn change(self, record: QueryRecord<Received>, change: &Change) -> Result<Outcome> {
        let mut prepared = match self.prepare_change(change).await {
            Ok(prepared) => prepared,
            Err(error) => return failed(record, error).await,
        };
        let by = self.warehouse.governed_by(prepared.stands_on().0, prepared.plan()).await;
        let record = record.planned(kind_of(change)).governed(by);
        let mut record: QueryRecord<Running> = record.running(self.gauges.clone());
        let mut pause = FIRST_PAUSE;
        let mut attempt = 0;
        loop {
            attempt += 1;
            match record.telling(self.change_once(change, prepared)).await {
                Err(error)
                    if error.condition() == Condition::ConcurrentModification && attempt < ATTEMPTS_MAX =>
                {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                ended => return written(record, ended).await,
            }
            prepared = match self.prepare_change(change).await {
                Ok(prepared) => prepared,
                Err(error) => return failed(record, error).await,
            };
            let by = self.warehouse.governed_by(prepared.stands_on().0, prepared.plan()).await;
            record = record.governed_anew(by);
        }
    }

    async fn prepare_change(&self, change: &Change) -> Result<PreparedChange> {
        let warehouse = self.warehouse;
        let prepare = async {
            let snapshot = warehouse.snapshot_for(&self.context).await?;
            let (engine, writer) = (&warehouse.engine, &warehouse.writer);
            writer.prepare_change(engine, &self.context, &snapshot, change, &self.parameters).await
        };
        let prepared = self.gauges.meter().future(prepare.boxed()).await?;
        self.gauges.watch(prepared.plan());
        Ok(prepared)
    }

    async fn change_once(&self, change: &Change, prepared: PreparedChange) -> Result<u64> {
        let guard = self.guard(Asked::Change(Box::new(change.clone())), prepared.stands_on());
        self.warehouse.writer.change(&self.context, prepared, &self.gauges, guard).await
    }
}

fn kind_of(change: &Change) -> StatementType {
    match change.what {
        ChangeKind::Update { .. } => StatementType::Update,
        ChangeKind::Delete { .. } => StatementType::Delete,
        ChangeKind::Truncate => StatementType::Truncate,
        ChangeKind::Merge(_) => StatementType::Merge,
    }
}

/// Refuses to change anything by a token that is for reading, and in a session that reads at a moment: what it would change
/// is not what it sees.
pub(super) fn check_may_change(context: &Context) -> Result<()> {
    if context.identity().is_read_only() {
        let text = "the access token is for reading";
        return Err(Error::new(Condition::InsufficientPermissions, text)
            .with_hint("this needs a token that was made without READ ONLY"));
    }
    match context.session.read_at.is_some() {
        true => {
            let text = "changing anything while read_at_snapshot is set is not supported";
            Err(Error::new(Condition::UnsupportedFeature, text).with_hint("RESET read_at_snapshot ends it"))
        }
        false => Ok(()),
    }
}

/// Whether a statement leaves something other than it was.
pub(super) fn changes(statement: &Statement) -> bool {
    match statement {
        Statement::Insert(_) | Statement::Change(_) | Statement::CreateTableAs(_) => true,
        Statement::ExecuteAs(execute) => changes(&execute.statement),
        Statement::Command(command) => command::changes(command),
        Statement::Query(_)
        | Statement::Cache(_)
        | Statement::Explain(_)
        | Statement::DescribeQuery(_)
        | Statement::ShowPartitions(_)
        | Statement::Proof(_) => false,
    }
}
