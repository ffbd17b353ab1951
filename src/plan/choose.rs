//! From a problem and a device's capabilities to a kernel; sees no device.

use super::ranges::KeyRanges;
use super::{Algorithm, Variant};
use crate::{Capabilities, Dtype, Error, Limit, Problem};

/// Chooses the forward kernel.
///
/// A few rows against many keys would leave most of a tile of rows idle, and most of the device: there invocations own keys, and
/// workgroups parts of them, with as many rows as sums fit registers. That is also how more keys of a head than a binding holds are read, one range
/// after the other.
///
/// Where a processor plays the GPU, every access to workgroup memory is a gather and every barrier a switch of contexts,
/// but registers lie in its first cache, in any number: there keys go round by subgroup, with as many rows an invocation as
/// the cache holds. Where the subgroups of a GPU multiply matrices, tensors of f16 are multiplied so, by the larger ones, to 128 features:
/// of more the queries do not stay in registers. On another GPU rows of a thread are few, so that fragments share what is staged: with four rows eight waves of AMD's RDNA3
/// fit an execution unit, with eight rows half as many. In a decoding step an invocation has 128 sums there; with 256 registers spill.
///
/// # Errors
/// A device that offers less than the kernel needs: WebGPU's default limits are enough unless indices and several masks take more than eight
/// storage buffers.
pub fn choose(problem: &Problem, capabilities: &Capabilities) -> Result<Variant, Error> {
    let chosen = algorithm(problem, capabilities);
    let variant = Variant::new(problem, capabilities, chosen);
    let buffers = variant.bindings().len();
    capabilities.check(variant.workgroup_bytes(), variant.workgroup(), buffers)?;
    Ok(variant)
}

/// Whether [`Algorithm::Decode`] is right, and the better choice.
pub(super) fn decodes(problem: &Problem, capabilities: &Capabilities) -> bool {
    let few = problem.shape().q_len <= Algorithm::DECODE_ROWS && problem.mask().packed.is_none();
    few || KeyRanges::within(problem, capabilities.binding).count() > 1
}

/// Whether [`Algorithm::Cooperative`] is right, with matrices of so many rows: f16 in memory, so that f16 factors are no less exact but for
/// the weights, subgroups large enough for an invocation to have a row, and workgroup memory for what is staged.
pub(crate) fn multiplies(problem: &Problem, capabilities: &Capabilities, rows: u32) -> bool {
    let largest = capabilities.largest_subgroup;
    problem.dtype() == Dtype::F16
        && capabilities.matrices.has(rows)
        && capabilities.workgroup_storage >= Algorithm::MATRIX_STORAGE
        && largest.is_power_of_two()
        && (rows..=Algorithm::MOST_MATRIX_LANES).contains(&largest)
}

fn algorithm(problem: &Problem, capabilities: &Capabilities) -> (Algorithm, u32) {
    let shape = problem.shape();
    let features = shape.head_dim.max(problem.value_dim());
    if decodes(problem, capabilities) {
        let sums = if capabilities.cpu { 256 } else { 128 };
        let most = (sums / features.next_power_of_two()).clamp(1, 4);
        return (Algorithm::Decode, shape.q_len.next_power_of_two().min(most));
    }
    let sizes = [16, 8].into_iter();
    let mut sizes = sizes.filter(|&rows| multiplies(problem, capabilities, rows));
    let narrow = features <= Algorithm::MATRIX_FEATURES;
    if let (false, true, Some(rows)) = (capabilities.cpu, narrow, sizes.next()) {
        return (Algorithm::Cooperative, rows);
    }
    match (capabilities.broadcasts(), features) {
        (true, 0..=64) => (Algorithm::Broadcast, 4),
        (true, 65..=128) => (Algorithm::Broadcast, 2),
        (true, _) => (Algorithm::Broadcast, 1),
        (false, 0..=64) if capabilities.cpu => (Algorithm::Fragments, 8),
        (false, _) => (Algorithm::Fragments, 4),
    }
}

impl Capabilities {
    /// Whether [`Algorithm::Broadcast`] is right, and the better choice.
    pub(super) const fn broadcasts(&self) -> bool {
        self.cpu
            && self.subgroup_size >= Algorithm::LANES
            && self.largest_subgroup <= Algorithm::MOST_LANES
    }
    /// Refuses a kernel of so many bytes of workgroup memory, invocations and storage buffers.
    pub(super) fn check(&self, bytes: u32, invocations: u32, buffers: usize) -> Result<(), Error> {
        let buffers = u32::try_from(buffers).unwrap_or(u32::MAX);
        for (limit, found, needed) in [
            (Limit::WorkgroupStorage, self.workgroup_storage, bytes),
            (Limit::Invocations, self.invocations, invocations),
            (Limit::StorageBuffers, self.storage_buffers, buffers),
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
}
