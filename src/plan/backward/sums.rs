//! From what workgroups left behind to the gradients of the bias's parameters.

use bytemuck::Pod;
use wgpu::{BufferBinding, ComputePipeline, Device};

use super::params::{
    CopyParams, FireGradientParams, OffsetGradientParams, PartialParams, RowGradientParams, at,
};
use super::ranges::ranges;
use super::workspace::Sums;
use crate::plan::bound::{Step, entry, storage, uniform};
use crate::plan::check::spread;
use crate::plan::offset_table::logarithms;
use crate::plan::split::Chunk;
use crate::problem::{Indexed, Term};
use crate::{Bias, Error, Kerple, Problem};

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

    /// The storage bindings, as [`Places::storage`] has them.
    pub(crate) fn bindings(self) -> Vec<(u32, bool)> {
        let (numbers, table) = ((1, true), (2, true));
        let mut bindings = match self {
            Self::Rows => return row_bindings(true),
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
    pub(super) workspace: BufferBinding<'a>,
    pub(super) table: Option<BufferBinding<'a>>,
    pub(super) dtable: Option<BufferBinding<'a>>,
    pub(super) accumulate: bool,
}

/// A buffer of the caller, or one with numbers from the host.
enum Source<'a> {
    Given(BufferBinding<'a>),
    Own(wgpu::Buffer),
}

impl Source<'_> {
    fn binding(&self) -> BufferBinding<'_> {
        match self {
            Self::Given(binding) => binding.clone(),
            Self::Own(buffer) => buffer.as_entire_buffer_binding(),
        }
    }
}

impl<'a> Places<'a> {
    fn step<T: Pod>(
        &self,
        pipeline: &ComputePipeline,
        params: &T,
        storage: &[(u32, Source<'_>)],
        workgroups: [u32; 3],
    ) -> Result<Step, Error> {
        let params = uniform(self.device, bytemuck::bytes_of(params))?;
        let mut entries = vec![entry(0, params.as_entire_buffer_binding())];
        let storage = storage.iter();
        entries.extend(storage.map(|(number, source)| entry(*number, source.binding())));
        Ok(Step::new(self.device, pipeline, &entries, workgroups))
    }

    /// Copies a tensor of so many words.
    pub(super) fn copy(
        &self,
        pipeline: &ComputePipeline,
        source: &BufferBinding<'_>,
        to: &BufferBinding<'_>,
        words: u64,
    ) -> Result<Step, Error> {
        let workgroups = spread(self.device, words.div_ceil(64))?;
        let params = CopyParams {
            count: u32::try_from(words).unwrap_or(u32::MAX),
            groups: workgroups[0],
            padding: [0; 2],
        };
        let storage = [(1, source), (3, to)].map(|(n, given)| (n, Source::Given(given.clone())));
        self.step(pipeline, &params, &storage, workgroups)
    }

    /// Clears sums, or adds to them what the workgroups of a dispatch left behind; nothing where there are none.
    pub(super) fn add_partials(
        &self,
        pipeline: &ComputePipeline,
        sums: &Sums,
        left: Option<&Chunk>,
    ) -> Result<Option<Step>, Error> {
        if sums.width == 0 {
            return Ok(None);
        }
        let [tiles, heads, batch] = left.map_or([0; 3], |chunk| chunk.workgroups(1));
        let params = PartialParams {
            at_partials: at(&sums.partials),
            at_sums: at(&sums.sums),
            width: sums.width,
            tiles: tiles * sums.parts,
            heads,
            batch,
            first_head: left.map_or(0, |chunk| chunk.heads.start),
            adds: left.is_some().into(),
        };
        let all_heads = self.problem.shape().heads;
        let heads = if left.is_some() { heads } else { all_heads };
        let workgroups = sums.workgroups(heads);
        let storage = [(25, Source::Given(self.workspace.clone()))];
        let step = || self.step(pipeline, &params, &storage, workgroups);
        (heads > 0).then(step).transpose()
    }

    /// From the sums by offset to the gradient of a bias's parameters.
    pub(super) fn offset_gradient(
        &self,
        pipeline: &ComputePipeline,
        sums: &Sums,
        term: &Term,
    ) -> Result<Option<Step>, Error> {
        let (Some(family), Some(rows)) = (GradientFamily::of(term.bias), term.bias.table_rows())
        else {
            return Ok(None);
        };
        let radius = self.problem.bias_radius();
        if family == GradientFamily::Rows {
            let ranges = Some(ranges(term, radius));
            return self.row_gradient(pipeline, sums, [term.first_row, rows], ranges);
        }
        let heads = self.problem.shape().heads;
        let params = OffsetGradientParams {
            heads,
            radius,
            first_row: term.first_row,
            adds: self.accumulate.into(),
            at_sums: at(&sums.sums),
            padding: [0; 3],
        };
        let numbers = (family == GradientFamily::KerplePower).then(|| logarithms(radius));
        let storage = self.storage(&family.bindings(), numbers)?;
        let step = |storage: Vec<_>| self.step(pipeline, &params, &storage, [rows, heads, 1]);
        storage.filter(|_| heads > 0).map(step).transpose()
    }

    /// From the sums of each row of an index table to its gradient.
    pub(super) fn index_gradient(
        &self,
        pipeline: &ComputePipeline,
        sums: &Sums,
        indexed: Indexed,
    ) -> Result<Option<Step>, Error> {
        let rows = indexed.rows * indexed.matrices;
        self.row_gradient(pipeline, sums, [indexed.first_row, rows], None)
    }

    /// From sums to the gradient of a table's rows, each of which has a range of them, or one of its own.
    fn row_gradient(
        &self,
        pipeline: &ComputePipeline,
        sums: &Sums,
        [first_row, rows]: [u32; 2],
        ranges: Option<Vec<u32>>,
    ) -> Result<Option<Step>, Error> {
        let heads = self.problem.shape().heads;
        let groups = (u64::from(rows) * u64::from(heads)).div_ceil(64);
        let workgroups = spread(self.device, groups)?;
        let params = RowGradientParams {
            heads,
            width: sums.width,
            first_row,
            rows,
            adds: self.accumulate.into(),
            at_sums: at(&sums.sums),
            groups: workgroups[0],
            padding: 0,
        };
        let storage = self.storage(&row_bindings(ranges.is_some()), ranges)?;
        let step = |storage: Vec<_>| self.step(pipeline, &params, &storage, workgroups);
        storage.filter(|_| groups > 0).map(step).transpose()
    }

    /// What a kernel binds: 1 holds numbers from the host, 2 the caller's table, 3 its gradient, 25 the workspace. None where a
    /// tensor is not there.
    fn storage(
        &self,
        bindings: &[(u32, bool)],
        numbers: Option<Vec<u32>>,
    ) -> Result<Option<Vec<(u32, Source<'a>)>>, Error> {
        let numbers = numbers.map(|numbers| storage(self.device, &numbers));
        let numbers = numbers.transpose()?;
        let of = |number: u32| match number {
            1 => numbers.clone().map(Source::Own),
            2 => self.table.clone().map(Source::Given),
            3 => self.dtable.clone().map(Source::Given),
            _ => Some(Source::Given(self.workspace.clone())),
        };
        let bindings = bindings.iter();
        Ok(bindings
            .map(|&(number, _)| Some((number, of(number)?)))
            .collect())
    }

    /// From moments, the first of which is this one of a head, to the gradients of FIRE's parameters.
    pub(super) fn fire_gradient(
        &self,
        pipeline: &ComputePipeline,
        sums: &Sums,
        first: u32,
        (width, first_row): (u32, u32),
    ) -> Result<Option<Step>, Error> {
        let heads = self.problem.shape().heads;
        let params = FireGradientParams {
            heads,
            first_row,
            adds: self.accumulate.into(),
            at_sums: at(&sums.sums),
            sums_width: sums.width,
            first_moment: first,
            padding: [0; 2],
        };
        let storage = self.storage(&fire_bindings(), None)?;
        let workgroups = [(width + 1).div_ceil(64), heads, 1];
        let step = |storage: Vec<_>| self.step(pipeline, &params, &storage, workgroups);
        storage.filter(|_| heads > 0).map(step).transpose()
    }
}

/// The storage bindings of `copy_words.wgsl`.
pub(crate) fn copy_bindings() -> Vec<(u32, bool)> {
    vec![(1, true), (3, false)]
}

/// The storage bindings of `row_gradient.wgsl`, where rows have ranges and where they have one number each.
pub(crate) fn row_bindings(ranges: bool) -> Vec<(u32, bool)> {
    let of_table = [(3, false), (25, true)];
    let numbers = ranges.then_some((1, true));
    numbers.into_iter().chain(of_table).collect()
}

/// The storage bindings of `fire_gradient.wgsl`.
pub(crate) fn fire_bindings() -> Vec<(u32, bool)> {
    vec![(2, true), (3, false), (25, true)]
}
