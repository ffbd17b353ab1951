//! What the kernels of a backward pass run over, in chunks that keep to the device's limits.

use super::workspace::Sections;
use super::{Backward, BackwardVariant, Side};
use crate::Error;
use crate::plan::ranges::KeyRanges;
use crate::plan::split::{Bounds, Chunk, Work};

/// Rows of a workgroup of `backward_statistics.wgsl` and `clear_dbias.wgsl`.
const ROWS: u32 = 64;

/// The dispatches of a kernel.
pub(super) struct Chunked<'a> {
    pub(super) work: Work<'a>,
    pub(super) chunks: Vec<Chunk>,
}

/// Those of each kernel whose tensors may be larger than a binding.
pub(super) struct Works<'a> {
    pub(super) statistics: Chunked<'a>,
    /// Where the gradient of a dense bias is written.
    pub(super) clear: Option<Chunked<'a>>,
    pub(super) queries: Chunked<'a>,
    pub(super) keys: Chunked<'a>,
}

impl<'a> Works<'a> {
    /// # Errors
    /// What no split brings within the device's limits.
    pub(super) fn new(backward: &'a Backward, sections: &Sections) -> Result<Self, Error> {
        let clears = backward.pipelines.clear_dbias.is_some();
        let clear = clears.then(|| chunked(over_rows(backward, true)));
        Ok(Self {
            statistics: chunked(over_rows(backward, false))?,
            clear: clear.transpose()?,
            queries: chunked(over_scores(
                backward,
                &backward.queries,
                sections.workgroups,
            ))?,
            keys: chunked(over_scores(backward, &backward.keys, u64::MAX))?,
        })
    }
}

fn chunked(work: Work<'_>) -> Result<Chunked<'_>, Error> {
    let chunks = work.chunks()?;
    Ok(Chunked { work, chunks })
}

/// A kernel that has no scores.
fn over_rows(backward: &Backward, dbias: bool) -> Work<'_> {
    Work {
        problem: &backward.problem,
        side: Side::Queries,
        tile: ROWS,
        splits: 1,
        parts: 0,
        key_ranges: KeyRanges::whole(&backward.problem),
        binds_ranges: false,
        products: 1,
        dbias,
        packed: false,
        bounds: bounds(backward, u64::MAX),
    }
}

/// A kernel of which at most so many workgroups are dispatched at once.
fn over_scores<'a>(backward: &'a Backward, variant: &BackwardVariant, total: u64) -> Work<'a> {
    let [d, dv] = [variant.scores.head_dim, variant.scores.value_dim].map(u64::from);
    Work {
        problem: &backward.problem,
        side: variant.side,
        tile: variant.own_tile(),
        splits: 1,
        parts: 0,
        key_ranges: KeyRanges::whole(&backward.problem),
        binds_ranges: false,
        products: match variant.side {
            Side::Queries => 2 * d + dv,
            Side::Keys => 2 * (d + dv),
        },
        dbias: variant.gradients.dense,
        packed: true,
        bounds: bounds(backward, total),
    }
}

fn bounds(backward: &Backward, total: u64) -> Bounds {
    let limits = backward.device.limits();
    Bounds {
        workgroups: limits.max_compute_workgroups_per_dimension,
        binding: limits.max_storage_buffer_binding_size,
        alignment: limits.min_storage_buffer_offset_alignment.into(),
        budget: backward.budget,
        total,
    }
}
