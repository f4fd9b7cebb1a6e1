//! Do row policies cost more here than in PostgreSQL, where they are part of the engine? Policy ÷ by hand of both servers
//! over the same rows of `lineitem`, one case after the other in one run.
//!
//! Both hold the policies `list` (five ship modes) and `map` (the modes that a mapping table gives to the user), which the
//! other side writes by hand. Times of the two servers are not compared: one reads columns in process, the other rows over a socket.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::csv::WriterBuilder;
use arrow::datatypes::{DataType, Field, Schema};
use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Row};
use weir_benches::rounds::{Answer, Case, Outcome, Side, Stopwatch, round_count, table, take_turns};
use weir_benches::warehouse::{ADMIN, ANALYST, EXEMPT, SCHEMA, SampleWarehouse, User};
use weir_benches::{Result, Workload};
use weir_catalog::store::suite::PostgresServer;

/// Where our copies and functions are.
const RLS: &str = "tpch.rls";
/// What is asked, of `lineitem` in either server.
const SUMS: &str = "count(*), sum(l_extendedprice), max(l_receiptdate)";
const POINT: &str = " AND l_orderkey = 4711";
/// The ship modes that the analyst may see.
const MODES: [&str; 5] = ["AIR", "RAIL", "SHIP", "TRUCK", "MAIL"];
/// The columns that are copied, with PostgreSQL's types.
const COLUMNS: [(&str, &str); 4] = [
    ("l_orderkey", "bigint"),
    ("l_extendedprice", "numeric(15,2)"),
    ("l_receiptdate", "date"),
    ("l_shipmode", "text"),
];

fn main() -> std::process::ExitCode {
    weir_benches::finish(measure())
}

async fn measure() -> Result<()> {
    let warehouse = SampleWarehouse::open(&Workload::load()?).await?;
    prepare(&warehouse).await?;
    let server = PostgresServer::start();
    let url = server.database().await;
    let owner = pool(url.parse()?).await?;
    fill(&warehouse, &owner).await?;
    let analyst = pool(url.parse::<PgConnectOptions>()?.username(ANALYST).password(ANALYST)).await?;
    let count = round_count(7)?;
    let (mut ours, mut theirs) = (Vec::<Outcome>::new(), Vec::<Outcome>::new());
    for policy in ["list", "map"] {
        for (name, and) in [(policy.to_owned(), ""), (format!("{policy}_point"), POINT)] {
            let table = format!("{RLS}.of_{policy}");
            let governed = User { warehouse: &warehouse, name: ANALYST };
            let exempt = User { warehouse: &warehouse, name: EXEMPT };
            let case = case(&name, &table, &format!("{RLS}.modes"), and);
            ours.extend(take_turns(&governed, &exempt, &[case], count).await?);
            let case = self::case(&name, &format!("of_{policy}"), "modes", and);
            theirs.extend(take_turns(&Postgres(&analyst), &Postgres(&owner), &[case], count).await?);
        }
    }
    println!(
        "policy / by hand, TPC-H scale {}, {count} rounds; CPU is of this process alone",
        warehouse.scale()
    );
    println!("Weir\n{}", table(&ours, "policy", "by hand"));
    println!("PostgreSQL\n{}", table(&theirs, "policy", "by hand"));
    Ok(())
}

/// What the analyst asks under the policy, and what the other side asks.
fn case(name: &str, table: &str, modes: &str, and: &str) -> Case {
    let by_hand = match name.starts_with("list") {
        true => listed("l_shipmode"),
        false => allowed(modes, &format!("'{ANALYST}'"), "l_shipmode"),
    };
    Case {
        name: name.to_owned(),
        left: format!("SELECT {SUMS} FROM {table} WHERE 1 = 1{and}"),
        right: format!("SELECT {SUMS} FROM {table} WHERE {by_hand}{and}"),
        ties: false,
    }
}

fn listed(mode: &str) -> String {
    format!("{mode} IN ({})", MODES.map(|mode| format!("'{mode}'")).join(", "))
}

fn allowed(modes: &str, user: &str, mode: &str) -> String {
    format!("EXISTS (SELECT 1 FROM {modes} AS m WHERE m.who = {user} AND m.mode = {mode})")
}

/// The users of the mapping table and their modes.
fn entitlements() -> String {
    let of_analyst = MODES.map(|mode| format!("('{ANALYST}', '{mode}')"));
    format!("{}, ('{EXEMPT}', 'FOB')", of_analyst.join(", "))
}

/// Two copies of `lineitem` under one policy each.
async fn prepare(warehouse: &SampleWarehouse) -> Result<()> {
    let columns = COLUMNS.map(|(name, _)| name).join(", ");
    let mut script = vec![
        (ADMIN, format!("DROP SCHEMA IF EXISTS {RLS} CASCADE")),
        (ADMIN, format!("CREATE SCHEMA {RLS}")),
        (ADMIN, format!("GRANT SELECT ON SCHEMA {RLS} TO {EXEMPT}")),
        (ADMIN, format!("GRANT CREATE TABLE ON SCHEMA {RLS} TO {EXEMPT}")),
        (ADMIN, format!("CREATE TABLE {RLS}.modes (who STRING, mode STRING)")),
        (ADMIN, format!("INSERT INTO {RLS}.modes VALUES {}", entitlements())),
        (ADMIN, format!("GRANT SELECT ON TABLE {RLS}.modes TO {EXEMPT}")),
    ];
    let in_map = allowed(&format!("{RLS}.modes"), "session_user()", "value");
    for (policy, body) in [("list", listed("value")), ("map", in_map)] {
        let table = format!("{RLS}.of_{policy}");
        let function = format!("{RLS}.by_{policy}");
        // Admin may read no more than anybody: the one whom the policies spare copies.
        script.push((EXEMPT, format!("CREATE TABLE {table} AS SELECT {columns} FROM {SCHEMA}.lineitem")));
        script.push((ADMIN, format!("GRANT SELECT ON TABLE {table} TO {ANALYST}")));
        script.push((
            ADMIN,
            format!(
                "CREATE FUNCTION {function}(value STRING) RETURNS BOOLEAN RETURN is_account_group_member('exempt') OR {body}"
            ),
        ));
        script.push((ADMIN, format!("ALTER TABLE {table} SET ROW FILTER {function} ON (l_shipmode)")));
    }
    for (user, sql) in script {
        warehouse.run(user, &sql).await.map_err(|error| format!("{sql}: {error}"))?;
    }
    Ok(())
}

async fn pool(options: PgConnectOptions) -> Result<PgPool> {
    Ok(PgPoolOptions::new().max_connections(1).connect_with(options).await?)
}

/// The same rows and policies in PostgreSQL, with an index for the point query. The owner is not under them.
async fn fill(warehouse: &SampleWarehouse, owner: &PgPool) -> Result<()> {
    let columns = COLUMNS.map(|(name, _)| name).join(", ");
    let rows = warehouse.run(EXEMPT, &format!("SELECT {columns} FROM {SCHEMA}.lineitem")).await?;
    let defined = COLUMNS.map(|(name, kind)| format!("{name} {kind}")).join(", ");
    let mut script = vec![
        format!("CREATE ROLE {ANALYST} LOGIN PASSWORD '{ANALYST}'"),
        "CREATE TABLE modes (who text, mode text)".to_owned(),
        format!("INSERT INTO modes VALUES {}", entitlements()),
    ];
    let in_map = allowed("modes", "current_user", "l_shipmode");
    for (policy, condition) in [("list", listed("l_shipmode")), ("map", in_map)] {
        let table = format!("of_{policy}");
        run(owner, &format!("CREATE TABLE {table} ({defined})")).await?;
        copy(owner, &table, &rows.batches).await?;
        script.push(format!("CREATE INDEX ON {table} (l_orderkey)"));
        script.push(format!("CREATE POLICY p ON {table} FOR SELECT TO {ANALYST} USING ({condition})"));
        script.push(format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"));
    }
    script.push(format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {ANALYST}"));
    script.push("VACUUM ANALYZE".to_owned());
    for sql in script {
        run(owner, &sql).await?;
    }
    Ok(())
}

async fn run(pool: &PgPool, sql: &str) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(pool)
        .await
        .map_err(|error| format!("{sql}: {error}"))?;
    Ok(())
}

async fn copy(pool: &PgPool, table: &str, batches: &[RecordBatch]) -> Result<()> {
    let mut connection = pool.acquire().await?;
    let mut sink = connection.copy_in_raw(&format!("COPY {table} FROM STDIN (FORMAT csv)")).await?;
    for batch in batches {
        let mut text = Vec::new();
        WriterBuilder::new().with_header(false).build(&mut text).write(batch)?;
        sink.send(text).await?;
    }
    sink.finish().await?;
    Ok(())
}

/// PostgreSQL, asked over its connection.
struct Postgres<'a>(&'a PgPool);

#[async_trait]
impl Side for Postgres<'_> {
    async fn run(&self, sql: &str) -> Result<Answer> {
        let text = format!("SELECT CAST(to_jsonb(t) AS text) FROM ({sql}) AS t");
        let watch = Stopwatch::start();
        let rows = sqlx::query(AssertSqlSafe(text)).fetch_all(self.0).await?;
        let lines = rows.iter().map(|row| row.try_get::<String, _>(0)).collect::<sqlx::Result<Vec<_>>>()?;
        let schema = Arc::new(Schema::new(vec![Field::new("row", DataType::Utf8, true)]));
        let lines: ArrayRef = Arc::new(StringArray::from(lines));
        Ok(watch.answer(Duration::ZERO, vec![RecordBatch::try_new(schema, vec![lines])?]))
    }
}
