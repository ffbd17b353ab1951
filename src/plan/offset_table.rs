//! The bias by head and clamped offset, made on the device from the parameters of its family.

use wgpu::BufferBinding;

use super::bound::{Step, entry, storage, uniform};
use super::params::{TableParams, later_buckets};
use crate::problem::Term;
use crate::{Bias, Error, Kerple, Problem};

/// Which function of the offset fills the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Family {
    Buckets,
    PerOffset,
    Alibi,
    KerpleLog,
    KerplePower,
    Sandwich,
}

impl Family {
    /// The family of a bias by offset.
    pub(crate) const fn of(bias: Bias) -> Option<Self> {
        match bias {
            Bias::None | Bias::Fire { .. } | Bias::Indexed { .. } | Bias::Dense(_) => None,
            Bias::Relative(_) => Some(Self::Buckets),
            Bias::PerOffset { .. } => Some(Self::PerOffset),
            Bias::Alibi => Some(Self::Alibi),
            Bias::Kerple(Kerple::Log) => Some(Self::KerpleLog),
            Bias::Kerple(Kerple::Power) => Some(Self::KerplePower),
            Bias::Sandwich { .. } => Some(Self::Sandwich),
        }
    }

    /// Storage bindings: 1 holds numbers from the host, 2 the caller's table, 3 the result.
    pub(crate) fn bindings(self) -> Vec<(u32, bool)> {
        let (numbers, table) = ((1, true), (2, true));
        let mut bindings = match self {
            Self::Buckets | Self::KerplePower => vec![numbers, table],
            Self::PerOffset | Self::Alibi | Self::KerpleLog => vec![table],
            Self::Sandwich => vec![numbers],
        };
        bindings.push((3, false));
        bindings
    }
}

/// Records the kernels that fill the table, `H · (2R + 1)` numbers: one for each bias by offset, of which all but the first add to
/// what is there.
pub(super) fn fill(
    device: &wgpu::Device,
    problem: &Problem,
    pipelines: &[wgpu::ComputePipeline],
    table: Option<&BufferBinding<'_>>,
    offsets: &BufferBinding<'_>,
    steps: &mut Vec<Step>,
) -> Result<(), Error> {
    let terms = problem.by_offset().zip(pipelines);
    for (n, (term, pipeline)) in terms.enumerate() {
        let params = params(problem, term, n > 0);
        let uniform = uniform(device, bytemuck::bytes_of(&params))?;
        let numbers = numbers(problem, term)
            .map(|numbers| storage(device, &numbers))
            .transpose()?;
        let mut entries = vec![
            entry(0, uniform.as_entire_buffer_binding()),
            entry(3, offsets.clone()),
        ];
        if let Some(numbers) = &numbers {
            entries.push(entry(1, numbers.as_entire_buffer_binding()));
        }
        if let (Some(table), Some(_)) = (table, term.bias.table_rows()) {
            entries.push(entry(2, table.clone()));
        }
        steps.push(Step::new(device, pipeline, &entries, workgroups(problem)));
    }
    Ok(())
}

/// The dispatch that fills the table.
pub(super) fn workgroups(problem: &Problem) -> [u32; 3] {
    let width = 2 * problem.bias_radius() + 1;
    [width.div_ceil(64), problem.shape().heads, 1]
}

fn params(problem: &Problem, term: &Term, adds: bool) -> TableParams {
    let thresholds = term.thresholds.as_ref();
    let count = match term.bias {
        Bias::PerOffset { max_offset } => max_offset,
        _ => thresholds.map_or(0, |thresholds| {
            u32::try_from(thresholds.steps().len()).unwrap_or(0)
        }),
    };
    TableParams {
        heads: problem.shape().heads,
        radius: problem.bias_radius(),
        count,
        per_direction: thresholds.map_or(0, later_buckets),
        first_row: term.first_row,
        adds: adds.into(),
        padding: [0; 2],
    }
}

/// What the kernel cannot compute exactly enough by itself, as bits.
fn numbers(problem: &Problem, term: &Term) -> Option<Vec<u32>> {
    match term.bias {
        Bias::Relative(_) => term
            .thresholds
            .as_ref()
            .map(|thresholds| thresholds.steps().to_vec()),
        Bias::Sandwich { .. } => {
            let basis = problem.sandwich_basis(term.bias);
            Some(basis.into_iter().map(f32::to_bits).collect())
        }
        Bias::Kerple(Kerple::Power) => Some(logarithms(problem.bias_radius())),
        _ => None,
    }
}

/// The logarithms of distances up to this one, in two parts each, as bits.
pub(super) fn logarithms(radius: u32) -> Vec<u32> {
    let distances = 0..=radius;
    distances
        .flat_map(|distance| split_log2(distance.max(1)))
        .map(f32::to_bits)
        .collect()
}

/// log2 as the nearest f32, and what that leaves.
#[expect(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
fn split_log2(distance: u32) -> [f32; 2] {
    let exact = f64::from(distance).log2();
    let high = exact as f32;
    [high, (exact - f64::from(high)) as f32]
}
