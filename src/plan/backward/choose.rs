//! From a problem and a device's capabilities to the backward kernels; sees no device.

use super::{BackwardVariant, GradientSlots, Side, Wanted};
use crate::plan::{Algorithm, Variant};
use crate::{Capabilities, Error, Limit, Problem, ProblemError};

/// Chooses the backward kernels, with every gradient that the problem has: whose workgroups own queries, and keys.
///
/// # Errors
/// A paged cache, whose blocks sequences may share; a device below WebGPU's default limits, or one that binds too few buffers.
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
    if problem.paged().is_some() {
        return Err(ProblemError::Contradiction {
            first: "a backward pass",
            second: "a paged cache",
            allowed: "sequences may share its blocks: gather k and v first",
        }
        .into());
    }
    let [queries, keys] = [Side::Queries, Side::Keys].map(|side| variant(problem, wanted, side));
    for variant in [&queries, &keys] {
        check(variant, capabilities)?;
    }
    Ok([queries, keys])
}

fn variant(problem: &Problem, wanted: Wanted, side: Side) -> BackwardVariant {
    let features = problem.shape().head_dim.max(problem.value_dim());
    let rows = if features <= 128 { 4 } else { 2 };
    let queries = side == Side::Queries;
    BackwardVariant {
        side,
        scores: Variant::new(problem, Algorithm::Fragments, rows),
        gradients: GradientSlots {
            offset: queries && wanted.table && problem.is_by_offset(),
        },
    }
}

fn check(variant: &BackwardVariant, capabilities: &Capabilities) -> Result<(), Error> {
    let buffers = u32::try_from(variant.bindings().len()).unwrap_or(u32::MAX);
    for (limit, found, needed) in [
        (
            Limit::WorkgroupStorage,
            capabilities.workgroup_storage,
            variant.workgroup_bytes(),
        ),
        (
            Limit::Invocations,
            capabilities.invocations,
            variant.scores.workgroup(),
        ),
        (Limit::StorageBuffers, capabilities.storage_buffers, buffers),
    ] {
        if found < needed {
            return Err(Error::DeviceLimit {
                limit,
                found,
                needed,
            });
        }
    }
    Ok(())
}
