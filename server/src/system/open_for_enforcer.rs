//! The books for the enforcer: whole system tables, and whose each row is.

use std::sync::Arc;

use async_trait::async_trait;
use weir_enforce::open_table::OpenError;
use weir_enforce::{Caller, OpenSystemTable, SystemTable};

use crate::system::{Reader, Sight, SystemTableName, SystemTables};

#[async_trait]
impl OpenSystemTable for SystemTables {
    async fn open(
        &self,
        caller: &Caller,
        schema: &str,
        table: &str,
    ) -> Result<Option<SystemTable>, OpenError> {
        let Some(name) = SystemTableName::find(schema, table) else { return Ok(None) };
        let snapshot = self.metastore.snapshot().await.map_err(crate::Error::from)?;
        let sight = Sight::new(Arc::clone(&snapshot), caller.principal(), caller.name());
        let administers = caller.is_account_admin() || (name.is_of_the_metastore() && sight.administers());
        let reader = if administers { Reader::Admin } else { Reader::User(sight) };
        let opened = SystemTables::open(self, name, &reader).await?;
        let user_field = opened.owner.map(|owner| {
            let path = std::iter::once(owner.column).chain(owner.field);
            path.map(str::to_owned).collect()
        });
        Ok(Some(SystemTable { provider: opened.provider, user_field, shown: opened.shown }))
    }
}
