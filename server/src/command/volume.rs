//! Volumes: what the catalog knows of them. No file is read or made.

use weir_catalog::metastore::{ExternalUse, Storage, VolumeSpec, require_external};
use weir_catalog::securable::SecurableName;
use weir_catalog::{ObjectName, Privilege};

use super::catalog::{on_existing, on_missing};
use super::sight::Sight;
use super::table::in_place;
use super::{Call, done};
use crate::error::Result;
use crate::run::Outcome;
use crate::sql::{CreateVolume, VolumeCommand};

pub(super) async fn run(call: Call<'_>, command: &VolumeCommand) -> Result<Outcome> {
    let session = &call.context.session;
    let metastore = call.metastore();
    match command {
        VolumeCommand::Create(create) => self::create(call, create).await?,
        VolumeCommand::Drop { name, if_exists } => {
            let name = name.resolve(session)?;
            metastore.volume_drop(call.by(), call.now(), &name, on_missing(*if_exists)).await?;
        }
        VolumeCommand::Rename { name, to } => {
            let name = name.resolve(session)?;
            in_place(call, &name, to)?;
            metastore.volume_rename(call.by(), call.now(), &name, &to.object).await?;
        }
    }
    done()
}

async fn create(call: Call<'_>, create: &CreateVolume) -> Result<()> {
    let name = create.name.resolve(&call.context.session)?;
    let storage = match &create.location {
        None => Storage::Managed { location: call.environment.locations.new_managed() },
        Some(location) => external(call, &name, location).await?,
    };
    let spec = VolumeSpec { name, storage, comment: create.comment.clone() };
    let on_existing = on_existing(create.if_not_exists);
    call.metastore().volume_create(call.by(), call.now(), spec, on_existing).await?;
    Ok(())
}

async fn external(call: Call<'_>, name: &ObjectName, location: &str) -> Result<Storage> {
    let snapshot = call.snapshot().await?;
    let sight = Sight::new(call, &snapshot);
    let locations = &call.environment.locations;
    // Before storage is looked at: a refusal must not tell what lies there.
    let schema = SecurableName::Schema(name.schema_name());
    sight.require(Privilege::CreateVolume, sight.find(&schema)?, &schema)?;
    let allowed = |url: &str| require_external(&snapshot, sight.by, ExternalUse::Volume, url).map(drop);
    allowed(&locations.written_external(location)?)?;
    let canonical = locations.canonical_external(location)?;
    allowed(&canonical).map_err(|_| locations.not_allowed(location))?;
    Ok(Storage::External { location: canonical })
}
