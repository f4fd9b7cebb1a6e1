//! The statements of the stores, once for all databases: SQL that SQLite and PostgreSQL understand
//! alike, numbered placeholders included. [`store_sql!`] makes a module of them for one database from
//! the files of `sql/`.

mod audit;
mod put;
mod read;
mod write;

/// Makes the functions that read and write the catalog through `$connection`.
macro_rules! store_sql {
    ($connection:ty) => {
        use std::collections::{BTreeMap, BTreeSet};

        use sqlx::{query, query_as, query_scalar};

        use crate::access_request::AccessRequest;
        use crate::access_token::AccessToken;
        use crate::audit::AuditEvent;
        use crate::function::Function;
        use crate::grant::Grant;
        use crate::id::{AccessTokenId, PrincipalId};
        use crate::policy_test::PolicyTest;
        use crate::principal::Principal;
        use crate::securable::{
            Catalog, ExternalLocation, Schema, SecurableId, StorageCredential, Table, Volume,
        };
        use crate::snapshot::{Content, Epoch, Gone, Increment, MetastoreRoot};
        use crate::stamps::Stamps;
        use crate::store::rows::{self, TableCells};
        use crate::store::{Change, EPOCHS_KEPT, Error};
        use crate::tag::GovernedTag;
        use crate::tag_policy::TagPolicy;

        $crate::store::sql::sql_read!($connection);
        $crate::store::sql::sql_audit!($connection);
        $crate::store::sql::sql_put!($connection);
        $crate::store::sql::sql_write!($connection);
    };
}

pub(super) use audit::sql_audit;
pub(super) use put::sql_put;
pub(super) use read::sql_read;
pub(super) use write::sql_write;

pub(super) use store_sql;
