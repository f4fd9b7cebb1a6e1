//! The books for the enforcer: whole system tables, and whose each row is.

use async_trait::async_trait;
use weir_enforce::open_table::OpenError;
use weir_enforce::{Caller, OpenSystemTable, SystemTable};

use crate::system::{Reader, SystemTables};

#[async_trait]
impl OpenSystemTable for SystemTables {
    async fn open(
        &self,
        caller: &Caller,
        schema: &str,
        table: &str,
    ) -> Result<Option<SystemTable>, OpenError> {
        let reader = if caller.is_account_admin() { Reader::AccountAdmin } else { Reader::Owner };
        let opened = SystemTables::open(self, schema, table, reader).await?;
        Ok(opened.map(|table| {
            let path = std::iter::once(table.owner.column).chain(table.owner.field);
            SystemTable { provider: table.provider, user_field: Some(path.map(str::to_owned).collect()) }
        }))
    }
}
