//! Where a result is wrong: the errors of the rows and features of a head.

use relattn::{Bias, Layout, Problem, Tensor};
use serde::{Deserialize, Serialize};

use crate::worst::{Worst, difference};

/// Rows and columns that a map has at most; each of its cells is the worst of several elements where there are more.
const SIDE: usize = 48;

/// The errors of a plane of a tensor as shares of what is allowed.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Heat {
    /// Which plane of which tensor.
    pub title: String,
    /// What a row is.
    pub row: String,
    /// What a column is.
    pub column: String,
    /// Rows of the plane.
    pub rows: usize,
    /// Columns of the plane.
    pub columns: usize,
    /// Rows of cells, each the largest share of its elements, at most 1e9.
    pub cells: Vec<Vec<f32>>,
}

/// A tensor whose rows lie where a layout says.
pub(crate) struct Strided {
    pub(crate) layout: Layout,
    pub(crate) heads: usize,
    pub(crate) rows: usize,
    pub(crate) features: usize,
}

impl Strided {
    /// The layout of a tensor, or of the tensor that a gradient belongs to, where it has one.
    pub(crate) fn of(problem: &Problem, tensor: Tensor) -> Option<Self> {
        let shape = problem.shape();
        let (layout, heads, rows, features) = match tensor {
            Tensor::Out => (
                problem.layout(Tensor::Out),
                shape.heads,
                shape.q_len,
                problem.value_dim(),
            ),
            Tensor::DQ => (
                problem.layout(Tensor::Q),
                shape.heads,
                shape.q_len,
                shape.head_dim,
            ),
            Tensor::DK => (
                problem.layout(Tensor::K),
                shape.kv_heads,
                shape.k_len,
                shape.head_dim,
            ),
            Tensor::DV => (
                problem.layout(Tensor::V),
                shape.kv_heads,
                shape.k_len,
                problem.value_dim(),
            ),
            Tensor::DBias => (dense(problem), shape.heads, shape.q_len, shape.k_len),
            _ => return None,
        };
        Some(Self {
            layout: layout?,
            heads: heads as usize,
            rows: rows as usize,
            features: features as usize,
        })
    }

    /// Which elements belong to a row, and not to a gap.
    pub(crate) fn written(&self, batch: u32, elements: usize) -> Vec<bool> {
        let mut written = vec![false; elements];
        for [b, head] in self.planes(batch) {
            for row in 0..self.rows {
                written[self.layout.start(b, head, row)..][..self.features].fill(true);
            }
        }
        written
    }

    /// The sequence and head of an element.
    fn plane_of(&self, batch: u32, at: usize) -> Option<[usize; 2]> {
        self.planes(batch).find(|&[b, head]| {
            (0..self.rows).any(|row| {
                let start = self.layout.start(b, head, row);
                (start..start + self.features).contains(&at)
            })
        })
    }

    fn planes(&self, batch: u32) -> impl Iterator<Item = [usize; 2]> + use<> {
        let heads = self.heads;
        (0..batch as usize).flat_map(move |b| (0..heads).map(move |head| [b, head]))
    }
}

fn dense(problem: &Problem) -> Option<Layout> {
    problem.biases().find_map(|bias| match bias {
        Bias::Dense(layout) => Some(layout),
        _ => None,
    })
}

/// The plane in which a tensor is worst.
pub(crate) fn heat(
    problem: &Problem,
    tensor: Tensor,
    worst: &Worst,
    (found, exact): (&[f32], &[f64]),
) -> Option<Heat> {
    let shape = problem.shape();
    let name = worst.tensor;
    let share = |at: usize| {
        let error = difference(found[at], exact[at]);
        if error == 0.0 {
            0.0
        } else {
            error / worst.allowed
        }
    };
    if let Some(strided) = Strided::of(problem, tensor) {
        let [b, head] = strided.plane_of(shape.batch, worst.at)?;
        let start = |row| strided.layout.start(b, head, row);
        let (row, column) = match tensor {
            Tensor::DK | Tensor::DV => ("key", "feature"),
            Tensor::DBias => ("query", "key"),
            _ => ("query", "feature"),
        };
        return Some(Heat {
            title: format!("{name} of sequence {b}, head {head}"),
            row: row.into(),
            column: column.into(),
            rows: strided.rows,
            columns: strided.features,
            cells: cells([strided.rows, strided.features], |row, column| {
                share(start(row) + column)
            }),
        });
    }
    let (row, column, columns) = match tensor {
        Tensor::DTable => ("row of the table", "head", shape.heads as usize),
        _ => ("sequence and head", "query", shape.q_len as usize),
    };
    let rows = found.len().checked_div(columns)?;
    Some(Heat {
        title: name.into(),
        row: row.into(),
        column: column.into(),
        rows,
        columns,
        cells: cells([rows, columns], |row, column| share(row * columns + column)),
    })
}

/// The largest share of each of at most [`SIDE`] by [`SIDE`] blocks.
fn cells([rows, columns]: [usize; 2], share: impl Fn(usize, usize) -> f64) -> Vec<Vec<f32>> {
    let block = |n: usize, of: usize| {
        let cells = of.min(SIDE);
        n * of / cells..((n + 1) * of).div_ceil(cells)
    };
    let cell = |y: usize, x: usize| {
        let places =
            block(y, rows).flat_map(|row| block(x, columns).map(move |column| (row, column)));
        let shares = places.map(|(row, column)| share(row, column));
        #[expect(clippy::cast_possible_truncation, reason = "a color needs no more")]
        let largest = shares.fold(0.0, worse).min(1e9) as f32;
        largest
    };
    let line = |y| (0..columns.min(SIDE)).map(|x| cell(y, x)).collect();
    (0..rows.min(SIDE)).map(line).collect()
}

/// The larger share, what is not a number being the largest.
fn worse(x: f64, y: f64) -> f64 {
    if y.is_nan() { f64::INFINITY } else { x.max(y) }
}
