//! External locations. Who may make one is decided before storage is looked at.

use weir_catalog::metastore::ExternalLocationSpec;
use weir_catalog::securable::{SecurableId, SecurableName};
use weir_catalog::{Name, Privilege};

use super::catalog::{on_existing, on_missing};
use super::sight::Sight;
use super::{Call, done};
use crate::error::{Condition, Error, Result};
use crate::run::Outcome;
use crate::sql::ExternalLocationCommand;

pub(super) async fn run(call: Call<'_>, command: &ExternalLocationCommand) -> Result<Outcome> {
    let (metastore, now) = (call.metastore(), call.now());
    match command {
        ExternalLocationCommand::Create(create) => {
            let url = canonical(call, &create.url).await?;
            check_credential(call, &url, create.credential.as_ref())?;
            let spec = ExternalLocationSpec {
                name: create.name.clone(),
                url,
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
            let known = snapshot.external_location(name);
            let credential = known.and_then(|location| location.credential);
            let credential = credential.and_then(|id| snapshot.storage_credential_by_id(id));
            check_credential(call, &url, credential.map(|credential| &credential.name))?;
            metastore.external_location_set_url(call.by(), now, name, &url).await?;
        }
        ExternalLocationCommand::SetCredential { name, credential } => {
            let snapshot = call.snapshot().await?;
            Sight::new(call, &snapshot).find(&SecurableName::ExternalLocation(name.clone()))?;
            if let Some(location) = snapshot.external_location(name) {
                check_credential(call, &location.url, Some(credential))?;
            }
            metastore.external_location_set_credential(call.by(), now, name, Some(credential)).await?;
        }
    }
    done()
}

/// A place in a bucket is read with the credential that the configuration has for it, and with no other: the location names
/// that one, so that whoever may use the credential decides.
fn check_credential(call: Call<'_>, url: &str, named: Option<&Name>) -> Result<()> {
    let needed = call.environment.locations.credential_of(url);
    if needed.is_none() || needed == named.map(Name::as_str) {
        return Ok(());
    }
    let text = format!("location `{url}` is read with another storage credential than the one named");
    Err(Error::new(Condition::LocationNotAllowed, text).with_hint(
        "name the credential that [storage] buckets has for this place: WITH (STORAGE CREDENTIAL name)",
    ))
}

async fn canonical(call: Call<'_>, written: &str) -> Result<String> {
    let snapshot = call.snapshot().await?;
    let sight = Sight::new(call, &snapshot);
    let (root, name) = (SecurableId::Metastore, SecurableName::Metastore);
    sight.require(Privilege::CreateExternalLocation, root, &name)?;
    call.environment.locations.canonical_folder(written)
}
