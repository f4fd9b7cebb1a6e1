//! DESCRIBE of volumes, external locations, storage credentials and the metastore. Where files lie is for
//! those who administer the thing or may use the place.

use weir_catalog::securable::{SecurableId, SecurableName, VolumeKind};
use weir_catalog::{Name, ObjectName, Privilege};

use super::pairs;
use crate::command::listing::Row;
use crate::command::sight::Sight;
use crate::error::Result;
use crate::error::convert::not_found;

pub(super) fn volume(sight: Sight<'_>, name: &ObjectName) -> Result<Vec<Row>> {
    let named = SecurableName::Volume(name.clone());
    let id = sight.find(&named)?;
    let volume = sight.snapshot.volume(name).ok_or_else(|| not_found(&named))?;
    let (kind, location) = match &volume.kind {
        VolumeKind::Managed { location } => ("MANAGED", location),
        VolumeKind::External { location } => ("EXTERNAL", location),
    };
    let told = sight.may(Privilege::Manage, id);
    Ok(pairs([
        ("Name", Some(name.object.to_string())),
        ("Catalog", Some(name.catalog.to_string())),
        ("Database", Some(name.schema.to_string())),
        ("Owner", Some(sight.principal_name(volume.owner))),
        ("Volume Type", Some(kind.to_owned())),
        ("Comment", volume.comment.clone()),
        ("Storage Location", told.then(|| location.clone())),
        ("Created Time", Some(volume.stamps.created_at.to_rfc3339())),
    ]))
}

pub(super) fn external_location(sight: Sight<'_>, name: &Name) -> Result<Vec<Row>> {
    let named = SecurableName::ExternalLocation(name.clone());
    let id = sight.find(&named)?;
    let location = sight.snapshot.external_location(name).ok_or_else(|| not_found(&named))?;
    let credential = location.credential.filter(|id| sight.sees(SecurableId::StorageCredential(*id)));
    let credential = credential.and_then(|id| sight.snapshot.storage_credential_by_id(id));
    Ok(pairs([
        ("Name", Some(name.to_string())),
        ("Url", uses(sight, id).then(|| location.url.clone())),
        ("Credential", credential.map(|credential| credential.name.to_string())),
        ("Owner", Some(sight.principal_name(location.owner))),
        ("Comment", location.comment.clone()),
        ("Created Time", Some(location.stamps.created_at.to_rfc3339())),
    ]))
}

/// Whether the caller administers the location or may lay or read files there.
pub(in crate::command) fn uses(sight: Sight<'_>, location: SecurableId) -> bool {
    let privileges = [
        Privilege::Manage,
        Privilege::CreateExternalTable,
        Privilege::CreateExternalVolume,
        Privilege::ReadFiles,
        Privilege::WriteFiles,
    ];
    privileges.iter().any(|privilege| sight.may(*privilege, location))
}

pub(super) fn storage_credential(sight: Sight<'_>, name: &Name) -> Result<Vec<Row>> {
    let named = SecurableName::StorageCredential(name.clone());
    sight.find(&named)?;
    let credential = sight.snapshot.storage_credential(name).ok_or_else(|| not_found(&named))?;
    Ok(pairs([
        ("Name", Some(name.to_string())),
        ("Owner", Some(sight.principal_name(credential.owner))),
        ("Comment", credential.comment.clone()),
        ("Created Time", Some(credential.stamps.created_at.to_rfc3339())),
    ]))
}

/// Everybody may know which metastore it is; its admin is told to those of rank.
pub(super) fn metastore(sight: Sight<'_>) -> Vec<Row> {
    let ranks = sight.is_account_admin() || weir_catalog::is_metastore_admin(sight.snapshot, sight.by);
    let owner = sight.snapshot.metastore_owner().filter(|_| ranks);
    pairs([
        ("Metastore ID", Some(sight.snapshot.metastore_id().to_string())),
        ("Owner", owner.map(|owner| sight.principal_name(owner))),
    ])
}
