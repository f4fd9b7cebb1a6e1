//! What does governance cost? A governed query ÷ the same query with predicates and masks written by
//! hand, asked by a user whom each policy lets through. Both go through the spine, in process.

use weir_benches::rounds::{Case, round_count, table, take_turns};
use weir_benches::warehouse::{ANALYST, EXEMPT, SCHEMA, SampleWarehouse, User};
use weir_benches::{Form, Result, Workload};

fn main() -> std::process::ExitCode {
    weir_benches::finish(measure())
}

async fn measure() -> Result<()> {
    let workload = Workload::load()?;
    let warehouse = SampleWarehouse::open(&workload).await?;
    let columns = warehouse.columns().await?;
    let only = weir_benches::warehouse::environment("WEIR_BENCH_QUERY");
    let queries =
        workload.queries.iter().filter(|query| only.as_ref().is_none_or(|name| *name == query.name));
    let cases: Vec<Case> = queries
        .map(|query| Case {
            name: query.name.clone(),
            left: workload.text(query, Form::Governed { schema: SCHEMA }),
            right: workload.text(query, Form::ByHand { schema: SCHEMA, columns: &columns }),
            ties: query.ties,
        })
        .collect();
    let count = round_count(7)?;
    let governed = User { warehouse: &warehouse, name: ANALYST };
    let by_hand = User { warehouse: &warehouse, name: EXEMPT };
    let outcomes = take_turns(&governed, &by_hand, &cases, count).await?;
    println!("governed / by hand, TPC-H scale {}, {count} rounds", warehouse.scale());
    println!("{}", table(&outcomes, "governed", "by hand"));
    Ok(())
}
