//! The one resolver: from a name in a statement to a permitted table, under one statement's
//! [`Scope`]. What the caller may not see does not exist.
//!
//! A [`Scope`] holds one catalog snapshot, one caller, and one pinned snapshot of each table the
//! statement touches, however often and by whatever way it is named.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::functions::core::expr_fn::get_field;
use datafusion::logical_expr::{Expr, LogicalPlan, TableSource, lit};
use tokio::sync::Mutex;
use weir_catalog::securable::PROTECTION_PROPERTY;
use weir_catalog::{
    Function, FunctionId, ObjectName, Privilege, Protection, Reason, SecurableId, SecurableName, Snapshot,
    Table, TableId, TableKind, ViewDefinition,
};

use crate::caller::Caller;
use crate::error::Refusal;
use crate::governed_scan_exec::StatementSeal;
use crate::governed_table::GovernedTable;
use crate::open_table::{
    Moment, OpenSystemTable, OpenTable, OpenedTable, PlannedFiles, ScanNumbers, SystemTableRequest,
};
use crate::permit::{Barrier, Permit};
use crate::policed_view;
use crate::policy_expression::{Policies, PolicyCompiler};
use crate::sealed_view;
use crate::sql_function::Body;
use crate::time_travel::Past;
use crate::witness::{AccessAnswer, TableAccess, Witness};

mod access;
mod changed_table;
mod definer;
mod freshness;
mod openness;
mod past;
mod pinned;

pub use access::Access;
use access::{DEPTH_MAX, Purpose};
pub use changed_table::ChangedTable;
use definer::Definers;
pub use pinned::Pinned;

/// The catalog whose tables are the books.
pub const SYSTEM_CATALOG: &str = "system";

/// The schema that every catalog shows and none stores.
pub const INFORMATION_SCHEMA: &str = "information_schema";

/// What the server gives to each statement.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Opens Delta tables.
    pub tables: Arc<dyn OpenTable>,
    /// Opens the server's own tables.
    pub system: Arc<dyn OpenSystemTable>,
    /// Reads a SQL type's name; `None` when it is not one.
    pub parse_type: fn(&str) -> Option<DataType>,
    /// Parses a SQL expression.
    pub parse_expression: fn(&str) -> Result<datafusion::sql::sqlparser::ast::Expr>,
    /// Parses a stored query.
    pub parse_query: fn(&str) -> Result<datafusion::sql::sqlparser::ast::Query>,
    /// Sees what is decided in the statement.
    pub witness: Arc<Witness>,
    /// When tables are read, where the text does not say it; now, if it is left out. Policies are of now.
    pub read_at: Option<Moment>,
}

/// A function's body, for what it is planned and where it stands.
type BodyKey = (FunctionId, Purpose, Option<TableId>);

/// One statement's surroundings: everything its names can resolve to.
pub struct Scope {
    snapshot: Arc<Snapshot>,
    caller: Arc<Caller>,
    sources: Sources,
    state: SessionState,
    seal: StatementSeal,
    opened: Arc<Mutex<HashMap<TableId, OpenedTable>>>,
    past: Arc<Mutex<HashMap<(TableId, Moment), OpenedTable>>>,
    spelling: Mutex<HashMap<String, String>>,
    bodies: Mutex<HashMap<BodyKey, Arc<Body>>>,
    hides_expressions: AtomicBool,
    reads_changes: Arc<AtomicBool>,
    asks_the_time: Arc<AtomicBool>,
    leaf_numbers: Arc<AtomicUsize>,
    definers: Definers,
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("epoch", &self.snapshot.epoch()).finish_non_exhaustive()
    }
}

impl Scope {
    /// A statement's scope. `state` carries functions (the caller's identity functions among
    /// them), options and the runtime; it holds no catalogs.
    pub fn new(
        snapshot: Arc<Snapshot>,
        caller: Arc<Caller>,
        sources: Sources,
        state: SessionState,
    ) -> Arc<Self> {
        Arc::new(Self {
            snapshot,
            caller,
            sources,
            state,
            seal: StatementSeal::default(),
            opened: Arc::default(),
            past: Arc::default(),
            spelling: Mutex::default(),
            bodies: Mutex::default(),
            hides_expressions: AtomicBool::new(false),
            reads_changes: Arc::default(),
            asks_the_time: Arc::default(),
            leaf_numbers: Arc::default(),
            definers: Definers::default(),
        })
    }

    /// The catalog as this statement sees it.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The session user.
    pub fn caller(&self) -> &Arc<Caller> {
        &self.caller
    }

    /// Functions, options, runtime.
    pub fn state(&self) -> &SessionState {
        &self.state
    }

    /// What the server gave.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    pub(crate) fn seal(&self) -> &StatementSeal {
        &self.seal
    }

    /// How the opened tables spell their columns, by folded name; only names that they agree on.
    pub async fn spelling(&self) -> HashMap<String, String> {
        self.spelling.lock().await.clone()
    }

    /// Whether the plan holds no function's body that the caller may not know.
    pub fn shows_expressions(&self) -> bool {
        !self.hides_expressions.load(Ordering::Relaxed)
    }

    /// Whether the statement reads changes of rows, wherever they are named: no version of a table tells which.
    pub fn reads_changes(&self) -> bool {
        self.reads_changes.load(Ordering::Relaxed)
    }

    /// Whether a policy asks for the time, which stands in the plan as a constant: what was planned in this scope is of the
    /// time of its statement alone.
    pub fn asks_the_time(&self) -> bool {
        self.asks_the_time.load(Ordering::Relaxed)
    }

    pub(crate) fn ask_the_time(&self) {
        self.asks_the_time.store(true, Ordering::Relaxed);
    }

    /// Numbers for leaves of calls, each given once a statement.
    pub(crate) fn leaf_numbers(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.leaf_numbers)
    }

    pub(crate) fn hide_expressions(&self) {
        self.hides_expressions.store(true, Ordering::Relaxed);
    }

    /// The body of a function that a text of `access` calls; planned once a statement.
    pub(crate) async fn body(self: &Arc<Self>, access: &Access, function: &Function) -> Result<Arc<Body>> {
        let key = (function.id, access.purpose, access.within);
        if let Some(known) = self.bodies.lock().await.get(&key) {
            return Ok(Arc::clone(known));
        }
        let body = Arc::new(Body::plan(self, access, function).await?);
        self.bodies.lock().await.insert(key, Arc::clone(&body));
        Ok(body)
    }

    /// The table or view of a three-part folded name.
    pub(crate) fn table_id(&self, name: &TableReference) -> Option<TableId> {
        let full = ObjectName::new(name.catalog()?, name.schema()?, name.table()).ok()?;
        self.snapshot.table(&full).map(|table| table.id)
    }

    /// The permitted table of a three-part folded name, as it is, or what `past` says of its history.
    pub(crate) async fn resolve(
        self: &Arc<Self>,
        access: &Access,
        name: &TableReference,
        past: Option<Past>,
    ) -> Result<Arc<dyn TableSource>> {
        let (catalog, schema, object) =
            // reason: a name that was completed has all parts; an empty one resolves to nothing
            (name.catalog().unwrap_or_default(), name.schema().unwrap_or_default(), name.table());
        if catalog == SYSTEM_CATALOG || schema == INFORMATION_SCHEMA {
            if let Some(past) = past {
                return Err(Refusal::Unsupported(format!("{} of system tables", past.noun())).into());
            }
            return self.resolve_system(access, name, (catalog, schema, object)).await;
        }
        let not_found = || Refusal::NotFound { name: name.to_string() };
        let full = ObjectName::new(catalog, schema, object).map_err(|_| not_found())?;
        let snapshot = Arc::clone(&self.snapshot);
        let found = snapshot.table(&full);
        let decided = found.ok_or_else(not_found).and_then(|table| self.check_readable(access, table));
        let told = decided.as_ref().map(Vec::as_slice);
        self.tell_witness(access, name.to_string(), Privilege::Select, told).await;
        decided?;
        let table = found.ok_or_else(not_found)?;
        let past = past.map_or_else(|| self.past_of(access, table), |past| Some(self.bounded(past)));
        if let Some(past) = past {
            return self.resolve_past(access, table, past).await;
        }
        match access.purpose {
            Purpose::Policy(reading) => self.resolve_for_policy(access, reading, table).await,
            Purpose::Query => self.resolve_readable(access, table).await,
        }
    }

    /// A table or view that the text may read.
    async fn resolve_readable(
        self: &Arc<Self>,
        access: &Access,
        table: &Table,
    ) -> Result<Arc<dyn TableSource>> {
        match &table.kind {
            TableKind::View(view) => self.resolve_view(access, table, view).await,
            TableKind::Managed { .. } | TableKind::External { .. } => self.resolve_table(access, table).await,
        }
    }

    /// What the policies of `table` stand on: its raw snapshot, the same for the whole statement; of a view its
    /// query, planned with its owner's access and the session user's policies.
    pub async fn open(self: &Arc<Self>, table: &Table) -> Result<OpenedTable> {
        match table.view() {
            Some(view) => {
                let access = Access::of_caller(&self.caller, "", "");
                Ok(Box::pin(self.open_view(&access, table, view)).await?)
            }
            None => Ok(self.open_files(table).await?),
        }
    }

    async fn open_view(
        self: &Arc<Self>,
        access: &Access,
        table: &Table,
        view: &ViewDefinition,
    ) -> Result<OpenedTable> {
        let (plan, open) = self.view_plan(access, &access.of_policed_view(table), table, view).await?;
        policed_view::opened(table, plan, open, access.seal(self).within(table.id))
    }

    async fn open_files(&self, table: &Table) -> Result<OpenedTable, Refusal> {
        let mut opened = self.opened.lock().await;
        if let Some(pinned) = opened.get(&table.id) {
            return Ok(pinned.clone());
        }
        let pinned = self.sources.tables.open(table).await.map_err(Refusal::Open)?;
        opened.insert(table.id, pinned.clone());
        Ok(pinned)
    }

    /// Whether the reader may SELECT; a refusal tells no more than the reader may know.
    fn check_readable(&self, access: &Access, table: &Table) -> Result<Vec<Reason>, Refusal> {
        let decision = access.decide(self, Privilege::Select, SecurableId::Table(table.id));
        match decision.require(access.snapshot(self), &SecurableName::Table(table.name.clone())) {
            Ok(because) => Ok(because),
            Err(weir_catalog::Error::NotFound { .. }) => {
                Err(Refusal::NotFound { name: table.name.to_string() })
            }
            Err(denied) => Err(Refusal::Denied(denied)),
        }
    }

    /// Policies are part of their table: what they read is no access of anybody's.
    pub(crate) async fn tell_witness(
        &self,
        access: &Access,
        name: String,
        privilege: Privilege,
        decided: Result<&[Reason], &Refusal>,
    ) {
        if access.is_policy() {
            return;
        }
        let owner =
            self.snapshot.principal(access.reader).filter(|reader| reader.id != self.caller.principal());
        let seen = TableAccess {
            name,
            privilege,
            rights_of: owner.map(|owner| owner.name.clone()),
            answer: AccessAnswer::of(&self.snapshot, decided),
        };
        self.sources.witness.access(self.snapshot.epoch(), seen).await;
    }

    async fn resolve_table(self: &Arc<Self>, access: &Access, table: &Table) -> Result<Arc<dyn TableSource>> {
        let opened = self.open_files(table).await?;
        let governed = self.governed(access, table, opened).await?;
        self.remember_spelling(governed.raw_names()).await;
        Ok(provider_as_source(Arc::new(governed)))
    }

    /// The policies of `table` for the session user over what was opened.
    async fn governed(
        self: &Arc<Self>,
        access: &Access,
        table: &Table,
        opened: OpenedTable,
    ) -> Result<GovernedTable> {
        self.check_text_of_definer(access, table)?;
        let policies = Box::pin(PolicyCompiler::new(self).compile(table, &opened)).await?;
        self.permitted(access, table, opened, policies).await
    }

    /// What was opened behind `policies`.
    async fn permitted(
        self: &Arc<Self>,
        access: &Access,
        table: &Table,
        opened: OpenedTable,
        policies: Policies,
    ) -> Result<GovernedTable> {
        // A view with policies is a barrier for those too whom it spares.
        let open = policies.is_trivial() && table.view().is_none();
        let barrier = match (open, protection_of(&self.snapshot, table)) {
            (true, _) => Barrier::None,
            (false, Protection::Standard) => Barrier::Standard,
            (false, Protection::Strict) => Barrier::Strict,
        };
        if self.snapshot.is_governed(table) {
            self.sources.witness.governed(&self.snapshot, table, self.caller.principal()).await;
        }
        let permit = policies.permit(table, opened.version, barrier);
        let seal = access.seal(self);
        let governed = GovernedTable::new(opened.provider, opened.numbers, policies, permit, seal.clone())?;
        Ok(if table.view().is_some() { governed.over_body(seal.within(table.id)) } else { governed })
    }

    async fn resolve_system(
        &self,
        access: &Access,
        name: &TableReference,
        (catalog, schema, table): (&str, &str, &str),
    ) -> Result<Arc<dyn TableSource>> {
        let name = name.to_string();
        if access.is_policy() {
            return Err(Refusal::Unsupported(format!("system table `{name}` in a policy")).into());
        }
        let caller = self.caller.as_ref();
        let request = SystemTableRequest { snapshot: &self.snapshot, caller, catalog, schema, table };
        let opened = self.sources.system.open(request).await.map_err(Refusal::Open)?;
        let table = opened.ok_or_else(|| Refusal::NotFound { name: name.clone() })?;
        let own_rows = match (&table.user_field, self.caller.is_account_admin()) {
            (None, _) | (_, true) => None,
            (Some(path), false) => Some(belongs_to(path, self.caller.name())),
        };
        let own_rows = match (own_rows, table.shown) {
            (Some(own), Some(shown)) => Some(own.and(shown)),
            (own, shown) => own.or(shown),
        };
        let barrier = if own_rows.is_some() { Barrier::Standard } else { Barrier::None };
        let policies = Policies::own_rows(own_rows);
        let permit = Permit {
            fingerprint: policies.fingerprint(),
            name,
            table: None,
            version: None,
            place: String::new(),
            policies: Vec::new(),
            exempt: true,
            barrier,
        };
        let seal = access.seal(self);
        let governed = GovernedTable::new(table.provider, Arc::new(NoFiles), policies, permit, seal)?;
        Ok(provider_as_source(Arc::new(governed)))
    }

    /// A view runs with its owner's access and the session user's policies. It is a barrier
    /// where it has policies of its own, where its text or a function it calls tests identity, or where the
    /// session user or the owner of a view that names it lacks rights on what it reads.
    async fn resolve_view(
        self: &Arc<Self>,
        access: &Access,
        table: &Table,
        view: &ViewDefinition,
    ) -> Result<Arc<dyn TableSource>> {
        if self.snapshot.may_restrict(table) {
            let opened = self.open_view(access, table, view).await?;
            return Ok(provider_as_source(Arc::new(self.governed(access, table, opened).await?)));
        }
        let inner = access.of_view(table.owner);
        let (plan, open) = self.view_plan(access, &inner, table, view).await?;
        sealed_view::source(table, plan, open, access.seal(self))
    }

    /// The view's query with the access `inner`, and whether whoever names it in a text of `access` could read
    /// through it.
    async fn view_plan(
        self: &Arc<Self>,
        access: &Access,
        inner: &Access,
        table: &Table,
        view: &ViewDefinition,
    ) -> Result<(LogicalPlan, bool)> {
        if access.depth >= DEPTH_MAX {
            return Err(Refusal::Unsupported(format!(
                "view `{}`, which stands on too many views,",
                table.name
            ))
            .into());
        }
        let (plan, uses) = Box::pin(sealed_view::plan_of(self, inner, table, view)).await?;
        // The session user sees what comes out of a view that is read through, whoever's view
        // names it; so both must be able to read what it reads, itself or by calls.
        let caller = Access::of_caller(&self.caller, "", "");
        let open = !view.tests_identity
            && !uses.tests_identity
            && [access, &caller]
                .into_iter()
                .all(|reader| self.reads_all(reader, view) && uses.is_readable(self, reader))
            && uses.is_knowable(self, &caller);
        Ok((plan, open))
    }

    fn reads_all(&self, reader: &Access, view: &ViewDefinition) -> bool {
        let reads = |id| reader.decide(self, Privilege::Select, SecurableId::Table(id)).is_allowed();
        view.reads.iter().copied().all(reads)
    }

    async fn remember_spelling(&self, names: &HashMap<String, String>) {
        let mut spelling = self.spelling.lock().await;
        for (folded, raw) in names {
            match spelling.get(folded) {
                Some(known) if known != raw => {
                    spelling.insert(folded.clone(), folded.clone());
                }
                Some(_) => {}
                None => {
                    spelling.insert(folded.clone(), raw.clone());
                }
            }
        }
    }
}

/// The row belongs to the caller: the field at `path` holds the name.
fn belongs_to(path: &[String], name: &str) -> Expr {
    let mut parts = path.iter();
    let column = parts.next().map_or_else(|| lit(""), |name| Expr::Column(Column::new_unqualified(name)));
    parts.fold(column, |value, field| get_field(value, field.as_str())).eq(lit(name))
}

fn protection_of(snapshot: &Snapshot, table: &Table) -> Protection {
    match snapshot.governing_property(table, PROTECTION_PROPERTY) {
        None => Protection::Standard,
        // A level that is not known is the safer one.
        Some(value) => Protection::parse(value).unwrap_or(Protection::Strict),
    }
}

/// For tables that are not files.
#[derive(Debug)]
pub(crate) struct NoFiles;

impl ScanNumbers for NoFiles {
    fn planned(&self, _inner: &Arc<dyn datafusion::physical_plan::ExecutionPlan>) -> PlannedFiles {
        PlannedFiles::default()
    }

    fn rows_read(&self, _inner: &Arc<dyn datafusion::physical_plan::ExecutionPlan>) -> Option<u64> {
        None
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test is a panic")]
mod tests;
