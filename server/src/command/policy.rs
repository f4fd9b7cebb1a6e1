//! Row filters and column masks. Who may set one is decided before anything of the function or
//! the table is looked at, so that a refusal tells nothing of either.

use std::sync::Arc;

use weir_catalog::policy::SEMANTICS;
use weir_catalog::securable::{SecurableId, SecurableName};
use weir_catalog::{ColumnMask, ObjectName, PolicyFunction, Privilege, RowFilter, Snapshot, Table};

use super::sight::Sight;
use super::{Call, Environment, done};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::run::Outcome;
use crate::sql::{MaskClause, PolicyCommand, RowFilterClause};

pub(super) async fn run(call: Call<'_>, command: &PolicyCommand) -> Result<Outcome> {
    let session = &call.context.session;
    match command {
        PolicyCommand::SetRowFilter { table, filter } => {
            set_row_filter(call, &table.resolve(session)?, filter).await?
        }
        PolicyCommand::DropRowFilter { table } => {
            call.metastore().row_filter_drop(call.by(), call.now(), &table.resolve(session)?).await?;
        }
        PolicyCommand::SetMask { table, column, mask } => {
            set_mask(call, &table.resolve(session)?, column, mask).await?;
        }
        PolicyCommand::DropMask { table, column } => {
            call.metastore().mask_drop(call.by(), call.now(), &table.resolve(session)?, column).await?;
        }
    }
    done()
}

pub(super) async fn set_row_filter(
    call: Call<'_>,
    table: &ObjectName,
    filter: &RowFilterClause,
) -> Result<()> {
    let snapshot = call.snapshot().await?;
    let function = filter.function.resolve(&call.context.session)?;
    let sight = Sight::new(call, &snapshot);
    require(sight, table, &function)?;
    let analysis = &call.environment.analysis;
    let arguments = analysis
        .row_filter(
            call.context,
            &snapshot,
            sight.table(table)?,
            sight.function(&function)?,
            &filter.arguments,
        )
        .await?;
    call.metastore().row_filter_set(call.by(), call.now(), table, &function, arguments).await?;
    Ok(())
}

pub(super) async fn set_mask(
    call: Call<'_>,
    table: &ObjectName,
    column: &str,
    mask: &MaskClause,
) -> Result<()> {
    let snapshot = call.snapshot().await?;
    let function = mask.function.resolve(&call.context.session)?;
    let sight = Sight::new(call, &snapshot);
    require(sight, table, &function)?;
    let analysis = &call.environment.analysis;
    let mask = analysis
        .mask(
            call.context,
            &snapshot,
            sight.table(table)?,
            column,
            sight.function(&function)?,
            &mask.arguments,
        )
        .await?;
    call.metastore().mask_set(call.by(), call.now(), table, mask.column, &function, mask.arguments).await?;
    Ok(())
}

/// A policy that is tried and not set.
#[derive(Debug)]
pub(crate) struct Tried {
    /// The table as it stands.
    pub(crate) before: Table,
    /// The table as it would stand.
    pub(crate) after: Table,
    /// The mask, where it is one.
    pub(crate) mask: Option<ColumnMask>,
}

/// Decides and checks what setting decides and checks, and sets nothing.
pub(crate) async fn tried(
    environment: &Environment,
    context: &Context,
    change: &PolicyCommand,
) -> Result<(Arc<Snapshot>, Tried)> {
    let call = Call { environment, context };
    let snapshot = call.snapshot().await?;
    let (session, analysis) = (&context.session, &environment.analysis);
    let sight = Sight::new(call, &snapshot);
    let tried = match change {
        PolicyCommand::SetRowFilter { table, filter } => {
            let (name, function) = (table.resolve(session)?, filter.function.resolve(session)?);
            require(sight, &name, &function)?;
            let (table, function) = (sight.table(&name)?, sight.function(&function)?);
            let arguments =
                analysis.row_filter(context, &snapshot, table, function, &filter.arguments).await?;
            let function = PolicyFunction::Sql(function.id);
            let filter = RowFilter { function, arguments, semantics: SEMANTICS };
            let after = Table { row_filter: Some(filter), ..table.clone() };
            Tried { before: table.clone(), after, mask: None }
        }
        PolicyCommand::SetMask { table, column, mask } => {
            let (name, function) = (table.resolve(session)?, mask.function.resolve(session)?);
            require(sight, &name, &function)?;
            let (table, function) = (sight.table(&name)?, sight.function(&function)?);
            let mask = analysis.mask(context, &snapshot, table, column, function, &mask.arguments).await?;
            let mut after = table.clone();
            after.masks.retain(|known| known.column.name != mask.column.name);
            after.masks.push(mask.clone());
            Tried { before: table.clone(), after, mask: Some(mask) }
        }
        PolicyCommand::DropRowFilter { .. } | PolicyCommand::DropMask { .. } => {
            return Err(Error::internal("a dry run of what takes a policy away"));
        }
    };
    Ok((snapshot, tried))
}

/// MANAGE on the table and EXECUTE on the function, with USE on the way to both.
fn require(sight: Sight<'_>, table: &ObjectName, function: &ObjectName) -> Result<()> {
    let id = SecurableId::Table(sight.table(table)?.id);
    sight.require(Privilege::Manage, id, &SecurableName::Table(table.clone()))?;
    let id = SecurableId::Function(sight.function(function)?.id);
    sight.require(Privilege::Execute, id, &SecurableName::Function(function.clone()))
}
