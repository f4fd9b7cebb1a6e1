//! Generated changes of governed tables: alice changes what she sees and nothing else, and each version stays what it was.

use std::cell::Cell;
use std::fmt;

use proptest::strategy::Strategy;
use weir_generator::{Campaign, Change, Outcome, Setup, change, setup};
use weir_testkit::{ADMIN, TestServer, block_on};

use super::{Case, Ground, server};

/// Set-ups of an ordinary run; each sees several changes.
const CASES: u64 = 8;

/// Tables and what is done to them, one after the other.
#[derive(Debug, Clone)]
struct Story {
    setup: Setup,
    changes: Vec<Change>,
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.setup)?;
        self.changes.iter().try_for_each(|change| write!(f, "\n{change};"))
    }
}

fn stories() -> impl Strategy<Value = Story> {
    let changes = proptest::collection::vec(change(), 2..6);
    (setup(16), changes).prop_map(|(setup, changes)| Story { setup: setup.unfailing(), changes })
}

/// What became of the changes of all stories.
#[derive(Debug, Default)]
struct Tally {
    done: Cell<usize>,
    refused: Cell<usize>,
    rows: Cell<i64>,
}

/// A story under way.
struct Told<'a> {
    ground: Ground<'a>,
    tally: &'a Tally,
}

const COLUMNS: &str = "a, b, c, d, e, f, g, p";

impl Told<'_> {
    async fn value(&self, sql: &str) -> Result<i64, String> {
        let told = self.ground.server.sql(ADMIN, sql).await;
        let text = told.map_err(|refusal| format!("{sql}\n{refusal:?}"))?.value();
        text.parse().map_err(|_| format!("{sql}\nis no number: {text}"))
    }

    async fn lines(&self, user: &str, sql: &str) -> Result<Vec<String>, String> {
        let told = self.ground.server.sql(user, sql).await;
        told.map(|rows| rows.sorted()).map_err(|refusal| format!("{user}: {sql}\n{refusal:?}"))
    }

    async fn same(&self, what: &str, (user, got): (&str, &str), expected: &str) -> Result<(), String> {
        let (got, expected) = (self.lines(user, got).await?, self.lines(ADMIN, expected).await?);
        match got == expected {
            true => Ok(()),
            false => Err(format!("{what}\nexpected {expected:#?}\ngot      {got:#?}")),
        }
    }

    /// The table with all rows that is to be there after so many changes.
    fn all(&self, step: usize) -> String {
        format!("{}.t{step}", self.ground.raw)
    }

    /// What alice sees of it.
    fn visible(&self, step: usize) -> String {
        let setup = &self.ground.case.setup;
        setup.visible(&setup.t, &self.all(step), &format!("{}.mapping", self.ground.raw), &[])
    }

    /// Does the change, and makes the table that is to be there afterwards.
    async fn change(&self, change: &Change, step: usize) -> Result<(), String> {
        let (setup, ground) = (&self.ground.case.setup, &self.ground);
        let mapping = format!("{}.mapping", ground.raw);
        let before = self.all(step - 1);
        let Outcome { after, new_rows, count } =
            change.outcome(setup, &before, &mapping, (&ground.copy, step));
        let keep = |rows: &str| format!("CREATE TABLE {} AS {rows}", self.all(step));
        let unchanged = format!("SELECT * FROM {before}");
        let Some(sql) = change.sql(&ground.governed) else { return ground.done(&keep(&unchanged)).await };
        let new = self.value(&format!("SELECT count(*) FROM ({new_rows}) n")).await?;
        let seen = setup.visible(&setup.t, &format!("({new_rows})"), &mapping, &["rid"]);
        let hidden = new != self.value(&format!("SELECT count(*) FROM ({seen}) n")).await?;
        let (masked, certainly) = change.stores_masked(setup);
        let told = ground.server.client("alice").update(&sql).await;
        let add = |counter: &Cell<usize>| counter.set(counter.get() + 1);
        match told {
            Ok(rows) => {
                if hidden || certainly {
                    return Err(format!(
                        "{sql}\nwas done: {rows:?}; hides new rows: {hidden}, stores masks: {certainly}"
                    ));
                }
                let expected = self.value(&count).await?;
                if rows != expected {
                    return Err(format!("{sql}\nsays {rows:?} rows, not {expected}"));
                }
                add(&self.tally.done);
                self.tally.rows.set(self.tally.rows.get() + expected);
                ground.done(&keep(&after)).await
            }
            Err(refusal) => {
                let of = |condition: &str| refusal.text.contains(condition);
                if !(masked && of("MASKED_VALUE_WRITE") || hidden && of("ROW_FILTER_CHECK_VIOLATION")) {
                    return Err(format!("{sql}\n{refusal:?}"));
                }
                add(&self.tally.refused);
                ground.done(&keep(&unchanged)).await
            }
        }
    }

    /// The table's version, as its history tells it.
    async fn version(&self) -> Result<String, String> {
        let sql = format!("DESCRIBE HISTORY {}.t LIMIT 1", self.ground.governed);
        let lines = self.lines("alice", &sql).await?;
        let first = lines.first().and_then(|line| line.split(" | ").next());
        first.map(str::to_owned).ok_or_else(|| format!("{sql}\nhas no row"))
    }

    async fn run(&self, changes: &[Change]) -> Result<(), String> {
        let ground = &self.ground;
        let governed = format!("{}.t", ground.governed);
        ground.lay().await?;
        ground.done(&format!("GRANT MODIFY ON TABLE {governed} TO alice")).await?;
        let numbered =
            format!("SELECT row_number() OVER (ORDER BY {COLUMNS}) AS rid, * FROM {}.t", ground.raw);
        ground.done(&format!("CREATE TABLE {} AS {numbered}", self.all(0))).await?;
        let mut versions = vec![self.version().await?];
        for (place, change) in changes.iter().enumerate() {
            self.change(change, place + 1).await?;
            versions.push(self.version().await?);
            let seen = format!("SELECT {COLUMNS} FROM {governed}");
            self.same(&format!("after {change}"), ("alice", &seen), &self.visible(place + 1)).await?;
        }
        for (step, version) in versions.iter().enumerate() {
            let then = format!("SELECT {COLUMNS} FROM {governed} VERSION AS OF {version}");
            self.same(&format!("version {version}"), ("alice", &then), &self.visible(step)).await?;
        }
        for mask in &ground.case.setup.t.masks {
            ground.done(&format!("ALTER TABLE {governed} ALTER COLUMN {} DROP MASK", mask.column)).await?;
        }
        if ground.case.setup.t.filter.is_some() {
            ground.done(&format!("ALTER TABLE {governed} DROP ROW FILTER")).await?;
        }
        let (got, all) = (format!("SELECT {COLUMNS} FROM {governed}"), self.all(changes.len()));
        self.same("all rows at the end", ("alice", &got), &format!("SELECT {COLUMNS} FROM {all}")).await
    }
}

fn hold(server: &TestServer, campaign: Campaign) -> Tally {
    let (number, tally) = (Cell::new(0), Tally::default());
    let runtime = tokio::runtime::Handle::current();
    let check = |story: &Story| {
        number.set(number.get() + 1);
        let schema = |kind: &str| format!("main.{kind}{}", number.get());
        let (governed, raw, copy) = (schema("g"), schema("r"), schema("c"));
        let case = Case { setup: story.setup.clone(), queries: Vec::new() };
        let ground = Ground { server, case: &case, governed, raw, copy };
        runtime.block_on(Told { ground, tally: &tally }.run(&story.changes))
    };
    let ran = tokio::task::block_in_place(|| campaign.run(&stories(), check));
    ran.unwrap_or_else(|why| panic!("{why}"));
    tally
}

#[test]
fn a_generated_change_touches_what_its_writer_sees_and_every_version_stays() {
    block_on(async move {
        let server = server().await;
        let tally = hold(&server, Campaign::of(CASES).unwrap());
        let (done, refused, rows) = (tally.done.get(), tally.refused.get(), tally.rows.get());
        assert!(done > 0 && refused > 0 && rows > 0, "done {done}, refused {refused}, rows {rows}");
    });
}
