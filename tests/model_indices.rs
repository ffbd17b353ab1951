//! Biases as models build them from positions in two dimensions, in blocks and in layers: on every adapter against the oracle, which is
//! given a number for each score, made from the positions.

#![cfg(feature = "gpu")]

mod harness;

use harness::adapters::shared;
use harness::compare::Reference;
use harness::data::Data;
use harness::device::run;
use harness::placed::Placed;
use relattn::cpu::Oracle;
use relattn::{Bias, Direction, IndexFormat, Layout, Problem, RelativeBuckets, Shape};

const D: u32 = 16;

fn shape([batch, heads, q_len, k_len]: [u32; 4]) -> Shape {
    Shape {
        batch,
        heads,
        kv_heads: heads,
        q_len,
        k_len,
        head_dim: D,
    }
}

fn build(shape: Shape, biases: &[Bias]) -> Problem {
    let builder = Problem::builder(shape);
    let built = biases
        .iter()
        .fold(builder, |built, &bias| built.add_bias(bias));
    built.build().expect("a valid problem")
}

const fn indices(rows: u32, matrices: u32, each_sequence: bool) -> Bias {
    Bias::Indexed {
        rows,
        matrices,
        each_sequence,
        format: IndexFormat::U8,
    }
}

/// Data of a problem with these indices, and the bias `[B, H, Nq, Nk]` from what is added for (sequence, query, key): rows of the table.
fn data_with(
    problem: &Problem,
    indices: Vec<u32>,
    rows: impl Fn([usize; 3]) -> Vec<u32>,
) -> (Data, Vec<f32>) {
    let data = Data {
        indices: Some(indices),
        ..Data::generate(problem, 7)
    };
    let table = data.table.as_ref().expect("a table");
    let shape = problem.shape();
    let [batch, heads, q_len, k_len] =
        [shape.batch, shape.heads, shape.q_len, shape.k_len].map(|size| size as usize);
    let mut dense = Vec::new();
    for b in 0..batch {
        for head in 0..heads {
            for (i, j) in (0..q_len).flat_map(|i| (0..k_len).map(move |j| (i, j))) {
                // Numbers of the table are multiples of 2^-15, so that sums are exact.
                let terms = rows([b, i, j]).into_iter();
                dense.push(terms.map(|row| table[row as usize * heads + head]).sum());
            }
        }
    }
    (data, dense)
}

/// A problem on every adapter against the oracle with a dense bias.
fn check(problem: &Problem, (data, dense): (Data, Vec<f32>)) {
    let shape = *problem.shape();
    let layout = Layout::dense_bias(&shape, true, true).expect("small");
    let expected = build(shape, &[Bias::Dense(layout)]);
    let as_numbers = Data {
        bias: Some(dense),
        table: None,
        indices: None,
        ..data.clone()
    };
    let reference = Reference::new(&expected, &as_numbers.inputs());
    for (adapter, context) in shared().iter() {
        let forward = context.forward(problem).expect("a kernel");
        let found = run(context, &forward, problem, &data).expect("a result");
        let checked = reference.check(&found);
        checked.unwrap_or_else(|error| panic!("{adapter}: {error}"));
    }
}

/// The bucket of T5 in both directions, where both distances are powers of two and the buckets between them number at most 16: bucket
/// `exact + n` begins at `exact · (max / exact)^(n / steps)`, and both sides are raised to the power of the steps.
fn bucket(offset: i64, [num_buckets, max_distance]: [u32; 2]) -> u32 {
    let half = num_buckets / 2;
    let (exact, steps) = (half / 2, half - half / 2);
    let distance = u32::try_from(offset.unsigned_abs()).expect("a small offset");
    let before = |n: u32| {
        let shift = exact.ilog2() * steps + n * (max_distance.ilog2() - exact.ilog2());
        distance < max_distance && u128::from(distance).pow(steps) < 1 << shift
    };
    let within = match distance {
        near if near < exact => near,
        _ => exact + (1..steps).rfind(|&n| !before(n)).unwrap_or(0),
    };
    within + if offset > 0 { half } else { 0 }
}

/// Places of a window of M × M tokens, row by row.
fn places(m: usize) -> impl Iterator<Item = (usize, usize)> + Clone {
    (0..m * m).map(move |token| (token / m, token % m))
}

/// Swin's index of a pair of tokens: rows and columns apart, moved to begin at 0, as digits of base 2M − 1.
///
/// Source: Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows" (2021), section 3.2, equation 4.
fn swin_indices(m: usize) -> Vec<u32> {
    let pairs = places(m).flat_map(|i| places(m).map(move |j| (i, j)));
    pairs
        .map(|((yi, xi), (yj, xj))| (yi + m - 1 - yj) * (2 * m - 1) + xi + m - 1 - xj)
        .map(|index| u32::try_from(index).expect("a small window"))
        .collect()
}

#[test]
fn swin_has_a_number_for_each_distance_in_rows_and_columns() {
    assert_eq!(
        swin_indices(2),
        [4, 3, 1, 0, 5, 4, 2, 1, 7, 6, 4, 3, 8, 7, 5, 4]
    );
    // Three windows of 7 × 7.
    let problem = build(shape([3, 2, 49, 49]), &[indices(13 * 13, 1, false)]);
    // The table as [dy + 6][dx + 6].
    let rows = |[_, i, j]: [usize; 3]| {
        let [dy, dx] = [6 + i / 7 - j / 7, 6 + i % 7 - j % 7];
        vec![u32::try_from(13 * dy + dx).expect("a small window")]
    };
    check(&problem, data_with(&problem, swin_indices(7), rows));
}

/// The left and the lower edge of boxes on two pages, 0 to 1000.
fn boxes(count: usize) -> Vec<[i64; 2]> {
    let edges = harness::data::values(2 * count, 11);
    #[expect(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
    let edge = |value: f32| ((value + 1.0) * 500.0) as i64;
    edges
        .chunks_exact(2)
        .map(|pair| [edge(pair[0]), edge(pair[1])])
        .collect()
}

/// Source: Huang et al., "LayoutLMv3: Pre-training for Document AI with Unified Text and Image Masking" (2022), with T5's buckets for
/// reading order, 32 to distance 128, and for either axis of the page, 64 to 256.
#[test]
fn layoutlmv3_adds_buckets_of_reading_order_and_of_both_axes() {
    const N: usize = 75;
    const AXIS: [u32; 2] = [64, 256];
    let order = RelativeBuckets::t5_encoder();
    let biases = [Bias::Relative(order), indices(64, 2, true)];
    let problem = build(shape([2, 2, 75, 75]), &biases);
    let boxes = boxes(2 * N);
    let apart = |axis: usize, [b, i, j]: [usize; 3]| {
        let [from, to] = [i, j].map(|token| boxes[b * N + token][axis]);
        bucket(to - from, AXIS)
    };
    let mut matrices = Vec::new();
    for (axis, b) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let pairs = (0..N).flat_map(|i| (0..N).map(move |j| [b, i, j]));
        matrices.extend(pairs.map(|pair| apart(axis, pair)));
    }
    let rows = |[b, i, j]: [usize; 3]| {
        let in_order = bucket(j as i64 - i as i64, [32, 128]);
        vec![
            in_order,
            32 + apart(0, [b, i, j]),
            32 + 64 + apart(1, [b, i, j]),
        ]
    };
    check(&problem, data_with(&problem, matrices, rows));
}

/// Keys are the tokens themselves, with T5's bias, and behind them one for each whole block, with a table of its own for the distance in
/// blocks. Tokens behind the last whole block count as of it. The limit on how far local attention reaches is left out.
///
/// Source: Guo et al., "LongT5: Efficient Text-To-Text Transformer for Long Sequences" (2022), section 3.2.2, and the side bias of the
/// authors' implementation.
#[test]
fn longt5_has_a_side_bias_by_the_blocks_of_tokens() {
    const N: usize = 75;
    const BLOCK: usize = 8;
    const GLOBAL: usize = N / BLOCK;
    const T5: [u32; 2] = [32, 128];
    let block = |token: usize| (token / BLOCK).min(GLOBAL - 1);
    let local = |i: usize, j: usize| bucket(j as i64 - i as i64, T5);
    let side = |i: usize, global: usize| bucket(global as i64 - block(i) as i64, T5);
    let problem = build(shape([1, 2, 75, 75 + 9]), &[indices(32, 2, false)]);
    // A matrix for each table; 32, past the table, where the other one serves.
    let mut tables = [Vec::new(), Vec::new()];
    for (i, j) in (0..N).flat_map(|i| (0..N + GLOBAL).map(move |j| (i, j))) {
        let found = match j.checked_sub(N) {
            None => [local(i, j), 32],
            Some(global) => [32, side(i, global)],
        };
        for (table, index) in tables.iter_mut().zip(found) {
            table.push(index);
        }
    }
    let rows = |[_, i, j]: [usize; 3]| match j.checked_sub(N) {
        None => vec![local(i, j)],
        Some(global) => vec![32 + side(i, global)],
    };
    check(&problem, data_with(&problem, tables.concat(), rows));
}

/// Offsets past the last bucket on both sides; one bucket, of no offset, is never met.
#[test]
fn buckets_number_512_to_distance_2048() {
    let buckets = RelativeBuckets {
        num_buckets: 512,
        max_distance: 2048,
        direction: Direction::Bidirectional,
    };
    let mut met: Vec<_> = (-2100..=2100)
        .map(|offset| Oracle::bucket(&buckets, offset))
        .collect();
    met.sort_unstable();
    met.dedup();
    assert_eq!(met.len(), 511);
    let builder = Problem::builder(shape([1, 2, 20, 4240])).bias(Bias::Relative(buckets));
    let problem = builder.query_offset(2110).build().expect("valid");
    let data = Data::generate(&problem, 7);
    let reference = Reference::new(&problem, &data.inputs());
    for (adapter, context) in shared().iter() {
        let forward = context.forward(&problem).expect("a kernel");
        let found = run(context, &forward, &problem, &data).expect("a result");
        let checked = reference.check(&found);
        checked.unwrap_or_else(|error| panic!("{adapter}: {error}"));
    }
}

/// umT5 has a table in every layer, where T5 has one for all: layers share a plan and bind their own.
///
/// Source: Chung et al., "`UniMax`: Fairer and more Effective Language Sampling for Large-Scale Multilingual Pretraining" (2023), and the
/// authors' implementation.
#[test]
fn layers_of_umt5_bind_tables_of_their_own_to_one_plan() {
    let bias = Bias::Relative(RelativeBuckets::t5_encoder());
    let problem = build(shape([1, 2, 70, 90]), &[bias]);
    let layers = [7, 8].map(|seed| Data {
        table: Data::generate(&problem, seed).table,
        ..Data::generate(&problem, 7)
    });
    let references = layers
        .each_ref()
        .map(|layer| Reference::new(&problem, &layer.inputs()));
    for (adapter, context) in shared().iter() {
        let forward = context.forward(&problem).expect("a kernel");
        let placed = layers
            .each_ref()
            .map(|layer| Placed::new(context, &problem, layer));
        // Both are bound before either runs.
        let bound = placed
            .each_ref()
            .map(|layer| layer.bind(&forward).expect("buffers that fit"));
        for layer in [1, 0] {
            let found = placed[layer].run(context, &bound[layer]);
            let found = found.expect("a result");
            let checked = references[layer].check(&found);
            checked.unwrap_or_else(|error| panic!("{adapter}, layer {layer}: {error}"));
            let other = references[1 - layer].check(&found);
            assert!(other.is_err(), "{adapter}: the layers give the same");
        }
    }
}
