//! Run-time checks change nothing but the time, since no index is out of range and every loop ends.

#![cfg(feature = "gpu")]

mod harness;

use harness::adapters::contexts;
use harness::backward::all_bits;
use harness::catalogue::{Case, catalogue};
use harness::data::Data;
use harness::device::bits;
use relattn::{Checks, Context, wgpu};

/// Where indices come from: tiles past the end and a table by offset; starts; FIRE's segments; lengths and blocks.
const FORWARD: [&str; 4] = [
    "one past the tile",
    "packed, window, ALiBi",
    "FIRE, causal, past L",
    "paged, decoding step, key lengths",
];
const BACKWARD: [&str; 1] = ["FIRE, causal, past L"];

fn cases(names: &[&str]) -> Vec<Case> {
    let mut cases = catalogue();
    cases.retain(|case| names.contains(&case.name));
    assert_eq!(cases.len(), names.len(), "a case is missing");
    cases
}

/// Contexts whose drivers compile checked kernels of many rows within seconds: those for OpenGL may take minutes.
fn quick() -> Vec<(String, Context)> {
    let mut all = contexts();
    all.retain(|(_, context)| context.device().adapter_info().backend != wgpu::Backend::Gl);
    all
}

fn both(context: &Context) -> [Context; 2] {
    [Checks::None, Checks::All].map(|checks| context.clone().with_checks(checks))
}

#[test]
fn a_checked_forward_pass_has_the_same_bits() {
    for (name, context) in quick() {
        for Case {
            name: case,
            problem,
        } in cases(&FORWARD)
        {
            let data = Data::generate(&problem, 7);
            let [unchecked, checked] = both(&context).map(|context| {
                let forward = context.forward(&problem).expect("a kernel");
                let found = harness::device::run(&context, &forward, &problem, &data);
                found.unwrap_or_else(|error| panic!("{name}: {case}: {error}"))
            });
            assert_eq!(bits(&unchecked.out), bits(&checked.out), "{name}: {case}");
            assert_eq!(bits(&unchecked.lse), bits(&checked.lse), "{name}: {case}");
        }
    }
}

#[test]
fn a_checked_backward_pass_has_the_same_bits() {
    for (name, context) in quick() {
        for Case {
            name: case,
            problem,
        } in cases(&BACKWARD)
        {
            let data = Data::generate(&problem, 7);
            let dout = harness::backward::dout(&problem, 17);
            let [unchecked, checked] = both(&context).map(|context| {
                let backward = context.backward(&problem).expect("kernels");
                let found = harness::backward::run(&context, &backward, &problem, &data, &dout);
                all_bits(&found.unwrap_or_else(|error| panic!("{name}: {case}: {error}")))
            });
            assert_eq!(unchecked, checked, "{name}: {case}");
        }
    }
}

/// A context with checks does not take what one without has compiled.
#[test]
fn checked_and_unchecked_pipelines_are_kept_apart() {
    let problem = cases(&FORWARD[..1]).remove(0).problem;
    for (name, context) in contexts() {
        let kept = both(&context).map(|context| {
            context.forward(&problem).expect("a kernel");
            context.kept_pipelines()
        });
        assert_eq!(kept[1], 2 * kept[0], "{name}");
    }
}
