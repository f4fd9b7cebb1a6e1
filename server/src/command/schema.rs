//! CREATE, DROP and ALTER SCHEMA.

use weir_catalog::metastore::SchemaSpec;

use super::catalog::{contents, on_existing, on_missing, property_change};
use super::{Call, done};
use crate::error::Result;
use crate::run::Outcome;
use crate::sql::SchemaCommand;
use crate::sql::statement::catalog::renamed;

pub(super) async fn run(call: Call<'_>, command: &SchemaCommand) -> Result<Outcome> {
    let session = &call.context.session;
    match command {
        SchemaCommand::Create { name, if_not_exists, comment, properties } => {
            let spec = SchemaSpec {
                name: name.resolve(session)?,
                comment: comment.clone(),
                properties: properties.clone(),
            };
            call.metastore().schema_create(call.by(), call.now(), spec, on_existing(*if_not_exists)).await?;
        }
        SchemaCommand::Drop { name, if_exists, behaviour } => {
            let name = name.resolve(session)?;
            call.metastore()
                .schema_drop(call.by(), call.now(), &name, contents(*behaviour), on_missing(*if_exists))
                .await?;
        }
        SchemaCommand::Rename { name, to } => {
            let name = name.resolve(session)?;
            let to = renamed(to, &name.catalog)?;
            call.metastore().schema_rename(call.by(), call.now(), &name, &to).await?;
        }
        SchemaCommand::Properties { name, change } => {
            let name = name.resolve(session)?;
            let change = property_change(change);
            call.metastore().schema_set_properties(call.by(), call.now(), &name, change).await?;
        }
    }
    done()
}
