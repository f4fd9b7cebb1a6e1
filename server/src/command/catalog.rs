//! CREATE and DROP CATALOG.

use std::collections::BTreeMap;

use weir_catalog::metastore::{CatalogSpec, Contents, OnExisting, OnMissing};

use super::{Call, done};
use crate::error::Result;
use crate::run::Outcome;
use crate::sql::{CatalogCommand, DropBehaviour};

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
    }
    done()
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
