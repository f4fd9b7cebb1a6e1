//! [`Campaign`]: how many cases are made, from which seed, and what is told of one that fails.
//!
//! Each case has a seed of its own, one more than that of the case before, so that a failing one is had again with
//! `WEIR_FUZZ_SEED=<its seed> WEIR_FUZZ_CASES=1`. Nothing is written into any file.

use std::fmt::{Debug, Display};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

/// The seed of the first case where none is told.
const SEED: u64 = 20_260_115;

/// How long a failing case is made smaller.
const SHRINKING_MS_MAX: u32 = 40_000;

/// A number of cases from a seed on.
#[derive(Debug, Clone, Copy)]
pub struct Campaign {
    first: u64,
    cases: u64,
}

impl Campaign {
    /// As `WEIR_FUZZ_SEED` and `WEIR_FUZZ_CASES` say, else `cases` from the seed of every day.
    ///
    /// # Errors
    ///
    /// Where one of them is no number.
    pub fn of(cases: u64) -> Result<Self, String> {
        let first = told("WEIR_FUZZ_SEED")?.unwrap_or(SEED); // reason: what was not told is the default
        let cases = told("WEIR_FUZZ_CASES")?.unwrap_or(cases); // reason: likewise
        Ok(Self { first, cases })
    }

    /// These `cases` from the seed of every day, whatever is told.
    pub fn fixed(cases: u64) -> Self {
        Self { first: SEED, cases }
    }

    /// One in `divisor` of the cases, at least one.
    pub fn one_in(self, divisor: u64) -> Self {
        Self { cases: self.cases.div_ceil(divisor), ..self }
    }

    /// Makes the cases and holds each against `check`; the first that fails is made smaller.
    ///
    /// # Errors
    ///
    /// What is wrong with the smallest case found, the case as SQL, and its seed.
    pub fn run<S>(self, strategy: &S, check: impl Fn(&S::Value) -> Result<(), String>) -> Result<(), String>
    where
        S: Strategy,
        S::Value: Debug + Display,
    {
        for seed in self.first..self.first.saturating_add(self.cases) {
            let config = Config {
                cases: 1,
                failure_persistence: None,
                rng_seed: RngSeed::Fixed(seed),
                max_shrink_iters: 3_000,
                max_shrink_time: SHRINKING_MS_MAX,
                ..Config::default()
            };
            let tried =
                TestRunner::new(config).run(strategy, |case| check(&case).map_err(TestCaseError::fail));
            match tried {
                Ok(()) => {}
                Err(TestError::Fail(why, case)) => {
                    return Err(format!(
                        "{why}\n\n{case}\n\n-- again with WEIR_FUZZ_SEED={seed} WEIR_FUZZ_CASES=1"
                    ));
                }
                Err(TestError::Abort(why)) => return Err(format!("seed {seed}: {why}")),
            }
        }
        Ok(())
    }
}

fn told(name: &str) -> Result<Option<u64>, String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "how long to look, and where, is for whoever runs the tests"
    )]
    let told = std::env::var(name);
    match told {
        Ok(text) => text.parse().map(Some).map_err(|_| format!("{name}=`{text}` is no number")),
        Err(_) => Ok(None),
    }
}
