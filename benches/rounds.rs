//! Two sides take turns at the same work, so that whatever else the machine does falls on both.
//!
//! In each round every case runs once on either side; which side begins alternates. A result is the
//! ratio left ÷ right of each round, and of those the median and the extremes: single times are
//! never compared across rounds. The first round warms up, is compared row by row, and is not counted.
//!
//! Beside the time on the clock stands the CPU time of the process, which other processes of the
//! machine disturb less.

use std::fmt::Write;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use async_trait::async_trait;
use rustix::time::{ClockId, clock_gettime};
use weir_testkit::text_of;

use crate::Result;
use crate::warehouse::environment;

/// Measures one run.
#[derive(Debug)]
pub struct Stopwatch {
    wall: Instant,
    cpu: Duration,
}

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "a bench measures time on the machine's clock")]
        let wall = Instant::now();
        Self { wall, cpu: process_cpu() }
    }

    /// Time since the start.
    pub fn wall(&self) -> Duration {
        self.wall.elapsed()
    }

    /// The run is over.
    pub fn answer(self, planning: Duration, batches: Vec<RecordBatch>) -> Answer {
        Answer { planning, total: self.wall(), cpu: process_cpu().saturating_sub(self.cpu), batches }
    }
}

fn process_cpu() -> Duration {
    let reading = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(reading.tv_sec).unwrap_or(0);
    let nanoseconds = u32::try_from(reading.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanoseconds)
}

/// What one run gave and took.
#[derive(Debug)]
pub struct Answer {
    /// Until the rows could flow.
    pub planning: Duration,
    /// Until the last row was there.
    pub total: Duration,
    /// CPU time of the process meanwhile.
    pub cpu: Duration,
    /// The rows.
    pub batches: Vec<RecordBatch>,
}

/// One of the two.
#[async_trait]
pub trait Side: Send + Sync {
    /// Runs a statement to its last row.
    async fn run(&self, sql: &str) -> Result<Answer>;
}

/// The same question to both sides.
#[derive(Debug)]
pub struct Case {
    /// Its name in the table.
    pub name: String,
    /// The text for the left side.
    pub left: String,
    /// The text for the right side.
    pub right: String,
    /// Whether more than one result is right, so that only the number of rows is compared.
    pub ties: bool,
}

/// What the rounds told of one case.
#[derive(Debug)]
pub struct Outcome {
    name: String,
    rows: usize,
    equal: bool,
    left: Vec<Taken>,
    right: Vec<Taken>,
}

#[derive(Debug, Clone, Copy)]
struct Taken {
    planning: f64,
    total: f64,
    cpu: f64,
}

/// How many rounds count: `WEIR_BENCH_ROUNDS`, or `usual`.
pub fn round_count(usual: usize) -> Result<usize> {
    Ok(environment("WEIR_BENCH_ROUNDS").map_or(Ok(usual), |text| text.parse())?)
}

/// Lets both sides take turns: a round to warm up, then `count` rounds that count.
pub async fn take_turns(
    left: &dyn Side,
    right: &dyn Side,
    cases: &[Case],
    count: usize,
) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for case in cases {
        let named = |error| format!("{}: {error}", case.name);
        let (one, other) =
            (left.run(&case.left).await.map_err(named)?, right.run(&case.right).await.map_err(named)?);
        let (one, other) = (sorted_rows(&one.batches), sorted_rows(&other.batches));
        let equal = if case.ties { one.len() == other.len() } else { one == other };
        let (name, rows) = (case.name.clone(), one.len());
        outcomes.push(Outcome { name, rows, equal, left: Vec::new(), right: Vec::new() });
    }
    for round in 0..count {
        for (case, outcome) in cases.iter().zip(&mut outcomes) {
            let (one, other) = if round % 2 == 0 {
                let one = left.run(&case.left).await?;
                (one, right.run(&case.right).await?)
            } else {
                let other = right.run(&case.right).await?;
                (left.run(&case.left).await?, other)
            };
            outcome.left.push(Taken::of(&one));
            outcome.right.push(Taken::of(&other));
        }
    }
    Ok(outcomes)
}

fn sorted_rows(batches: &[RecordBatch]) -> Vec<String> {
    let mut rows = text_of(batches);
    rows.sort();
    rows
}

impl Taken {
    fn of(answer: &Answer) -> Self {
        let millis = |duration: Duration| duration.as_secs_f64() * 1e3;
        Self { planning: millis(answer.planning), total: millis(answer.total), cpu: millis(answer.cpu) }
    }
}

impl Outcome {
    fn ratios(&self, of: fn(&Taken) -> f64) -> Vec<f64> {
        self.left.iter().zip(&self.right).map(|(left, right)| of(left) / of(right)).collect()
    }
}

/// The outcomes as a table, with a line for all of them.
pub fn table(outcomes: &[Outcome], left: &str, right: &str) -> String {
    let mut text = format!(
        "{:8} {:>6} {:>15} {:>6}   {:>23}   {:>23}   {:>7} {}\n{:8} {:>6} {:>15} {:>6}   {:>7} {:>7} {:>7}   {:>7} {:>7} {:>7}\n",
        "query",
        "ratio",
        "min..max",
        "CPU",
        left,
        right,
        "rows",
        "equal",
        "",
        "median",
        "",
        "ratio",
        "plan ms",
        "total",
        "CPU",
        "plan ms",
        "total",
        "CPU",
    );
    for outcome in outcomes {
        let (totals, cpu) = (outcome.ratios(|taken| taken.total), outcome.ratios(|taken| taken.cpu));
        let _written = writeln!(
            text,
            "{:8} {:6.3} {:>15} {:6.3}   {}   {}   {:>7} {}",
            outcome.name,
            median(&totals),
            extremes(&totals),
            median(&cpu),
            times(&outcome.left),
            times(&outcome.right),
            outcome.rows,
            if outcome.equal { "yes" } else { "NO" },
        );
    }
    let all = |of: fn(&Taken) -> f64| -> Vec<f64> {
        outcomes.iter().map(|outcome| median(&outcome.ratios(of))).collect()
    };
    let (totals, cpu) = (all(|taken| taken.total), all(|taken| taken.cpu));
    let sums: Vec<f64> = sums_by_round(outcomes);
    let _written = writeln!(
        text,
        "median of the queries' medians {:.3} [{}], geometric mean {:.3}, whole rounds {:.3} [{}]; CPU: median {:.3}, geometric mean {:.3}",
        median(&totals),
        extremes(&totals),
        geometric_mean(&totals),
        median(&sums),
        extremes(&sums),
        median(&cpu),
        geometric_mean(&cpu),
    );
    text
}

/// Left ÷ right of all cases together, round by round.
fn sums_by_round(outcomes: &[Outcome]) -> Vec<f64> {
    let rounds = outcomes.iter().map(|outcome| outcome.left.len()).min().unwrap_or(0);
    let sum = |round: usize, side: fn(&Outcome) -> &Vec<Taken>| -> f64 {
        outcomes.iter().filter_map(|outcome| side(outcome).get(round)).map(|taken| taken.total).sum()
    };
    (0..rounds)
        .map(|round| sum(round, |outcome| &outcome.left) / sum(round, |outcome| &outcome.right))
        .collect()
}

fn times(taken: &[Taken]) -> String {
    let of = |part: fn(&Taken) -> f64| median(&taken.iter().map(part).collect::<Vec<_>>());
    format!(
        "{:7.1} {:7.1} {:7.1}",
        of(|taken| taken.planning),
        of(|taken| taken.total),
        of(|taken| taken.cpu)
    )
}

/// The middle one, or the mean of both middle ones.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |place: usize| sorted.get(place).copied().unwrap_or(f64::NAN);
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => at(length / 2),
        length => f64::midpoint(at(length / 2 - 1), at(length / 2)),
    }
}

fn extremes(values: &[f64]) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{least:.3}..{most:.3}")
}

fn geometric_mean(values: &[f64]) -> f64 {
    let logarithms: f64 = values.iter().map(|value| value.ln()).sum();
    let count = u32::try_from(values.len()).map_or(f64::NAN, f64::from);
    (logarithms / count).exp()
}
