//! OWNER TO and COMMENT ON, for every kind of securable.

use weir_catalog::ObjectName;
use weir_catalog::securable::SecurableName;

use super::sight::Sight;
use super::{Call, done};
use crate::error::Result;
use crate::run::Outcome;
use crate::sql::cursor::unsupported;
use crate::sql::{CommentTarget, OwnerCommand};

pub(super) async fn run(call: Call<'_>, command: &OwnerCommand) -> Result<Outcome> {
    let snapshot = call.snapshot().await?;
    let sight = Sight::new(call, &snapshot);
    match command {
        OwnerCommand::SetOwner { on, principal } => {
            let on = sight.securable(call, on)?;
            call.metastore().owner_set(call.by(), call.now(), &on, principal).await?;
        }
        OwnerCommand::Comment { on: CommentTarget::Securable(on), text } => {
            comment(call, sight.securable(call, on)?, text.clone()).await?;
        }
        OwnerCommand::Comment { on: CommentTarget::Column { table, column }, text } => {
            let table = table.resolve(&call.context.session)?;
            comment_column(call, sight, &table, column, text.clone()).await?;
        }
    }
    done()
}

async fn comment(call: Call<'_>, on: SecurableName, text: Option<String>) -> Result<()> {
    let (metastore, by, now) = (call.metastore(), call.by(), call.now());
    match on {
        SecurableName::Catalog(name) => metastore.catalog_set_comment(by, now, &name, text).await?,
        SecurableName::Schema(name) => metastore.schema_set_comment(by, now, &name, text).await?,
        SecurableName::Table(name) => metastore.table_set_comment(by, now, &name, text).await?,
        SecurableName::GovernedTag(key) => metastore.governed_tag_set_comment(by, now, &key, text).await?,
        SecurableName::Metastore => return Err(unsupported("COMMENT ON METASTORE")),
        SecurableName::Volume(name) => metastore.volume_set_comment(by, now, &name, text).await?,
        SecurableName::ExternalLocation(name) => {
            metastore.external_location_set_comment(by, now, &name, text).await?;
        }
        SecurableName::StorageCredential(name) => {
            metastore.storage_credential_set_comment(by, now, &name, text).await?;
        }
        SecurableName::Function(name) => metastore.function_set_comment(by, now, &name, text).await?,
    }
    Ok(())
}

async fn comment_column(
    call: Call<'_>,
    sight: Sight<'_>,
    table: &ObjectName,
    column: &str,
    text: Option<String>,
) -> Result<()> {
    sight.table(table)?;
    call.metastore().column_set_comment(call.by(), call.now(), table, column, text).await?;
    Ok(())
}
