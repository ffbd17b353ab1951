//! From a problem and a device's capabilities to the backward kernels; sees no device.

use super::{BackwardVariant, GradientSlots, Side, Wanted};
use crate::plan::choose::multiplies as multiplies_forward;
use crate::plan::{Algorithm, Variant};
use crate::{Capabilities, Error, Problem, Tensor};

/// Chooses the backward kernels, with every gradient that the problem has: whose workgroups own queries, and keys.
///
/// # Errors
/// A paged cache, whose blocks sequences may share; a gradient of a dense bias whose rows overlap; a device below WebGPU's default limits, or one that binds too few buffers.
pub fn choose_backward(
    problem: &Problem,
    capabilities: &Capabilities,
) -> Result<[BackwardVariant; 2], Error> {
    choose(problem, Wanted::all(problem), capabilities)
}

/// The same with some gradients of the bias alone.
pub(crate) fn choose(
    problem: &Problem,
    wanted: Wanted,
    capabilities: &Capabilities,
) -> Result<[BackwardVariant; 2], Error> {
    let chosen = algorithm(problem, wanted, capabilities);
    of_algorithm(problem, wanted, capabilities, chosen)
}

/// The same by an algorithm with its rows.
pub(crate) fn of_algorithm(
    problem: &Problem,
    wanted: Wanted,
    capabilities: &Capabilities,
    chosen: (Algorithm, u32),
) -> Result<[BackwardVariant; 2], Error> {
    problem.check_backward()?;
    if let Some(layout) = problem.dense().filter(|_| wanted.bias) {
        let shape = problem.shape();
        layout.validate_shared(
            Tensor::DBias,
            [shape.batch, shape.heads, shape.q_len],
            shape.k_len,
        )?;
    }
    let scores = Variant::new(problem, capabilities, chosen);
    let sides = [Side::Queries, Side::Keys];
    let [queries, keys] = sides.map(|side| BackwardVariant {
        side,
        scores,
        gradients: gradients(problem, wanted, side),
    });
    for variant in [&queries, &keys] {
        let (bytes, invocations) = (variant.workgroup_bytes(), variant.scores.workgroup());
        capabilities.check(bytes, invocations, variant.bindings().len())?;
    }
    Ok([queries, keys])
}

/// Whether [`Algorithm::Cooperative`] is right, with matrices of so many rows: as in the forward pass, where nothing is wanted that single
/// scores add to, and with at most four slices of features.
pub(crate) fn multiplies(
    problem: &Problem,
    wanted: Wanted,
    capabilities: &Capabilities,
    rows: u32,
) -> bool {
    let sides = [Side::Queries, Side::Keys];
    let of_scores = sides.map(|side| gradients(problem, wanted, side).of_scores());
    multiplies_forward(problem, capabilities, rows)
        && features(problem) <= Algorithm::MATRIX_FEATURES
        && of_scores == [false, false]
}

fn features(problem: &Problem) -> u32 {
    problem.shape().head_dim.max(problem.value_dim())
}

/// As in the forward pass; but fragments have half the rows, because of each there are the features and the sums of both products.
fn algorithm(problem: &Problem, wanted: Wanted, capabilities: &Capabilities) -> (Algorithm, u32) {
    let mut sizes = [16, 8].into_iter();
    let size = sizes.find(|&rows| multiplies(problem, wanted, capabilities, rows));
    let features = features(problem);
    let narrow = features <= Algorithm::MATRIX_FEATURES_BACKWARD;
    if let (false, true, Some(rows)) = (capabilities.cpu, narrow, size) {
        return (Algorithm::Cooperative, rows);
    }
    match (capabilities.broadcasts(), features) {
        (true, 0..=64) => (Algorithm::Broadcast, 4),
        (true, 65..=128) => (Algorithm::Broadcast, 2),
        (true, _) => (Algorithm::Broadcast, 1),
        (false, 0..=128) => (Algorithm::Fragments, 4),
        (false, _) => (Algorithm::Fragments, 2),
    }
}

/// Queries leave all but the gradient of a dense bias that they share, which is the keys'.
fn gradients(problem: &Problem, wanted: Wanted, side: Side) -> GradientSlots {
    let shared = problem.dense().is_some_and(|layout| layout.row == 0);
    let dense = wanted.bias && problem.dense().is_some();
    match side {
        Side::Keys => GradientSlots {
            dense: dense && shared,
            ..GradientSlots::default()
        },
        Side::Queries => GradientSlots {
            offset: wanted.table && problem.learned_by_offset().next().is_some(),
            gate: wanted.gate && problem.gated(),
            index: wanted.table && problem.indexed().is_some(),
            fire: wanted.table && problem.fire().is_some(),
            dense: dense && !shared,
        },
    }
}
