//! Rows in, rows out: what a store of the catalog must do.
//!
//! A store makes no decision about rights and knows no rule of the model. Its one promise is
//! order: [`Store::commit`] applies a list of changes whole or not at all, and only at the epoch
//! they were decided on, so that of two writers who decided on the same epoch one conflicts.
//!
//! How to add a method: here; in each store under `store/`; a case in `store/suite.rs`, which
//! runs for every store.

mod postgres;
pub(crate) mod rows;
mod sql;
mod sqlite;
#[cfg(any(test, feature = "test-suite"))]
pub mod suite;

use std::error::Error as StdError;
use std::fmt::Debug;

use async_trait::async_trait;

use crate::access_request::AccessRequest;
use crate::access_token::AccessToken;
use crate::audit::AuditEvent;
use crate::error::ErrorKind;
use crate::function::Function;
use crate::grant::Grant;
use crate::id::{
    AccessTokenId, CatalogId, ExternalLocationId, FunctionId, GovernedTagId, PolicyTestId, PrincipalId,
    SchemaId, StorageCredentialId, TableId, TagPolicyId, VolumeId,
};
use crate::policy_test::PolicyTest;
use crate::principal::Principal;
use crate::securable::{Catalog, ExternalLocation, Schema, StorageCredential, Table, Volume};
use crate::snapshot::{Content, Epoch, Increment};
use crate::tag::GovernedTag;
use crate::tag_policy::TagPolicy;

pub use postgres::PostgresStore;
pub use sqlite::SqliteStore;

/// How many epochs back a store can say what changed.
pub const EPOCHS_KEPT: u64 = 10_000;

/// Where the catalog is kept.
#[async_trait]
pub trait Store: Debug + Send + Sync {
    /// The epoch of the last commit.
    async fn epoch(&self) -> Result<Epoch, Error>;

    /// Everything, as of one epoch.
    async fn load(&self) -> Result<(Epoch, Content), Error>;

    /// What changed since `since`, as of the newest epoch; `None` where that is too long ago to say. Costs
    /// what changed, not what there is.
    async fn increment(&self, since: Epoch) -> Result<Option<(Epoch, Increment)>, Error>;

    /// Applies `changes`, in order, and adds `event`, in one transaction that moves the epoch by
    /// one; [`Error::Conflict`] and nothing done when the epoch is not `expected`.
    async fn commit(&self, expected: Epoch, changes: &[Change], event: &AuditEvent) -> Result<Epoch, Error>;

    /// Adds an event of something that changed nothing; the epoch stays.
    async fn audit_add(&self, event: &AuditEvent) -> Result<(), Error>;

    /// The last `limit` events, the last one first.
    async fn audit_list(&self, limit: u32) -> Result<Vec<AuditEvent>, Error>;

    /// The first `limit` events after the one numbered `after`, each with its number, which grow as events
    /// come in; from the beginning after zero.
    async fn audit_page(&self, after: i64, limit: u32) -> Result<Vec<(i64, AuditEvent)>, Error>;

    /// Keeps a request for access; the epoch stays.
    async fn access_request_add(&self, request: &AccessRequest) -> Result<(), Error>;

    /// The last `limit` requests, the last one first.
    async fn access_request_list(&self, limit: u32) -> Result<Vec<AccessRequest>, Error>;

    /// The access token with that digest.
    async fn access_token(&self, digest: &[u8; 32]) -> Result<Option<AccessToken>, Error>;

    /// The access token of that id.
    async fn access_token_by_id(&self, id: AccessTokenId) -> Result<Option<AccessToken>, Error>;

    /// All access tokens.
    async fn access_token_list(&self) -> Result<Vec<AccessToken>, Error>;

    /// The secret of that name.
    async fn secret(&self, name: &str) -> Result<Option<Vec<u8>>, Error>;

    /// Keeps `candidate` under `name` unless there is a secret already; returns the one that is
    /// kept. However many callers race, all get the same answer.
    async fn secret_keep(&self, name: &str, candidate: &[u8]) -> Result<Vec<u8>, Error>;

    /// The hash of the principal's password.
    async fn password_hash(&self, principal: PrincipalId) -> Result<Option<String>, Error>;
}

/// One row put (made or overwritten, by id) or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is a noun with put or remove")]
pub enum Change {
    /// The metastore admin.
    MetastoreOwnerPut(Option<PrincipalId>),
    PrincipalPut(Principal),
    /// Memberships, the password and access tokens go with it.
    PrincipalRemove(PrincipalId),
    MemberAdd {
        group: PrincipalId,
        member: PrincipalId,
    },
    MemberRemove {
        group: PrincipalId,
        member: PrincipalId,
    },
    PasswordPut {
        principal: PrincipalId,
        hash: String,
    },
    AccessTokenPut(AccessToken),
    AccessTokenRemove(AccessTokenId),
    CatalogPut(Catalog),
    /// Grants on it go with it, as with every securable below.
    CatalogRemove(CatalogId),
    SchemaPut(Schema),
    SchemaRemove(SchemaId),
    TablePut(Box<Table>),
    TableRemove(TableId),
    FunctionPut(Box<Function>),
    FunctionRemove(FunctionId),
    VolumePut(Volume),
    VolumeRemove(VolumeId),
    ExternalLocationPut(ExternalLocation),
    ExternalLocationRemove(ExternalLocationId),
    StorageCredentialPut(StorageCredential),
    StorageCredentialRemove(StorageCredentialId),
    GovernedTagPut(GovernedTag),
    GovernedTagRemove(GovernedTagId),
    TagPolicyPut(Box<TagPolicy>),
    TagPolicyRemove(TagPolicyId),
    PolicyTestPut(PolicyTest),
    PolicyTestRemove(PolicyTestId),
    GrantAdd(Grant),
    GrantRemove(Grant),
}

/// What can go wrong in a store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another commit came first.
    #[error("another commit came first")]
    Conflict,
    /// The store does not answer.
    #[error("the catalog store is unavailable")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// The store refused a statement it should take.
    #[error("the catalog store refused a statement")]
    Statement(#[source] Box<dyn StdError + Send + Sync>),
    /// The tables of the store could not be made or brought up to date.
    #[error("the catalog store could not be migrated")]
    Migration(#[source] Box<dyn StdError + Send + Sync>),
    /// The store's address is none. It is not shown: it may hold a password.
    #[error("the address of the catalog store is not a PostgreSQL URL")]
    Address,
    /// The file is none of a catalog, or is damaged as a whole.
    #[error("the file of the catalog store is not a database or is damaged")]
    NoCatalog(#[source] Box<dyn StdError + Send + Sync>),
    /// A row that cannot be read back.
    #[error("a row of the catalog store is damaged: {what} `{value}`")]
    Damaged {
        /// Which value.
        what: &'static str,
        /// As stored.
        value: String,
    },
}

impl Error {
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Error::Conflict => ErrorKind::Conflict,
            Error::Unavailable(_) => ErrorKind::Unavailable,
            Error::Address => ErrorKind::Invalid,
            Error::Statement(_) | Error::Migration(_) | Error::NoCatalog(_) | Error::Damaged { .. } => {
                ErrorKind::Internal
            }
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(_) if is_no_database(&error) => Error::NoCatalog(Box::new(error)),
            sqlx::Error::Database(_) if is_out_of_reach(&error) => Error::Unavailable(Box::new(error)),
            sqlx::Error::Database(_)
            | sqlx::Error::RowNotFound
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::Encode(_) => Error::Statement(Box::new(error)),
            other => Error::Unavailable(Box::new(other)),
        }
    }
}

/// Whether SQLite finds the file damaged or of another kind.
fn is_no_database(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    // PostgreSQL's codes have five characters, SQLite's fewer.
    let code = code.filter(|code| code.len() < 5).and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 11 | 26))
}

/// Whether the database says that it is busy, full, read-only, shutting down or cannot be opened, rather
/// than that the statement is wrong.
fn is_out_of_reach(error: &sqlx::Error) -> bool {
    let Some(code) = error.as_database_error().and_then(|error| error.code()) else { return false };
    // PostgreSQL's classes: connection, resources, operator intervention, system, read-only transaction.
    if code.len() == 5 {
        let class = |class: &str| code.starts_with(class);
        return class("08") || class("53") || class("57") || class("58") || code == "25006";
    }
    // The low byte of SQLite's extended codes is the primary one: busy, locked, read-only, I/O,
    // full, cannot open.
    code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 8 | 10 | 13 | 14))
}

#[cfg(test)]
mod tests;
