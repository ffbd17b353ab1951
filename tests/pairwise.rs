//! Biases, masks, shapes, layouts and types two by two: a covering array of kernels, each with random lengths, offsets and numbers,
//! on every adapter against the oracle.

#![cfg(feature = "gpu")]

mod harness;

use std::cell::RefCell;
use std::collections::BTreeSet;

use harness::adapters::contexts;
use harness::choices::{Choice, LEVELS, Lengths, Terms, choices};
use harness::compare::Reference;
use harness::covering::{Combination, has, pairs};
use harness::data::Data;
use harness::device::run;
use harness::drawn::Drawn;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use relattn::{Capabilities, Context, Problem};

/// Of each kernel.
const CASES: u32 = 2;
/// Of the draws of all kernels: one with which every family is met, also on a device of WebGPU's default limits.
const SEED: u8 = 3;
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
    for (kernel, combination) in (0..).zip(&combinations) {
        let choice = Choice::of(combination);
        let supporting = supporting(&contexts, &choice);
        for (run, (adapter, _)) in runs.iter_mut().zip(&contexts) {
            *run += usize::from(supporting.iter().any(|(name, _)| name == adapter));
        }
        let outcome = random_cases(kernel, &choice, |drawn, seed| {
            check(&supporting, &drawn.problem(&choice), seed)
        });
        outcome.unwrap_or_else(|error| panic!("{choice}: {error}"));
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

/// The cases of a kernel, by its number: the same draws in every run, so that a failure can be looked at again, and others of every
/// kernel.
fn random_cases(
    kernel: u32,
    choice: &Choice,
    check: impl Fn(Drawn, u32) -> Result<(), String>,
) -> Result<(), TestError<(Drawn, u32)>> {
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&kernel.to_le_bytes());
    seed[4] = SEED;
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let cases = (drawn(choice), 1..1000_u32);
    TestRunner::new_with_rng(config, rng).run(&cases, |(drawn, seed)| {
        check(drawn, seed).map_err(TestCaseError::fail)
    })
}

/// What compiles no other kernel is drawn so that all of it is met, also by a device of WebGPU's default limits.
#[test]
fn the_draws_reach_every_family_and_either_number_of_sequences_and_heads() {
    let met = RefCell::new(BTreeSet::new());
    for (kernel, combination) in (0..).zip(&combinations()) {
        let choice = Choice::of(combination);
        if !choice.fits(&Capabilities::WEBGPU_DEFAULT) {
            continue;
        }
        let by_offset = matches!(
            choice.bias,
            Terms::ByOffset | Terms::Gated | Terms::ByOffsetAndDense
        );
        let drawn = random_cases(kernel, &choice, |drawn, _| {
            let mut met = met.borrow_mut();
            met.insert(("batch", drawn.batch));
            met.insert(("kv_heads", drawn.kv_heads));
            met.insert(("causal", choice.causal.into()));
            if by_offset {
                met.insert(("family", drawn.family));
            }
            Ok(())
        });
        drawn.expect("nothing was refused");
    }
    let ranges = [
        ("batch", 1..3),
        ("kv_heads", 1..3),
        ("causal", 0..2),
        ("family", 0..9_u32),
    ];
    let all = ranges.into_iter();
    let all = all.flat_map(|(what, values)| values.map(move |value| (what, value)));
    let missing: Vec<_> = all.filter(|one| !met.borrow().contains(one)).collect();
    assert!(missing.is_empty(), "{missing:?} were not drawn");
}
