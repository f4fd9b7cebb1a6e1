//! Names as the caller sees them: a securable found, or the error of one that does not exist.

use weir_catalog::error::{Error as CatalogError, Reserved};
use weir_catalog::securable::{SecurableId, SecurableKind, SecurableName};
use weir_catalog::{
    Function, ObjectName, PrincipalId, Privilege, Snapshot, Table, Visible, authorize, may_see, resolve,
};

use super::Call;
use crate::error::convert::not_found;
use crate::error::{Error, Result};
use crate::sql::SecurableReference;

/// One snapshot with the eyes of one caller.
#[derive(Clone, Copy)]
pub(super) struct Sight<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) by: PrincipalId,
}

impl<'a> Sight<'a> {
    pub(super) fn new(call: Call<'_>, snapshot: &'a Snapshot) -> Self {
        Self { snapshot, by: call.principal() }
    }

    pub(super) fn sees(self, securable: SecurableId) -> bool {
        may_see(self.snapshot, self.by, securable)
    }

    /// What the caller may be told of.
    pub(super) fn visible(self) -> Visible<'a> {
        Visible::new(self.snapshot, self.by)
    }

    pub(super) fn find(self, name: &SecurableName) -> Result<SecurableId> {
        resolve(self.snapshot, self.by, name).map_err(Error::from)
    }

    pub(super) fn table(self, name: &ObjectName) -> Result<&'a Table> {
        let named = SecurableName::Table(name.clone());
        self.find(&named)?;
        self.snapshot.table(name).ok_or_else(|| not_found(&named))
    }

    pub(super) fn function(self, name: &ObjectName) -> Result<&'a Function> {
        let named = SecurableName::Function(name.clone());
        self.find(&named)?;
        self.snapshot.function(name).ok_or_else(|| not_found(&named))
    }

    /// Whether the caller has the privilege, with all that it takes.
    pub(super) fn may(self, privilege: Privilege, on: SecurableId) -> bool {
        authorize(self.snapshot, self.by, privilege, on).is_allowed()
    }

    /// Refuses without the privilege.
    pub(super) fn require(self, privilege: Privilege, on: SecurableId, name: &SecurableName) -> Result<()> {
        authorize(self.snapshot, self.by, privilege, on).require(self.snapshot, name)?;
        Ok(())
    }

    /// Refuses without any of the privileges; the refusal speaks of the first.
    pub(super) fn require_any(
        self,
        privileges: &[Privilege],
        on: SecurableId,
        name: &SecurableName,
    ) -> Result<()> {
        if privileges.iter().any(|privilege| self.may(*privilege, on)) {
            return Ok(());
        }
        match privileges.first() {
            Some(first) => self.require(*first, on, name),
            None => Ok(()),
        }
    }

    pub(super) fn is_account_admin(self) -> bool {
        weir_catalog::authorize::is_account_admin(self.snapshot, self.by)
    }

    pub(super) fn require_account_admin(self, act: Reserved) -> Result<()> {
        if self.is_account_admin() { Ok(()) } else { Err(CatalogError::Reserved { act }.into()) }
    }

    /// A principal's name, as shown.
    pub(super) fn principal_name(self, id: PrincipalId) -> String {
        self.snapshot.principal(id).map(|principal| principal.name.clone()).unwrap_or_default()
    }

    /// Errors when the table is of another kind than the statement says.
    pub(super) fn expect_kind(self, table: &Table, expected: SecurableKind) -> Result<()> {
        let found = table.securable_kind();
        if found == expected {
            return Ok(());
        }
        Err(CatalogError::WrongKind { name: table.name.to_string(), expected, found }.into())
    }

    /// The securable that a statement names, completed from the session. A name written as a
    /// view's must be one.
    pub(super) fn securable(self, call: Call<'_>, reference: &SecurableReference) -> Result<SecurableName> {
        let session = &call.context.session;
        Ok(match reference {
            SecurableReference::Metastore => SecurableName::Metastore,
            SecurableReference::Catalog(name) => SecurableName::Catalog(name.name.clone()),
            SecurableReference::Schema(name) => SecurableName::Schema(name.resolve(session)?),
            SecurableReference::Table(name) => SecurableName::Table(name.resolve(session)?),
            SecurableReference::View(name) => {
                let name = name.resolve(session)?;
                self.expect_kind(self.table(&name)?, SecurableKind::View)?;
                SecurableName::Table(name)
            }
            SecurableReference::Function(name) => SecurableName::Function(name.resolve(session)?),
            SecurableReference::GovernedTag(key) => SecurableName::GovernedTag(key.clone()),
            SecurableReference::Volume(name) => SecurableName::Volume(name.resolve(session)?),
            SecurableReference::ExternalLocation(name) => SecurableName::ExternalLocation(name.clone()),
            SecurableReference::StorageCredential(name) => SecurableName::StorageCredential(name.clone()),
        })
    }
}
