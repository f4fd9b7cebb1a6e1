//! External locations. Who may make one is decided before storage is looked at.

use weir_catalog::Privilege;
use weir_catalog::metastore::ExternalLocationSpec;
use weir_catalog::securable::{SecurableId, SecurableName};

use super::catalog::{on_existing, on_missing};
use super::sight::Sight;
use super::{Call, done};
use crate::error::Result;
use crate::run::Outcome;
use crate::sql::ExternalLocationCommand;

pub(super) async fn run(call: Call<'_>, command: &ExternalLocationCommand) -> Result<Outcome> {
    let (metastore, now) = (call.metastore(), call.now());
    match command {
        ExternalLocationCommand::Create(create) => {
            let spec = ExternalLocationSpec {
                name: create.name.clone(),
                url: canonical(call, &create.url).await?,
                credential: create.credential.clone(),
                comment: create.comment.clone(),
            };
            let on_existing = on_existing(create.if_not_exists);
            metastore.external_location_create(call.by(), now, spec, on_existing).await?;
        }
        ExternalLocationCommand::Drop { name, if_exists } => {
            metastore.external_location_drop(call.by(), now, name, on_missing(*if_exists)).await?;
        }
        ExternalLocationCommand::Rename { name, to } => {
            metastore.external_location_rename(call.by(), now, name, to).await?;
        }
        ExternalLocationCommand::SetUrl { name, url } => {
            let snapshot = call.snapshot().await?;
            let sight = Sight::new(call, &snapshot);
            sight.find(&SecurableName::ExternalLocation(name.clone()))?;
            let url = canonical(call, url).await?;
            metastore.external_location_set_url(call.by(), now, name, &url).await?;
        }
        ExternalLocationCommand::SetCredential { name, credential } => {
            metastore.external_location_set_credential(call.by(), now, name, Some(credential)).await?;
        }
    }
    done()
}

async fn canonical(call: Call<'_>, written: &str) -> Result<String> {
    let snapshot = call.snapshot().await?;
    let sight = Sight::new(call, &snapshot);
    let (root, name) = (SecurableId::Metastore, SecurableName::Metastore);
    sight.require(Privilege::CreateExternalLocation, root, &name)?;
    call.environment.locations.canonical_folder(written)
}
