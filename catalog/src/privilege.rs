//! Privileges, and the one table that says which kind of securable takes which.
//!
//! How to add a privilege: a variant here, its SQL name in [`Privilege::name`], the kinds in
//! [`Privilege::applies_to`]; the privilege matrix test fails until it is listed there.

use std::fmt;

use crate::securable::SecurableKind;

/// A right that can be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the reference's privilege of the same name")]
pub enum Privilege {
    AllPrivileges,
    Browse,
    CreateCatalog,
    CreateFunction,
    CreateSchema,
    CreateTable,
    Execute,
    Manage,
    Modify,
    Select,
    UseCatalog,
    UseSchema,
}

impl Privilege {
    /// Every privilege, in the order of their names.
    pub const ALL: [Privilege; 12] = [
        Privilege::AllPrivileges,
        Privilege::Browse,
        Privilege::CreateCatalog,
        Privilege::CreateFunction,
        Privilege::CreateSchema,
        Privilege::CreateTable,
        Privilege::Execute,
        Privilege::Manage,
        Privilege::Modify,
        Privilege::Select,
        Privilege::UseCatalog,
        Privilege::UseSchema,
    ];

    /// The name in SQL, e.g. `USE CATALOG`.
    pub fn name(self) -> &'static str {
        match self {
            Privilege::AllPrivileges => "ALL PRIVILEGES",
            Privilege::Browse => "BROWSE",
            Privilege::CreateCatalog => "CREATE CATALOG",
            Privilege::CreateFunction => "CREATE FUNCTION",
            Privilege::CreateSchema => "CREATE SCHEMA",
            Privilege::CreateTable => "CREATE TABLE",
            Privilege::Execute => "EXECUTE",
            Privilege::Manage => "MANAGE",
            Privilege::Modify => "MODIFY",
            Privilege::Select => "SELECT",
            Privilege::UseCatalog => "USE CATALOG",
            Privilege::UseSchema => "USE SCHEMA",
        }
    }

    /// The privilege of that SQL name; blanks and case do not matter, `_` stands for a blank.
    pub fn parse(name: &str) -> Option<Self> {
        let words: Vec<String> = name.replace('_', " ").split_whitespace().map(str::to_uppercase).collect();
        let name = words.join(" ");
        Self::ALL.into_iter().find(|privilege| privilege.name() == name)
    }

    /// Whether it can be granted on a securable of `kind`. A privilege can be granted on the
    /// kind it speaks of and on every container of that kind but the metastore.
    pub fn applies_to(self, kind: SecurableKind) -> bool {
        use SecurableKind::{Catalog, Function, Metastore, Schema, Table, View};
        match self {
            Privilege::AllPrivileges | Privilege::Manage => kind != Metastore,
            Privilege::Browse | Privilege::UseCatalog | Privilege::CreateSchema => kind == Catalog,
            Privilege::CreateCatalog => kind == Metastore,
            Privilege::UseSchema | Privilege::CreateTable | Privilege::CreateFunction => {
                matches!(kind, Catalog | Schema)
            }
            Privilege::Execute => matches!(kind, Catalog | Schema | Function),
            Privilege::Select => matches!(kind, Catalog | Schema | Table | View),
            Privilege::Modify => matches!(kind, Catalog | Schema | Table),
        }
    }

    /// Whether it is a right on a securable of `kind` itself, not on what that contains: what
    /// the owner of such a securable has.
    pub fn is_right_on(self, kind: SecurableKind) -> bool {
        use SecurableKind::{Catalog, Function, Metastore, Schema, Table, View};
        match self {
            Privilege::AllPrivileges | Privilege::Manage | Privilege::Browse => kind != Metastore,
            Privilege::CreateCatalog => kind == Metastore,
            Privilege::UseCatalog | Privilege::CreateSchema => kind == Catalog,
            Privilege::UseSchema | Privilege::CreateTable | Privilege::CreateFunction => kind == Schema,
            Privilege::Execute => kind == Function,
            Privilege::Select => matches!(kind, Table | View),
            Privilege::Modify => kind == Table,
        }
    }
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
