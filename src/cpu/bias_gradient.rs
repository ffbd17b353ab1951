//! The gradients of bias parameters for `cpu::Tiled`, from sums by clamped offset, by row of the table and by FIRE's segments.

use std::f32::consts::LN_2;

use super::bias::{BiasSource, OffsetSource, Run};
use super::fire_moments::Moments;
use crate::problem::Term;
use crate::{Bias, Kerple, Problem};

/// Sums over some scores of one head. They are f64: they are long, and short work beside the products.
pub(super) struct ParameterSums<'a> {
    problem: &'a Problem,
    bias: &'a BiasSource<'a>,
    /// Gate times gradient by clamped offset, `[2·radius + 1]`; what a bias by offset gets follows from them linearly.
    offsets: Vec<f64>,
    /// By row of the table of the index matrices.
    indexed: Vec<f64>,
    fire: Option<Moments>,
}

impl<'a> ParameterSums<'a> {
    pub(super) fn new(problem: &'a Problem, bias: &'a BiasSource<'a>) -> Self {
        let width = bias.offset.as_ref().map_or(0, |offset| offset.width);
        let indexed = problem.indexed();
        let rows = indexed.map_or(0, |indexed| {
            indexed.rows as usize * indexed.matrices as usize
        });
        Self {
            problem,
            bias,
            offsets: vec![0.0; width],
            indexed: vec![0.0; rows],
            fire: bias.fire.as_ref().map(Moments::new),
        }
    }

    /// Adds the gradients of the scores of a run; returns what they give the gate of the query.
    pub(super) fn add(&mut self, run: &Run, gradients: &[f32]) -> f64 {
        // A gate of a query that sees nothing may be anything.
        if gradients.iter().all(|&gradient| gradient == 0.0) {
            return 0.0;
        }
        if let Some(index) = &self.bias.index {
            for m in 0..index.indexed.matrices as usize {
                for (row, &gradient) in index.rows(run, m).zip(gradients) {
                    if let Some(row) = row {
                        self.indexed[row] += f64::from(gradient);
                    }
                }
            }
        }
        if let (Some(fire), Some(moments)) = (&self.bias.fire, &mut self.fire) {
            fire.add_moments(run, gradients, moments);
        }
        let offset = self.bias.offset.as_ref();
        offset.map_or(0.0, |offset| {
            offset.add_sums(run, gradients, &mut self.offsets)
        })
    }

    /// The gradients of the head's parameters, `[rows]`.
    pub(super) fn into_rows(self, head: usize) -> Vec<f64> {
        let mut rows = vec![0.0; self.problem.table_rows() as usize];
        for term in self.problem.by_offset() {
            self.add_term(term, head, &mut rows[term.first_row as usize..]);
        }
        if let Some(indexed) = self.problem.indexed() {
            rows[indexed.first_row as usize..][..self.indexed.len()].copy_from_slice(&self.indexed);
        }
        if let (Some((_, first)), Some(fire), Some(moments)) =
            (self.problem.fire(), &self.bias.fire, &self.fire)
        {
            moments.add_to(&fire.heads[head], &mut rows[first as usize..]);
        }
        rows
    }

    /// What the sums by offset give one bias of the sum, whose rows begin here.
    fn add_term(&self, term: &Term, head: usize, rows: &mut [f64]) {
        let Some(source) = &self.bias.offset else {
            return;
        };
        let parameter = |row: usize| f64::from(source.parameter(term, row, head));
        for (offset, &sum) in (-source.radius..).zip(&self.offsets) {
            if sum != 0.0 {
                add_offset(term, offset, sum, parameter, rows);
            }
        }
    }
}

/// What the sum at an offset gives the parameters of a bias.
fn add_offset(
    term: &Term,
    offset: i64,
    sum: f64,
    parameter: impl Fn(usize) -> f64,
    rows: &mut [f64],
) {
    #[expect(
        clippy::cast_precision_loss,
        reason = "distances are below 2^53 by far"
    )]
    let distance = offset.unsigned_abs() as f64;
    match term.bias {
        Bias::Relative(_) => {
            let thresholds = term.thresholds.as_ref();
            let bucket = thresholds.map_or(0, |thresholds| thresholds.bucket(offset));
            rows[bucket as usize] += sum;
        }
        Bias::PerOffset { max_offset } => {
            let end = i64::from(max_offset);
            rows[usize::try_from(offset.clamp(-end, end) + end).unwrap_or(0)] += sum;
        }
        Bias::Alibi => rows[0] -= distance * sum,
        Bias::Kerple(Kerple::Log) => {
            let (p, a) = (parameter(0), parameter(1));
            rows[0] -= (a * distance).ln_1p() * sum;
            rows[1] -= p * distance / (1.0 + a * distance) * sum;
        }
        Bias::Kerple(Kerple::Power) if offset != 0 => {
            let power = distance.powf(parameter(0)) * sum;
            rows[0] -= parameter(1) * power * distance.ln();
            rows[1] -= power;
        }
        // The others have no parameters, or none that an offset alone decides on.
        _ => {}
    }
}

impl OffsetSource<'_> {
    /// Adds gate times gradient to the sums by clamped offset; returns the sum of gradient times ungated bias.
    fn add_sums(&self, run: &Run, gradients: &[f32], sums: &mut [f64]) -> f64 {
        let gate = f64::from(self.gate(run));
        let row = self.row(run.head);
        let mut of_gate = 0.0;
        for (offset, &gradient) in (run.offset..).zip(gradients) {
            let column = offset.clamp(-self.radius, self.radius) + self.radius;
            let column = usize::try_from(column).unwrap_or(0);
            let gradient = f64::from(gradient);
            sums[column] += gate * gradient;
            // A bias that the mask hides may be infinite.
            if self.gate.is_some() && gradient != 0.0 {
                of_gate += gradient * f64::from(row[column]);
            }
        }
        of_gate * f64::from(LN_2)
    }
}
