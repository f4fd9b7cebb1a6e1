//! Generated cases (`weir-generator`) over real Delta tables: partitioned, with column mapping, with columns that came
//! later, in several files; and each query through every way in.
//!
//! The answer that alice must have is the administrator's to the same query over copies, made by CREATE TABLE AS from what
//! the policies say when they are written out as a plain query. `make fuzz CASES=… SEED=…` looks longer.

mod changes;
mod golden;

use std::cell::Cell;

use weir_generator::{Campaign, Query, Setup, query, setup};
use weir_testkit::{ADMIN, Refusal, Rows, TestServer, Told, Way, block_on};

/// Set-ups of an ordinary run; each is asked several queries.
const CASES: u64 = 8;

/// Tables and what is asked of them.
#[derive(Debug, Clone)]
struct Case {
    setup: Setup,
    queries: Vec<Query>,
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.setup)?;
        self.queries.iter().try_for_each(|query| write!(f, "\n{};", query.sql("main.hr", None)))
    }
}

fn cases() -> impl proptest::strategy::Strategy<Value = Case> {
    use proptest::strategy::Strategy as _;
    let queries = proptest::collection::vec(query(), 4..9);
    (setup(16), queries).prop_map(|(setup, queries)| Case { setup: setup.unfailing(), queries })
}

/// The schemas of one case: `governed` with policies, `raw` with the same rows and none, `copy` with what alice sees.
struct Ground<'a> {
    server: &'a TestServer,
    case: &'a Case,
    governed: String,
    raw: String,
    copy: String,
}

impl Ground<'_> {
    async fn done(&self, sql: &str) -> Result<(), String> {
        let told = self.server.client(ADMIN).update(sql).await;
        told.map(drop).map_err(|refusal| format!("{sql}\n{refusal:?}"))
    }

    async fn lay(&self) -> Result<(), String> {
        let setup = &self.case.setup;
        let mut statements = self.schemas();
        statements.extend(setup.tables(&self.raw));
        statements.extend(setup.tables(&self.governed));
        statements.extend(setup.policies(&self.governed));
        statements.extend(self.copies());
        self.all_done(&statements).await
    }

    async fn all_done(&self, statements: &[String]) -> Result<(), String> {
        for statement in statements {
            self.done(statement).await?;
        }
        Ok(())
    }

    fn schemas(&self) -> Vec<String> {
        let schemas = [&self.governed, &self.raw, &self.copy];
        let made = schemas.into_iter().map(|schema| format!("CREATE SCHEMA {schema}"));
        made.chain([format!("GRANT USE SCHEMA ON SCHEMA {} TO alice", self.governed)]).collect()
    }

    /// What alice may read, and the copies of what she sees.
    fn copies(&self) -> Vec<String> {
        let setup = &self.case.setup;
        let (governed, raw, copy) = (&self.governed, &self.raw, &self.copy);
        let granted =
            ["t", "u", "plain", "w"].map(|name| format!("GRANT SELECT ON TABLE {governed}.{name} TO alice"));
        let visible = setup.governed().map(|(name, governed)| {
            let seen = setup.visible(governed, &format!("{raw}.{name}"), &format!("{raw}.mapping"), &[]);
            format!("CREATE TABLE {copy}.{name} AS {seen}")
        });
        let plain = format!("CREATE TABLE {copy}.plain AS SELECT * FROM {raw}.plain");
        let view = format!("CREATE VIEW {copy}.w AS {}", setup.view_inline(&format!("{copy}.t")));
        granted.into_iter().chain(visible).chain([plain, view]).collect()
    }

    /// Whether some row that alice sees makes the query fail.
    async fn may_fail(&self, query: &Query) -> Result<bool, String> {
        let Some(sql) = query.failing_rows(&self.copy, self.case.setup.view_is_sealed()) else {
            return Ok(false);
        };
        let told = self.server.sql(ADMIN, &sql).await;
        told.map(|rows| rows.value() != "0").map_err(|refusal| format!("{sql}\n{refusal:?}"))
    }

    async fn check(&self, query: &Query) -> Result<bool, String> {
        let may_fail = self.may_fail(query).await?;
        let expected = self.server.sql(ADMIN, &query.sql(&self.copy, None)).await;
        let alice = self.server.client("alice");
        let sql = query.sql(&self.governed, None);
        for way in Way::ALL {
            let got = way.ask(&alice, &sql).await;
            if !agree(&expected, &got, query.ordered, may_fail) {
                let lines = |told: &Told<Rows>| told.as_ref().map(Rows::lines).map_err(Clone::clone);
                return Err(format!(
                    "{way:?}: {sql}\nexpected {:?}\ngot      {:?}",
                    lines(&expected),
                    lines(&got)
                ));
            }
        }
        Ok(expected.is_ok_and(|rows| rows.count() > 0))
    }
}

fn agree(expected: &Told<Rows>, got: &Told<Rows>, ordered: bool, may_fail: bool) -> bool {
    match (expected, got) {
        (Ok(expected), Ok(got)) if ordered => expected.lines() == got.lines(),
        (Ok(expected), Ok(got)) => expected.sorted() == got.sorted(),
        (Err(_), Ok(_)) => may_fail,
        (Ok(_), Err(refusal)) => may_fail && of_a_value(refusal),
        // What both do not support they refuse alike.
        (Err(expected), Err(refusal)) => {
            may_fail && of_a_value(expected) && of_a_value(refusal)
                || !of_a_value(expected) && !of_a_value(refusal) && expected.code == refusal.code
        }
    }
}

fn of_a_value(refusal: &Refusal) -> bool {
    ["DIVIDE_BY_ZERO", "CAST_INVALID_INPUT", "ARITHMETIC_ERROR"]
        .iter()
        .any(|condition| refusal.text.contains(condition))
}

/// A server with alice and her groups.
async fn server() -> TestServer {
    let server = TestServer::start().await;
    server
        .prepare(
            "CREATE GROUP x;
             CREATE GROUP y;
             CREATE GROUP z;
             ALTER GROUP x ADD USER alice;
             ALTER GROUP y ADD USER alice;
             GRANT USE CATALOG ON CATALOG main TO alice",
        )
        .await;
    server
}

/// Lays the ground of each case with `lay` and asks its queries.
fn hold(server: &TestServer, campaign: Campaign, lay: impl AsyncFn(&Ground<'_>) -> Result<(), String>) {
    let (number, asked, answered) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let runtime = tokio::runtime::Handle::current();
    let check = |case: &Case| {
        number.set(number.get() + 1);
        let schema = |kind: &str| format!("main.{kind}{}", number.get());
        let (governed, raw, copy) = (schema("g"), schema("r"), schema("c"));
        let ground = Ground { server, case, governed, raw, copy };
        runtime.block_on(async {
            lay(&ground).await?;
            for query in &case.queries {
                asked.set(asked.get() + 1);
                answered.set(answered.get() + usize::from(ground.check(query).await?));
            }
            Ok(())
        })
    };
    let ran = tokio::task::block_in_place(|| campaign.run(&cases(), check));
    ran.unwrap_or_else(|why| panic!("{why}"));
    assert!(answered.get() * 5 > asked.get(), "of {} queries {} had rows", asked.get(), answered.get());
}

#[test]
fn a_generated_table_answers_as_its_copy_through_every_way() {
    block_on(async move {
        let server = server().await;
        hold(&server, Campaign::of(CASES).unwrap(), async |ground| ground.lay().await);
    });
}
