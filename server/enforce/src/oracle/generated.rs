//! Generated cases: tables, policies and queries of every shape (`weir-generator`), of which alice asks.
//!
//! * The governed answer is the one that the plain engine gives over a filtered and masked copy ([`seen`]).
//! * A twin, which differs in nothing that she sees, gives the same rows in the same order, the same errors, schema and
//!   policies, and the same kinds of operators; where all its leaves are strict the same EXPLAIN and the same numbers.
//! * A function that remembers its arguments is called with what she sees and with nothing else.
//! * With any one rule of the optimiser left out the answer stays, or there is none.
//!
//! A policy that fails on some row may end any statement in an error, in words that tell nothing. A query that fails on
//! some row that she sees may fail or not, as the engine orders its work; one that fails on none must not.

mod asking;
mod plain;
mod seen;

use std::collections::BTreeSet;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::DataType;
use proptest::collection::vec;
use proptest::prelude::*;
use weir_generator::{COLUMNS, Campaign, Query, Setup, query, setup};

use self::asking::{Answer, ask, fill, governed};
use self::plain::Plain;
use self::seen::{Seen, rendered, twin};
use crate::permit::Barrier;
use crate::test_world::World;

/// Cases of an ordinary run; each asks up to eight queries.
const CASES: u64 = 240;
/// Of so many cases one is asked with each rule left out.
const WITH_RULES: u64 = 40;

/// Tables and what is asked of them.
#[derive(Debug, Clone)]
struct Case {
    setup: Setup,
    queries: Vec<Query>,
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.setup)?;
        self.queries.iter().try_for_each(|query| write!(f, "\n{query};"))
    }
}

fn cases() -> impl Strategy<Value = Case> {
    (setup(24), vec(query(), 1..9)).prop_map(|(setup, queries)| Case { setup, queries })
}

/// A case with all that is made of it.
struct Trial<'a> {
    setup: &'a Setup,
    t: Seen,
    u: Seen,
    copy: Plain,
    view: RecordBatch,
    plain: RecordBatch,
}

impl<'a> Trial<'a> {
    async fn new(setup: &'a Setup) -> Result<Self, String> {
        let t = Seen::of(setup, &setup.t, &setup.t.rows).await?;
        let u = Seen::of(setup, &setup.u, &setup.u.rows).await?;
        let (copy, view) = plain::copy(setup, &t, &u).await?;
        Ok(Self { setup, t, u, copy, view, plain: plain::keyed(&setup.plain) })
    }

    fn policy_may_fail(&self) -> bool {
        self.setup.t.may_fail() || self.setup.u.may_fail()
    }

    /// Whether some row that alice sees makes the query fail.
    async fn may_fail(&self, query: &Query) -> Result<bool, String> {
        let Some(sql) = query.failing_rows("", self.setup.view_is_sealed()) else { return Ok(false) };
        let counted = self.copy.lines(&sql).await.map_err(|why| format!("{sql}: {why}"))?;
        Ok(counted != ["0"])
    }

    /// What is wrong with an answer, if anything.
    async fn check(&self, query: &Query, expected: &Told, got: &Answer) -> Result<(), String> {
        let may_fail = self.may_fail(query).await?;
        let wrong =
            |what: &str| Err(format!("{what}\n{query}\nexpected {expected:?}\ngot      {:?}", got.told));
        match (expected, &got.told) {
            (_, Err(text)) if self.policy_may_fail() && failed_policy(text) => Ok(()),
            (Ok(expected), Ok(rows)) => match same(expected, rows, query.ordered) {
                true => Ok(()),
                false => wrong("another answer than over the copy"),
            },
            (Err(_), Ok(_)) if may_fail => Ok(()),
            // What the plain engine cannot plan it says nothing of.
            (Err(text), Ok(_)) if !failure_of_a_value(text) => Ok(()),
            (Err(_), Ok(_)) => wrong("the copy fails though no row does"),
            (Ok(_), Err(text)) if may_fail && failure_of_a_value(text) => Ok(()),
            // A predicate on one side of a join may be asked of the other: where the copy fails, so may the table.
            (Err(left), Err(right)) if failure_of_a_value(left) == failure_of_a_value(right) => Ok(()),
            _ => wrong("an error that no row which alice sees gives"),
        }
    }

    /// What the function that remembers was called with and should not have been.
    fn check_spied(&self, query: &Query, got: &Answer) -> Result<(), String> {
        let mut open = BTreeSet::from(["NULL".to_owned()]);
        // A predicate on one side of a join's equality may be asked of the other, whose rows she sees too.
        let sql = query.sql("", None);
        let others = [
            (&self.u.copy, " u "),
            (&self.plain, " plain "),
            (&self.t.copy, " t o "),
            (&self.t.copy, " t r "),
        ];
        for (rows, _) in others.into_iter().filter(|(_, named)| sql.contains(named)) {
            rows.schema().fields().iter().for_each(|field| open.extend(rendered(rows, field.name())));
        }
        let sealed = query.asks_view() && self.setup.view_is_sealed();
        for column in query.spied() {
            open.extend(rendered(if sealed { &self.view } else { &self.t.copy }, column));
        }
        let leaked: Vec<&String> = got.spied.iter().filter(|value| !open.contains(*value)).collect();
        match leaked.is_empty() {
            true => Ok(()),
            false => Err(format!("the function was called with {leaked:?}\n{query}")),
        }
    }
}

/// Lines of an answer, or its error.
type Told = Result<Vec<String>, String>;

fn same(left: &[String], right: &[String], ordered: bool) -> bool {
    let sorted = |lines: &[String]| {
        let mut lines = lines.to_vec();
        lines.sort();
        lines
    };
    match ordered {
        true => left == right,
        false => sorted(left) == sorted(right),
    }
}

fn failed_policy(text: &str) -> bool {
    ["main.hr.t", "main.hr.u"]
        .iter()
        .any(|table| text.contains(&format!("a policy of `{table}` failed on some row")))
}

fn failure_of_a_value(text: &str) -> bool {
    let text = text.to_lowercase();
    ["divide by zero", "cannot cast", "can't cast", "cast error", "overflow"]
        .iter()
        .any(|told| text.contains(told))
}

fn blocking<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn held(outcome: Result<(), String>) {
    let told = outcome.as_ref().err().map_or("", String::as_str);
    assert!(outcome.is_ok(), "{told}");
}

async fn answers_as_its_copy(case: &Case) -> Result<(), String> {
    let trial = Trial::new(&case.setup).await?;
    let world = governed(&case.setup, &case.setup.t.rows, &case.setup.u.rows);
    for query in &case.queries {
        let expected = trial.copy.lines(&query.sql("", Some("spy"))).await;
        let got = ask(&world, query).await;
        trial.check(query, &expected, &got).await?;
        trial.check_spied(query, &got)?;
    }
    Ok(())
}

#[test]
fn a_generated_table_answers_as_its_filtered_and_masked_copy() {
    held(
        Campaign::of(CASES)
            .and_then(|campaign| campaign.run(&cases(), |case| blocking(answers_as_its_copy(case)))),
    );
}

async fn answers_as_its_twin(case: &Case) -> Result<(), String> {
    let setup = &case.setup;
    let trial = Trial::new(setup).await?;
    if trial.t.fails || trial.u.fails {
        return Ok(());
    }
    let t = twin(setup, &setup.t, &trial.t).await?;
    let u = twin(setup, &setup.u, &trial.u).await?;
    let mut world = governed(setup, &setup.t.rows, &setup.u.rows);
    for query in &case.queries {
        fill(&mut world, setup, &setup.t.rows, &setup.u.rows);
        let one = ask(&world, query).await;
        fill(&mut world, setup, &t, &u);
        let two = ask(&world, query).await;
        trial.check_spied(query, &two)?;
        let alike = |what: &str, left: &dyn std::fmt::Debug, right: &dyn std::fmt::Debug| {
            let (left, right) = (format!("{left:#?}"), format!("{right:#?}"));
            match left == right {
                true => Ok(()),
                false => Err(format!(
                    "twins differ in {what}\n{query}\n{left}\n{right}\n-- twin t {t:?}\n-- twin u {u:?}"
                )),
            }
        };
        match (&one.told, &two.told) {
            (Ok(left), Ok(right)) if same(left, right, query.ordered) => {}
            // Which failing row is met first, or whether one is met at all, is the order of work.
            (left, right) if trial.policy_may_fail() || trial.may_fail(query).await? => {
                let in_order = |told: &Told| {
                    told.as_ref().err().is_none_or(|text| failed_policy(text) || failure_of_a_value(text))
                };
                alike("whether they fail as they may", &in_order(left), &in_order(right))?;
            }
            (left, right) => alike("their answers", left, right)?,
        }
        alike("their schemas", &one.schema, &two.schema)?;
        alike("their policies", &one.policies, &two.policies)?;
        if one.told.is_ok() && two.told.is_ok() {
            alike("EXPLAIN", &one.explained, &two.explained)?;
            if one.numbers != two.numbers {
                // How far one side of a join is read when the other turns out to be empty is a matter of time.
                let second = repeated(&world, query).await;
                fill(&mut world, setup, &setup.t.rows, &setup.u.rows);
                if repeated(&world, query).await.is_disjoint(&second) {
                    alike("their numbers", &one.numbers, &two.numbers)?;
                }
            }
        }
    }
    Ok(())
}

/// The numbers that a query gives when it is asked several times.
async fn repeated(world: &World, query: &Query) -> BTreeSet<Vec<String>> {
    let mut seen = BTreeSet::new();
    for _ in 0..8 {
        seen.insert(ask(world, query).await.numbers);
    }
    seen
}

#[test]
fn twins_that_differ_in_what_is_hidden_answer_alike() {
    held(
        Campaign::of(CASES)
            .and_then(|campaign| campaign.run(&cases(), |case| blocking(answers_as_its_twin(case)))),
    );
}

fn answers_without_any_rule(case: &Case) -> Result<(), String> {
    let setup = &case.setup;
    let trial = blocking(Trial::new(setup))?;
    let mut world = governed(setup, &setup.t.rows, &setup.u.rows);
    for query in &case.queries {
        let sql = query.sql("", Some("spy"));
        let expected = blocking(trial.copy.lines(&sql));
        for rule in asking::rules(&world) {
            // NOT IN, of policies too, knows NULL only as a hash join: without them the leaf is another one.
            if rule == "extract_equijoin_predicate" && setup.anti_joins() {
                continue;
            }
            world.without = Some(rule.clone());
            // Without some rules the engine makes plans at which it panics; they give nothing.
            let Some(got) = unless_it_panics(|| blocking(ask(&world, query))) else { continue };
            trial.check_spied(query, &got).map_err(|why| format!("without {rule}: {why}"))?;
            let Err(why) = blocking(trial.check(query, &expected, &got)) else { continue };
            // Nor does what cannot be planned or put to work.
            if got.told.as_ref().is_err_and(|text| !failure_of_a_value(text)) {
                continue;
            }
            // What the engine gets wrong by itself is not the leaf's.
            let plainly = unless_it_panics(|| blocking(plainly_without(&rule, setup, &sql)));
            let alone = match (&expected, plainly) {
                (Ok(left), Some(Ok(right))) => same(left, &right, query.ordered),
                (Err(_), Some(Err(_))) => true,
                _ => false,
            };
            if alone {
                return Err(format!("without {rule}: {why}"));
            }
        }
    }
    Ok(())
}

/// The answer of the plain engine, policies written out, where a rule is left out of all.
async fn plainly_without(rule: &str, setup: &Setup, sql: &str) -> Told {
    let t = Seen::without(rule, setup, &setup.t, &setup.t.rows).await?;
    let u = Seen::without(rule, setup, &setup.u, &setup.u.rows).await?;
    let (copy, _) = plain::copy(setup, &t, &u).await?;
    copy.without(rule).lines(sql).await
}

fn unless_it_panics<T>(work: impl FnOnce() -> T) -> Option<T> {
    // reason: who asks takes no answer for none
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).ok()
}

#[test]
fn an_answer_does_not_hang_on_any_rule_of_the_optimiser() {
    held(
        Campaign::of(CASES)
            .and_then(|campaign| campaign.one_in(WITH_RULES).run(&cases(), answers_without_any_rule)),
    );
}

/// The comparison is not blind: of the cases most are answered, many hide rows, many are strict, and the twins differ.
#[test]
fn the_cases_are_worth_asking() {
    let counts = std::cell::Cell::new([0_usize; 6]);
    let count = |place: usize, holds: bool| {
        let mut all = counts.get();
        all[place] += usize::from(holds);
        counts.set(all);
    };
    let asked = Campaign::fixed(40).run(&cases(), |case| {
        blocking(async {
            let setup = &case.setup;
            let trial = Trial::new(setup).await?;
            let hidden = setup.t.rows.len() - trial.t.copy.num_rows();
            count(0, hidden > 0 && trial.t.copy.num_rows() > 0);
            count(1, twin(setup, &setup.t, &trial.t).await? != setup.t.rows);
            let world = governed(setup, &setup.t.rows, &setup.u.rows);
            for query in &case.queries {
                let got = ask(&world, query).await;
                count(2, true);
                count(3, got.told.as_ref().is_ok_and(|rows| !rows.is_empty()));
                count(4, !got.spied.is_empty());
                count(5, got.barriers.contains(&Barrier::Strict));
            }
            Ok(())
        })
    });
    held(asked);
    let [hides, differs, all, answered, spied, strict] = counts.get();
    let counts = format!("{:?}", counts.get());
    assert!(hides > 10 && differs > 15, "{counts}");
    assert!(answered * 3 > all && spied > 8 && strict > 20, "{counts}");
}

/// The types of the columns, for messages and batches.
fn arrow_type(of: weir_generator::ColumnType) -> DataType {
    crate::test_world::parse_type(of.sql()).unwrap()
}

/// The names of the columns of governed tables.
fn names() -> impl Iterator<Item = &'static str> {
    COLUMNS.iter().map(|(name, _)| *name)
}
