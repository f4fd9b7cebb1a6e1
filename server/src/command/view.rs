//! CREATE, DROP and ALTER VIEW.

use std::sync::Arc;

use weir_catalog::metastore::{OnExistingDefinition, ViewSpec};
use weir_catalog::securable::SecurableKind;
use weir_catalog::{Column, ObjectName, Snapshot, TableKind, ViewDefinition};

use super::catalog::{on_missing, property_change};
use super::sight::Sight;
use super::table::in_place;
use super::{Call, done, policy};
use crate::error::{Condition, Error, Result};
use crate::query::analysis::AnalysedView;
use crate::run::Outcome;
use crate::sql::types::quoted;
use crate::sql::{CreateView, DropBehaviour, ObjectReference, ViewCommand, ast, parse_query};

mod star;

pub(super) async fn run(call: Call<'_>, command: &ViewCommand) -> Result<Outcome> {
    match command {
        ViewCommand::Create(create) => self::create(call, create).await?,
        ViewCommand::Drop { name, if_exists, behaviour } => {
            let name = name.resolve(&call.context.session)?;
            let (metastore, on_missing) = (call.metastore(), on_missing(*if_exists));
            match behaviour {
                DropBehaviour::Restrict => {
                    metastore.view_drop(call.by(), call.now(), &name, on_missing).await?
                }
                DropBehaviour::Cascade => {
                    let kind = SecurableKind::View;
                    metastore.drop_with_readers(call.by(), call.now(), &name, kind, on_missing).await?
                }
            };
        }
        ViewCommand::Rename { name, to } => {
            let name = of_view(call, name).await?;
            in_place(call, &name, to)?;
            call.metastore().table_rename(call.by(), call.now(), &name, &to.object).await?;
        }
        ViewCommand::Properties { name, change } => {
            let name = of_view(call, name).await?;
            let change = property_change(change);
            call.metastore().table_set_properties(call.by(), call.now(), &name, change).await?;
        }
        ViewCommand::SetQuery { name, query } => {
            let name = of_view(call, name).await?;
            let snapshot = call.snapshot().await?;
            let analysed = call.environment.analysis.view(call.context, &snapshot, query).await?;
            let definition = ViewDefinition {
                text: analysed.text,
                tests_identity: analysed.tests_identity,
                reads: analysed.reads,
                calls: analysed.calls,
            };
            let metastore = call.metastore();
            metastore.view_set_definition(call.by(), call.now(), &name, definition, analysed.columns).await?;
        }
    }
    done()
}

/// The name of a view that the caller sees.
async fn of_view(call: Call<'_>, name: &ObjectReference) -> Result<ObjectName> {
    let name = name.resolve(&call.context.session)?;
    let snapshot = call.snapshot().await?;
    let sight = Sight::new(call, &snapshot);
    sight.expect_kind(sight.table(&name)?, SecurableKind::View)?;
    Ok(name)
}

async fn create(call: Call<'_>, create: &CreateView) -> Result<()> {
    let name = create.name.resolve(&call.context.session)?;
    let snapshot = call.snapshot().await?;
    let analysed = analysed(call, &snapshot, create).await?;
    check_count(create, &analysed.columns)?;
    let mut columns = analysed.columns;
    for (column, written) in columns.iter_mut().zip(&create.columns) {
        column.name.clone_from(&written.name);
        column.comment.clone_from(&written.comment);
    }
    let definition = ViewDefinition {
        text: analysed.text,
        tests_identity: analysed.tests_identity,
        reads: analysed.reads,
        calls: analysed.calls,
    };
    let trial = policy::unmade(call, &snapshot, &name, TableKind::View(definition.clone()), &columns)?;
    let masks =
        create.columns.iter().filter_map(|column| Some((column.name.as_str(), column.mask.as_ref()?)));
    let (row_filter, masks) =
        policy::of_new(call, &snapshot, &trial, create.row_filter.as_ref(), masks).await?;
    let spec = ViewSpec {
        name,
        definition,
        columns,
        properties: create.properties.clone(),
        comment: create.comment.clone(),
        row_filter,
        masks,
    };
    let on_existing = on_existing_definition(create.or_replace, create.if_not_exists);
    call.metastore().view_create(call.by(), call.now(), spec, on_existing).await?;
    Ok(())
}

/// The view's query. Names that the view gives to what `*` gives are bound to the names that these columns have now: their
/// places change with the tables.
async fn analysed(call: Call<'_>, snapshot: &Arc<Snapshot>, create: &CreateView) -> Result<AnalysedView> {
    let analysis = &call.environment.analysis;
    if create.columns.is_empty() || !star::gives_columns(&create.query.body) {
        let query = renamed(create)?;
        return analysis.view(call.context, snapshot, &query).await;
    }
    let mut query = create.query.clone();
    star::name_the_others(&mut query.body);
    let own = analysis.view(call.context, snapshot, &query).await?;
    check_count(create, &own.columns)?;
    let mut written = create.columns.iter().zip(&own.columns);
    if written.all(|(written, own)| written.name.to_lowercase() == own.name.to_lowercase()) {
        return Ok(own);
    }
    let bound = star::renamed(&query, &own.columns, &create.columns)?;
    analysis.view(call.context, snapshot, &bound).await
}

fn check_count(create: &CreateView, columns: &[Column]) -> Result<()> {
    let (named, given) = (create.columns.len(), columns.len());
    if named == 0 || named == given {
        return Ok(());
    }
    let message = format!("the view names {named} columns, its query has {given}");
    Err(Error::new(Condition::InvalidStatement, message))
}

/// The query, its columns renamed as the view says.
fn renamed(create: &CreateView) -> Result<Box<ast::Query>> {
    if create.columns.is_empty() {
        return Ok(create.query.clone());
    }
    let columns: Vec<String> = create.columns.iter().map(|column| quoted(&column.name)).collect();
    parse_query(&format!("SELECT * FROM ({}) AS `view` ({})", create.query, columns.join(", ")))
}

/// OR REPLACE and IF NOT EXISTS as the metastore takes them; they exclude each other.
pub(super) fn on_existing_definition(or_replace: bool, if_not_exists: bool) -> OnExistingDefinition {
    if or_replace {
        OnExistingDefinition::Replace
    } else if if_not_exists {
        OnExistingDefinition::Keep
    } else {
        OnExistingDefinition::Fail
    }
}
