//! The tolerance, from what a plain f32 implementation gets wrong on the same data.

use relattn::cpu::{Exact, Inputs, Oracle, Outputs};
use relattn::{Bias, Kerple, Problem, Tensor};

use super::heat::{Heat, Strided, heat};
use super::worst::{Worst, difference};

/// What a result is compared with.
#[derive(Clone, Debug)]
pub struct Reference {
    exact: Exact,
    bound: [f64; 2],
    /// The elements of the output that belong to no gap of its layout.
    written: Vec<bool>,
}

impl Reference {
    /// The f64 result, and the bound `2 · (|naive − exact| + ulp · |exact|)` for the output and for the log-sum-exp.
    ///
    /// One naive pass may be lucky, so its error counts as no less than what the rounding of scores makes of the result.
    pub fn new(problem: &Problem, inputs: &Inputs<'_>) -> Self {
        let exact = Oracle.exact(problem, inputs).expect("valid inputs");
        let naive = naive(problem, inputs);
        let rounding = naive.rounding();
        let naive = naive.outputs;
        let error = |exact: &[f64], naive: &[f32], least| {
            let errors = exact.iter().zip(naive).map(|(&e, &n)| difference(n, e));
            largest(errors.chain([least]))
        };
        let magnitude = |exact: &[f64]| largest(finite(exact.iter().copied()));
        let out = magnitude(&exact.out);
        let ulp = f64::from(problem.dtype().epsilon());
        let error_out = error(&exact.out, &naive.out, rounding * out);
        let error_lse = error(&exact.lse, &naive.lse, rounding);
        let bound = [
            2.0 * (error_out + ulp * out),
            2.0 * (error_lse + f64::from(f32::EPSILON) * magnitude(&exact.lse)),
        ];
        Self {
            exact,
            bound,
            written: written(problem),
        }
    }

    /// What is allowed for the output and for the log-sum-exp.
    pub const fn bound(&self) -> [f64; 2] {
        self.bound
    }

    /// The error of a result as a share of the bound, or where it is worst.
    pub fn check(&self, found: &Outputs) -> Result<f64, String> {
        match self.worst(found)? {
            Some(worst) if worst.share() > 1.0 => Err(worst.to_string()),
            worst => Ok(worst.map_or(0.0, |worst| worst.share())),
        }
    }

    /// Where a result is worst, by its share of the bound; nothing where it has no elements.
    pub fn worst(&self, found: &Outputs) -> Result<Option<Worst>, String> {
        if found.out.len() != self.exact.out.len() || found.lse.len() != self.exact.lse.len() {
            return Err("a result has the wrong length".into());
        }
        let [out, lse] = self.bound;
        let out = (&found.out[..], out);
        let lse = (&found.lse[..], lse);
        let out = Worst::of("out", out, &self.exact.out, Some(&self.written));
        let lse = Worst::of("lse", lse, &self.exact.lse, None);
        Ok(out.into_iter().chain(lse).reduce(Worst::or))
    }

    /// The errors around the worst one.
    #[must_use]
    pub fn heat(&self, problem: &Problem, found: &Outputs, worst: &Worst) -> Option<Heat> {
        let exact = &self.exact;
        match worst.tensor {
            "out" => heat(problem, Tensor::Out, worst, (&found.out, &exact.out)),
            _ => heat(problem, Tensor::Lse, worst, (&found.lse, &exact.lse)),
        }
    }
}

/// The largest magnitude; NaN where one of the values is, and 0 of none.
pub fn largest(values: impl Iterator<Item = f64>) -> f64 {
    let magnitudes = values.map(f64::abs);
    magnitudes.max_by(f64::total_cmp).unwrap_or(0.0)
}

fn finite(values: impl Iterator<Item = f64>) -> impl Iterator<Item = f64> {
    values.filter(|value| value.is_finite())
}

/// Which elements of the output a pass writes.
pub fn written(problem: &Problem) -> Vec<bool> {
    let strided = Strided::of(problem, Tensor::Out).expect("out has a layout");
    strided.written(problem.shape().batch, super::elements(problem, Tensor::Out))
}

/// What a plain implementation makes of a problem.
pub(super) struct Naive {
    pub(super) outputs: Outputs,
    /// The largest magnitude of a score, with its bias.
    largest_score: f64,
    /// How often a number of that size is rounded on the way to a score.
    roundings: f64,
}

impl Naive {
    /// What every pass in f32 may round away of the largest score: half an ulp for each rounding of a number of that size. They are
    /// independent, and add up as the root of their number. A score that is off by `e` changes a weight by the factor `exp(e)`, which
    /// is this share of it.
    pub(super) fn rounding(&self) -> f64 {
        self.roundings.sqrt() * half_ulp(self.largest_score)
    }

    /// The same of a backward pass, whose weights are `exp(score − lse)`: the log-sum-exp that it reads is rounded to f32 too.
    pub(super) fn rounding_backward(&self) -> f64 {
        let lse = finite(self.outputs.lse.iter().copied().map(f64::from));
        self.rounding() + half_ulp(largest(lse))
    }
}

/// The roundings of a score that is large for its bias: of each bias that a formula gives, of their sum, of its product with the gate, and
/// of the sum with q · k.
fn roundings(problem: &Problem) -> f64 {
    let by_formula = |bias: &Bias| {
        matches!(
            bias,
            Bias::Alibi | Bias::Kerple(_) | Bias::Sandwich { .. } | Bias::Fire { .. }
        )
    };
    let formulas = problem.biases().filter(by_formula).count();
    let sums = problem.biases().count().max(1);
    (formulas + sums + usize::from(problem.gated())) as f64
}

fn half_ulp(of: f64) -> f64 {
    0.5 * f64::from(f32::EPSILON) * of
}

/// Attention in f32, unblocked: scores, maximum, exponentials, weighted sum.
pub(super) fn naive(problem: &Problem, inputs: &Inputs<'_>) -> Naive {
    let shape = problem.shape();
    let outputs = Outputs {
        out: vec![0.0; super::elements(problem, Tensor::Out)],
        lse: Vec::new(),
    };
    let mut naive = Naive {
        outputs,
        largest_score: 0.0,
        roundings: roundings(problem),
    };
    for b in 0..shape.batch as usize {
        for head in 0..shape.heads as usize {
            for i in 0..shape.q_len as usize {
                naive_row(problem, inputs, [b, head, i], &mut naive);
            }
        }
    }
    naive
}

fn naive_row(problem: &Problem, inputs: &Inputs<'_>, [b, head, i]: [usize; 3], naive: &mut Naive) {
    let outputs = &mut naive.outputs;
    let dv = problem.value_dim() as usize;
    let kv_head = kv_head(problem, head);
    let (visible, scores) = scores(problem, inputs, [b, head, i]);
    if scores.is_empty() {
        outputs.lse.push(f32::NEG_INFINITY);
        return;
    }
    let magnitudes = finite(scores.iter().map(|&score| f64::from(score)));
    naive.largest_score = largest(magnitudes).max(naive.largest_score);
    let maximum = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f32> = scores.iter().map(|score| (score - maximum).exp()).collect();
    let sum: f32 = weights.iter().sum();
    outputs.lse.push(maximum + sum.ln());
    let start = problem
        .layout(Tensor::Out)
        .expect("a layout")
        .start(b, head, i);
    for (&j, weight) in visible.iter().zip(&weights) {
        let factor = factor(problem, [b, head, i, j]);
        if factor == 0.0 {
            continue;
        }
        let [block, place] = key_place(problem, inputs, b, j);
        let value = row(problem, inputs.v, Tensor::V, [block, kv_head, place]);
        for (o, x) in outputs.out[start..start + dv].iter_mut().zip(value) {
            *o += factor * (weight / sum) * x;
        }
    }
}

/// The keys that a query sees, and their scores.
pub(super) fn scores(
    problem: &Problem,
    inputs: &Inputs<'_>,
    [b, head, i]: [usize; 3],
) -> (Vec<usize>, Vec<f32>) {
    let query = row(problem, inputs.q, Tensor::Q, [b, head, i]);
    let visible: Vec<usize> = (0..problem.shape().k_len as usize)
        .filter(|&j| sees(problem, inputs, [b, head, i, j]))
        .collect();
    let score = |&j: &usize| {
        let [block, place] = key_place(problem, inputs, b, j);
        let place = [block, kv_head(problem, head), place];
        let key = row(problem, inputs.k, Tensor::K, place);
        let product: f32 = query.iter().zip(key).map(|(x, y)| x * y).sum();
        problem.scale() * product + bias(problem, inputs, [b, head, i, j])
    };
    let scores = visible.iter().map(score).collect();
    (visible, scores)
}

/// A row of a tensor that has a layout.
pub(super) fn row<'a>(
    problem: &Problem,
    values: &'a [f32],
    tensor: Tensor,
    [b, head, i]: [usize; 3],
) -> &'a [f32] {
    let start = problem.layout(tensor).expect("a layout").start(b, head, i);
    let features = match tensor {
        Tensor::V | Tensor::Out => problem.value_dim(),
        _ => problem.shape().head_dim,
    };
    &values[start..][..features as usize]
}

/// The key head of a query head.
pub(super) fn kv_head(problem: &Problem, head: usize) -> usize {
    let shape = problem.shape();
    head / (shape.heads / shape.kv_heads) as usize
}

/// What dropout makes of a weight.
pub(super) fn factor(problem: &Problem, place: [usize; 4]) -> f32 {
    let [b, head, i, j] = place.map(|n| u32::try_from(n).expect("a small index"));
    let place = [b, head, i, j + problem.key_offset()];
    let factor = problem
        .dropout()
        .map_or(1.0, |dropout| dropout.factor(place));
    #[expect(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
    let rounded = factor as f32;
    rounded
}

/// The block of a key and its place there, or its sequence and row.
fn key_place(problem: &Problem, inputs: &Inputs<'_>, b: usize, j: usize) -> [usize; 2] {
    let Some(paged) = problem.paged() else {
        return [b, j];
    };
    let table = inputs.block_table.expect("a block table");
    let size = paged.block_size as usize;
    let width = (problem.shape().k_len as usize).div_ceil(size);
    [table[b * width + j / size] as usize, j % size]
}

/// The sequence of a packed row, and where it begins.
fn sequence(starts: Option<&[u32]>, row: usize) -> (usize, usize) {
    let Some(starts) = starts else {
        return (0, 0);
    };
    let bounds = starts
        .windows(2)
        .map(|pair| pair[0] as usize..pair[1] as usize);
    let mut found = bounds.enumerate().filter(|(_, range)| range.contains(&row));
    let (sequence, range) = found.next().expect("a sequence for every row");
    (sequence, range.start)
}

/// The position of a query.
pub(super) fn position(problem: &Problem, inputs: &Inputs<'_>, i: usize) -> i64 {
    let (_, start) = sequence(inputs.query_starts, i);
    i64::try_from(i - start).expect("a small index") + i64::from(problem.query_offset())
}

pub(super) fn offset(problem: &Problem, inputs: &Inputs<'_>, i: usize, j: usize) -> i64 {
    let (_, start) = sequence(inputs.key_starts, j);
    let key = i64::try_from(j - start).expect("a small index") + i64::from(problem.key_offset());
    key - position(problem, inputs, i)
}

fn sees(problem: &Problem, inputs: &Inputs<'_>, [b, head, i, j]: [usize; 4]) -> bool {
    let q_len = problem.shape().q_len as usize;
    let k_len = problem.shape().k_len as usize;
    let (mask, offset) = (problem.mask(), offset(problem, inputs, i, j));
    let apart = sequence(inputs.query_starts, i).0 != sequence(inputs.key_starts, j).0;
    !apart
        && (!mask.causal || offset <= 0)
        && mask.window.is_none_or(|window| {
            offset >= -i64::from(window.left) && offset <= i64::from(window.right)
        })
        && inputs
            .key_lengths
            .is_none_or(|lengths| j < lengths[b] as usize)
        && inputs
            .query_lengths
            .is_none_or(|lengths| i < lengths[b] as usize)
        && inputs.query_documents.is_none_or(|queries| {
            let keys = inputs.key_documents.expect("documents of the keys");
            queries[b * q_len + i] == keys[b * k_len + j]
        })
        && inputs.mask_bits.is_none_or(|words| {
            let bits = mask.bits.expect("a mask of bits");
            let heads = problem.shape().heads as usize;
            let plane = match (bits.each_sequence, bits.each_head) {
                (true, true) => b * heads + head,
                (true, false) => b,
                (false, true) => head,
                (false, false) => 0,
            };
            let row = plane * q_len + i;
            words[row * k_len.div_ceil(32) + j / 32] & 1 << (j % 32) != 0
        })
        && inputs.key_mask.is_none_or(|mask| mask[b * k_len + j] != 0)
}

fn bias(problem: &Problem, inputs: &Inputs<'_>, place: [usize; 4]) -> f32 {
    let [b, head, i, _] = place;
    let shape = problem.shape();
    let gate = inputs.gate.map_or(1.0, |gate| {
        gate[(b * shape.heads as usize + head) * shape.q_len as usize + i]
    });
    let mut first = 0;
    let mut sum = 0.0;
    for bias in problem.biases() {
        let value = term(problem, inputs, (bias, first), place);
        sum += if bias.is_by_offset() {
            gate * value
        } else {
            value
        };
        first += bias.table_rows().unwrap_or(0) as usize;
    }
    sum
}

/// One bias of the sum, and the row of the table where its parameters begin.
pub(super) fn term(
    problem: &Problem,
    inputs: &Inputs<'_>,
    (bias, first): (Bias, usize),
    [b, head, i, j]: [usize; 4],
) -> f32 {
    let shape = problem.shape();
    let heads = shape.heads as usize;
    let table = |row: usize| inputs.table.expect("a table")[(first + row) * heads + head];
    let offset = offset(problem, inputs, i, j);
    let distance = single(offset.abs());
    match bias {
        Bias::Relative(buckets) => table(Oracle::bucket(&buckets, offset) as usize),
        Bias::PerOffset { max_offset } => {
            let end = i64::from(max_offset);
            let row = offset.clamp(-end, end) + end;
            table(usize::try_from(row).expect("not negative"))
        }
        Bias::Alibi => -table(0) * distance,
        Bias::Kerple(Kerple::Log) => -table(0) * (1.0 + table(1) * distance).ln(),
        Bias::Kerple(Kerple::Power) => -table(1) * distance.powf(table(0)),
        Bias::Sandwich { dimensions } => {
            let inner: f32 = (0..dimensions / 2)
                .map(|n| {
                    let exponent = 2.0 * single(n.into()) / single(dimensions.into());
                    (distance * 10_000_f32.powf(-exponent)).cos()
                })
                .sum();
            inner * single(shape.heads.into()) / (8.0 * (1.0 + head_number(head)))
        }
        Bias::Fire { width } => {
            let width = width as usize;
            let psi = |x: f32| ((table(0) * x).abs() + 1.0).ln();
            let from = single(position(problem, inputs, i)).max(table(1).abs());
            let x = psi(distance) / (psi(from) + 1e-6);
            let unit = |u: usize| {
                let active = table(2 + u) * x + table(2 + width + u);
                table(2 + 2 * width + u) * active.max(0.0)
            };
            (0..width).map(unit).sum::<f32>() + table(2 + 3 * width)
        }
        Bias::Indexed {
            rows,
            matrices,
            each_sequence,
            ..
        } => {
            let indices = inputs.indices.expect("indices");
            let (planes, plane) = if each_sequence {
                (shape.batch as usize, b)
            } else {
                (1, 0)
            };
            let rows = rows as usize;
            (0..matrices as usize)
                .map(|m| {
                    let row = (m * planes + plane) * shape.q_len as usize + i;
                    let index = indices[row * shape.k_len as usize + j] as usize;
                    if index < rows {
                        table(m * rows + index)
                    } else {
                        0.0
                    }
                })
                .sum()
        }
        Bias::Dense(layout) => inputs.bias.expect("a bias")[layout.start(b, head, i) + j],
        _ => 0.0,
    }
}

/// A whole number that f32 holds exactly.
pub(super) fn single(number: i64) -> f32 {
    assert!(number.unsigned_abs() <= 1 << 24, "{number} is rounded");
    number as f32
}

fn head_number(head: usize) -> f32 {
    f32::from(u16::try_from(head).expect("few heads"))
}
