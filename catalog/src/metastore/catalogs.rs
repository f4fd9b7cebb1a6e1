//! Catalogs, and the bootstrap that makes the first one.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};

use super::dependents::Objects;
use super::policies::check_policy_cycles;
use super::principals::check_name;
use super::properties::{PropertyChange, check_properties};
use super::{Contents, Created, Metastore, OnExisting, OnMissing, Request, Write};
use crate::audit::{Action, Answer, Requester};
use crate::error::Error;
use crate::id::PrincipalId;
use crate::name::{Name, SchemaName};
use crate::principal::{ACCOUNT_USERS, Principal, PrincipalKind};
use crate::privilege::Privilege;
use crate::securable::{Catalog, Schema, SecurableId, SecurableKind, SecurableName};
use crate::store::{self, Change};

/// The catalog and schema that a new store begins with.
const FIRST_SCHEMA: (&str, &str) = ("main", "default");

/// The catalog in which the warehouse shows its books; it is not stored.
pub(crate) const SYSTEM_CATALOG: &str = "system";

/// A catalog to be made.
#[derive(Debug, Clone)]
pub struct CatalogSpec {
    /// Unique in the metastore.
    pub name: Name,
    /// A remark for people.
    pub comment: Option<String>,
    /// Properties.
    pub properties: BTreeMap<String, String>,
}

impl Metastore {
    /// Makes the first account admin, who owns the schema `main.default` made with it. On a
    /// store without principals only, else [`Error::AlreadyBootstrapped`].
    pub async fn bootstrap_admin(&self, name: &str, now: DateTime<Utc>) -> Result<Principal, Error> {
        check_name(name)?;
        let admin = Principal {
            id: PrincipalId::fresh(),
            name: name.to_owned(),
            kind: PrincipalKind::User,
            disabled: false,
            account_admin: true,
            may_act_for_users: false,
        };
        let everybody = Principal {
            id: PrincipalId::fresh(),
            name: ACCOUNT_USERS.to_owned(),
            kind: PrincipalKind::Group,
            account_admin: false,
            ..admin.clone()
        };
        let (first_catalog, first_schema) = FIRST_SCHEMA;
        let name = SchemaName::new(first_catalog, first_schema)?;
        let request = Request::new(admin.id, now, Action::Bootstrap, format!("user `{}`", admin.name));
        let stamps = request.stamps();
        let catalog = Catalog::new(name.catalog.clone(), admin.id, stamps);
        let schema = Schema::new(catalog.id, name, admin.id, stamps);
        let changes = [
            Change::PrincipalPut(admin.clone()),
            Change::PrincipalPut(everybody),
            Change::CatalogPut(catalog),
            Change::SchemaPut(schema),
        ];
        let snapshot = self.snapshot().await?;
        let mut event = request.event(&snapshot, Answer::Allowed, "the store had no principal".to_owned());
        event.by = None;
        if snapshot.principals().next().is_some() {
            return Err(Error::AlreadyBootstrapped);
        }
        match self.store.commit(snapshot.epoch(), &changes, &event).await {
            Ok(epoch) => {
                self.committed.fetch_max(epoch.0, Ordering::AcqRel);
                Ok(admin)
            }
            // An empty store's only possible next commit is a bootstrap.
            Err(store::Error::Conflict) => Err(Error::AlreadyBootstrapped),
            Err(error) => Err(error.into()),
        }
    }

    /// Needs CREATE CATALOG on the metastore, or rank.
    pub async fn catalog_create(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        spec: CatalogSpec,
        on_existing: OnExisting,
    ) -> Result<Created<Catalog>, Error> {
        if spec.name.as_str() == SYSTEM_CATALOG {
            return Err(Error::ReservedName { name: spec.name });
        }
        check_properties(&spec.properties)?;
        let securable = SecurableName::Catalog(spec.name.clone());
        self.write(Request::new(by, now, Action::CatalogCreate, securable), |caller| {
            let because = caller.require(Privilege::CreateCatalog, SecurableId::Metastore)?;
            if let Some(existing) = caller.snapshot.catalog(&spec.name) {
                return match on_existing {
                    OnExisting::Keep if caller.sees(SecurableId::Catalog(existing.id)) => {
                        Ok(Write::nothing(Created::Kept(existing.clone())))
                    }
                    _ => Err(catalog_exists(&spec.name)),
                };
            }
            let catalog = Catalog {
                comment: spec.comment.clone(),
                properties: spec.properties.clone(),
                ..Catalog::new(spec.name.clone(), caller.by, caller.stamps)
            };
            Ok(Write {
                changes: vec![Change::CatalogPut(catalog.clone())],
                because,
                value: Created::Made(catalog),
            })
        })
        .await
    }

    /// Needs MANAGE. Refused while a view or function names something in the catalog.
    pub async fn catalog_rename(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &Name,
        to: &Name,
    ) -> Result<(), Error> {
        if to.as_str() == SYSTEM_CATALOG {
            return Err(Error::ReservedName { name: to.clone() });
        }
        let securable = SecurableName::Catalog(name.clone());
        self.write(Request::new(by, now, Action::CatalogAlter, &securable), |caller| {
            let catalog = caller.catalog(name)?;
            let because = caller.require(Privilege::Manage, SecurableId::Catalog(catalog.id))?;
            if name == to {
                return Ok(Write::nothing(()));
            }
            if caller.snapshot.catalog(to).is_some() {
                return Err(catalog_exists(to));
            }
            caller.check_renamable(&securable, &Objects::of_catalog(caller.snapshot, catalog.id))?;
            let stamps = caller.altered(catalog.stamps);
            let renamed = Catalog { name: to.clone(), stamps, ..catalog.clone() };
            Ok(Write { changes: vec![Change::CatalogPut(renamed)], because, value: () })
        })
        .await
    }

    /// Needs MANAGE.
    pub async fn catalog_set_comment(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &Name,
        comment: Option<String>,
    ) -> Result<(), Error> {
        let securable = SecurableName::Catalog(name.clone());
        self.write(Request::new(by, now, Action::CatalogAlter, securable), |caller| {
            let catalog = caller.catalog(name)?;
            let because = caller.require(Privilege::Manage, SecurableId::Catalog(catalog.id))?;
            let stamps = caller.altered(catalog.stamps);
            let altered = Catalog { comment: comment.clone(), stamps, ..catalog.clone() };
            Ok(Write { changes: vec![Change::CatalogPut(altered)], because, value: () })
        })
        .await
    }

    /// Needs MANAGE.
    pub async fn catalog_set_properties(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &Name,
        change: PropertyChange,
    ) -> Result<(), Error> {
        change.check()?;
        let securable = SecurableName::Catalog(name.clone());
        self.write(Request::new(by, now, Action::CatalogAlter, securable), |caller| {
            let catalog = caller.catalog(name)?;
            let because = caller.require(Privilege::Manage, SecurableId::Catalog(catalog.id))?;
            let properties = change.apply(&catalog.properties)?;
            if properties == catalog.properties {
                return Ok(Write::nothing(()));
            }
            let stamps = caller.altered(catalog.stamps);
            let altered = Catalog { properties, stamps, ..catalog.clone() };
            let changes = vec![Change::CatalogPut(altered)];
            // `policy.default` can bring a table that a policy reads under a policy itself.
            check_policy_cycles(caller, &changes)?;
            Ok(Write { changes, because, value: () })
        })
        .await
    }

    /// Needs MANAGE. With [`Contents::Cascade`] all it contains goes too, unless something in
    /// another catalog uses it; external tables need what dropping them needs. Returns whether there was anything to drop.
    pub async fn catalog_drop(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &Name,
        contents: Contents,
        on_missing: OnMissing,
    ) -> Result<bool, Error> {
        let securable = SecurableName::Catalog(name.clone());
        self.write(Request::new(by, now, Action::CatalogDrop, &securable), |caller| {
            let catalog = match caller.catalog(name) {
                Err(Error::NotFound { .. }) if on_missing == OnMissing::Ignore => {
                    return Ok(Write::nothing(false));
                }
                found => found?,
            };
            let mut because = caller.require(Privilege::Manage, SecurableId::Catalog(catalog.id))?;
            let mut schemas = caller.snapshot.schemas(catalog.id).peekable();
            if contents == Contents::Restrict && schemas.peek().is_some() {
                return Err(Error::NotEmpty { kind: SecurableKind::Catalog, name: name.to_string() });
            }
            let going = Objects::of_catalog(caller.snapshot, catalog.id);
            because.extend(caller.require_releasable(&going)?);
            caller.check_droppable(&securable, &going)?;
            let mut changes = going.removals(caller.snapshot);
            changes.extend(schemas.map(|schema| Change::SchemaRemove(schema.id)));
            changes.push(Change::CatalogRemove(catalog.id));
            Ok(Write { changes, because, value: true })
        })
        .await
    }
}

fn catalog_exists(name: &Name) -> Error {
    Error::AlreadyExists { kind: SecurableKind::Catalog, name: name.to_string() }
}
