//! From a problem and a device's capabilities to a kernel; sees no device.

use super::{Algorithm, BiasSlot, Variant};
use crate::{Bias, Capabilities, Error, Limit, Problem};

/// Chooses the forward kernel.
///
/// Where a processor plays the GPU, every access to workgroup memory is a gather and every barrier a switch of contexts,
/// but registers lie in its first cache, in any number: there keys go round by subgroup, with as many rows an invocation as
/// the cache holds. On a GPU rows of a thread are few, so that fragments share what is staged; eight rows reuse each key
/// most, but their sums of more than 64 features no longer fit its registers.
///
/// # Errors
/// A device below WebGPU's default limits.
pub fn choose(problem: &Problem, capabilities: &Capabilities) -> Result<Variant, Error> {
    let head_dim = problem.shape().head_dim;
    let broadcast = capabilities.cpu && capabilities.subgroup_size >= Algorithm::LANES;
    let value_dim = problem.value_dim();
    let (algorithm, rows) = match (broadcast, head_dim.max(value_dim)) {
        (true, 0..=64) => (Algorithm::Broadcast, 4),
        (true, 65..=128) => (Algorithm::Broadcast, 2),
        (true, _) => (Algorithm::Broadcast, 1),
        (false, 0..=64) => (Algorithm::Fragments, 8),
        (false, _) => (Algorithm::Fragments, 4),
    };
    let variant = Variant {
        algorithm,
        dtype: problem.dtype(),
        head_dim,
        value_dim,
        rows,
        bias: match problem.bias() {
            Bias::None => BiasSlot::None,
            Bias::Indexed {
                rows,
                each_sequence,
                format,
            } => BiasSlot::Index {
                rows,
                each_sequence,
                format,
            },
            Bias::Dense(_) => BiasSlot::Dense,
            _ => BiasSlot::Offset,
        },
        causal: problem.mask().causal,
        key_mask: problem.mask().keys,
        key_lengths: problem.mask().key_lengths,
        query_lengths: problem.mask().query_lengths,
        documents: problem.mask().documents,
        bits: problem.mask().bits.is_some(),
        window: problem.mask().window.is_some(),
    };
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
            variant.workgroup(),
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
    Ok(variant)
}
