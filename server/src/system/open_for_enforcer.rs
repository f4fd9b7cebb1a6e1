//! The server's own tables for the enforcer: books with whose each row is, and views made for the
//! caller.

use std::sync::Arc;

use async_trait::async_trait;
use weir_catalog::{Name, SecurableId, may_see};
use weir_enforce::open_table::OpenError;
use weir_enforce::{OpenSystemTable, SystemTable, SystemTableRequest};

use super::access_views::REQUESTS;
use super::information_schema::InformationTable;
use super::{Reader, SYSTEM_CATALOG, ServerTable, Sight, SystemTables};

#[async_trait]
impl OpenSystemTable for SystemTables {
    async fn open(&self, request: SystemTableRequest<'_>) -> Result<Option<SystemTable>, OpenError> {
        let Some(catalog) = shown_catalog(request) else { return Ok(None) };
        match ServerTable::find(catalog.as_str(), request.schema, request.table) {
            None => Ok(None),
            Some(ServerTable::Information(view)) => {
                let by = request.caller.principal();
                let table = InformationTable::new(view, catalog, Arc::clone(request.snapshot), by);
                let table = match view == &REQUESTS {
                    true => table.with_requests(self.access_requests().await?),
                    false => table,
                };
                Ok(Some(SystemTable { provider: Arc::new(table), user_field: None, shown: None }))
            }
            Some(ServerTable::Book(name)) => {
                let caller = request.caller;
                let sight = Sight::new(Arc::clone(request.snapshot), caller.principal(), caller.name());
                let administers =
                    caller.is_account_admin() || (name.is_of_the_metastore() && sight.administers());
                let reader = if administers { Reader::Admin } else { Reader::User(sight) };
                let opened = SystemTables::open(self, name, &reader).await?;
                let user_field = opened.owner.map(|owner| {
                    let path = std::iter::once(owner.column).chain(owner.field);
                    path.map(str::to_owned).collect()
                });
                Ok(Some(SystemTable { provider: opened.provider, user_field, shown: opened.shown }))
            }
        }
    }
}

/// The catalog, where the caller may know of it; everybody knows of `system`.
fn shown_catalog(request: SystemTableRequest<'_>) -> Option<Name> {
    let name = Name::new(request.catalog).ok()?;
    if name.as_str() == SYSTEM_CATALOG {
        return Some(name);
    }
    let id = SecurableId::Catalog(request.snapshot.catalog(&name)?.id);
    may_see(request.snapshot, request.caller.principal(), id).then_some(name)
}
