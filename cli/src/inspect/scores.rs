//! The numbers that a sum of biases adds to the scores of each head.

use relattn::cpu::{Inputs, dense_bias};
use relattn::{Bias, Problem, ProblemBuilder, Shape, Tensor};
use serde::Serialize;

use super::bias::usual_magnitude;
use super::canvas::Canvas;
use super::grid::{Grid, Heads};
use super::{JSON_CELLS, LENGTH, picture, print_written, scores_text};
use crate::args::{BiasKind, DeviceChoice, InspectArgs};
use crate::family::{Family, Parameters};
use crate::fault::Fault;
use crate::names::{PS, TABLES};
use crate::output;
use crate::progress;
use crate::tensors::{self, TensorFile};
use crate::wanted::{BIAS, FIRE_B2, INDEX, SLOPES};

/// A file without tensors, for biases that need none.
static EMPTY: &[u8] = b"\x02\0\0\0\0\0\0\0{}";
/// The most numbers that are computed.
const MOST_NUMBERS: u64 = 1 << 26;
/// Heads where nothing says how many.
const HEADS: u32 = 8;

/// What is shown: the bias of the first sequence.
#[derive(Debug)]
pub(super) struct Scores {
    pub(super) kinds: Vec<String>,
    pub(super) problem: Problem,
    values: Vec<f32>,
    /// Of a bias by offset the values are those of offsets from this one on, else those of all queries and keys.
    first_offset: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Summary {
    bias: Vec<String>,
    heads: u32,
    queries: u32,
    keys: u32,
    query_offset: i32,
    /// These three where the bias is a function of the offset.
    radius: Option<u32>,
    offset_table_bytes: Option<u64>,
    offsets: Option<Vec<i64>>,
    /// Of each head at these offsets.
    at_offsets: Option<Vec<Vec<f32>>>,
    /// Of each head, query and key; absent where it is large.
    matrix: Option<Vec<Vec<Vec<f32>>>>,
}

pub(super) fn run(args: &InspectArgs) -> Result<(), Fault> {
    if let DeviceChoice::Named(name) = &args.device.choice {
        return Err(Fault::Unasked {
            option: format!("--device {name}"),
            needed: "--bias t5 alone; other biases are shown by their formulas, without a device",
        });
    }
    let scores = progress::during("computing", || Scores::load(args))?;
    if let Some(path) = &args.png {
        output::replace(path, &scores.picture()?)?;
    }
    if args.json {
        output::print_json(&scores.summary());
    } else {
        output::print(&scores_text::of(&scores));
        print_written(args.png.as_deref());
    }
    Ok(())
}

impl Scores {
    fn load(args: &InspectArgs) -> Result<Self, Fault> {
        let bytes = match &args.table {
            Some(path) => tensors::read(path)?,
            None => EMPTY.to_vec(),
        };
        let path = args.table.as_deref().unwrap_or("no file".as_ref());
        let file = TensorFile::parse(path, &bytes)?;
        let shape = shape(args, &file)?;
        let family = Family::new(&args.bias, &file, &shape)?;
        let biases = family.biases()?;
        let problem = summed(shape, args.query_offset, &biases).build()?;
        let parameters = family.parameters(&biases)?;
        // No bias is 0 at every offset.
        let by_offset = |bias: &Bias| bias.is_by_offset() || *bias == Bias::None;
        let by_offset = biases.iter().all(by_offset);
        let first_offset =
            by_offset.then(|| -i64::from(args.query_offset) - i64::from(shape.q_len) + 1);
        let computed = match first_offset {
            Some(first) => row(shape, first, &biases)?,
            None => problem.clone(),
        };
        Ok(Self {
            kinds: args.bias.names(),
            problem,
            values: values(&computed, &parameters)?,
            first_offset,
        })
    }

    /// The offsets that occur, where the bias is a function of them.
    pub(super) fn offsets(&self) -> Option<std::ops::RangeInclusive<i64>> {
        let shape = self.problem.shape();
        let last = i64::from(shape.k_len) - 1 - i64::from(self.problem.query_offset());
        self.first_offset.map(|first| first..=last)
    }

    /// The bias of a head at an offset that occurs.
    pub(super) fn at_offset(&self, head: u32, offset: i64) -> f32 {
        let Some(first) = self.first_offset else {
            return f32::NAN;
        };
        let shape = self.problem.shape();
        let width = shape.q_len as usize + shape.k_len as usize - 1;
        let column = usize::try_from(offset - first).unwrap_or(usize::MAX);
        self.values[head as usize * width + column]
    }

    pub(super) fn at(&self, head: u32, i: u32, j: u32) -> f32 {
        if self.first_offset.is_some() {
            let offset = i64::from(j) - i64::from(i) - i64::from(self.problem.query_offset());
            return self.at_offset(head, offset);
        }
        let shape = self.problem.shape();
        let row = head as usize * shape.q_len as usize + i as usize;
        self.values[row * shape.k_len as usize + j as usize]
    }

    fn picture(&self) -> Result<Vec<u8>, Fault> {
        let shape = self.problem.shape();
        let name = self.kinds.join(" + ");
        let heads = Heads {
            name: &name,
            heads: shape.heads,
            sizes: [shape.q_len, shape.k_len],
            magnitude: usual_magnitude(&self.values),
            at: &|head, i, j| self.at(head, i, j),
        };
        let grid = Grid::new(&heads, picture::MARGIN, picture::MAP);
        let mut canvas = Canvas::new(grid.right().max(560), grid.bottom() + picture::MARGIN / 2);
        let (queries, keys) = (shape.q_len, shape.k_len);
        let facts = format!("{name}; {queries} queries x {keys} keys");
        picture::title(&mut canvas, "Relative position bias", &facts);
        grid.draw(&mut canvas, &heads);
        canvas.png()
    }

    fn summary(&self) -> Summary {
        let shape = self.problem.shape();
        let by_offset = self.first_offset.is_some();
        let offsets = self.offsets().map(scores_text::listed);
        let at_offsets = offsets.as_ref().map(|offsets| {
            let head = |head| {
                offsets
                    .iter()
                    .map(move |&o| self.at_offset(head, o))
                    .collect()
            };
            (0..shape.heads).map(head).collect()
        });
        let cells = [shape.heads, shape.q_len, shape.k_len].map(u128::from);
        let head = |head| {
            let row = |i| (0..shape.k_len).map(|j| self.at(head, i, j)).collect();
            (0..shape.q_len).map(row).collect()
        };
        let small = cells.iter().product::<u128>() <= JSON_CELLS.into();
        Summary {
            bias: self.kinds.clone(),
            heads: shape.heads,
            queries: shape.q_len,
            keys: shape.k_len,
            query_offset: self.problem.query_offset(),
            radius: by_offset.then(|| self.problem.bias_radius()),
            offset_table_bytes: by_offset.then(|| self.problem.offset_table_bytes()),
            offsets,
            at_offsets,
            matrix: small.then(|| (0..shape.heads).map(head).collect()),
        }
    }
}

fn summed(shape: Shape, query_offset: i32, biases: &[Bias]) -> ProblemBuilder {
    let builder = Problem::builder(shape).query_offset(query_offset);
    biases
        .iter()
        .fold(builder, |builder, &bias| builder.add_bias(bias))
}

/// One query whose keys lie at every offset that occurs, from this one on.
fn row(shape: Shape, first_offset: i64, biases: &[Bias]) -> Result<Problem, Fault> {
    let row = Shape {
        q_len: 1,
        k_len: shape.q_len.saturating_add(shape.k_len - 1),
        ..shape
    };
    // The lengths have been checked, so that every offset fits.
    let query_offset = i32::try_from(-first_offset).unwrap_or(i32::MAX);
    Ok(summed(row, query_offset, biases).build()?)
}

fn values(problem: &Problem, parameters: &Parameters) -> Result<Vec<f32>, Fault> {
    let shape = problem.shape();
    let sizes = [shape.batch, shape.heads, shape.q_len, shape.k_len];
    let numbers = sizes.map(u128::from).iter().product();
    if numbers > MOST_NUMBERS.into() {
        return Err(Fault::TooManyNumbers {
            numbers,
            maximum: MOST_NUMBERS,
        });
    }
    let zeros = |tensor| vec![0.0; usize::try_from(problem.elements(tensor)).unwrap_or(0)];
    let (q, k, v) = (zeros(Tensor::Q), zeros(Tensor::K), zeros(Tensor::V));
    let inputs = Inputs {
        table: parameters.table.as_deref(),
        indices: parameters.indices.as_deref(),
        bias: parameters.dense.as_deref(),
        ..Inputs::new(&q, &k, &v)
    };
    Ok(dense_bias(problem, &inputs)?)
}

/// The sizes that the command line names, else those of the tensors; one feature a head.
fn shape(args: &InspectArgs, file: &TensorFile<'_>) -> Result<Shape, Fault> {
    let mut heads = None;
    let mut planes: Option<[u32; 3]> = None;
    for &kind in &args.bias.kinds {
        if args.table.is_none() && kind.needs_tensors() {
            return Err(Fault::Unasked {
                option: format!("--bias {}", kind.name()),
                needed: "--table FILE.safetensors, which has its tensors",
            });
        }
        heads = heads.max(heads_of(kind, &args.bias.kinds, file)?);
        if let Some(found) = planes_of(kind, file)? {
            let [own, queries, keys] = found;
            // One sequence at least is asked for, of a file without any too.
            let [batch, ..] = planes.unwrap_or([1, queries, keys]);
            planes = Some([batch.max(own), queries, keys]);
        }
    }
    let [batch, queries, keys] = planes.unwrap_or([1, LENGTH, LENGTH]);
    let (queries, keys) = (args.queries.unwrap_or(queries), args.keys.unwrap_or(keys));
    if queries == 0 || keys == 0 {
        return Err(Fault::EmptyMatrix { queries, keys });
    }
    Ok(Shape {
        batch,
        heads: args.heads.or(heads).unwrap_or(HEADS),
        kv_heads: 1,
        q_len: queries,
        k_len: keys,
        head_dim: 1,
    })
}

/// The heads of a bias by its tensors, where it has any.
fn heads_of(kind: BiasKind, sum: &[BiasKind], file: &TensorFile<'_>) -> Result<Option<u32>, Fault> {
    let vector = |wanted| file.sizes(wanted).map(|[heads]| Some(heads));
    match kind {
        BiasKind::T5 | BiasKind::Offset | BiasKind::Index => {
            let [_, heads] = file.sizes(TABLES.of(kind, sum, file)?)?;
            Ok(Some(heads))
        }
        BiasKind::Alibi if file.has(SLOPES) => vector(SLOPES),
        BiasKind::KerpleLog | BiasKind::KerplePower => vector(PS.of(kind, sum, file)?),
        BiasKind::Fire => vector(FIRE_B2),
        BiasKind::Dense => {
            let [_, heads, ..] = file.sizes::<4>(BIAS)?;
            Ok(Some(heads))
        }
        BiasKind::Alibi | BiasKind::Sandwich | BiasKind::None => Ok(None),
    }
}

/// Batch, queries and keys of a bias by its tensors, where they have them.
fn planes_of(kind: BiasKind, file: &TensorFile<'_>) -> Result<Option<[u32; 3]>, Fault> {
    match kind {
        BiasKind::Dense => {
            let [batch, _, queries, keys] = file.sizes(BIAS)?;
            Ok(Some([batch, queries, keys]))
        }
        BiasKind::Index => Ok(Some(match file.rank(INDEX)? {
            2 => {
                let [queries, keys] = file.sizes(INDEX)?;
                [1, queries, keys]
            }
            3 => file.sizes(INDEX)?,
            _ => {
                let [_, batch, queries, keys] = file.sizes(INDEX)?;
                [batch, queries, keys]
            }
        })),
        _ => Ok(None),
    }
}
