//! The oracle: any query over a governed table answers like the same query over rows that plain
//! Rust has filtered and masked. Tables, policies and queries are made at random; nothing of the
//! server takes part in the expected answer.
//!
//! The number of cases and the seed are fixed; `PROPTEST_CASES` and `PROPTEST_RNG_SEED` change
//! them.

mod model;

use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use weir_testkit::{TestServer, Way, block_on};

use model::{Case, case};

/// Tables made at random; each is asked several queries through two ways.
const CASES: u32 = 48;
const SEED: u64 = 20_260_115;

#[test]
fn every_query_answers_like_the_filtered_and_masked_rows() {
    let mut config = Config { failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    if config.cases == Config::with_cases(256).cases {
        config.cases = CASES;
    }
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(SEED);
    }
    block_on(async move {
        let server = TestServer::start().await;
        server
            .prepare("GRANT USE CATALOG ON CATALOG main TO alice;\nGRANT USE SCHEMA ON SCHEMA main.default TO alice")
            .await;
        let count = std::cell::Cell::new(0);
        let mut runner = TestRunner::new(config);
        let runtime = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| {
            let ran = runner.run(&case(), |case| {
                count.set(count.get() + 1);
                let name = format!("main.default.t{}", count.get());
                runtime.block_on(check(&server, &name, &case)).map_err(TestCaseError::fail)
            });
            ran.unwrap_or_else(|failure| panic!("{failure}"));
        });
    });
}

async fn check(server: &TestServer, table: &str, case: &Case) -> Result<(), String> {
    for sql in case.definition(table) {
        server.client("admin").update(&sql).await.map_err(|refusal| format!("{sql}\n{refusal:?}"))?;
    }
    let client = server.client("alice");
    for query in &case.queries {
        let sql = query.sql(table);
        let expected = query.answer(&case.visible());
        for way in [Way::Statement, Way::Prepared] {
            let rows = way.ask(&client, &sql).await.map_err(|refusal| format!("{sql}\n{refusal:?}"))?;
            if rows.sorted() != expected {
                let found = rows.sorted();
                return Err(format!("{way:?}: {sql}\nexpected {expected:?}\nfound    {found:?}"));
            }
        }
    }
    Ok(())
}
