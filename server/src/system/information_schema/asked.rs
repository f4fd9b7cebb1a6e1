//! [`Asked`]: who reads a view, in which state of the catalog, and narrowed to what.

use std::sync::Arc;

use weir_catalog::{
    AccessRequest, Function, Name, PrincipalId, Privilege, SecurableId, Snapshot, Table, Visible, Within,
    authorize,
};

use crate::system::SYSTEM_CATALOG;

/// One reading of a view.
#[derive(Debug)]
pub struct Asked<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) visible: Visible<'a>,
    pub(crate) by: PrincipalId,
    pub(crate) within: Within,
    pub(crate) of: &'a Name,
    /// Requests for access, all; for the view that tells of them alone.
    pub(crate) requests: &'a [AccessRequest],
}

impl<'a> Asked<'a> {
    /// `by` reads a view of the catalog `of`.
    pub fn new(snapshot: &'a Arc<Snapshot>, by: PrincipalId, of: &'a Name, within: Within) -> Self {
        Self { snapshot, visible: Visible::new(snapshot, by), by, within, of, requests: &[] }
    }

    /// Whether the view is over all catalogs.
    pub(crate) fn is_of_all(&self) -> bool {
        self.of.as_str() == SYSTEM_CATALOG
    }

    pub(crate) fn principal_name(&self, id: PrincipalId) -> Option<String> {
        self.snapshot.principal(id).map(|principal| principal.name.clone())
    }

    pub(crate) fn may(&self, privilege: Privilege, on: SecurableId) -> bool {
        authorize(self.snapshot, self.by, privilege, on).is_allowed()
    }

    pub(crate) fn may_any(&self, privileges: &[Privilege], on: SecurableId) -> bool {
        privileges.iter().any(|privilege| self.may(*privilege, on))
    }

    /// Whether columns and tags of the table may be told, as DESCRIBE tells them.
    pub(crate) fn may_describe(&self, table: &Table) -> bool {
        let privileges = [Privilege::Select, Privilege::Modify, Privilege::Manage, Privilege::Browse];
        self.may_any(&privileges, SecurableId::Table(table.id))
    }

    /// Whether the names of its policies and a view's text may be told.
    pub(crate) fn may_read(&self, table: &Table) -> bool {
        self.may_any(&[Privilege::Select, Privilege::Manage], SecurableId::Table(table.id))
    }

    /// Whether a function's body and defaults may be told.
    pub(crate) fn may_read_function(&self, function: &Function) -> bool {
        self.may_any(&[Privilege::Execute, Privilege::Manage], SecurableId::Function(function.id))
    }

    /// Everything that the caller sees within the narrowing, the metastore first.
    pub(crate) fn securables(&self) -> Vec<SecurableId> {
        let (visible, within) = (&self.visible, &self.within);
        let mut all = vec![SecurableId::Metastore];
        all.extend(visible.catalogs(within).into_iter().map(|found| SecurableId::Catalog(found.id)));
        all.extend(visible.schemas(within).into_iter().map(|found| SecurableId::Schema(found.id)));
        all.extend(visible.tables(within).into_iter().map(|found| SecurableId::Table(found.id)));
        all.extend(visible.functions(within).into_iter().map(|found| SecurableId::Function(found.id)));
        all.extend(visible.volumes(within).into_iter().map(|found| SecurableId::Volume(found.id)));
        let locations = visible.external_locations().into_iter();
        all.extend(locations.map(|found| SecurableId::ExternalLocation(found.id)));
        let credentials = visible.storage_credentials().into_iter();
        all.extend(credentials.map(|found| SecurableId::StorageCredential(found.id)));
        all
    }

    /// The catalogs of which the views of this schema speak, that the caller sees.
    pub(crate) fn catalog_names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.visible.catalogs(&self.within).iter().map(|catalog| catalog.name.to_string()).collect();
        if self.is_of_all() && self.wants_catalog(SYSTEM_CATALOG) {
            names.push(SYSTEM_CATALOG.to_owned());
        }
        names
    }

    pub(crate) fn wants_catalog(&self, catalog: &str) -> bool {
        self.within.catalog.as_ref().is_none_or(|wanted| wanted.as_str() == catalog)
    }

    pub(crate) fn wants_schema(&self, schema: &str) -> bool {
        self.within.schema.as_ref().is_none_or(|wanted| wanted.as_str() == schema)
    }

    pub(crate) fn wants_object(&self, object: &str) -> bool {
        self.within.object.as_ref().is_none_or(|wanted| wanted.as_str() == object)
    }
}
