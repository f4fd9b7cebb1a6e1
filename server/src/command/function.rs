//! CREATE, DROP and RENAME FUNCTION.

use weir_catalog::error::Error as CatalogError;
use weir_catalog::metastore::{FunctionSpec, OnExistingDefinition};
use weir_catalog::{Function, Snapshot, Stamps};

use super::catalog::on_missing;
use super::view::on_existing_definition;
use super::{Call, done};
use crate::error::Result;
use crate::query::analysis::AnalysedFunction;
use crate::run::Outcome;
use crate::sql::{CreateFunction, FunctionCommand};

/// How often a replacement is checked anew when the catalog changes under it.
const ATTEMPTS: usize = 5;

pub(super) async fn run(call: Call<'_>, command: &FunctionCommand) -> Result<Outcome> {
    match command {
        FunctionCommand::Create(create) => self::create(call, create).await?,
        FunctionCommand::Drop { name, if_exists } => {
            let name = name.resolve(&call.context.session)?;
            call.metastore().function_drop(call.by(), call.now(), &name, on_missing(*if_exists)).await?;
        }
        FunctionCommand::Rename { name, to } => {
            let name = name.resolve(&call.context.session)?;
            call.metastore().function_rename(call.by(), call.now(), &name, to).await?;
        }
    }
    done()
}

async fn create(call: Call<'_>, create: &CreateFunction) -> Result<()> {
    let name = create.name.resolve(&call.context.session)?;
    let on_existing = on_existing_definition(create.or_replace, create.if_not_exists);
    for attempt in 1..=ATTEMPTS {
        let snapshot = call.snapshot().await?;
        let analysis = &call.environment.analysis;
        let analysed = analysis.function(call.context, &snapshot, create).await?;
        let existing = snapshot.function(&name).filter(|_| on_existing == OnExistingDefinition::Replace);
        if let Some(existing) = existing.filter(|known| replaces(call, &snapshot, known)) {
            let replacement = replacement(existing, &analysed);
            analysis.replacement(call.context, &snapshot, existing, replacement).await?;
        }
        let spec = FunctionSpec {
            name: name.clone(),
            parameters: analysed.parameters,
            returns: analysed.returns,
            body: analysed.body,
            reads: analysed.reads,
            calls: analysed.calls,
            comment: create.comment.clone(),
            checked_at: Some(snapshot.epoch()),
        };
        match call.metastore().function_create(call.by(), call.now(), spec, on_existing).await {
            Err(CatalogError::Contention) if attempt < ATTEMPTS => {}
            result => {
                result?;
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Whether the caller may replace it at all; to others nothing is told of what stands on it, the
/// metastore refuses them.
fn replaces(call: Call<'_>, snapshot: &Snapshot, existing: &Function) -> bool {
    snapshot.acts_as(call.context.identity().principal(), existing.owner)
}

fn replacement(existing: &Function, analysed: &AnalysedFunction) -> Function {
    Function {
        parameters: analysed.parameters.clone(),
        returns: analysed.returns.clone(),
        body: analysed.body.clone(),
        reads: analysed.reads.clone(),
        calls: analysed.calls.clone(),
        stamps: Stamps { ..existing.stamps },
        ..existing.clone()
    }
}
