//! The suite notices planted errors: each is a change of the shader's text that some case of the catalogue must refuse.

#![cfg(feature = "gpu")]

mod harness;

use harness::adapters::contexts;
use harness::catalogue::{Case, catalogue};
use harness::compare::Reference;
use harness::data::Data;
use harness::dropped;
use harness::planted::{BROADCAST, DECODE, FRAGMENTS, Planted, SHARED};
use relattn::plan::Algorithm;
use relattn::{Context, shader};

#[test]
fn every_planted_error_is_noticed() {
    let cases = catalogue();
    let mut seen = Vec::new();
    let mut missed = Vec::new();
    for (adapter, context) in contexts() {
        // Of many rows, so that it shows which kernel those have here.
        let forward = context.forward(&find(&cases, "tile edges").problem);
        let many = forward.expect("a kernel").variant().algorithm;
        for (algorithm, all) in [
            (
                Algorithm::Decode,
                [&DECODE[..], &dropped::planted_decode()].concat(),
            ),
            (many, planted_in(many)),
        ] {
            if seen.contains(&algorithm) {
                continue;
            }
            seen.push(algorithm);
            for planted in all {
                if let Err(reason) = plant(&context, &cases, planted) {
                    missed.push(format!("{adapter}: {algorithm:?}: {reason}"));
                }
            }
            println!("{adapter}: {algorithm:?}");
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

/// Errors in a kernel of many rows.
fn planted_in(algorithm: Algorithm) -> Vec<Planted> {
    let own = match algorithm {
        Algorithm::Broadcast => [&BROADCAST[..], &dropped::BROADCAST],
        _ => [&FRAGMENTS[..], &dropped::FRAGMENTS],
    };
    [&SHARED[..], &dropped::planted_shared(), own[0], own[1]].concat()
}

fn find<'a>(cases: &'a [Case], name: &str) -> &'a Case {
    let mut cases = cases.iter();
    let found = cases.find(|case| case.name == name);
    found.unwrap_or_else(|| panic!("no case {name:?}"))
}

/// Whether the case has the text, and refuses the error.
fn plant(context: &Context, cases: &[Case], (name, from, to, case): Planted) -> Result<(), String> {
    let case = find(cases, case);
    let data = Data::generate(&case.problem, 7);
    let found = run_with(context, case, &data, from, to);
    let found = found.ok_or_else(|| format!("{name}: {:?} has no {from:?}", case.name))?;
    let reference = Reference::new(&case.problem, &data.inputs());
    match found.and_then(|outputs| reference.check(&outputs)) {
        Ok(share) => Err(format!("{name}: {:?} is right to {share:.2}", case.name)),
        Err(_) => Ok(()),
    }
}

/// The result with an error planted, or nothing where the text is not part of the case's shader.
fn run_with(
    context: &Context,
    case: &Case,
    data: &Data,
    from: &str,
    to: &str,
) -> Option<Result<relattn::cpu::Outputs, String>> {
    let variant = *context.forward(&case.problem).expect("a kernel").variant();
    let text = shader::link(&variant);
    if !text.contains(from) {
        return None;
    }
    let text = text.replace(from, to);
    #[expect(
        unsafe_code,
        reason = "planted errors take a wrong number or a wrong place within a tensor, never one outside"
    )]
    let forward = unsafe { context.forward_with_text(&case.problem, &text) };
    let forward = forward.expect("a kernel");
    Some(harness::device::run(context, &forward, &case.problem, data))
}
