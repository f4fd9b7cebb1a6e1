//! Schemas.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::dependents::Objects;
use super::policies::check_policy_cycles;
use super::properties::{PropertyChange, check_properties};
use super::{Contents, Created, Metastore, OnExisting, OnMissing, Request, Write};
use crate::audit::{Action, Requester};
use crate::error::Error;
use crate::name::{Name, SchemaName};
use crate::privilege::Privilege;
use crate::securable::{Schema, SecurableId, SecurableKind, SecurableName};
use crate::store::Change;

/// The schema every catalog shows and none stores.
pub(crate) const INFORMATION_SCHEMA: &str = "information_schema";

/// A schema to be made.
#[derive(Debug, Clone)]
pub struct SchemaSpec {
    /// Unique in its catalog.
    pub name: SchemaName,
    /// A remark for people.
    pub comment: Option<String>,
    /// Properties.
    pub properties: BTreeMap<String, String>,
}

impl Metastore {
    /// Needs CREATE SCHEMA and USE CATALOG on the catalog.
    pub async fn schema_create(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        spec: SchemaSpec,
        on_existing: OnExisting,
    ) -> Result<Created<Schema>, Error> {
        check_unreserved(&spec.name.schema)?;
        check_properties(&spec.properties)?;
        let securable = SecurableName::Schema(spec.name.clone());
        self.write(Request::new(by, now, Action::SchemaCreate, securable), |caller| {
            let catalog = caller.catalog(&spec.name.catalog)?;
            let because = caller.require(Privilege::CreateSchema, SecurableId::Catalog(catalog.id))?;
            if let Some(existing) = caller.snapshot.schema(&spec.name) {
                return match on_existing {
                    OnExisting::Keep => Ok(Write::nothing(Created::Kept(existing.clone()))),
                    OnExisting::Fail => Err(schema_exists(&spec.name)),
                };
            }
            let schema = Schema {
                comment: spec.comment.clone(),
                properties: spec.properties.clone(),
                ..Schema::new(catalog.id, spec.name.clone(), caller.by, caller.stamps)
            };
            Ok(Write {
                changes: vec![Change::SchemaPut(schema.clone())],
                because,
                value: Created::Made(schema),
            })
        })
        .await
    }

    /// Needs MANAGE. Refused while a view or function names something in the schema.
    pub async fn schema_rename(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &SchemaName,
        to: &Name,
    ) -> Result<(), Error> {
        check_unreserved(to)?;
        let securable = SecurableName::Schema(name.clone());
        self.write(Request::new(by, now, Action::SchemaAlter, &securable), |caller| {
            let schema = caller.schema(name)?;
            let because = caller.require(Privilege::Manage, SecurableId::Schema(schema.id))?;
            if name.schema == *to {
                return Ok(Write::nothing(()));
            }
            let to = SchemaName { catalog: name.catalog.clone(), schema: to.clone() };
            if caller.snapshot.schema(&to).is_some() {
                return Err(schema_exists(&to));
            }
            caller.check_renamable(&securable, &Objects::of_schema(caller.snapshot, schema.id))?;
            let renamed = Schema { name: to, stamps: caller.altered(schema.stamps), ..schema.clone() };
            Ok(Write { changes: vec![Change::SchemaPut(renamed)], because, value: () })
        })
        .await
    }

    /// Needs MANAGE.
    pub async fn schema_set_comment(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &SchemaName,
        comment: Option<String>,
    ) -> Result<(), Error> {
        let securable = SecurableName::Schema(name.clone());
        self.write(Request::new(by, now, Action::SchemaAlter, securable), |caller| {
            let schema = caller.schema(name)?;
            let because = caller.require(Privilege::Manage, SecurableId::Schema(schema.id))?;
            let stamps = caller.altered(schema.stamps);
            let altered = Schema { comment: comment.clone(), stamps, ..schema.clone() };
            Ok(Write { changes: vec![Change::SchemaPut(altered)], because, value: () })
        })
        .await
    }

    /// Needs MANAGE.
    pub async fn schema_set_properties(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &SchemaName,
        change: PropertyChange,
    ) -> Result<(), Error> {
        change.check()?;
        let securable = SecurableName::Schema(name.clone());
        self.write(Request::new(by, now, Action::SchemaAlter, securable), |caller| {
            let schema = caller.schema(name)?;
            let because = caller.require(Privilege::Manage, SecurableId::Schema(schema.id))?;
            let properties = change.apply(&schema.properties)?;
            if properties == schema.properties {
                return Ok(Write::nothing(()));
            }
            let stamps = caller.altered(schema.stamps);
            let altered = Schema { properties, stamps, ..schema.clone() };
            let changes = vec![Change::SchemaPut(altered)];
            // `policy.default` can bring a table that a policy reads under a policy itself.
            check_policy_cycles(caller, &changes)?;
            Ok(Write { changes, because, value: () })
        })
        .await
    }

    /// Needs MANAGE. With [`Contents::Cascade`] all it contains goes too, unless something
    /// outside uses it; external tables need what dropping them needs. Returns whether there was anything to drop.
    pub async fn schema_drop(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &SchemaName,
        contents: Contents,
        on_missing: OnMissing,
    ) -> Result<bool, Error> {
        let securable = SecurableName::Schema(name.clone());
        self.write(Request::new(by, now, Action::SchemaDrop, &securable), |caller| {
            let schema = match caller.schema(name) {
                Err(Error::NotFound { .. }) if on_missing == OnMissing::Ignore => {
                    return Ok(Write::nothing(false));
                }
                found => found?,
            };
            let mut because = caller.require(Privilege::Manage, SecurableId::Schema(schema.id))?;
            let going = Objects::of_schema(caller.snapshot, schema.id);
            if contents == Contents::Restrict && !going.is_empty() {
                return Err(Error::NotEmpty { kind: SecurableKind::Schema, name: name.to_string() });
            }
            because.extend(caller.require_releasable(&going)?);
            caller.check_droppable(&securable, &going)?;
            let mut changes = going.removals(caller.snapshot);
            changes.push(Change::SchemaRemove(schema.id));
            Ok(Write { changes, because, value: true })
        })
        .await
    }
}

fn check_unreserved(name: &Name) -> Result<(), Error> {
    if name.as_str() == INFORMATION_SCHEMA {
        return Err(Error::ReservedName { name: name.clone() });
    }
    Ok(())
}

fn schema_exists(name: &SchemaName) -> Error {
    Error::AlreadyExists { kind: SecurableKind::Schema, name: name.to_string() }
}
