//! Row filters and column masks. Who may set one is decided before anything of the function or
//! the table is looked at, so that a refusal tells nothing of either.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_catalog::policy::SEMANTICS;
use weir_catalog::securable::{SecurableId, SecurableName};
use weir_catalog::{
    BuiltinMask, Column, ColumnMask, ObjectName, PolicyFunction, Privilege, RowFilter, Snapshot, Stamps,
    Table, TableId, TableKind, Tags,
};

use super::sight::Sight;
use super::{Call, Environment, done};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::query::analysis::MaskPlace;
use crate::run::Outcome;
use crate::sql::{MaskClause, PolicyCommand, RowFilterClause, SecurableReference};

pub(super) async fn run(call: Call<'_>, command: &PolicyCommand) -> Result<Outcome> {
    match command {
        PolicyCommand::SetRowFilter { on, filter } => {
            set_row_filter(call, &governed(call, on).await?, filter).await?;
        }
        PolicyCommand::DropRowFilter { on } => {
            let name = governed(call, on).await?;
            call.metastore().row_filter_drop(call.by(), call.now(), &name).await?;
        }
        PolicyCommand::SetMask { on, column, path, mask } => {
            set_mask(call, &governed(call, on).await?, column, path, mask).await?;
        }
        PolicyCommand::DropMask { on, column, path } => {
            let name = governed(call, on).await?;
            call.metastore().mask_drop(call.by(), call.now(), &name, column, path).await?;
        }
    }
    done()
}

/// The name of the table or view that a statement is about.
async fn governed(call: Call<'_>, on: &SecurableReference) -> Result<ObjectName> {
    let snapshot = call.snapshot().await?;
    of_table(Sight::new(call, &snapshot).securable(call, on)?)
}

fn of_table(name: SecurableName) -> Result<ObjectName> {
    match name {
        SecurableName::Table(name) => Ok(name),
        other => Err(Error::internal(format!("a policy on {other}"))),
    }
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

/// A table or view as it will be, without policies.
pub(super) fn unmade(
    call: Call<'_>,
    snapshot: &Snapshot,
    name: &ObjectName,
    kind: TableKind,
    columns: &[Column],
) -> Result<Table> {
    let schema = SecurableName::Schema(name.schema_name());
    let SecurableId::Schema(schema) = Sight::new(call, snapshot).find(&schema)? else {
        return Err(Error::internal("a schema that is none"));
    };
    Ok(Table {
        id: TableId::fresh(),
        schema,
        name: name.clone(),
        owner: call.principal(),
        kind,
        columns: columns.to_vec(),
        row_filter: None,
        masks: Vec::new(),
        properties: BTreeMap::new(),
        comment: None,
        tags: Tags::new(),
        stamps: Stamps::new(call.now(), call.principal()),
    })
}

/// The policies that a new table or view is to have, checked on it as it will be.
pub(super) async fn of_new(
    call: Call<'_>,
    snapshot: &Arc<Snapshot>,
    table: &Table,
    row_filter: Option<&RowFilterClause>,
    clauses: impl Iterator<Item = (&str, &MaskClause)>,
) -> Result<(Option<RowFilter>, Vec<ColumnMask>)> {
    let (session, analysis) = (&call.context.session, &call.environment.analysis);
    let sight = Sight::new(call, snapshot);
    let filter = match row_filter {
        Some(filter) => {
            let name = filter.function.resolve(session)?;
            require_execute(sight, &name)?;
            let function = sight.function(&name)?;
            let arguments =
                analysis.row_filter(call.context, snapshot, table, function, &filter.arguments).await?;
            let function = PolicyFunction::Sql(function.id);
            Some(RowFilter { function, arguments, semantics: SEMANTICS })
        }
        None => None,
    };
    let mut masks = Vec::new();
    for (column, mask) in clauses {
        let function = mask_function(sight, &mask.function.resolve(session)?)?;
        let place = MaskPlace { column, path: &[], function };
        masks.push(analysis.mask(call.context, snapshot, table, place, &mask.arguments).await?);
    }
    Ok((filter, masks))
}

/// A policy that is tried and not set.
#[derive(Debug)]
pub(crate) struct Tried {
    /// The table as it stands.
    pub(crate) before: Table,
    /// The table as it would stand.
    pub(crate) after: Table,
    /// The column, where it is a mask.
    pub(crate) masked: Option<String>,
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
        PolicyCommand::SetRowFilter { on, filter } => {
            let name = of_table(sight.securable(call, on)?)?;
            let function = filter.function.resolve(session)?;
            require_manage(sight, &name)?;
            require_execute(sight, &function)?;
            let (table, function) = (sight.table(&name)?, sight.function(&function)?);
            let arguments =
                analysis.row_filter(context, &snapshot, table, function, &filter.arguments).await?;
            let function = PolicyFunction::Sql(function.id);
            let filter = RowFilter { function, arguments, semantics: SEMANTICS };
            let after = Table { row_filter: Some(filter), ..table.clone() };
            Tried { before: table.clone(), after, masked: None }
        }
        PolicyCommand::SetMask { on, column, path, mask } => {
            let name = of_table(sight.securable(call, on)?)?;
            require_manage(sight, &name)?;
            let function = mask_function(sight, &mask.function.resolve(session)?)?;
            let place = MaskPlace { column, path, function };
            let table = sight.table(&name)?;
            let mask = analysis.mask(context, &snapshot, table, place, &mask.arguments).await?;
            let mut after = table.clone();
            after.masks.retain(|known| known.column.name != mask.column.name || known.path != mask.path);
            let masked = Some(mask.column.name.clone());
            after.masks.push(mask);
            Tried { before: table.clone(), after, masked }
        }
        PolicyCommand::DropRowFilter { .. } | PolicyCommand::DropMask { .. } => {
            return Err(Error::internal("a dry run of what takes a policy away"));
        }
    };
    Ok((snapshot, tried))
}

/// A built-in mask, which is there for every policy, or a function that the caller may call.
pub(super) fn mask_function(sight: Sight<'_>, named: &ObjectName) -> Result<PolicyFunction> {
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
