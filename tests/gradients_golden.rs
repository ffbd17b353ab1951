//! Gradients against those that were recorded from Hugging Face's T5.

mod harness;

use harness::gradients::GradientReference;
use harness::recorded::RecordedGradients;
use harness::{Recorded, T5_CASES, largest_error};
use relattn::cpu::{Attention, AttentionGradient, ExactGradients, Oracle, Tiled};

/// The records are f64 results rounded once to f32: half a unit in the last place of the largest.
const ROUNDING: f64 = 6e-8;

/// The largest error of each gradient as a share of the gradient's largest entry.
fn relative_errors(recorded: &RecordedGradients, found: &ExactGradients) -> [f64; 4] {
    let dtable = found.dtable.as_ref().expect("a table");
    let found = [&found.dq, &found.dk, &found.dv, dtable];
    std::array::from_fn(|n| {
        let (_, expected) = &recorded.gradients[n];
        let magnitude = expected
            .iter()
            .fold(0.0_f32, |most, value| most.max(value.abs()));
        largest_error(found[n], expected) / f64::from(magnitude)
    })
}

#[test]
fn the_oracle_equals_hugging_face() {
    for name in T5_CASES {
        let (case, recorded) = (Recorded::t5(name), RecordedGradients::t5(name));
        let found = Oracle.exact_gradients(&case.problem, &case.inputs(), &recorded.dctx);
        let errors = relative_errors(&recorded, &found.expect("valid inputs"));
        assert!(
            errors.iter().all(|&error| error <= ROUNDING),
            "{name}: {errors:?}"
        );
    }
}

#[test]
fn the_tiled_form_equals_hugging_face() {
    for name in T5_CASES {
        let (case, recorded) = (Recorded::t5(name), RecordedGradients::t5(name));
        let (inputs, dout) = (case.inputs(), &recorded.dctx);
        let outputs = Tiled.forward(&case.problem, &inputs).expect("valid inputs");
        let found = Tiled.backward(&case.problem, &inputs, &outputs, dout);
        let found = found.expect("valid inputs");
        let reference = GradientReference::new(&case.problem, &inputs, dout);
        let [dq, dk, dv, dtable] = &recorded.gradients;
        for ((tensor, expected), found) in [
            (dq, Some(&found.dq)),
            (dk, Some(&found.dk)),
            (dv, Some(&found.dv)),
            (dtable, found.dtable.as_ref()),
        ] {
            let found = found
                .expect("a gradient")
                .iter()
                .map(|&value| f64::from(value));
            let error = largest_error(&found.collect::<Vec<_>>(), expected);
            let allowed = reference.bound(tensor);
            assert!(
                error <= allowed,
                "{name}: {tensor}: {error:e}, allowed {allowed:e}"
            );
        }
    }
}
