//! CREATE and DROP FUNCTION.

use weir_catalog::Parameter;
use weir_catalog::metastore::FunctionSpec;

use super::catalog::on_missing;
use super::view::on_existing_definition;
use super::{Call, done};
use crate::error::Result;
use crate::run::Outcome;
use crate::sql::{CreateFunction, FunctionCommand};

pub(super) async fn run(call: Call<'_>, command: &FunctionCommand) -> Result<Outcome> {
    match command {
        FunctionCommand::Create(create) => self::create(call, create).await?,
        FunctionCommand::Drop { name, if_exists } => {
            let name = name.resolve(&call.context.session)?;
            call.metastore().function_drop(call.by(), call.now(), &name, on_missing(*if_exists)).await?;
        }
    }
    done()
}

async fn create(call: Call<'_>, create: &CreateFunction) -> Result<()> {
    let name = create.name.resolve(&call.context.session)?;
    let snapshot = call.snapshot().await?;
    let analysed = call.environment.analysis.function(call.context, &snapshot, create).await?;
    let parameters = create.parameters.iter().map(|parameter| Parameter {
        name: parameter.name.to_lowercase(),
        type_text: parameter.sql_type.text.clone(),
        default: parameter.default.clone(),
        comment: None,
    });
    let spec = FunctionSpec {
        name,
        parameters: parameters.collect(),
        returns: analysed.returns,
        body: analysed.body,
        reads: analysed.reads,
        calls: analysed.calls,
        comment: create.comment.clone(),
    };
    let on_existing = on_existing_definition(create.or_replace, create.if_not_exists);
    call.metastore().function_create(call.by(), call.now(), spec, on_existing).await?;
    Ok(())
}
