//! `relattn inspect`: the buckets of T5, or the numbers of another bias.

mod bias;
mod canvas;
mod colours;
mod grid;
mod map;
mod matrix;
mod picture;
mod scores;
mod scores_text;
mod text;
mod tiles;

use std::path::Path;

use relattn::{Bias, Problem, RelativeBuckets, Shape, Thresholds};
use serde::Serialize;

use crate::args::{BiasKind, DeviceChoice, InspectArgs};
use crate::engine::Engine;
use crate::fault::Fault;
use crate::output;

use bias::HeadBias;
use matrix::Matrix;
use tiles::Tiles;

/// Queries and keys where nothing says how many.
const LENGTH: u32 = 256;
/// The largest matrix that JSON holds in full.
const JSON_CELLS: u64 = 1 << 16;

/// Everything that is shown.
#[derive(Debug)]
struct Findings {
    /// Where they are asked for.
    heads: Option<u32>,
    thresholds: Thresholds,
    matrix: Matrix,
    tiles: Tiles,
}

#[derive(Debug, Serialize)]
struct Summary<'a> {
    direction: String,
    num_buckets: u32,
    max_distance: u32,
    /// Where they are asked for; the buckets are the same for each.
    heads: Option<u32>,
    thresholds: &'a [u32],
    saturation: u32,
    queries: u32,
    keys: u32,
    query_offset: i32,
    built_by: &'a str,
    tiles: Tiles,
    /// Absent where it is large.
    matrix: Option<Vec<Vec<u32>>>,
}

pub(crate) fn run(args: &InspectArgs) -> Result<(), Fault> {
    args.bias.check_sum()?;
    args.bias.note_unread();
    if args.table.is_some() && args.bias.reads_no_tensor() {
        let found = args.bias.names().join(",");
        eprintln!("note: --bias {found} reads no tensor of --table");
    }
    if args.bias.kinds == [BiasKind::T5] {
        buckets(args)
    } else {
        scores::run(args)
    }
}

fn buckets(args: &InspectArgs) -> Result<(), Fault> {
    let buckets = RelativeBuckets::from(args.bias.buckets);
    let problem = problem(args, buckets)?;
    let bias = HeadBias::load(args.table.as_deref(), buckets, args.heads)?;
    if args.device.choice == DeviceChoice::Oracle {
        return Err(Fault::OracleRefused {
            reason: "buckets are integers, and --device cpu computes them exactly",
        });
    }
    let engine = Engine::choose(&args.device.choice)?;
    let matrix = Matrix::build(&engine, &problem)?;
    let findings = Findings {
        heads: args.heads,
        ..Findings::new(&problem, matrix, buckets)?
    };
    if let Some(path) = &args.png {
        let picture = picture::draw(&findings, bias.as_ref())?;
        output::replace(path, &picture)?;
    }
    if args.json {
        output::print_json(&findings.summary());
    } else {
        output::print(&text::of(&findings));
        print_written(args.png.as_deref());
    }
    Ok(())
}

fn print_written(path: Option<&Path>) {
    if let Some(path) = path {
        output::print(&format!("wrote {}", path.display()));
    }
}

/// One feature, so that the heads, the lengths and the offset are checked as attention checks them.
fn problem(args: &InspectArgs, buckets: RelativeBuckets) -> Result<Problem, Fault> {
    let [queries, keys] = [args.queries, args.keys].map(|length| length.unwrap_or(LENGTH));
    if queries == 0 || keys == 0 {
        return Err(Fault::EmptyMatrix { queries, keys });
    }
    let shape = Shape {
        batch: 1,
        heads: args.heads.unwrap_or(1),
        kv_heads: 1,
        q_len: queries,
        k_len: keys,
        head_dim: 1,
    };
    Ok(Problem::builder(shape)
        .bias(Bias::Relative(buckets))
        .query_offset(args.query_offset)
        .build()?)
}

impl Findings {
    fn new(problem: &Problem, matrix: Matrix, buckets: RelativeBuckets) -> Result<Self, Fault> {
        let thresholds = buckets.thresholds()?;
        let tiles = Tiles::count(problem.shape(), problem.query_offset(), &thresholds)?;
        Ok(Self {
            heads: None,
            thresholds,
            matrix,
            tiles,
        })
    }

    fn summary(&self) -> Summary<'_> {
        let buckets = self.thresholds.buckets();
        let matrix = &self.matrix;
        let cells = u64::from(matrix.q_len) * u64::from(matrix.k_len);
        let row = |i| (0..matrix.k_len).map(|j| matrix.at(i, j)).collect();
        Summary {
            direction: format!("{:?}", buckets.direction).to_lowercase(),
            num_buckets: buckets.num_buckets,
            max_distance: buckets.max_distance,
            heads: self.heads,
            thresholds: self.thresholds.steps(),
            saturation: self.thresholds.saturation(),
            queries: matrix.q_len,
            keys: matrix.k_len,
            query_offset: matrix.query_offset,
            built_by: &matrix.built_by,
            tiles: self.tiles,
            matrix: (cells <= JSON_CELLS).then(|| (0..matrix.q_len).map(row).collect()),
        }
    }
}
