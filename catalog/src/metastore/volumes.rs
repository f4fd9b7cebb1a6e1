//! Volumes: what is known of them. No operation here touches a file.

use chrono::{DateTime, Utc};

use super::caller::Caller;
use super::places::{ExternalUse, Storage, check_place, require_external};
use super::{Created, Metastore, OnExisting, OnMissing, Request, Write};
use crate::audit::{Action, Requester};
use crate::error::Error;
use crate::id::VolumeId;
use crate::name::{Name, ObjectName};
use crate::privilege::Privilege;
use crate::securable::{SecurableId, SecurableKind, SecurableName, Volume, VolumeKind};
use crate::store::Change;
use crate::tag::Tags;

/// A volume to be made.
#[derive(Debug, Clone)]
pub struct VolumeSpec {
    /// Unique in its schema among volumes.
    pub name: ObjectName,
    /// Where its files are.
    pub storage: Storage,
    /// A remark for people.
    pub comment: Option<String>,
}

impl Metastore {
    /// Needs CREATE VOLUME on the schema with USE on the way; for external ones also CREATE EXTERNAL VOLUME on
    /// the external location that covers it, or rank. Refused when the files are, contain, or lie within
    /// another volume's or a table's.
    pub async fn volume_create(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        spec: VolumeSpec,
        on_existing: OnExisting,
    ) -> Result<Created<Volume>, Error> {
        let securable = SecurableName::Volume(spec.name.clone());
        self.write(Request::new(by, now, Action::VolumeCreate, securable), |caller| {
            let schema = caller.schema(&spec.name.schema_name())?;
            let mut because = caller.require(Privilege::CreateVolume, SecurableId::Schema(schema.id))?;
            if let Some(existing) = caller.snapshot.volume(&spec.name) {
                return match on_existing {
                    OnExisting::Keep => Ok(Write::nothing(Created::Kept(existing.clone()))),
                    OnExisting::Fail => Err(exists(&spec.name)),
                };
            }
            let kind = match &spec.storage {
                Storage::Managed { location } => VolumeKind::Managed { location: location.clone() },
                Storage::External { location } => {
                    let external = ExternalUse::Volume;
                    because.extend(require_external(caller.snapshot, caller.by, external, location)?);
                    VolumeKind::External { location: location.clone() }
                }
            };
            check_place(caller, &spec.storage)?;
            let volume = Volume {
                id: VolumeId::fresh(),
                schema: schema.id,
                name: spec.name.clone(),
                owner: caller.by,
                kind,
                comment: spec.comment.clone(),
                tags: Tags::new(),
                stamps: caller.stamps,
            };
            let changes = vec![Change::VolumePut(volume.clone())];
            Ok(Write { changes, because, value: Created::Made(volume) })
        })
        .await
    }

    /// Needs MANAGE. Returns whether there was anything to drop; files stay.
    pub async fn volume_drop(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &ObjectName,
        on_missing: OnMissing,
    ) -> Result<bool, Error> {
        let securable = SecurableName::Volume(name.clone());
        self.write(Request::new(by, now, Action::VolumeDrop, securable), |caller| {
            let volume = match caller.volume(name) {
                Err(Error::NotFound { .. }) if on_missing == OnMissing::Ignore => {
                    return Ok(Write::nothing(false));
                }
                found => found?,
            };
            let because = caller.require(Privilege::Manage, SecurableId::Volume(volume.id))?;
            Ok(Write { changes: vec![Change::VolumeRemove(volume.id)], because, value: true })
        })
        .await
    }

    /// Within its schema. Needs MANAGE; grants stay.
    pub async fn volume_rename(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &ObjectName,
        to: &Name,
    ) -> Result<(), Error> {
        self.volume_alter(by, now, name, |caller, volume| {
            let to = ObjectName { object: to.clone(), ..name.clone() };
            if to != *name && caller.snapshot.volume(&to).is_some() {
                return Err(exists(&to));
            }
            Ok(Volume { name: to, ..volume.clone() })
        })
        .await
    }

    /// Needs MANAGE.
    pub async fn volume_set_comment(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &ObjectName,
        comment: Option<String>,
    ) -> Result<(), Error> {
        self.volume_alter(by, now, name, |_, volume| {
            Ok(Volume { comment: comment.clone(), ..volume.clone() })
        })
        .await
    }

    async fn volume_alter(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &ObjectName,
        alter: impl Fn(&Caller<'_>, &Volume) -> Result<Volume, Error>,
    ) -> Result<(), Error> {
        let securable = SecurableName::Volume(name.clone());
        self.write(Request::new(by, now, Action::VolumeAlter, securable), |caller| {
            let volume = caller.volume(name)?;
            let because = caller.require(Privilege::Manage, SecurableId::Volume(volume.id))?;
            let altered = alter(caller, volume)?;
            if altered == *volume {
                return Ok(Write::nothing(()));
            }
            let stamps = caller.altered(volume.stamps);
            let changes = vec![Change::VolumePut(Volume { stamps, ..altered })];
            Ok(Write { changes, because, value: () })
        })
        .await
    }
}

fn exists(name: &ObjectName) -> Error {
    Error::AlreadyExists { kind: SecurableKind::Volume, name: name.to_string() }
}
