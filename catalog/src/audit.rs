//! What was asked of the catalog, by whom, and what the answer was.
//!
//! Each write commits together with its event; a refused one leaves an event as well. Events
//! name securables as the caller did and say which fact decided. They hold no policy's body and
//! no password. Reading the catalog leaves no event here: statements are in the server's books.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::id::PrincipalId;

/// An operation on the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the operation of the same name")]
pub enum Action {
    Bootstrap,
    CatalogCreate,
    CatalogAlter,
    CatalogDrop,
    SchemaCreate,
    SchemaAlter,
    SchemaDrop,
    TableCreate,
    TableAlter,
    TableDrop,
    ViewCreate,
    ViewReplace,
    ViewDrop,
    FunctionCreate,
    FunctionReplace,
    FunctionDrop,
    RowFilterSet,
    RowFilterDrop,
    MaskSet,
    MaskDrop,
    GrantAdd,
    /// A grant to the one who grants, or to a group of theirs: how a holder of MANAGE comes to
    /// see data.
    GrantAddToSelf,
    GrantRemove,
    OwnerSet,
    PrincipalCreate,
    PrincipalAlter,
    PrincipalDrop,
    MemberAdd,
    MemberRemove,
    AccountAdminSet,
    PasswordSet,
}

impl Action {
    /// Its name in the audit trail.
    pub fn name(self) -> &'static str {
        match self {
            Action::Bootstrap => "bootstrap",
            Action::CatalogCreate => "createCatalog",
            Action::CatalogAlter => "alterCatalog",
            Action::CatalogDrop => "dropCatalog",
            Action::SchemaCreate => "createSchema",
            Action::SchemaAlter => "alterSchema",
            Action::SchemaDrop => "dropSchema",
            Action::TableCreate => "createTable",
            Action::TableAlter => "alterTable",
            Action::TableDrop => "dropTable",
            Action::ViewCreate => "createView",
            Action::ViewReplace => "replaceView",
            Action::ViewDrop => "dropView",
            Action::FunctionCreate => "createFunction",
            Action::FunctionReplace => "replaceFunction",
            Action::FunctionDrop => "dropFunction",
            Action::RowFilterSet => "setRowFilter",
            Action::RowFilterDrop => "dropRowFilter",
            Action::MaskSet => "setColumnMask",
            Action::MaskDrop => "dropColumnMask",
            Action::GrantAdd => "grant",
            Action::GrantAddToSelf => "grantToSelf",
            Action::GrantRemove => "revoke",
            Action::OwnerSet => "setOwner",
            Action::PrincipalCreate => "createPrincipal",
            Action::PrincipalAlter => "alterPrincipal",
            Action::PrincipalDrop => "dropPrincipal",
            Action::MemberAdd => "addMember",
            Action::MemberRemove => "removeMember",
            Action::AccountAdminSet => "setAccountAdmin",
            Action::PasswordSet => "setPassword",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How it was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// Done.
    Allowed,
    /// Not done.
    Refused,
}

impl Answer {
    /// Its name in the audit trail.
    pub fn name(self) -> &'static str {
        match self {
            Answer::Allowed => "allowed",
            Answer::Refused => "refused",
        }
    }
}

/// One row of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// When it was asked.
    pub at: DateTime<Utc>,
    /// Who asked; nobody at bootstrap.
    pub by: Option<PrincipalId>,
    /// What was asked, an [`Action`]'s name.
    pub action: String,
    /// On what, as the caller named it, e.g. ``table `main.hr.people` ``.
    pub securable: String,
    /// An [`Answer`]'s name.
    pub answer: String,
    /// The facts that decided: grants, ownership, rank, or what was missing.
    pub because: String,
}
