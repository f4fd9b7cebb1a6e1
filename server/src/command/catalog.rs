//! CREATE, DROP and ALTER CATALOG.

use std::collections::BTreeMap;

use weir_catalog::metastore::{CatalogSpec, Contents, OnExisting, OnMissing, PropertyChange};

use super::{Call, done};
use crate::error::Result;
use crate::run::Outcome;
use crate::sql::{CatalogCommand, DropBehaviour, PropertiesChange};

pub(super) async fn run(call: Call<'_>, command: &CatalogCommand) -> Result<Outcome> {
    match command {
        CatalogCommand::Create { name, if_not_exists, comment } => {
            let spec = CatalogSpec {
                name: name.name.clone(),
                comment: comment.clone(),
                properties: BTreeMap::new(),
            };
            call.metastore().catalog_create(call.by(), call.now(), spec, on_existing(*if_not_exists)).await?;
        }
        CatalogCommand::Drop { name, if_exists, behaviour } => {
            let metastore = call.metastore();
            metastore
                .catalog_drop(call.by(), call.now(), &name.name, contents(*behaviour), on_missing(*if_exists))
                .await?;
        }
        CatalogCommand::Rename { name, to } => {
            call.metastore().catalog_rename(call.by(), call.now(), &name.name, &to.name).await?;
        }
        CatalogCommand::Properties { name, change } => {
            let change = property_change(change);
            call.metastore().catalog_set_properties(call.by(), call.now(), &name.name, change).await?;
        }
    }
    done()
}

pub(super) fn property_change(change: &PropertiesChange) -> PropertyChange {
    match change {
        PropertiesChange::Set(properties) => PropertyChange::Set(properties.clone()),
        PropertiesChange::Unset { keys, if_exists } => {
            PropertyChange::Unset { properties: keys.clone(), on_missing: on_missing(*if_exists) }
        }
    }
}

pub(super) fn on_existing(if_not_exists: bool) -> OnExisting {
    if if_not_exists { OnExisting::Keep } else { OnExisting::Fail }
}

pub(super) fn on_missing(if_exists: bool) -> OnMissing {
    if if_exists { OnMissing::Ignore } else { OnMissing::Fail }
}

pub(super) fn contents(behaviour: DropBehaviour) -> Contents {
    match behaviour {
        DropBehaviour::Restrict => Contents::Restrict,
        DropBehaviour::Cascade => Contents::Cascade,
    }
}
