//! The spine: parse, then command or query, out comes a stream. Every door calls this.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::LogicalPlan;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use weir_catalog::{Metastore, Snapshot, Table};
use weir_enforce::governing::canonical;
use weir_enforce::{GovernedPlan, Scope};

use crate::command;
use crate::context::Context;
use crate::error::{Condition, Error, Result};
use crate::query::change::ChangePlan;
use crate::query::counting::Counting;
use crate::query::digest::Digests;
use crate::query::execute::{Deadline, Guard};
use crate::query::gauges::StatementGauges;
use crate::query::history::StatementType;
use crate::query::plan::Planned;
use crate::query::plan_cache::{BoundQuery, PlanCache};
use crate::query::record::{QueryRecord, Received, RecordSink, Running};
use crate::query::result_cache::ResultCache;
use crate::query::standing::{Asked, Standing};
use crate::query::stored_parameters::typed;
use crate::query::wire::wire_schema;
use crate::query::write::{Target, Writer};
use crate::query::{Engine, explain, parameters, profile};
use crate::session::SessionSettings;
use crate::sql::{self, Command, Explain, ExplainMode, ObjectReference, Proof, Statement, ast};
use crate::system::ServerTable;
use changing::{changes, check_may_change};
use querying::Ready;

pub(crate) use crate::query::parameters::read_as;
pub use crate::query::write::{IfExists, IfMissing, Ingestion, SentRows};
pub use turns::{TurnLimits, Turns};

mod caching;
mod changing;
mod dry_run;
mod explain_policy;
mod impersonation;
mod ingesting;
mod partitions;
mod planning;
mod policy_tests;
mod query_columns;
mod querying;
mod turns;
mod unread;

/// Rows on their way out, in wire types, each batch with exactly `schema`.
pub struct RowStream {
    /// The wire schema: computed from the logical plan, the same at every step.
    pub schema: SchemaRef,
    /// The batches. Dropping the stream stops the plan.
    pub batches: BoxStream<'static, Result<RecordBatch>>,
}

impl fmt::Debug for RowStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStream").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl RowStream {
    /// What has neither columns nor rows.
    pub fn nothing() -> Self {
        Self { schema: parameters::none(), batches: futures::stream::empty().boxed() }
    }

    /// Rows that are there already.
    pub fn of(batch: RecordBatch) -> Self {
        let schema = batch.schema();
        Self { schema, batches: futures::stream::once(async move { Ok(batch) }).boxed() }
    }
}

/// What is planned and only told of has a row of its own in the books from here on.
const UNTOLD_CPU: Duration = Duration::from_millis(100);

/// Whether a statement returns rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// SELECT, SHOW, DESCRIBE, EXPLAIN.
    Rows,
    /// Rows that tell of what was changed: CREATE ACCESS TOKEN, REQUEST ACCESS.
    Receipt,
    /// DDL, DML, SET: a count of rows at most.
    Update,
}

/// What is known of a statement before it runs.
#[derive(Debug, Clone)]
pub struct Described {
    /// Rows or update.
    pub answer: Answer,
    /// The wire schema of the rows; no fields for an update.
    pub schema: SchemaRef,
    /// One nullable field for each parameter, by ordinal, with what `read_as` has to know of it.
    pub parameters: SchemaRef,
    /// The digest of what governs it, as it stands in history once it has run; none of what reads no table by a query.
    pub digest: Option<String>,
}

impl Described {
    fn plain(answer: Answer, schema: SchemaRef) -> Self {
        Self { answer, schema, parameters: parameters::none(), digest: None }
    }

    /// The parameters as a client is told of them.
    pub fn wire_parameters(&self) -> SchemaRef {
        wire_schema(&self.parameters)
    }

    /// Rows that no query gives.
    pub fn of_rows(schema: SchemaRef) -> Self {
        Self::plain(Answer::Rows, schema)
    }
}

/// What came of a statement.
#[derive(Debug)]
pub enum Outcome {
    /// Rows to stream.
    Rows(RowStream),
    /// Done; the number of rows written, where that means something. A statement that sets
    /// the session (USE, SET) returns the settings it leaves behind.
    Done {
        /// Rows written.
        rows: Option<u64>,
        /// The session's settings afterwards, where the statement changed them.
        session: Option<SessionSettings>,
    },
}

/// Values for a statement's parameters: one row, columns by ordinal.
pub type Parameters = Option<RecordBatch>;

/// A table of the server's own, for listings.
#[derive(Debug, Clone)]
pub struct ListedSystemTable {
    /// Its schema.
    pub schema: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Whether it is listed as a view.
    pub is_view: bool,
    /// Its wire schema.
    pub columns: SchemaRef,
}

/// What one statement may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long it may run.
    pub deadline: Deadline,
    /// How long its text may be, in bytes.
    pub statement_bytes: u64,
    /// How much memory its operators may have, in bytes.
    pub memory_bytes: usize,
    /// How many run and wait.
    pub turns: TurnLimits,
}

/// What statements leave for others.
#[derive(Debug)]
pub struct Keeping {
    /// Makes digests of what governs them.
    pub digests: Digests,
    /// Results that are given again.
    pub results: ResultCache,
    /// Plans that serve again.
    pub plans: PlanCache,
}

/// Runs statements for verified callers.
#[derive(Debug)]
pub struct Warehouse {
    metastore: Arc<Metastore>,
    engine: Engine,
    writer: Writer,
    commands: command::Environment,
    sink: Arc<dyn RecordSink>,
    limits: Limits,
    keeping: Keeping,
    turns: Turns,
}

impl Warehouse {
    /// Joined by [`crate::app`].
    pub fn new(
        metastore: Arc<Metastore>,
        engine: Engine,
        writer: Writer,
        commands: command::Environment,
        sink: Arc<dyn RecordSink>,
        (limits, keeping): (Limits, Keeping),
    ) -> Self {
        let turns = Turns::new(limits.turns);
        Self { metastore, engine, writer, commands, sink, limits, keeping, turns }
    }

    /// Who runs and who waits.
    pub fn turns(&self) -> &Turns {
        &self.turns
    }

    fn gauges(&self, context: &Context) -> Arc<StatementGauges> {
        StatementGauges::witnessed_by(Arc::clone(&context.witness), self.limits.memory_bytes)
    }

    /// The results that are kept.
    pub fn results(&self) -> &ResultCache {
        &self.keeping.results
    }

    /// What `asked`, which was planned in that scope as that plan, stands on from now on.
    fn standing_on(
        &self,
        context: &Context,
        asked: Asked,
        stands_on: (&Arc<Scope>, &LogicalPlan),
    ) -> Standing {
        Standing::new(&self.metastore, &self.engine, context, asked, stands_on)
    }

    fn digest(&self, plan: &LogicalPlan) -> Result<Option<String>> {
        Ok(Some(self.keeping.digests.of(&canonical(plan)?)))
    }

    /// What is told of a query before it runs.
    fn described(&self, answer: Answer, schema: SchemaRef, planned: &Planned) -> Result<Described> {
        let parameters = Arc::clone(&planned.parameters);
        let digest = self.digest(&planned.plan)?;
        Ok(Described { answer, schema, parameters, digest })
    }

    /// The catalog as of now, as everybody has it: for what decides who is calling.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>> {
        Ok(self.metastore.snapshot().await?)
    }

    /// The catalog as of now, as the caller of `context` has it.
    pub async fn snapshot_for(&self, context: &Context) -> Result<Arc<Snapshot>> {
        Ok(context.catalog(&self.metastore.snapshot().await?))
    }

    /// The server's own tables that a catalog shows, for listings.
    pub fn system_tables(&self, catalog: &str) -> Vec<ListedSystemTable> {
        ServerTable::all_in(catalog)
            .map(|table| ListedSystemTable {
                schema: table.schema(),
                name: table.table(),
                is_view: table.is_view(),
                columns: wire_schema(&table.arrow_schema()),
            })
            .collect()
    }

    /// The columns of a table as the caller would get them from `SELECT *`.
    pub async fn table_wire_schema(&self, context: &Context, table: &Table) -> Result<SchemaRef> {
        let name = &table.name;
        let text = format!("SELECT * FROM `{}`.`{}`.`{}`", name.catalog, name.schema, name.object);
        let query = sql::parse_query(&text)?;
        // A listing is of now.
        let mut context = context.clone();
        context.session.read_at = None;
        Ok(self.plan(&context, &query).await?.schema)
    }

    /// What `sql` would return, without running anything of it. A statement that is refused here is
    /// never run, so it is entered in the books here; so is one that took long to plan, as may never run.
    pub async fn describe(&self, context: &Context, sql: &str) -> Result<Described> {
        if let Some(bound) = self.bound_before(context, sql).await? {
            return Ok(planning::described(&bound));
        }
        let context = &context.clone().seen_anew();
        let gauges = self.gauges(context);
        let described = async {
            let statement = self.parse(context, sql)?;
            self.describe_statement(context, sql, statement).await
        };
        let described = gauges.meter().future(described.boxed());
        let until = (&context.cancellation, self.limits.deadline.left(context));
        let described = self.turns.describing(context.identity().principal(), until, described).await;
        let record = || QueryRecord::received(context, sql, None, Arc::clone(&self.sink));
        match described {
            Ok(described) if gauges.meter().cpu() < UNTOLD_CPU => Ok(described),
            Ok(described) => {
                record().commanded(StatementType::Describe, gauges).finish().await?;
                Ok(described)
            }
            Err(error) => failed(record().gauged(gauges), error).await,
        }
    }

    async fn describe_statement(
        &self,
        context: &Context,
        sql: &str,
        statement: Statement,
    ) -> Result<Described> {
        let (plain, none) = (Described::plain, parameters::none);
        match statement {
            Statement::Query(query) => self.describe_query(context, (sql, query)).await,
            Statement::Explain(explained) => {
                let planned = self.plan(context, &explained.query).await?;
                self.described(Answer::Rows, explain::schema(), &planned)
            }
            Statement::DescribeQuery(query) => {
                let planned = self.plan(context, &query).await?;
                self.described(Answer::Rows, query_columns::schema(), &planned)
            }
            Statement::ShowPartitions(table) => {
                let query = self.partitions_query(context, &table).await?;
                let planned = self.plan(context, &query).await?;
                self.described(Answer::Rows, Arc::clone(&planned.schema), &planned)
            }
            Statement::ExecuteAs(execute) => {
                let context = self.impersonable(context, &execute.user).await?;
                Box::pin(self.describe_statement(&context, sql, *execute.statement)).await
            }
            Statement::Proof(proof) => Ok(plain(Answer::Rows, proof_schema(&proof))),
            Statement::Insert(insert) => {
                let query = typed(context, &*self.snapshot_for(context).await?, &insert)?;
                self.described(Answer::Update, none(), &self.plan(context, &query).await?)
            }
            Statement::Cache(query) => {
                command::require_rank(&*self.snapshot_for(context).await?, context)?;
                self.described(Answer::Update, none(), &self.plan(context, &query).await?)
            }
            Statement::Change(change) => {
                let snapshot = self.snapshot_for(context).await?;
                let planned = ChangePlan::new(&self.engine, context, &snapshot, &change).await?;
                let digest = self.digest(planned.unbound())?;
                Ok(Described { parameters: planned.parameters, digest, ..plain(Answer::Update, none()) })
            }
            Statement::CreateTableAs(create) => {
                self.described(Answer::Update, none(), &self.plan(context, &create.query).await?)
            }
            Statement::Command(command) => Ok(match command::schema(&command) {
                Some(schema) if command::changes(&command) => plain(Answer::Receipt, schema),
                Some(schema) => plain(Answer::Rows, schema),
                None => plain(Answer::Update, none()),
            }),
        }
    }

    /// Runs `sql` once. The books hear of it whatever comes.
    pub async fn run(&self, context: Context, sql: &str, parameters: Parameters) -> Result<Outcome> {
        let bound = self.bound_before(&context, sql).await?;
        let context = match &bound {
            Some(bound) => planning::decided(bound, context),
            // Planned before for the client, it is decided on anew.
            None => context.seen_anew(),
        };
        let gauges = self.gauges(&context);
        let record =
            QueryRecord::received(&context, sql, None, Arc::clone(&self.sink)).gauged(gauges.clone());
        let statement = match &bound {
            Some(bound) => Ok(Statement::Query(bound.query.clone())),
            None => gauges.meter().enter(|| self.parse(&context, sql)),
        };
        let run = Run { warehouse: self, context, sql, parameters, bound, gauges };
        match statement {
            Ok(statement) => run.in_turn(record, statement).await,
            Err(error) => failed(record, error).await,
        }
    }

    fn parse(&self, context: &Context, sql: &str) -> Result<Statement> {
        if sql.len() as u64 > self.limits.statement_bytes {
            let text =
                format!("the statement has {} bytes; it may have {}", sql.len(), self.limits.statement_bytes);
            return Err(Error::new(Condition::ResourceExhausted, text)
                .with_hint("send values as parameters; [limits] statement_bytes sets the bound"));
        }
        let statement = sql::parse(sql, &context.session)?;
        if changes(&statement) {
            check_may_change(context)?;
        }
        Ok(statement)
    }
}

/// One statement under way.
struct Run<'a> {
    warehouse: &'a Warehouse,
    context: Context,
    sql: &'a str,
    parameters: Parameters,
    /// The query as it was bound before, where that holds.
    bound: Option<Arc<BoundQuery>>,
    gauges: Arc<StatementGauges>,
}

impl Run<'_> {
    async fn statement(self, record: QueryRecord<Received>, statement: Statement) -> Result<Outcome> {
        match statement {
            Statement::Query(query) => self.query(record, StatementType::Select, &query).await,
            Statement::Cache(query) => self.cache(record, &query).await,
            Statement::DescribeQuery(query) => self.describe_query(record, &query).await,
            Statement::ShowPartitions(table) => self.partitions(record, &table).await,
            Statement::Explain(explained) => self.explain(record, &explained).await,
            Statement::Insert(insert) => {
                self.write(record, StatementType::Insert, Target::Insert(&insert)).await
            }
            Statement::Change(change) => self.change(record, &change).await,
            Statement::CreateTableAs(create) => {
                self.write(record, StatementType::Create, Target::Create(&create)).await
            }
            Statement::ExecuteAs(execute) => self.execute_as(record, execute).await,
            Statement::Proof(proof) => self.proof(record, &proof).await,
            Statement::Command(command) => self.command(record, &command).await,
        }
    }

    async fn proof(self, record: QueryRecord<Received>, proof: &Proof) -> Result<Outcome> {
        let mut record = record.commanded(StatementType::of_text(self.sql), self.gauges.clone());
        let work = async {
            match proof {
                Proof::ExplainPolicy(explain) => self.explain_policy(explain).await,
                Proof::DryRun(dry_run) => self.dry_run(dry_run).await,
                Proof::RunTests(selection) => self.policy_tests(selection).await,
            }
        };
        match record.telling(self.gauges.meter().future(work.boxed())).await {
            Ok(batch) => {
                record.finish().await?;
                Ok(Outcome::Rows(RowStream::of(batch)))
            }
            Err(error) => failed(record, error).await,
        }
    }

    /// What a statement is held to that writes.
    fn guard(&self, asked: Asked, stands_on: (&Arc<Scope>, &LogicalPlan)) -> Guard {
        let standing = self.warehouse.standing_on(&self.context, asked, stands_on);
        Guard { deadline: self.warehouse.limits.deadline, standing: Some(standing) }
    }

    /// Runs counts for this statement.
    fn counting(&self) -> Counting<'_> {
        Counting { context: &self.context, gauges: &self.gauges, deadline: self.warehouse.limits.deadline }
    }

    async fn partitions(self, record: QueryRecord<Received>, table: &ObjectReference) -> Result<Outcome> {
        let query = self.warehouse.partitions_query(&self.context, table);
        match self.gauges.meter().future(query.boxed()).await {
            Ok(query) => self.query(record, StatementType::Show, &query).await,
            Err(error) => failed(record, error).await,
        }
    }

    async fn describe_query(self, record: QueryRecord<Received>, query: &ast::Query) -> Result<Outcome> {
        let record = record.commanded(StatementType::Describe, self.gauges.clone());
        let planned = self.warehouse.plan(&self.context, query);
        let planned = self.gauges.meter().future(planned.boxed()).await;
        match planned.and_then(|planned| query_columns::rows(&planned.schema)) {
            Ok(batch) => {
                record.finish().await?;
                Ok(Outcome::Rows(RowStream::of(batch)))
            }
            Err(error) => failed(record, error).await,
        }
    }

    async fn explain(self, record: QueryRecord<Received>, explained: &Explain) -> Result<Outcome> {
        let Ready { planned, governed, .. } = match self.ready(&explained.query).await {
            Ok(ready) => ready,
            Err(error) => return failed(record, error).await,
        };
        let by = self.warehouse.governed_by(&planned.scope, &governed).await;
        let record = record.planned(StatementType::Explain).governed(by);
        self.gauges.watch(&governed);
        let mut record = record.running(self.gauges.clone());
        let lines = match explained.mode {
            ExplainMode::Plan => Ok(profile::plan_lines(&planned.scope, &governed)),
            ExplainMode::Analyze => record.telling(self.analyze(&explained.query, &planned, &governed)).await,
        };
        match lines.and_then(explain::rows) {
            Ok(batch) => {
                record.finish().await?;
                Ok(Outcome::Rows(RowStream::of(batch)))
            }
            Err(error) => failed(record, error).await,
        }
    }

    /// Runs the query to its end and tells what it did.
    async fn analyze(
        &self,
        query: &ast::Query,
        planned: &Planned,
        governed: &GovernedPlan,
    ) -> Result<Vec<String>> {
        self.drained(query, planned, governed).await?;
        Ok(profile::profile_lines(&planned.scope, governed, &self.gauges))
    }

    async fn write(
        self,
        record: QueryRecord<Received>,
        kind: StatementType,
        target: Target<'_>,
    ) -> Result<Outcome> {
        let writer = &self.warehouse.writer;
        let prepare = async {
            let snapshot = self.warehouse.snapshot_for(&self.context).await?;
            writer.prepare(&self.warehouse.engine, &self.context, &snapshot, &target, &self.parameters).await
        };
        let prepared = match self.gauges.meter().future(prepare.boxed()).await {
            Ok(Some(prepared)) => prepared,
            Ok(None) => {
                record.commanded(kind, self.gauges.clone()).finish().await?;
                return Ok(Outcome::Done { rows: Some(0), session: None });
            }
            Err(error) => return failed(record, error).await,
        };
        let by = self.warehouse.governed_by(prepared.stands_on().0, prepared.plan()).await;
        let record = record.planned(kind).governed(by);
        self.gauges.watch(prepared.plan());
        let mut record = record.running(self.gauges.clone());
        let asked = match target {
            Target::Insert(insert) => Asked::Insert(insert.table.clone(), insert.query.clone()),
            Target::Create(create) => Asked::Query(create.query.clone()),
        };
        let guard = self.guard(asked, prepared.stands_on());
        let rows = record.telling(writer.write(&self.context, prepared, &self.gauges, guard)).await;
        written(record, rows).await
    }

    async fn command(self, record: QueryRecord<Received>, command: &Command) -> Result<Outcome> {
        let mut record = record.commanded(StatementType::of_text(self.sql), self.gauges.clone());
        let work = command::run(&self.warehouse.commands, &self.context, command);
        match record.telling(self.gauges.meter().future(work.boxed())).await {
            Ok(outcome) => {
                match command::changes(command) {
                    true => record.finish_changed().await?,
                    false => record.finish().await?,
                }
                Ok(outcome)
            }
            Err(error) => failed(record, error).await,
        }
    }
}

/// The columns of what a proof returns.
fn proof_schema(proof: &Proof) -> SchemaRef {
    match proof {
        Proof::ExplainPolicy(_) => explain_policy::schema(),
        Proof::DryRun(_) => dry_run::schema(),
        Proof::RunTests(_) => policy_tests::schema(),
    }
}

/// Tells the books how a write ended, then the caller.
async fn written(record: QueryRecord<Running>, rows: Result<u64>) -> Result<Outcome> {
    match rows {
        Ok(rows) => {
            record.finish_changed().await?;
            Ok(Outcome::Done { rows: Some(rows), session: None })
        }
        Err(error) => failed(record, error).await,
    }
}

/// Tells the books, then the caller.
async fn failed<Phase, T>(record: QueryRecord<Phase>, error: Error) -> Result<T> {
    if let Err(unwritten) = record.fail(&error).await {
        tracing::error!(%unwritten, "a failed statement could not be entered in the books");
    }
    Err(error)
}
