//! Row filters and column masks. Who may set one is decided before anything of the function or
//! the table is looked at, so that a refusal tells nothing of either.

use weir_catalog::ObjectName;
use weir_catalog::Privilege;
use weir_catalog::securable::{SecurableId, SecurableName};

use super::sight::Sight;
use super::{Call, done};
use crate::error::Result;
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

/// MANAGE on the table and EXECUTE on the function, with USE on the way to both.
fn require(sight: Sight<'_>, table: &ObjectName, function: &ObjectName) -> Result<()> {
    let id = SecurableId::Table(sight.table(table)?.id);
    sight.require(Privilege::Manage, id, &SecurableName::Table(table.clone()))?;
    let id = SecurableId::Function(sight.function(function)?.id);
    sight.require(Privilege::Execute, id, &SecurableName::Function(function.clone()))
}
