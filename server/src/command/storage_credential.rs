//! Storage credentials: names that the server's configuration gives a meaning.

use weir_catalog::metastore::StorageCredentialSpec;

use super::catalog::{on_existing, on_missing};
use super::{Call, done};
use crate::error::Result;
use crate::run::Outcome;
use crate::sql::StorageCredentialCommand;

pub(super) async fn run(call: Call<'_>, command: &StorageCredentialCommand) -> Result<Outcome> {
    let (metastore, now) = (call.metastore(), call.now());
    match command {
        StorageCredentialCommand::Create { name, if_not_exists, comment } => {
            let spec = StorageCredentialSpec { name: name.clone(), comment: comment.clone() };
            let on_existing = on_existing(*if_not_exists);
            metastore.storage_credential_create(call.by(), now, spec, on_existing).await?;
        }
        StorageCredentialCommand::Drop { name, if_exists } => {
            metastore.storage_credential_drop(call.by(), now, name, on_missing(*if_exists)).await?;
        }
        StorageCredentialCommand::Rename { name, to } => {
            metastore.storage_credential_rename(call.by(), now, name, to).await?;
        }
    }
    done()
}
