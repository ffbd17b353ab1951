//! The definition of attention, in f64 and straight from the formula.
//!
//! It is what everything else is checked against, so it has its own bucket function and its own mask.

use num_bigint::BigUint;

use super::{Attention, Inputs, Outputs, for_each_tile};
use crate::{Bias, Direction, InputError, Kerple, Problem, RelativeBuckets};

/// Naive attention in f64.
#[derive(Clone, Copy, Debug, Default)]
pub struct Oracle;

/// What the oracle returns before rounding to f32.
#[derive(Clone, Debug, PartialEq)]
pub struct Exact {
    /// `[B, H, Nq, D]`.
    pub out: Vec<f64>,
    /// `[B, H, Nq]`.
    pub lse: Vec<f64>,
}

impl Oracle {
    /// The output and log-sum-exp in f64.
    ///
    /// # Errors
    /// Inputs that do not fit the problem.
    pub fn exact(&self, problem: &Problem, inputs: &Inputs<'_>) -> Result<Exact, InputError> {
        inputs.validate(problem)?;
        let (out, lse) = for_each_tile(
            problem,
            1,
            f64::NEG_INFINITY,
            || (),
            |(), [b, head, i], out: &mut [f64], lse: &mut [f64]| {
                lse[0] = attend_row(problem, inputs, [b, head, i], out);
            },
        );
        Ok(Exact { out, lse })
    }

    /// The bucket of an offset by T5's formula, with a logarithm in f64.
    ///
    /// Within 1e-9 of an integer, where the logarithm may be on the wrong side of it, powers decide: ties such as distance 32 are exact ones,
    /// and far away two distances may be that close.
    ///
    /// # Panics
    /// It may, for buckets that [`RelativeBuckets::thresholds`] refuses.
    #[must_use]
    pub fn bucket(buckets: &RelativeBuckets, offset: i64) -> u32 {
        let (count, base, distance) = match buckets.direction {
            Direction::Bidirectional => {
                let half = buckets.num_buckets / 2;
                let base = if offset > 0 { half } else { 0 };
                (half, base, offset.unsigned_abs())
            }
            Direction::Causal => (buckets.num_buckets, 0, offset.min(0).unsigned_abs()),
        };
        let max_exact = count / 2;
        if distance < u64::from(max_exact) {
            return base + u32::try_from(distance).unwrap_or(0);
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "distances that are not in the last bucket are below 2^53"
        )]
        let far = distance as f64;
        let exact = f64::from(max_exact);
        let value = (far / exact).ln() / (f64::from(buckets.max_distance) / exact).ln()
            * f64::from(count - max_exact);
        let last = count - 1 - max_exact;
        if value > f64::from(last) + 1e-9 {
            return base + max_exact + last;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and last"
        )]
        let [floor, nearest] = [value.floor() as u32, value.round() as u32];
        let close = (value - f64::from(nearest)).abs() < 1e-9;
        let step = match nearest {
            1.. if close && reaches(distance, nearest, buckets.max_distance, max_exact, count) => {
                nearest
            }
            1.. if close => nearest - 1,
            _ => floor,
        };
        base + max_exact + step
    }
}

/// Whether `(distance / exact)^l ≥ (max_distance / exact)^step` with `l = count − exact`, in integers.
fn reaches(distance: u64, step: u32, max_distance: u32, exact: u32, count: u32) -> bool {
    let others = count - exact;
    let power = |base: u64, exponent| BigUint::from(base).pow(exponent);
    let left = power(distance, others) * power(exact.into(), step);
    left >= power(max_distance.into(), step) * power(exact.into(), others)
}

impl Attention for Oracle {
    type Error = InputError;

    fn forward(&self, problem: &Problem, inputs: &Inputs<'_>) -> Result<Outputs, InputError> {
        let exact = self.exact(problem, inputs)?;
        #[expect(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
        let round = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
        Ok(Outputs {
            out: round(exact.out),
            lse: round(exact.lse),
        })
    }
}

/// One query row: fills `out` and returns the log-sum-exp.
fn attend_row(
    problem: &Problem,
    inputs: &Inputs<'_>,
    [b, head, i]: [usize; 3],
    out: &mut [f64],
) -> f64 {
    let scores = scores(problem, inputs, [b, head, i]);
    let [_, _, v_layout, _] = problem.layouts();
    if scores.is_empty() {
        return f64::NEG_INFINITY;
    }
    let maximum = scores
        .iter()
        .map(|&(_, score)| score)
        .fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = scores
        .iter()
        .map(|&(_, score)| (score - maximum).exp())
        .sum();
    for &(j, score) in &scores {
        let factor = factor(problem, [b, head, i, j]);
        if factor == 0.0 {
            continue;
        }
        let weight = factor * (score - maximum).exp() / sum;
        let [block, row] = key_place(problem, inputs, b, j);
        let values = &inputs.v[v_layout.start(block, kv_head(problem, head), row)..];
        for (o, &value) in out.iter_mut().zip(values) {
            *o += weight * f64::from(value);
        }
    }
    maximum + sum.ln()
}

/// The keys that a query sees, with their scores.
pub(super) fn scores(
    problem: &Problem,
    inputs: &Inputs<'_>,
    [b, head, i]: [usize; 3],
) -> Vec<(usize, f64)> {
    let d = problem.shape().head_dim as usize;
    let [q_layout, k_layout, ..] = problem.layouts();
    let query = &inputs.q[q_layout.start(b, head, i)..][..d];
    (0..problem.shape().k_len as usize)
        .filter(|&j| visible(problem, inputs, [b, head, i, j]))
        .map(|j| {
            let [block, row] = key_place(problem, inputs, b, j);
            let key = &inputs.k[k_layout.start(block, kv_head(problem, head), row)..][..d];
            let product: f64 = query
                .iter()
                .zip(key)
                .map(|(&x, &y)| f64::from(x) * f64::from(y))
                .sum();
            let score = f64::from(problem.scale()) * product;
            (j, score + bias(problem, inputs, [b, head, i, j]))
        })
        .collect()
}

/// The key head of a query head.
pub(super) const fn kv_head(problem: &Problem, head: usize) -> usize {
    let shape = problem.shape();
    head / (shape.heads / shape.kv_heads) as usize
}

/// What dropout makes of a weight; none of it where it is left out.
pub(super) fn factor(problem: &Problem, place: [usize; 4]) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "lengths are 32-bit, and so is what they bound"
    )]
    let place = place.map(|n| n as u32);
    problem
        .dropout()
        .map_or(1.0, |dropout| dropout.factor(problem.dropout_place(place)))
}

/// Where a key lies: its block and row in a paged cache, else its sequence and row.
fn key_place(problem: &Problem, inputs: &Inputs<'_>, b: usize, j: usize) -> [usize; 2] {
    match (problem.paged(), inputs.block_table) {
        (Some(paged), Some(table)) => {
            let size = paged.block_size as usize;
            let width = (problem.shape().k_len as usize).div_ceil(size);
            [table[b * width + j / size] as usize, j % size]
        }
        _ => [b, j],
    }
}

/// The sequence of a packed batch that a row belongs to, and its place there.
fn unpacked(starts: Option<&[u32]>, row: usize) -> (usize, usize) {
    let starts = starts.unwrap_or(&[0]);
    let begun = starts.iter().filter(|&&start| start as usize <= row);
    let sequence = begun.count() - 1;
    (sequence, row - starts[sequence] as usize)
}

/// The position of a query, and of a key, in their sequence.
#[expect(
    clippy::cast_possible_wrap,
    reason = "lengths are 32-bit, so they fit i64"
)]
pub(super) fn positions(problem: &Problem, inputs: &Inputs<'_>, i: usize, j: usize) -> [i64; 2] {
    let (_, i) = unpacked(inputs.query_starts, i);
    let (_, j) = unpacked(inputs.key_starts, j);
    [
        i as i64 + i64::from(problem.query_offset()),
        j as i64 + i64::from(problem.key_offset()),
    ]
}

pub(super) fn offset(problem: &Problem, inputs: &Inputs<'_>, i: usize, j: usize) -> i64 {
    let [query, key] = positions(problem, inputs, i, j);
    key - query
}

fn visible(problem: &Problem, inputs: &Inputs<'_>, [b, head, i, j]: [usize; 4]) -> bool {
    let shape = problem.shape();
    let (mask, offset) = (problem.mask(), offset(problem, inputs, i, j));
    let after = mask.causal && offset > 0;
    let outside = mask
        .window
        .is_some_and(|window| offset < -i64::from(window.left) || offset > i64::from(window.right));
    let beyond = inputs
        .key_lengths
        .is_some_and(|lengths| j >= lengths[b] as usize);
    let hidden = inputs
        .key_mask
        .is_some_and(|mask| mask[b * problem.shape().k_len as usize + j] == 0);
    let no_query = inputs
        .query_lengths
        .is_some_and(|lengths| i >= lengths[b] as usize);
    let foreign = match (inputs.query_documents, inputs.key_documents) {
        (Some(queries), Some(keys)) => {
            queries[b * shape.q_len as usize + i] != keys[b * shape.k_len as usize + j]
        }
        _ => false,
    };
    let barred = match (mask.bits, inputs.mask_bits) {
        (Some(bits), Some(words)) => {
            let heads = if bits.each_head {
                shape.heads as usize
            } else {
                1
            };
            let sequence = if bits.each_sequence { b } else { 0 };
            let head = if bits.each_head { head } else { 0 };
            let row = (sequence * heads + head) * shape.q_len as usize + i;
            let word = words[row * shape.k_len.div_ceil(32) as usize + j / 32];
            word >> (j % 32) & 1 == 0
        }
        _ => false,
    };
    let apart = unpacked(inputs.query_starts, i).0 != unpacked(inputs.key_starts, j).0;
    !(apart || after || outside || beyond || hidden || no_query || foreign || barred)
}

/// The sum of the biases of a score.
pub(super) fn bias(problem: &Problem, inputs: &Inputs<'_>, place: [usize; 4]) -> f64 {
    let [b, head, i, _] = place;
    let shape = problem.shape();
    let row = (b * shape.heads as usize + head) * shape.q_len as usize + i;
    let gate = inputs.gate.map_or(1.0, |gate| f64::from(gate[row]));
    let mut first_row = 0;
    let mut sum = 0.0;
    for bias in problem.biases() {
        let value = term(problem, inputs, bias, first_row, place);
        let gated = !matches!(
            bias,
            Bias::Fire { .. } | Bias::Indexed { .. } | Bias::Dense(_)
        );
        sum += if gated { gate * value } else { value };
        first_row += bias.table_rows().unwrap_or(0) as usize;
    }
    sum
}

/// One bias of the sum, whose parameters begin in this row of the table.
pub(super) fn term(
    problem: &Problem,
    inputs: &Inputs<'_>,
    bias: Bias,
    first_row: usize,
    [b, head, i, j]: [usize; 4],
) -> f64 {
    let heads = problem.shape().heads as usize;
    let table = |row: usize| {
        inputs.table.map_or(0.0, |table| {
            f64::from(table[(first_row + row) * heads + head])
        })
    };
    let offset = offset(problem, inputs, i, j);
    #[expect(
        clippy::cast_precision_loss,
        reason = "distances are below 2^53 by far"
    )]
    let distance = offset.abs() as f64;
    match bias {
        Bias::None => 0.0,
        Bias::Relative(buckets) => table(Oracle::bucket(&buckets, offset) as usize),
        Bias::PerOffset { max_offset } => {
            let end = i64::from(max_offset);
            let row = offset.clamp(-end, end) + end;
            table(usize::try_from(row).unwrap_or(0))
        }
        Bias::Alibi => -table(0) * distance,
        Bias::Kerple(Kerple::Log) => -table(0) * (1.0 + table(1) * distance).ln(),
        Bias::Kerple(Kerple::Power) => -table(1) * distance.powf(table(0)),
        Bias::Sandwich { dimensions } => {
            let inner: f64 = (0..dimensions / 2)
                .map(|n| {
                    let exponent = 2.0 * f64::from(n) / f64::from(dimensions);
                    (distance / 10_000_f64.powf(exponent)).cos()
                })
                .sum();
            #[expect(clippy::cast_precision_loss, reason = "heads are 32-bit")]
            let ratio = 8.0 * (head + 1) as f64 / heads as f64;
            inner / ratio
        }
        Bias::Fire { width } => {
            let [query, _] = positions(problem, inputs, i, j);
            fire(width as usize, table, distance, query)
        }
        Bias::Indexed {
            rows,
            matrices,
            each_sequence,
            ..
        } => {
            let shape = problem.shape();
            let (batch, sequence) = if each_sequence {
                (shape.batch as usize, b)
            } else {
                (1, 0)
            };
            let row = |m: usize| {
                let plane = m * batch + sequence;
                let at = (plane * shape.q_len as usize + i) * shape.k_len as usize + j;
                inputs.indices.map_or(rows, |indices| indices[at])
            };
            (0..matrices as usize)
                .filter(|&m| row(m) < rows)
                .map(|m| table(m * rows as usize + row(m) as usize))
                .sum()
        }
        Bias::Dense(layout) => inputs
            .bias
            .map_or(0.0, |bias| f64::from(bias[layout.start(b, head, i) + j])),
    }
}

/// FIRE by its MLP, with the rows of its table.
fn fire(width: usize, table: impl Fn(usize) -> f64, distance: f64, query: i64) -> f64 {
    let psi = |x: f64| ((table(0) * x).abs() + 1.0).ln();
    #[expect(
        clippy::cast_precision_loss,
        reason = "positions are below 2^53 by far"
    )]
    let position = query as f64;
    let x = psi(distance) / (psi(position.max(table(1).abs())) + 1e-6);
    let unit = |u: usize| {
        let active = table(2 + u) * x + table(2 + width + u);
        table(2 + 2 * width + u) * active.max(0.0)
    };
    (0..width).map(unit).sum::<f64>() + table(2 + 3 * width)
}
