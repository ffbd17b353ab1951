//! The derivatives of a score with respect to the parameters of its biases, told by the formulas alone.

use super::Inputs;
use super::oracle::{Oracle, offset, positions, term};
use crate::{Bias, Kerple, Problem};

/// Calls `each` with every row of the table that a score depends on, and with the derivative by the head's number in it.
pub(super) fn for_each_parameter(
    problem: &Problem,
    inputs: &Inputs<'_>,
    place: [usize; 4],
    mut each: impl FnMut(usize, f64),
) {
    let mut first_row = 0;
    for bias in problem.biases() {
        let factor = if is_gated(bias) {
            gate(problem, inputs, place)
        } else {
            1.0
        };
        of_term(
            problem,
            inputs,
            (bias, first_row),
            place,
            &mut |row, derivative| {
                each(first_row + row, factor * derivative);
            },
        );
        first_row += bias.table_rows().unwrap_or(0) as usize;
    }
}

/// The sum of the biases that a gate multiplies: its derivative.
pub(super) fn biases_by_offset(problem: &Problem, inputs: &Inputs<'_>, place: [usize; 4]) -> f64 {
    let mut first_row = 0;
    let mut sum = 0.0;
    for bias in problem.biases() {
        if is_gated(bias) {
            sum += term(problem, inputs, bias, first_row, place);
        }
        first_row += bias.table_rows().unwrap_or(0) as usize;
    }
    sum
}

const fn is_gated(bias: Bias) -> bool {
    !matches!(
        bias,
        Bias::Fire { .. } | Bias::Indexed { .. } | Bias::Dense(_)
    )
}

fn gate(problem: &Problem, inputs: &Inputs<'_>, [b, head, i, _]: [usize; 4]) -> f64 {
    let shape = problem.shape();
    let row = (b * shape.heads as usize + head) * shape.q_len as usize + i;
    inputs.gate.map_or(1.0, |gate| f64::from(gate[row]))
}

/// One bias of the sum, and the row of the table where its parameters begin.
fn of_term(
    problem: &Problem,
    inputs: &Inputs<'_>,
    (bias, first_row): (Bias, usize),
    [b, head, i, j]: [usize; 4],
    each: &mut impl FnMut(usize, f64),
) {
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
        Bias::Relative(buckets) => each(Oracle::bucket(&buckets, offset) as usize, 1.0),
        Bias::PerOffset { max_offset } => {
            let end = i64::from(max_offset);
            let row = offset.clamp(-end, end) + end;
            each(usize::try_from(row).unwrap_or(0), 1.0);
        }
        Bias::Alibi => each(0, -distance),
        Bias::Kerple(kerple) => {
            let [p, a] = of_kerple(kerple, [table(0), table(1)], distance);
            each(0, p);
            each(1, a);
        }
        Bias::Fire { width } => {
            let [query, _] = positions(problem, inputs, i, j);
            of_fire(width as usize, table, distance, query, each);
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
            for m in 0..matrices as usize {
                let plane = m * batch + sequence;
                let at = (plane * shape.q_len as usize + i) * shape.k_len as usize + j;
                let row = inputs.indices.map_or(rows, |indices| indices[at]);
                if row < rows {
                    each(m * rows as usize + row as usize, 1.0);
                }
            }
        }
        Bias::None | Bias::Sandwich { .. } | Bias::Dense(_) => {}
    }
}

/// By p and by a.
fn of_kerple(kerple: Kerple, [p, a]: [f64; 2], distance: f64) -> [f64; 2] {
    match kerple {
        Kerple::Log => {
            let argument = 1.0 + a * distance;
            [-argument.ln(), -p * distance / argument]
        }
        // |o|^p is 0 at offset 0 whatever p is.
        Kerple::Power if distance == 0.0 => [0.0, 0.0],
        Kerple::Power => {
            let power = distance.powf(p);
            [-a * power * distance.ln(), -power]
        }
    }
}

/// By the rows of FIRE's table.
fn of_fire(
    width: usize,
    table: impl Fn(usize) -> f64,
    distance: f64,
    query: i64,
    each: &mut impl FnMut(usize, f64),
) {
    let (c, length) = (table(0), table(1));
    #[expect(
        clippy::cast_precision_loss,
        reason = "positions are below 2^53 by far"
    )]
    let position = query as f64;
    let from = position.max(length.abs());
    let psi = |x: f64| ((c * x).abs() + 1.0).ln();
    let psi_by_c = |x: f64| sign(c) * x.abs() / ((c * x).abs() + 1.0);
    let psi_by_x = |x: f64| c.abs() * sign(x) / ((c * x).abs() + 1.0);
    let (above, below) = (psi(distance), psi(from) + 1e-6);
    let x = above / below;
    let mut by_x = 0.0;
    for u in 0..width {
        let (w1, b1, w2) = (table(2 + u), table(2 + width + u), table(2 + 2 * width + u));
        let active = w1 * x + b1;
        if active > 0.0 {
            by_x += w2 * w1;
            each(2 + u, w2 * x);
            each(2 + width + u, w2);
            each(2 + 2 * width + u, active);
        }
    }
    each(2 + 3 * width, 1.0);
    let x_by_c = (psi_by_c(distance) - x * psi_by_c(from)) / below;
    each(0, by_x * x_by_c);
    let from_by_length = sign(length) * share_of_maximum(length.abs(), position);
    each(1, by_x * -x / below * psi_by_x(from) * from_by_length);
}

/// The derivative of |x|, 0 at 0.
fn sign(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x.signum() }
}

/// The derivative of `max(x, y)` by x; half where they are equal.
fn share_of_maximum(x: f64, y: f64) -> f64 {
    if x > y {
        1.0
    } else if x < y {
        0.0
    } else {
        0.5
    }
}
