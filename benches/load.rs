//! How does a small statement grow with what it does not ask for? One row by its key over Flight SQL: of 1 to 64 sessions at
//! once, among 10 to 10,000 policies of another schema and 10 to 1,000 of its own that match no column, and with 1 to 16
//! masked columns.
//!
//! Medians; draws `sessions.svg`, `policies.svg` and `masks.svg` in the cache directory's `weir` folder.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use futures::future::try_join_all;
use weir_benches::Result;
use weir_benches::plot::{Line, Plot};
use weir_benches::rounds::{Stopwatch, median};
use weir_benches::warehouse::{ADMIN, ANALYST, SCHEMA, SampleWarehouse, Serving};
use weir_testkit::Client;

const SESSIONS: [usize; 4] = [1, 4, 16, 64];
const POLICIES_ELSEWHERE: [usize; 4] = [10, 100, 1_000, 10_000];
const POLICIES_HERE: [usize; 3] = [10, 100, 1_000];
const MASKED: [usize; 5] = [1, 2, 4, 8, 16];
const ROWS: i64 = 10_000;
/// Statements of a client for each figure.
const STATEMENTS: i64 = 200;
const WARM_UP: i64 = 20;

fn main() -> std::process::ExitCode {
    weir_benches::finish(measure())
}

async fn measure() -> Result<()> {
    let ground = tempfile::tempdir()?;
    let warehouse = SampleWarehouse::over(ground.path().to_owned(), 1.0).await?;
    prepare(&warehouse).await?;
    let serving = warehouse.serve().await?;
    sessions(&warehouse, &serving).await?;
    masks(&warehouse, &serving).await?;
    policies(&warehouse, &serving).await?;
    serving.stop().await
}

async fn told(warehouse: &SampleWarehouse, sql: &str) -> Result<()> {
    warehouse.run(ADMIN, sql).await.map_err(|error| format!("{sql}: {error}"))?;
    Ok(())
}

/// A table of a key and as many columns as are masked at most.
async fn prepare(warehouse: &SampleWarehouse) -> Result<()> {
    let names: Vec<String> =
        (0..MASKED.iter().copied().max().unwrap_or(0)).map(|n| format!("c{n}")).collect();
    let columns: Vec<String> = names.iter().map(|name| format!("{name} STRING")).collect();
    for sql in [
        "CREATE CATALOG tpch".to_owned(),
        format!("CREATE SCHEMA {SCHEMA}"),
        "CREATE SCHEMA tpch.elsewhere".to_owned(),
        format!("CREATE TABLE {SCHEMA}.points (id BIGINT, {})", columns.join(", ")),
        format!("CREATE FUNCTION {SCHEMA}.hidden(value STRING) RETURNS STRING RETURN '***'"),
        format!("CREATE FUNCTION {SCHEMA}.open() RETURNS BOOLEAN RETURN TRUE"),
        "CREATE GOVERNED TAG secret".to_owned(),
        format!("CREATE USER {ANALYST}"),
        format!("GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG tpch TO {ANALYST}"),
    ] {
        told(warehouse, &sql).await?;
    }
    let text: ArrayRef = Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| format!("text {row}"))));
    let mut arrays: Vec<(String, ArrayRef)> =
        vec![("id".to_owned(), Arc::new(Int64Array::from_iter_values(0..ROWS)))];
    arrays.extend(names.into_iter().map(|name| (name, Arc::clone(&text))));
    warehouse.append("points", RecordBatch::try_from_iter(arrays)?).await
}

/// A session of its own.
fn client(warehouse: &SampleWarehouse, serving: &Serving) -> Result<Client> {
    Ok(Client::anonymous(serving.address).with_token(warehouse.token(ANALYST)?.reveal()))
}

/// The time of each of a client's statements in milliseconds, those that warm up left out.
async fn asked(client: Client) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    for statement in 0..WARM_UP + STATEMENTS {
        let key = statement * 37 % ROWS;
        let begun = Stopwatch::start();
        let rows = client.statement(&format!("SELECT * FROM {SCHEMA}.points WHERE id = {key}")).await;
        let rows = rows.map_err(|refusal| refusal.text)?;
        if rows.count() != 1 {
            return Err(format!("{} rows have the key {key}", rows.count()).into());
        }
        if statement >= WARM_UP {
            times.push(begun.wall().as_secs_f64() * 1e3);
        }
    }
    Ok(times)
}

async fn sessions(warehouse: &SampleWarehouse, serving: &Serving) -> Result<()> {
    let (mut middle, mut late, mut rate) = (Vec::new(), Vec::new(), Vec::new());
    println!("| sessions | p50 ms | p99 ms | statements a second |\n|---|---|---|---|");
    for count in SESSIONS {
        let clients = (0..count).map(|_| client(warehouse, serving)).collect::<Result<Vec<_>>>()?;
        let begun = Stopwatch::start();
        let asking = clients.into_iter().map(asked);
        let mut times: Vec<f64> = try_join_all(asking).await?.into_iter().flatten().collect();
        let done = count as f64 * (WARM_UP + STATEMENTS) as f64 / begun.wall().as_secs_f64();
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
        println!("| {count} | {:.2} | {:.2} | {done:.0} |", at(0.5), at(0.99));
        middle.push((count as f64, at(0.5)));
        late.push((count as f64, at(0.99)));
        rate.push((count as f64, done));
    }
    let line = |name: &str, points| Line { name: name.to_owned(), points };
    let plot = Plot {
        title: "One row by its key, by sessions that ask at once".to_owned(),
        across: "sessions".to_owned(),
        up: "milliseconds, or statements".to_owned(),
        lines: vec![
            line("median, ms", middle),
            line("99 of 100 are faster, ms", late),
            line("statements a second", rate),
        ],
    };
    plot.write("sessions.svg")
}

/// The median of a client's statements.
async fn cost(warehouse: &SampleWarehouse, serving: &Serving) -> Result<f64> {
    Ok(median(&asked(client(warehouse, serving)?).await?))
}

async fn masks(warehouse: &SampleWarehouse, serving: &Serving) -> Result<()> {
    println!("\n| masked columns | p50 ms |\n|---|---|\n| 0 | {:.2} |", cost(warehouse, serving).await?);
    let (mut points, mut masked) = (Vec::new(), 0);
    for count in MASKED {
        for column in masked..count {
            let sql = format!("ALTER TABLE {SCHEMA}.points ALTER COLUMN c{column} SET MASK {SCHEMA}.hidden");
            told(warehouse, &sql).await?;
        }
        masked = count;
        let took = cost(warehouse, serving).await?;
        println!("| {count} | {took:.2} |");
        points.push((count as f64, took));
    }
    for column in 0..masked {
        told(warehouse, &format!("ALTER TABLE {SCHEMA}.points ALTER COLUMN c{column} DROP MASK")).await?;
    }
    let plot = Plot {
        title: "One row by its key, by masked columns of 17".to_owned(),
        across: "masked columns".to_owned(),
        up: "milliseconds".to_owned(),
        lines: vec![Line { name: "median".to_owned(), points }],
    };
    plot.write("masks.svg")
}

async fn policies(warehouse: &SampleWarehouse, serving: &Serving) -> Result<()> {
    println!("\n| policies | p50 ms |\n|---|---|\n| none | {:.2} |", cost(warehouse, serving).await?);
    let mut lines = Vec::new();
    for (name, schema, sizes) in [
        ("of another schema", "tpch.elsewhere", POLICIES_ELSEWHERE.as_slice()),
        ("of the table's schema", SCHEMA, POLICIES_HERE.as_slice()),
    ] {
        let (mut points, mut made) = (Vec::new(), 0);
        for count in sizes.iter().copied() {
            for policy in made..count {
                told(
                    warehouse,
                    &format!(
                        "CREATE POLICY p{policy} ON SCHEMA {schema} ROW FILTER {SCHEMA}.open TO {ANALYST} FOR TABLES \
                         MATCH COLUMNS has_tag('secret') AS c ON NO MATCH SKIP"
                    ),
                )
                .await?;
            }
            made = count;
            let took = cost(warehouse, serving).await?;
            println!("| {count} {name} | {took:.2} |");
            points.push((count as f64, took));
        }
        lines.push(Line { name: name.to_owned(), points });
    }
    let plot = Plot {
        title: "One row by its key, by policies that do not govern it".to_owned(),
        across: "policies".to_owned(),
        up: "milliseconds".to_owned(),
        lines,
    };
    plot.write("policies.svg")
}
