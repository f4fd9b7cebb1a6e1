//! The closed set of statements: what a text means before anything is looked up.
//!
//! How to add a statement: a variant here (or in the family's file under `statement/`), its
//! grammar in the same file, its arm in `command`; the exhaustive matches fail until it is there.
//! The tests in `parse/tests.rs` list what is accepted and what is refused by name.

use datafusion::sql::sqlparser::ast;
use strum::{IntoStaticStr, VariantNames};

pub mod access;
pub mod access_token;
pub mod cache;
pub mod catalog;
pub mod change;
pub mod describe;
pub mod external_location;
pub mod function;
pub mod grant;
pub mod impersonation;
pub mod policy;
pub mod policy_test;
pub mod primary_key;
pub mod principal;
pub mod proof;
pub mod query;
pub mod session;
pub mod show;
pub mod storage_credential;
pub mod table;
pub mod tag;
pub mod tag_policy;
pub mod view;
pub mod volume;

pub use access::AccessCommand;
pub use access_token::AccessTokenCommand;
pub use cache::CacheCommand;
pub use catalog::{CatalogCommand, DropBehaviour, PropertiesChange, SchemaCommand};
pub use change::{Assignment, Change, ChangeKind, Merge, MergeAction, MergeClause, MergeRows};
pub use describe::Describe;
pub use external_location::{CreateExternalLocation, ExternalLocationCommand};
pub use function::{
    CreateFunction, DataAccess, DeclaredReturns, FunctionBody, FunctionColumn, FunctionCommand,
    FunctionParameter,
};
pub use grant::{CommentTarget, GrantCommand, OwnerCommand, SecurableReference};
pub use impersonation::ExecuteAs;
pub use policy::{MaskClause, PolicyArgument, PolicyCommand, RowFilterClause};
pub use policy_test::{CreatePolicyTest, PolicyTestCommand};
pub use primary_key::PrimaryKeyClause;
pub use principal::PrincipalCommand;
pub use proof::{DryRun, ExplainPolicy, Explained, Proof, TestSelection};
pub use session::SessionCommand;
pub use show::{FunctionOrigin, Show, ShowKind};
pub use storage_credential::StorageCredentialCommand;
pub use table::{ColumnDefinition, CreateTable, CreateTableAs, TableCommand};
pub use tag::{GovernedTagCommand, TagCommand, TagValuesClause, TaggedReference};
pub use tag_policy::{CreateTagPolicy, TagPolicyCommand, TagRule};
pub use view::{CreateView, ViewColumn, ViewCommand};
pub use volume::{CreateVolume, VolumeCommand};

use super::reference::ObjectReference;

/// One statement.
#[derive(Debug, Clone, PartialEq, IntoStaticStr, VariantNames)]
pub enum Statement {
    /// SELECT, VALUES, WITH, set operations.
    Query(Box<ast::Query>),
    /// EXPLAIN of a query.
    Explain(Explain),
    /// CACHE: a query that is run for what it reads.
    Cache(Box<ast::Query>),
    /// DESCRIBE QUERY: the columns of a query that is not run.
    DescribeQuery(Box<ast::Query>),
    /// SHOW PARTITIONS: a query on the table's partition columns.
    ShowPartitions(ObjectReference),
    /// INSERT INTO.
    Insert(Insert),
    /// UPDATE, DELETE, TRUNCATE, MERGE.
    Change(Box<Change>),
    /// CREATE TABLE … AS.
    CreateTableAs(Box<CreateTableAs>),
    /// EXECUTE AS USER.
    ExecuteAs(ExecuteAs),
    /// What shows policies at work: EXPLAIN POLICY, DRY RUN, RUN POLICY TESTS.
    Proof(Proof),
    /// What the catalog and the session answer.
    Command(Command),
}

/// Whether EXPLAIN runs the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantNames)]
pub enum ExplainMode {
    /// The plan only.
    Plan,
    /// The plan with the numbers of a run.
    Analyze,
}

/// EXPLAIN of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    /// Whether the query runs.
    pub mode: ExplainMode,
    /// The query.
    pub query: Box<ast::Query>,
}

/// `INSERT INTO table [(columns)] query`; VALUES is a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Insert {
    /// Where the rows go.
    pub table: ObjectReference,
    /// The columns by name, as written; empty when the query's columns are matched by position.
    pub columns: Vec<ast::Ident>,
    /// The rows.
    pub query: Box<ast::Query>,
}

/// A statement that is not a query; one variant a family.
#[derive(Debug, Clone, PartialEq, IntoStaticStr, VariantNames)]
pub enum Command {
    /// CREATE and DROP CATALOG.
    Catalog(CatalogCommand),
    /// CREATE and DROP SCHEMA.
    Schema(SchemaCommand),
    /// Tables: CREATE, DROP, RENAME, properties.
    Table(TableCommand),
    /// Views: CREATE, DROP.
    View(ViewCommand),
    /// Volumes.
    Volume(VolumeCommand),
    /// External locations.
    ExternalLocation(ExternalLocationCommand),
    /// Storage credentials.
    StorageCredential(StorageCredentialCommand),
    /// Functions: CREATE, DROP, RENAME.
    Function(FunctionCommand),
    /// Row filters and column masks of a table.
    Policy(PolicyCommand),
    /// Policies that find their tables by tags.
    TagPolicy(TagPolicyCommand),
    /// Governed tags.
    GovernedTag(GovernedTagCommand),
    /// Tags set and removed.
    Tag(TagCommand),
    /// Policy tests: CREATE, DROP, SHOW, DESCRIBE.
    PolicyTest(PolicyTestCommand),
    /// Requests for access.
    Access(AccessCommand),
    /// Personal access tokens.
    AccessToken(AccessTokenCommand),
    /// GRANT and REVOKE.
    Grant(GrantCommand),
    /// OWNER TO and COMMENT ON, for every kind.
    Owner(OwnerCommand),
    /// Users, service principals, groups.
    Principal(PrincipalCommand),
    /// SHOW.
    Show(Show),
    /// DESCRIBE.
    Describe(Describe),
    /// CLEAR CACHE.
    Cache(CacheCommand),
    /// USE, SET, RESET.
    Session(SessionCommand),
}
