//! Governed tags, and tags set and removed. The metastore decides; here names are completed.

use weir_catalog::metastore::{GovernedTagSpec, TagTarget, TagValues};
use weir_catalog::securable::{SecurableKind, SecurableName};

use super::catalog::{on_existing, on_missing};
use super::sight::Sight;
use super::{Call, done};
use crate::error::Result;
use crate::run::Outcome;
use crate::sql::{GovernedTagCommand, TagCommand, TagValuesClause, TaggedReference};

pub(super) async fn run_governed(call: Call<'_>, command: &GovernedTagCommand) -> Result<Outcome> {
    let (metastore, by, now) = (call.metastore(), call.by(), call.now());
    match command {
        GovernedTagCommand::Create { key, if_not_exists, values, comment } => {
            let spec = GovernedTagSpec { key: key.clone(), values: values.clone(), comment: comment.clone() };
            metastore.governed_tag_create(by, now, spec, on_existing(*if_not_exists)).await?;
        }
        GovernedTagCommand::SetValues { key, values } => {
            let values = match values.clone() {
                TagValuesClause::Set(values) => TagValues::Set(values),
                TagValuesClause::Add(values) => TagValues::Add(values),
                TagValuesClause::Drop(values) => TagValues::Drop(values),
            };
            metastore.governed_tag_set_values(by, now, key, values).await?;
        }
        GovernedTagCommand::Drop { key, if_exists } => {
            metastore.governed_tag_drop(by, now, key, on_missing(*if_exists)).await?;
        }
    }
    done()
}

pub(super) async fn run(call: Call<'_>, command: &TagCommand) -> Result<Outcome> {
    let (metastore, by, now) = (call.metastore(), call.by(), call.now());
    match command {
        TagCommand::Set { on, tags } => {
            let target = target(call, on).await?;
            metastore.tags_set(by, now, &target, tags.clone()).await?;
        }
        TagCommand::Unset { on, keys } => {
            let target = target(call, on).await?;
            metastore.tags_unset(by, now, &target, keys).await?;
        }
    }
    done()
}

async fn target(call: Call<'_>, on: &TaggedReference) -> Result<TagTarget> {
    let session = &call.context.session;
    let securable = match on {
        TaggedReference::Catalog(name) => SecurableName::Catalog(name.name.clone()),
        TaggedReference::Schema(name) => SecurableName::Schema(name.resolve(session)?),
        TaggedReference::Table(name) => SecurableName::Table(name.resolve(session)?),
        TaggedReference::Volume(name) => SecurableName::Volume(name.resolve(session)?),
        TaggedReference::View(name) => {
            let name = name.resolve(session)?;
            let snapshot = call.snapshot().await?;
            let sight = Sight::new(call, &snapshot);
            sight.expect_kind(sight.table(&name)?, SecurableKind::View)?;
            SecurableName::Table(name)
        }
        TaggedReference::Column { table, column } => {
            return Ok(TagTarget::Column { table: table.resolve(session)?, column: column.clone() });
        }
    };
    Ok(TagTarget::Securable(securable))
}
