//! The principal that asks, before one snapshot: what it may see and what it may do.

use chrono::DateTime;

use crate::authorize::{
    authorize, is_account_admin, is_metastore_admin, may_read_policies, may_see, resolve,
};
use crate::decision::Reason;
use crate::error::{Error, Reserved};
use crate::function::Function;
use crate::id::PrincipalId;
use crate::name::{Name, ObjectName, SchemaName};
use crate::principal::{Principal, PrincipalKind};
use crate::privilege::Privilege;
use crate::securable::{
    Catalog, ExternalLocation, Schema, SecurableId, SecurableKind, SecurableName, StorageCredential, Table,
    Volume,
};
use crate::snapshot::Snapshot;
use crate::stamps::Stamps;

pub(super) struct Caller<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) by: PrincipalId,
    /// Of what the request makes.
    pub(super) stamps: Stamps,
}

impl<'a> Caller<'a> {
    /// Refuses one who is gone, disabled, or a group: groups have rights but do nothing.
    pub(super) fn new(snapshot: &'a Snapshot, by: PrincipalId) -> Result<Self, Error> {
        let principal = snapshot.principal(by).ok_or(Error::CallerUnknown)?;
        if principal.disabled || principal.kind == PrincipalKind::Group {
            return Err(Error::CallerUnknown);
        }
        Ok(Self { snapshot, by, stamps: Stamps::new(DateTime::UNIX_EPOCH, by) })
    }

    pub(super) fn is_account_admin(&self) -> bool {
        is_account_admin(self.snapshot, self.by)
    }

    pub(super) fn sees(&self, id: SecurableId) -> bool {
        may_see(self.snapshot, self.by, id)
    }

    /// Whether the caller may read the policies that stand on the scope.
    pub(super) fn reads_policies(&self, scope: SecurableId) -> bool {
        may_read_policies(self.snapshot, self.by, scope)
    }

    /// Whether the caller is `owner` or in it.
    pub(super) fn is(&self, owner: PrincipalId) -> bool {
        self.snapshot.acts_as(self.by, owner)
    }

    /// What was made by somebody, changed by the request.
    pub(super) fn altered(&self, stamps: Stamps) -> Stamps {
        stamps.altered(self.stamps.altered_at, self.stamps.altered_by)
    }

    /// Rank that administers the metastore: account admin or metastore admin.
    pub(super) fn rank(&self) -> Option<Reason> {
        if self.is_account_admin() {
            return Some(Reason::AccountAdmin);
        }
        is_metastore_admin(self.snapshot, self.by).then_some(Reason::MetastoreAdmin)
    }

    pub(super) fn require_rank(&self, act: Reserved) -> Result<Vec<Reason>, Error> {
        self.rank().map(|rank| vec![rank]).ok_or(Error::Reserved { act })
    }

    pub(super) fn require_account_admin(&self, act: Reserved) -> Result<Vec<Reason>, Error> {
        if self.is_account_admin() { Ok(vec![Reason::AccountAdmin]) } else { Err(Error::Reserved { act }) }
    }

    /// Whom the request is about: the caller, or, for account admins, anybody; and whether it is the caller. Who is asked
    /// about comes after who asks: a stranger learns no names here.
    pub(super) fn own_or_administered(
        &self,
        name: &str,
        act: Reserved,
    ) -> Result<(&'a Principal, bool, Vec<Reason>), Error> {
        let own = self.snapshot.principal(self.by).is_some_and(|caller| caller.name == name);
        let because = if own { Vec::new() } else { self.require_account_admin(act)? };
        Ok((self.principal(name)?, own, because))
    }

    /// The one whose text runs with its owner's rights may be replaced by its owner alone:
    /// anybody else would put words in the owner's mouth.
    pub(super) fn require_ownership(
        &self,
        owner: PrincipalId,
        of: SecurableId,
    ) -> Result<Vec<Reason>, Error> {
        if self.is(owner) {
            return Ok(vec![Reason::Owned { owner, of }]);
        }
        Err(Error::Reserved { act: Reserved::ReplaceDefinition })
    }

    pub(super) fn require(&self, privilege: Privilege, id: SecurableId) -> Result<Vec<Reason>, Error> {
        let name = self.snapshot.name_of(id).unwrap_or(SecurableName::Metastore);
        authorize(self.snapshot, self.by, privilege, id).require(self.snapshot, &name)
    }

    pub(super) fn securable(&self, name: &SecurableName) -> Result<SecurableId, Error> {
        resolve(self.snapshot, self.by, name)
    }

    pub(super) fn catalog(&self, name: &Name) -> Result<&'a Catalog, Error> {
        let catalog = self.snapshot.catalog(name).filter(|c| self.sees(SecurableId::Catalog(c.id)));
        catalog.ok_or_else(|| Error::NotFound { securable: SecurableName::Catalog(name.clone()) })
    }

    pub(super) fn schema(&self, name: &SchemaName) -> Result<&'a Schema, Error> {
        let schema = self.snapshot.schema(name).filter(|s| self.sees(SecurableId::Schema(s.id)));
        schema.ok_or_else(|| Error::NotFound { securable: SecurableName::Schema(name.clone()) })
    }

    /// A table or a view.
    pub(super) fn table_or_view(&self, name: &ObjectName) -> Result<&'a Table, Error> {
        let table = self.snapshot.table(name).filter(|t| self.sees(SecurableId::Table(t.id)));
        table.ok_or_else(|| Error::NotFound { securable: SecurableName::Table(name.clone()) })
    }

    /// A table when `expected` says so, a view when it says that.
    pub(super) fn table_of_kind(
        &self,
        name: &ObjectName,
        expected: SecurableKind,
    ) -> Result<&'a Table, Error> {
        let table = self.table_or_view(name)?;
        let found = table.securable_kind();
        if found == expected {
            return Ok(table);
        }
        Err(Error::WrongKind { name: name.to_string(), expected, found })
    }

    pub(super) fn function(&self, name: &ObjectName) -> Result<&'a Function, Error> {
        let function = self.snapshot.function(name).filter(|f| self.sees(SecurableId::Function(f.id)));
        function.ok_or_else(|| Error::NotFound { securable: SecurableName::Function(name.clone()) })
    }

    pub(super) fn volume(&self, name: &ObjectName) -> Result<&'a Volume, Error> {
        let volume = self.snapshot.volume(name).filter(|v| self.sees(SecurableId::Volume(v.id)));
        volume.ok_or_else(|| Error::NotFound { securable: SecurableName::Volume(name.clone()) })
    }

    pub(super) fn external_location(&self, name: &Name) -> Result<&'a ExternalLocation, Error> {
        let found = self.snapshot.external_location(name);
        let location = found.filter(|l| self.sees(SecurableId::ExternalLocation(l.id)));
        location.ok_or_else(|| Error::NotFound { securable: SecurableName::ExternalLocation(name.clone()) })
    }

    pub(super) fn storage_credential(&self, name: &Name) -> Result<&'a StorageCredential, Error> {
        let found = self.snapshot.storage_credential(name);
        let credential = found.filter(|c| self.sees(SecurableId::StorageCredential(c.id)));
        credential
            .ok_or_else(|| Error::NotFound { securable: SecurableName::StorageCredential(name.clone()) })
    }

    /// Principals are not hidden: one must be able to name whom one grants to.
    pub(super) fn principal(&self, name: &str) -> Result<&'a Principal, Error> {
        let found = self.snapshot.principal_by_name(name);
        found.ok_or_else(|| Error::PrincipalNotFound { name: name.to_owned() })
    }
}
