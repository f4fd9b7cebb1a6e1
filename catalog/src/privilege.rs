//! Privileges, and the one table that says which kind of securable takes which.
//!
//! How to add a privilege: a line in the table of [`Privilege`]; the privilege matrix test fails until
//! it is listed there.

use std::fmt;

use crate::securable::SecurableKind;

macro_rules! privileges {
    ($($(#[$doc:meta])* $name:ident = $sql:literal on [$($right:ident),*] within [$($container:ident),*];)+) => {
        /// A right that can be granted. The names are the reference's; `on` are the kinds whose
        /// rights it is, `within` the containers through which it can be granted as well.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "each is the reference's privilege of the same name")]
        #[repr(u8)]
        pub enum Privilege { $($(#[$doc])* $name,)+ }

        impl Privilege {
            /// Every privilege, in the order of their names.
            pub const ALL: &'static [Privilege] = &[$(Privilege::$name),+];

            /// The name in SQL, e.g. `USE CATALOG`.
            pub fn name(self) -> &'static str {
                match self { $(Privilege::$name => $sql,)+ }
            }

            /// Whether it is a right on a securable of `kind` itself, not on what that contains: what
            /// the owner of such a securable has.
            pub fn is_right_on(self, kind: SecurableKind) -> bool {
                match self { $(Privilege::$name => [$(SecurableKind::$right),*].contains(&kind),)+ }
            }

            fn applies_within(self, kind: SecurableKind) -> bool {
                match self { $(Privilege::$name => [$(SecurableKind::$container),*].contains(&kind),)+ }
            }
        }
    };
}

privileges! {
    AllPrivileges = "ALL PRIVILEGES"
        on [Catalog, Schema, Table, View, Function, Volume, ExternalLocation, StorageCredential, GovernedTag]
        within [];
    ApplyTag = "APPLY TAG" on [Catalog, Schema, Table, View, Volume] within [Catalog, Schema];
    Assign = "ASSIGN" on [GovernedTag] within [];
    Browse = "BROWSE"
        on [Catalog, Schema, Table, View, Function, Volume, ExternalLocation, StorageCredential, GovernedTag]
        within [Catalog];
    CreateCatalog = "CREATE CATALOG" on [Metastore] within [];
    CreateConnection = "CREATE CONNECTION" on [Metastore] within [];
    CreateExternalLocation = "CREATE EXTERNAL LOCATION" on [Metastore, StorageCredential] within [];
    CreateExternalTable = "CREATE EXTERNAL TABLE" on [ExternalLocation] within [];
    CreateExternalVolume = "CREATE EXTERNAL VOLUME" on [ExternalLocation] within [];
    CreateFunction = "CREATE FUNCTION" on [Schema] within [Catalog];
    CreateGovernedTag = "CREATE GOVERNED TAG" on [Metastore] within [];
    CreateManagedStorage = "CREATE MANAGED STORAGE" on [ExternalLocation] within [];
    CreateMaterializedView = "CREATE MATERIALIZED VIEW" on [Schema] within [Catalog];
    CreateModel = "CREATE MODEL" on [Schema] within [Catalog];
    CreateProvider = "CREATE PROVIDER" on [Metastore] within [];
    CreateRecipient = "CREATE RECIPIENT" on [Metastore] within [];
    CreateSchema = "CREATE SCHEMA" on [Catalog] within [];
    CreateShare = "CREATE SHARE" on [Metastore] within [];
    CreateStorageCredential = "CREATE STORAGE CREDENTIAL" on [Metastore] within [];
    /// Tables and, as in the reference, views.
    CreateTable = "CREATE TABLE" on [Schema] within [Catalog];
    CreateView = "CREATE VIEW" on [Schema] within [Catalog];
    CreateVolume = "CREATE VOLUME" on [Schema] within [Catalog];
    Delete = "DELETE" on [Table] within [Catalog, Schema];
    Execute = "EXECUTE" on [Function] within [Catalog, Schema];
    ExternalUseLocation = "EXTERNAL USE LOCATION" on [ExternalLocation] within [];
    ExternalUseSchema = "EXTERNAL USE SCHEMA" on [Schema] within [Catalog];
    /// Ours: to run a query as another user, and see no more than that user.
    Impersonate = "IMPERSONATE" on [Metastore] within [];
    Insert = "INSERT" on [Table] within [Catalog, Schema];
    Manage = "MANAGE"
        on [Catalog, Schema, Table, View, Function, Volume, ExternalLocation, StorageCredential, GovernedTag]
        within [];
    ManageAccessControl = "MANAGE ACCESS CONTROL"
        on [Catalog, Schema, Table, View, Function, Volume, ExternalLocation, StorageCredential, GovernedTag]
        within [];
    /// INSERT, UPDATE and DELETE in one.
    Modify = "MODIFY" on [Table] within [Catalog, Schema];
    ReadFiles = "READ FILES" on [ExternalLocation] within [];
    ReadMetadata = "READ METADATA" on [Catalog, Schema, Table, View, Function, Volume] within [];
    ReadVolume = "READ VOLUME" on [Volume] within [Catalog, Schema];
    Refresh = "REFRESH" on [View] within [Catalog, Schema];
    Select = "SELECT" on [Table, View] within [Catalog, Schema];
    SetSharePermission = "SET SHARE PERMISSION" on [Metastore] within [];
    Update = "UPDATE" on [Table] within [Catalog, Schema];
    UseCatalog = "USE CATALOG" on [Catalog] within [];
    UseConnection = "USE CONNECTION" on [Metastore] within [];
    UseProvider = "USE PROVIDER" on [Metastore] within [];
    UseRecipient = "USE RECIPIENT" on [Metastore] within [];
    UseSchema = "USE SCHEMA" on [Schema] within [Catalog];
    UseShare = "USE SHARE" on [Metastore] within [];
    WriteFiles = "WRITE FILES" on [ExternalLocation] within [];
    WriteVolume = "WRITE VOLUME" on [Volume] within [Catalog, Schema];
}

impl Privilege {
    /// The privilege of that SQL name; blanks and case do not matter, `_` stands for a blank.
    pub fn parse(name: &str) -> Option<Self> {
        let words: Vec<String> = name.replace('_', " ").split_whitespace().map(str::to_uppercase).collect();
        let name = words.join(" ");
        Self::ALL.iter().copied().find(|privilege| privilege.name() == name)
    }

    /// Whether it can be granted on a securable of `kind`. A privilege can be granted on the
    /// kinds it speaks of and on every container of those but the metastore.
    pub fn applies_to(self, kind: SecurableKind) -> bool {
        self.is_right_on(kind) || self.applies_within(kind)
    }

    /// Whether ALL PRIVILEGES means it too: all but those by which one hands rights on, or takes data
    /// out past the warehouse.
    pub fn is_of_all(self) -> bool {
        !matches!(
            self,
            Privilege::Manage
                | Privilege::ManageAccessControl
                | Privilege::ExternalUseSchema
                | Privilege::ExternalUseLocation
        )
    }

    /// The privileges of which each gives this one: itself, ALL PRIVILEGES, and wider ones.
    pub(crate) fn givers(self) -> PrivilegeSet {
        let mut givers = PrivilegeSet::of(self);
        if self.is_of_all() {
            givers.insert(Privilege::AllPrivileges);
        }
        match self {
            Privilege::Insert | Privilege::Update | Privilege::Delete => givers.insert(Privilege::Modify),
            Privilege::CreateView => givers.insert(Privilege::CreateTable),
            Privilege::Browse => {
                givers.insert(Privilege::Manage);
                givers.insert(Privilege::ReadMetadata);
            }
            Privilege::ManageAccessControl | Privilege::ReadMetadata => givers.insert(Privilege::Manage),
            _ => {}
        }
        givers
    }

    /// The privileges whose denial takes this one away: those that contain it.
    pub(crate) fn deniers(self) -> PrivilegeSet {
        let mut deniers = PrivilegeSet::of(self);
        if self.is_of_all() {
            deniers.insert(Privilege::AllPrivileges);
        }
        match self {
            Privilege::Insert | Privilege::Update | Privilege::Delete => deniers.insert(Privilege::Modify),
            Privilege::CreateView => deniers.insert(Privilege::CreateTable),
            Privilege::ManageAccessControl => deniers.insert(Privilege::Manage),
            _ => {}
        }
        deniers
    }
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of privileges, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct PrivilegeSet(u64);

const _: () = assert!(Privilege::ALL.len() <= 64, "a privilege has no bit");

impl PrivilegeSet {
    pub(crate) fn of(privilege: Privilege) -> Self {
        Self(1 << privilege as u8)
    }

    pub(crate) fn insert(&mut self, privilege: Privilege) {
        self.0 |= Self::of(privilege).0;
    }

    pub(crate) fn contains(self, privilege: Privilege) -> bool {
        self.0 & Self::of(privilege).0 != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// A privilege that both have, `preferred` where they both have that.
    pub(crate) fn shared(self, other: Self, preferred: Privilege) -> Option<Privilege> {
        let both = Self(self.0 & other.0);
        if both.contains(preferred) { Some(preferred) } else { both.iter().next() }
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Privilege> {
        Privilege::ALL.iter().copied().filter(move |privilege| self.contains(*privilege))
    }
}
