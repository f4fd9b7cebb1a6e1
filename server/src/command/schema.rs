//! CREATE and DROP SCHEMA.

use std::collections::BTreeMap;

use weir_catalog::metastore::SchemaSpec;

use super::catalog::{contents, on_existing, on_missing};
use super::{Call, done};
use crate::error::Result;
use crate::run::Outcome;
use crate::sql::SchemaCommand;

pub(super) async fn run(call: Call<'_>, command: &SchemaCommand) -> Result<Outcome> {
    let session = &call.context.session;
    match command {
        SchemaCommand::Create { name, if_not_exists, comment } => {
            let spec = SchemaSpec {
                name: name.resolve(session)?,
                comment: comment.clone(),
                properties: BTreeMap::new(),
            };
            call.metastore().schema_create(call.by(), call.now(), spec, on_existing(*if_not_exists)).await?;
        }
        SchemaCommand::Drop { name, if_exists, behaviour } => {
            let name = name.resolve(session)?;
            call.metastore()
                .schema_drop(call.by(), call.now(), &name, contents(*behaviour), on_missing(*if_exists))
                .await?;
        }
    }
    done()
}
