//! Bytes of which no driver thinks: the corpus of the fuzzer and mutations of it, at each place that reads bytes.

use std::fs;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use weir_testkit::hostile::Target;

/// Mutations for each target; those of the SQL front are cheap.
const MUTATIONS: u32 = 150;
const MUTATIONS_OF_SQL: u32 = 20_000;

fn corpus(target: Target) -> Vec<Vec<u8>> {
    let files = fs::read_dir(target.corpus()).unwrap();
    let corpus: Vec<Vec<u8>> = files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect();
    assert!(corpus.len() >= 3, "{target:?} has {} samples", corpus.len());
    corpus
}

/// A sample with bytes changed, cut, doubled or put in; now and then bytes of nobody's.
fn hostile(corpus: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<prop::sample::Index>(), 0..4u8, any::<u8>());
    let edited =
        (prop::sample::select(corpus), prop::collection::vec(edit, 1..8)).prop_map(|(mut bytes, edits)| {
            for (place, kind, byte) in edits {
                let at = place.index(bytes.len().max(1)).min(bytes.len());
                match kind {
                    0 => bytes.insert(at, byte),
                    1 => bytes.truncate(at),
                    2 => bytes.extend_from_within(at..),
                    _ => bytes.iter_mut().skip(at).take(1).for_each(|old| *old = byte),
                }
                bytes.truncate(64 * 1024);
            }
            bytes
        });
    prop_oneof![9 => edited, 1 => prop::collection::vec(any::<u8>(), 0..256)]
}

#[test]
fn no_bytes_break_a_promise() {
    for target in Target::ALL {
        let samples = corpus(target);
        samples.iter().for_each(|sample| target.send(sample));
        let cases = if target == Target::Sql { MUTATIONS_OF_SQL } else { MUTATIONS };
        // The same mutations in every run: what fails here fails again.
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let told = TestRunner::new_with_rng(config, random).run(&hostile(samples), |bytes| {
            target.send(&bytes);
            Ok(())
        });
        if let Err(failure) = told {
            panic!("{target:?}: {failure}");
        }
    }
}
