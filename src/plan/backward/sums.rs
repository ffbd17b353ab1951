//! From what workgroups left behind to the gradients of the bias's parameters.

use wgpu::{BufferBinding, ComputePipeline, Device};

use super::params::{OffsetGradientParams, PartialParams, at};
use super::workspace::Sections;
use crate::plan::bound::{Step, entry, storage, uniform};
use crate::plan::offset_table::logarithms;
use crate::plan::split::Chunk;
use crate::problem::Term;
use crate::{Bias, Direction, Kerple, Problem, Thresholds};

/// How the gradient of a bias by offset follows from sums by offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum GradientFamily {
    /// A row is the bias at some offsets: buckets, and a number for each offset.
    Rows,
    Alibi,
    KerpleLog,
    KerplePower,
}

impl GradientFamily {
    /// The family of a bias by offset that has parameters.
    pub(crate) const fn of(bias: Bias) -> Option<Self> {
        match bias {
            Bias::Relative(_) | Bias::PerOffset { .. } => Some(Self::Rows),
            Bias::Alibi => Some(Self::Alibi),
            Bias::Kerple(Kerple::Log) => Some(Self::KerpleLog),
            Bias::Kerple(Kerple::Power) => Some(Self::KerplePower),
            Bias::None
            | Bias::Sandwich { .. }
            | Bias::Fire { .. }
            | Bias::Indexed { .. }
            | Bias::Dense(_) => None,
        }
    }

    /// Storage bindings: 1 holds numbers from the host, 2 the caller's table, 3 its gradient, 25 the workspace.
    pub(crate) fn bindings(self) -> Vec<(u32, bool)> {
        let (numbers, table) = ((1, true), (2, true));
        let mut bindings = match self {
            Self::Rows => vec![numbers],
            Self::Alibi => Vec::new(),
            Self::KerpleLog => vec![table],
            Self::KerplePower => vec![numbers, table],
        };
        bindings.extend([(3, false), (25, true)]);
        bindings
    }
}

/// The storage bindings of `partial_sums.wgsl`.
pub(crate) fn partial_bindings() -> Vec<(u32, bool)> {
    vec![(25, false)]
}

/// The buffers that sums and gradients lie in.
pub(super) struct Places<'a> {
    pub(super) device: &'a Device,
    pub(super) problem: &'a Problem,
    pub(super) sections: &'a Sections,
    pub(super) workspace: BufferBinding<'a>,
    pub(super) table: Option<BufferBinding<'a>>,
    pub(super) dtable: Option<BufferBinding<'a>>,
    pub(super) accumulate: bool,
}

impl Places<'_> {
    /// Numbers of a head's sums by offset.
    fn offsets(&self) -> u32 {
        2 * self.problem.bias_radius() + 1
    }

    /// Clears the sums by offset, or adds to them what the workgroups of a dispatch left behind.
    pub(super) fn add_partials(
        &self,
        pipeline: &ComputePipeline,
        left: Option<(&Chunk, u32)>,
    ) -> Step {
        let width = self.offsets();
        let [tiles, heads, batch] = left.map_or([0; 3], |(chunk, parts)| {
            let [tiles, heads, batch] = chunk.workgroups(1);
            [tiles * parts, heads, batch]
        });
        let params = PartialParams {
            at_partials: at(&self.sections.offset_partials),
            at_sums: at(&self.sections.offset_sums),
            width,
            tiles,
            heads,
            batch,
            first_head: left.map_or(0, |(chunk, _)| chunk.heads.start),
            adds: left.is_some().into(),
        };
        let params = uniform(self.device, bytemuck::bytes_of(&params));
        let entries = [
            entry(0, params.as_entire_buffer_binding()),
            entry(25, self.workspace.clone()),
        ];
        let all_heads = self.problem.shape().heads;
        let heads = if left.is_some() { heads } else { all_heads };
        let workgroups = [width.div_ceil(64), heads, 1];
        Step::new(self.device, pipeline, &entries, workgroups)
    }

    /// From the sums by offset to the gradient of a bias's parameters.
    pub(super) fn offset_gradient(&self, pipeline: &ComputePipeline, term: &Term) -> Option<Step> {
        let family = GradientFamily::of(term.bias)?;
        let rows = term.bias.table_rows()?;
        let heads = self.problem.shape().heads;
        let params = OffsetGradientParams {
            heads,
            radius: self.problem.bias_radius(),
            first_row: term.first_row,
            adds: self.accumulate.into(),
            at_sums: at(&self.sections.offset_sums),
            rows,
            padding: [0; 2],
        };
        let params = uniform(self.device, bytemuck::bytes_of(&params));
        let numbers = match family {
            GradientFamily::Rows => Some(ranges(term)),
            GradientFamily::KerplePower => Some(logarithms(self.problem.bias_radius())),
            GradientFamily::Alibi | GradientFamily::KerpleLog => None,
        };
        let numbers = numbers.map(|numbers| storage(self.device, &numbers));
        let of = |number: u32| match number {
            1 => numbers.as_ref().map(wgpu::Buffer::as_entire_buffer_binding),
            2 => self.table.clone(),
            3 => self.dtable.clone(),
            _ => Some(self.workspace.clone()),
        };
        let mut entries = vec![entry(0, params.as_entire_buffer_binding())];
        for (number, _) in family.bindings() {
            entries.push(entry(number, of(number)?));
        }
        let width = rows.min(self.device.limits().max_compute_workgroups_per_dimension);
        let workgroups = [width, heads, rows.div_ceil(width)];
        Some(Step::new(self.device, pipeline, &entries, workgroups))
    }
}

/// The first and the last offset of each row, as bits.
fn ranges(term: &Term) -> Vec<u32> {
    let rows = match (term.bias, &term.thresholds) {
        (Bias::PerOffset { max_offset }, _) => {
            let end = max_offset.cast_signed();
            let row = |offset: i32| {
                let first = if offset == -end { -i32::MAX } else { offset };
                [first, if offset == end { i32::MAX } else { offset }]
            };
            (-end..=end).map(row).collect()
        }
        (_, Some(thresholds)) => bucket_ranges(thresholds),
        _ => Vec::new(),
    };
    rows.into_iter().flatten().map(i32::cast_unsigned).collect()
}

/// No offset where a bucket has none: the range from 1 to 0.
fn bucket_ranges(thresholds: &Thresholds) -> Vec<[i32; 2]> {
    let buckets = thresholds.buckets();
    let steps = thresholds.steps();
    let count = buckets.per_direction() as usize;
    let distances = |bucket: usize| {
        let at = |n: usize| steps.get(n).map_or(i32::MAX, |step| step.cast_signed());
        let first = bucket.checked_sub(1).map_or(0, at);
        [
            first,
            if bucket < steps.len() {
                at(bucket) - 1
            } else {
                i32::MAX
            },
        ]
    };
    let before = (0..count).map(|bucket| {
        let [first, last] = distances(bucket);
        [-last, -first]
    });
    match buckets.direction {
        Direction::Bidirectional => {
            // What is at offset 0 counts as before, so that the first bucket of what comes later has no distance 0.
            let later = (0..count).map(|bucket| {
                let [first, last] = distances(bucket);
                [first.max(1), last]
            });
            before.chain(later).collect()
        }
        // Later keys are at distance 0.
        Direction::Causal => before
            .map(|[first, last]| [first, if last == 0 { i32::MAX } else { last }])
            .collect(),
    }
}
