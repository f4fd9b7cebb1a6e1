//! SQL text in, [`Statement`] out; nothing resolved.
//!
//! Queries, INSERT and CTAS keep sqlparser's tree; everything the catalog answers is read by our
//! own grammar on sqlparser's token stream. The promise: a clause is either in the returned value
//! or an error that names it ([`refused_clauses`]); nothing is parsed and then ignored.
//!
//! This module knows names and closed vocabularies (privileges, kinds) but looks nothing up.
//! [`qualify`] writes names out in three parts for text that is stored.

pub mod cursor;
pub mod dialect;
pub mod expression;
mod interval;
pub mod nesting;
pub mod parse;
pub mod placeholders;
pub(crate) mod policy_text;
pub mod qualify;
pub mod reference;
pub mod refused_clauses;
pub mod refused_statements;
pub mod statement;
pub(crate) mod table_versions;
pub mod types;

pub use datafusion::sql::sqlparser::ast;
pub use parse::{parse, parse_expression, parse_query};
pub use reference::{CatalogReference, ObjectReference, SchemaReference};
pub use statement::{
    AccessCommand, AccessTokenCommand, Assignment, CacheCommand, CatalogCommand, Change, ChangeKind,
    ColumnDefinition, Command, CommentTarget, CreateExternalLocation, CreateFunction, CreatePolicyTest,
    CreateTable, CreateTableAs, CreateTagPolicy, CreateView, CreateVolume, DataAccess, DeclaredReturns,
    Describe, DropBehaviour, DryRun, ExecuteAs, Explain, ExplainMode, ExplainPolicy, Explained,
    ExternalLocationCommand, FunctionBody, FunctionColumn, FunctionCommand, FunctionOrigin,
    FunctionParameter, GovernedTagCommand, GrantCommand, Insert, MaskClause, Merge, MergeAction, MergeClause,
    MergeRows, OwnerCommand, PolicyArgument, PolicyCommand, PolicyTestCommand, PrimaryKeyClause,
    PrincipalCommand, Proof, PropertiesChange, RowFilterClause, SchemaCommand, SecurableReference,
    SessionCommand, Show, ShowKind, Statement, StorageCredentialCommand, TableCommand, TagCommand,
    TagPolicyCommand, TagRule, TagValuesClause, TaggedReference, TestSelection, ViewColumn, ViewCommand,
    VolumeCommand,
};
