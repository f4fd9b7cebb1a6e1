//! The governance model of Weir and its store: who may see what.
//!
//! The crate answers three questions: what exists (securables), who asks (principals and
//! their groups), and what is allowed (grants, ownership, policies). It never plans a query,
//! never speaks a wire protocol and never sees a row of user data; types of columns and
//! bodies of functions are text here.
//!
//! Reading goes through [`Snapshot`], an immutable picture of the whole catalog at one
//! [`Epoch`]. Writing goes through [`Metastore`]: each operation takes the principal that
//! asks, decides on a snapshot, and commits its row changes only if the epoch has not moved.

pub mod audit;
pub mod authorize;
pub mod decision;
pub mod error;
pub mod function;
pub mod grant;
pub mod id;
pub mod metastore;
pub mod name;
pub mod policy;
pub mod principal;
pub mod privilege;
pub mod securable;
pub mod snapshot;
pub mod store;

pub use authorize::{authorize, may_see, resolve, visible_grants};
pub use decision::{Decision, Reason};
pub use error::{Error, ErrorKind};
pub use function::{Function, Parameter};
pub use grant::Grant;
pub use id::{CatalogId, FunctionId, MetastoreId, PrincipalId, SchemaId, TableId};
pub use metastore::{
    AccountAdmin, CatalogSpec, Contents, Created, Delegation, Enablement, FunctionSpec, Metastore,
    OnExisting, OnExistingDefinition, OnMissing, PrincipalSpec, SchemaSpec, Storage, TableSpec, ViewSpec,
};
pub use name::{Name, ObjectName, SchemaName};
pub use policy::{ColumnBinding, ColumnMask, Literal, PolicyArgument, RowFilter};
pub use principal::{Principal, PrincipalKind};
pub use privilege::Privilege;
pub use securable::{
    Catalog, Column, Protection, Schema, SecurableId, SecurableKind, SecurableName, Table, TableKind,
    ViewDefinition,
};
pub use snapshot::{Epoch, Snapshot};
