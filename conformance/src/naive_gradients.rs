//! The gradients of attention in plain f32, unblocked and with plain sums.

use relattn::cpu::{Gradients, Inputs, Oracle, Outputs};
use relattn::{Bias, Kerple, Problem, Tensor};

use super::compare::{Naive, factor, kv_head, offset, position, row, scores, single, term};
use super::data::{elements, round};

/// A backward pass by its definition, from the naive output in the type of the problem.
pub(super) fn naive_gradients(
    problem: &Problem,
    inputs: &Inputs<'_>,
    naive: &Naive,
    dout: &[f32],
) -> Gradients {
    backward(problem, inputs, naive, dout, Terms::Sum)
}

/// The root of the sum of the squares of the terms of each gradient, that of a score being its weight times the magnitudes of `dO ∘ v`. A sum
/// in f32 is wrong by some units in the last place of it, while the sum itself may be a small rest of terms that cancel, or
/// exact by luck.
pub(super) fn spread(
    problem: &Problem,
    inputs: &Inputs<'_>,
    naive: &Naive,
    dout: &[f32],
) -> Gradients {
    let root = |values: Vec<f32>| values.into_iter().map(f32::sqrt).collect();
    let squares = backward(problem, inputs, naive, dout, Terms::Squares);
    Gradients {
        dq: root(squares.dq),
        dk: root(squares.dk),
        dv: root(squares.dv),
        dtable: squares.dtable.map(root),
        dgate: squares.dgate.map(root),
        dbias: squares.dbias.map(root),
    }
}

/// What becomes of the terms of a sum.
#[derive(Clone, Copy)]
enum Terms {
    Sum,
    Squares,
}

impl Terms {
    fn add(self, sum: &mut f32, term: f32) {
        *sum += match self {
            Self::Sum => term,
            Self::Squares => term * term,
        };
    }

    fn add_row(self, sum: &mut [f32], factor: f32, values: &[f32]) {
        for (sum, value) in sum.iter_mut().zip(values) {
            self.add(sum, factor * value);
        }
    }

    /// The gradient of a score, from its weight and the gradient of that.
    fn dscore(self, weight: f32, factor: f32, [dout, value]: [&[f32]; 2], delta: f32) -> f32 {
        // A value that is left out may be infinite.
        if factor == 0.0 {
            return match self {
                Self::Sum => -weight * delta,
                Self::Squares => 0.0,
            };
        }
        let products = dout.iter().zip(value).map(|(o, v)| o * v);
        match self {
            Self::Sum => weight * (factor * products.sum::<f32>() - delta),
            Self::Squares => weight * factor * products.map(f32::abs).sum::<f32>(),
        }
    }
}

fn backward(
    problem: &Problem,
    inputs: &Inputs<'_>,
    naive: &Naive,
    dout: &[f32],
    terms: Terms,
) -> Gradients {
    let outputs = Outputs {
        out: round(problem.dtype(), naive.outputs.out.clone()),
        lse: naive.outputs.lse.clone(),
    };
    let shape = problem.shape();
    let zeros = |tensor| vec![0.0; elements(problem, tensor)];
    let dense = problem.biases().any(|bias| matches!(bias, Bias::Dense(_)));
    let mut gradients = Gradients {
        dq: zeros(Tensor::DQ),
        dk: zeros(Tensor::DK),
        dv: zeros(Tensor::DV),
        dtable: (problem.table_rows() > 0).then(|| zeros(Tensor::DTable)),
        dgate: problem.gated().then(|| zeros(Tensor::DGate)),
        dbias: dense.then(|| zeros(Tensor::DBias)),
    };
    for b in 0..shape.batch as usize {
        for head in 0..shape.heads as usize {
            for i in 0..shape.q_len as usize {
                let place = [b, head, i];
                add_query(
                    problem,
                    inputs,
                    (&outputs, dout, terms),
                    place,
                    &mut gradients,
                );
            }
        }
    }
    gradients
}

fn add_query(
    problem: &Problem,
    inputs: &Inputs<'_>,
    (outputs, dout, terms): (&Outputs, &[f32], Terms),
    [b, head, i]: [usize; 3],
    gradients: &mut Gradients,
) {
    let kv_head = kv_head(problem, head);
    let query = row(problem, inputs.q, Tensor::Q, [b, head, i]);
    let out = row(problem, &outputs.out, Tensor::Out, [b, head, i]);
    let dout = row(problem, dout, Tensor::Out, [b, head, i]);
    let lse = outputs.lse[row_number(problem, [b, head, i])];
    let delta = dot(dout, out);
    let (visible, scores) = scores(problem, inputs, [b, head, i]);
    for (j, score) in visible.into_iter().zip(scores) {
        let weight = (score - lse).exp();
        let factor = factor(problem, [b, head, i, j]);
        let value = row(problem, inputs.v, Tensor::V, [b, kv_head, j]);
        let key = row(problem, inputs.k, Tensor::K, [b, kv_head, j]);
        let dscore = terms.dscore(weight, factor, [dout, value], delta);
        let dproduct = problem.scale() * dscore;
        let start = |tensor, place: [usize; 3]| {
            let layout = problem.layout(tensor).expect("a layout");
            layout.start(place[0], place[1], place[2])
        };
        let [at_q, at_k] = [
            start(Tensor::Q, [b, head, i]),
            start(Tensor::K, [b, kv_head, j]),
        ];
        terms.add_row(&mut gradients.dq[at_q..], dproduct, key);
        terms.add_row(&mut gradients.dk[at_k..], dproduct, query);
        let at_v = start(Tensor::V, [b, kv_head, j]);
        terms.add_row(&mut gradients.dv[at_v..], factor * weight, dout);
        add_score(problem, inputs, [b, head, i, j], (dscore, terms), gradients);
    }
}

fn row_number(problem: &Problem, [b, head, i]: [usize; 3]) -> usize {
    let shape = problem.shape();
    (b * shape.heads as usize + head) * shape.q_len as usize + i
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Adds the gradient of a score to those of what its bias is made of.
fn add_score(
    problem: &Problem,
    inputs: &Inputs<'_>,
    place: [usize; 4],
    (dscore, terms): (f32, Terms),
    gradients: &mut Gradients,
) {
    let [b, head, i, j] = place;
    let heads = problem.shape().heads as usize;
    let query = row_number(problem, [b, head, i]);
    let gate = inputs.gate.map_or(1.0, |gate| gate[query]);
    let mut first = 0;
    for bias in problem.biases() {
        let factor = if bias.is_by_offset() { gate } else { 1.0 };
        if let Some(dtable) = &mut gradients.dtable {
            for_each_parameter(problem, inputs, (bias, first), place, |row, derivative| {
                let sum = &mut dtable[(first + row) * heads + head];
                terms.add(sum, factor * dscore * derivative);
            });
        }
        if let (Some(dgate), true) = (&mut gradients.dgate, bias.is_by_offset()) {
            let bias = term(problem, inputs, (bias, first), place);
            terms.add(&mut dgate[query], dscore * bias);
        }
        if let (Some(dbias), Bias::Dense(layout)) = (&mut gradients.dbias, bias) {
            terms.add(&mut dbias[layout.start(b, head, i) + j], dscore);
        }
        first += bias.table_rows().unwrap_or(0) as usize;
    }
}

/// Calls `each` with the rows of one bias that a score depends on, and with the derivatives.
fn for_each_parameter(
    problem: &Problem,
    inputs: &Inputs<'_>,
    (bias, first): (Bias, usize),
    [b, head, i, j]: [usize; 4],
    mut each: impl FnMut(usize, f32),
) {
    let shape = problem.shape();
    let heads = shape.heads as usize;
    let table = |row: usize| inputs.table.expect("a table")[(first + row) * heads + head];
    let offset = offset(problem, inputs, i, j);
    let distance = single(offset.abs());
    match bias {
        Bias::Relative(buckets) => each(Oracle::bucket(&buckets, offset) as usize, 1.0),
        Bias::PerOffset { max_offset } => {
            let end = i64::from(max_offset);
            let row = offset.clamp(-end, end) + end;
            each(usize::try_from(row).expect("not negative"), 1.0);
        }
        Bias::Alibi => each(0, -distance),
        Bias::Kerple(Kerple::Log) => {
            let argument = 1.0 + table(1) * distance;
            each(0, -argument.ln());
            each(1, -table(0) * distance / argument);
        }
        Bias::Kerple(Kerple::Power) if offset != 0 => {
            let power = distance.powf(table(0));
            each(0, -table(1) * power * distance.ln());
            each(1, -power);
        }
        Bias::Fire { width } => {
            let query = single(position(problem, inputs, i));
            of_fire(width as usize, table, distance, query, each);
        }
        Bias::Indexed {
            rows,
            matrices,
            each_sequence,
            ..
        } => {
            let planes = if each_sequence {
                shape.batch as usize
            } else {
                1
            };
            for m in 0..matrices as usize {
                let plane = m * planes + if each_sequence { b } else { 0 };
                let row = plane * shape.q_len as usize + i;
                let indices = inputs.indices.expect("indices");
                let index = indices[row * shape.k_len as usize + j];
                if index < rows {
                    each(m * rows as usize + index as usize, 1.0);
                }
            }
        }
        _ => {}
    }
}

/// By the rows of FIRE's table; positive c and L only matter by their magnitude.
fn of_fire(
    width: usize,
    table: impl Fn(usize) -> f32,
    distance: f32,
    query: f32,
    mut each: impl FnMut(usize, f32),
) {
    let (c, length) = (table(0).abs(), table(1).abs());
    let from = query.max(length);
    let norm = (c * from + 1.0).ln() + 1e-6;
    let x = (c * distance + 1.0).ln() / norm;
    let mut slope = 0.0;
    for u in 0..width {
        let (w1, b1) = (table(2 + u), table(2 + width + u));
        let w2 = table(2 + 2 * width + u);
        let active = w1 * x + b1;
        if active > 0.0 {
            slope += w1 * w2;
            each(2 + u, w2 * x);
            each(2 + width + u, w2);
            each(2 + 2 * width + u, active);
        }
    }
    each(2 + 3 * width, 1.0);
    let by_c = |x: f32| x / (c * x + 1.0);
    each(
        0,
        table(0).signum() * slope * (by_c(distance) - x * by_c(from)) / norm,
    );
    let share = match length.total_cmp(&query) {
        std::cmp::Ordering::Greater => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Less => 0.0,
    };
    let by_from = -slope * x * c / ((c * from + 1.0) * norm);
    each(1, table(1).signum() * share * by_from);
}
