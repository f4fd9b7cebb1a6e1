//! Row filters and column masks. Who may set one is decided before anything of the function or
//! the table is looked at, so that a refusal tells nothing of either.

use std::sync::Arc;

use weir_catalog::policy::SEMANTICS;
use weir_catalog::securable::{SecurableId, SecurableName};
use weir_catalog::{
    BuiltinMask, ColumnMask, ObjectName, PolicyFunction, Privilege, RowFilter, Snapshot, Table,
};

use super::sight::Sight;
use super::{Call, Environment, done};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::query::analysis::MaskPlace;
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
        PolicyCommand::SetMask { table, column, path, mask } => {
            set_mask(call, &table.resolve(session)?, column, path, mask).await?;
        }
        PolicyCommand::DropMask { table, column, path } => {
            let table = table.resolve(session)?;
            call.metastore().mask_drop(call.by(), call.now(), &table, column, path).await?;
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
    require_manage(sight, table)?;
    require_execute(sight, &function)?;
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
    path: &[String],
    mask: &MaskClause,
) -> Result<()> {
    let snapshot = call.snapshot().await?;
    let named = mask.function.resolve(&call.context.session)?;
    let sight = Sight::new(call, &snapshot);
    require_manage(sight, table)?;
    let function = mask_function(sight, &named)?;
    let place = MaskPlace { column, path, function };
    let analysis = &call.environment.analysis;
    let mask = analysis.mask(call.context, &snapshot, sight.table(table)?, place, &mask.arguments).await?;
    call.metastore().mask_set(call.by(), call.now(), table, mask).await?;
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
            require_manage(sight, &name)?;
            require_execute(sight, &function)?;
            let (table, function) = (sight.table(&name)?, sight.function(&function)?);
            let arguments =
                analysis.row_filter(context, &snapshot, table, function, &filter.arguments).await?;
            let function = PolicyFunction::Sql(function.id);
            let filter = RowFilter { function, arguments, semantics: SEMANTICS };
            let after = Table { row_filter: Some(filter), ..table.clone() };
            Tried { before: table.clone(), after, mask: None }
        }
        PolicyCommand::SetMask { table, column, path, mask } => {
            let name = table.resolve(session)?;
            require_manage(sight, &name)?;
            let function = mask_function(sight, &mask.function.resolve(session)?)?;
            let place = MaskPlace { column, path, function };
            let table = sight.table(&name)?;
            let mask = analysis.mask(context, &snapshot, table, place, &mask.arguments).await?;
            let mut after = table.clone();
            after.masks.retain(|known| known.column.name != mask.column.name || known.path != mask.path);
            after.masks.push(mask.clone());
            Tried { before: table.clone(), after, mask: Some(mask) }
        }
        PolicyCommand::DropRowFilter { .. } | PolicyCommand::DropMask { .. } => {
            return Err(Error::internal("a dry run of what takes a policy away"));
        }
    };
    Ok((snapshot, tried))
}

/// A built-in mask, which is there for every policy, or a function that the caller may call.
fn mask_function(sight: Sight<'_>, named: &ObjectName) -> Result<PolicyFunction> {
    if let Some(mask) = BuiltinMask::find(named) {
        return Ok(PolicyFunction::Builtin(mask));
    }
    require_execute(sight, named)?;
    Ok(PolicyFunction::Sql(sight.function(named)?.id))
}

/// MANAGE on the table, with USE on the way.
fn require_manage(sight: Sight<'_>, table: &ObjectName) -> Result<()> {
    let id = SecurableId::Table(sight.table(table)?.id);
    sight.require(Privilege::Manage, id, &SecurableName::Table(table.clone()))
}

/// EXECUTE on the function, with USE on the way.
fn require_execute(sight: Sight<'_>, function: &ObjectName) -> Result<()> {
    let id = SecurableId::Function(sight.function(function)?.id);
    sight.require(Privilege::Execute, id, &SecurableName::Function(function.clone()))
}
