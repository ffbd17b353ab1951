//! From a problem and a device's capabilities to a kernel; sees no device.

use super::{BiasSlot, Variant};
use crate::{Bias, Capabilities, Error, Limit, Problem};

/// Chooses the forward kernel.
///
/// Eight rows an invocation reuse each staged key most, but their sums of more than 64 features no longer fit a GPU's
/// registers.
///
/// # Errors
/// A device below WebGPU's default limits.
pub fn choose(problem: &Problem, capabilities: &Capabilities) -> Result<Variant, Error> {
    let head_dim = problem.shape().head_dim;
    let variant = Variant {
        head_dim,
        rows: if head_dim <= 64 { 8 } else { 4 },
        bias: match problem.bias() {
            Bias::None => BiasSlot::None,
            Bias::Relative(_) => BiasSlot::Offset,
            Bias::Indexed { rows, format } => BiasSlot::Index { rows, format },
        },
        causal: problem.mask().causal,
        key_mask: problem.mask().keys,
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
            Variant::WORKGROUP,
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
