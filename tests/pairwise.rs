//! Biases, masks, shapes, layouts and types two by two: a covering array of kernels, each with random lengths, offsets and numbers,
//! on every adapter against the oracle.

#![cfg(feature = "gpu")]

mod harness;

use harness::adapters::contexts;
use harness::choices::{Choice, LEVELS, Lengths, choices};
use harness::compare::Reference;
use harness::covering::{Combination, has, pairs};
use harness::data::Data;
use harness::device::run;
use harness::drawn::Drawn;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use relattn::{Context, Problem};

/// Of each kernel.
const CASES: u32 = 2;
/// All factors but the head dimension and dropout, which the suite on the command line has besides.
const FACTORS: usize = 12;

fn combinations() -> Vec<Combination> {
    choices(&LEVELS[..FACTORS])
}

/// Every two choices meet but the two that contradict each other.
#[test]
fn the_combinations_cover_all_pairs() {
    let combinations = combinations();
    assert!(combinations.len() <= 44, "{} kernels", combinations.len());
    println!("{} kernels", combinations.len());
    let covered = |pair| combinations.iter().any(|found| has(found, pair));
    let pairs = pairs(&LEVELS[..FACTORS]);
    let apart: Vec<_> = pairs.iter().filter(|pair| !covered(pair)).collect();
    assert_eq!(apart, [&[(4, 2), (10, 2)]]);
}

/// The adapters that have a kernel for a choice; the others are named, and do not count.
fn supporting<'a>(
    contexts: &'a [(String, Context)],
    choice: &Choice,
) -> Vec<&'a (String, Context)> {
    let (fit, others): (Vec<_>, Vec<_>) = contexts
        .iter()
        .partition(|(_, context)| choice.fits(&context.capabilities()));
    for (adapter, _) in others {
        println!("{adapter}: unsupported: too many storage buffers: {choice}");
    }
    fit
}

fn check(contexts: &[&(String, Context)], problem: &Problem, seed: u32) -> Result<(), String> {
    let data = Data::generate(problem, seed);
    let reference = Reference::new(problem, &data.inputs());
    for (adapter, context) in contexts {
        let forward = context
            .forward(problem)
            .map_err(|error| error.to_string())?;
        run(context, &forward, problem, &data)
            .and_then(|found| reference.check(&found))
            .map_err(|error| format!("{adapter}: {error}"))?;
    }
    Ok(())
}

#[test]
fn every_two_choices_go_together() {
    let contexts = contexts();
    let combinations = combinations();
    let mut runs = vec![0; contexts.len()];
    for combination in &combinations {
        let choice = Choice::of(combination);
        let supporting = supporting(&contexts, &choice);
        for (run, (adapter, _)) in runs.iter_mut().zip(&contexts) {
            *run += usize::from(supporting.iter().any(|(name, _)| name == adapter));
        }
        random_cases(&supporting, &choice);
    }
    for (run, (adapter, _)) in runs.iter().zip(&contexts) {
        println!("{adapter}: {run} of {} kernels", combinations.len());
        assert!(2 * run > combinations.len(), "{adapter}: {run}");
    }
}

fn drawn(choice: &Choice) -> impl Strategy<Value = Drawn> + use<> {
    let queries = if choice.few_rows { 5..17 } else { 17..150_u32 };
    let batch = if choice.lengths == Lengths::Packed {
        1..2_u32
    } else {
        1..3
    };
    let sizes = (batch, 1..3_u32, queries, 1..160_u32);
    let positions = (-90..160_i32, 0..40_u32);
    let places = (positions, [0..80_u32, 0..80_u32], 0..9_usize);
    (sizes, places).prop_map(
        |((batch, kv_heads, q_len, k_len), ((query_offset, key_offset), window, family))| Drawn {
            batch,
            kv_heads,
            q_len,
            k_len,
            query_offset,
            key_offset,
            window,
            family: u32::try_from(family).expect("below nine"),
            seed: 1,
        },
    )
}

fn random_cases(contexts: &[&(String, Context)], choice: &Choice) {
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let cases = (drawn(choice), 1..1000_u32);
    // The same draws in every run, so that a failure can be looked at again.
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let outcome = TestRunner::new_with_rng(config, rng).run(&cases, |(drawn, seed)| {
        check(contexts, &drawn.problem(choice), seed).map_err(TestCaseError::fail)
    });
    outcome.unwrap_or_else(|error| panic!("{choice}: {error}"));
}
