//! Every tile of small problems as the shaders classify it, against its scores one by one: none that is visible is skipped, none
//! that is hidden counts, and a tile of one bias has but one.

mod classify;
mod definition;

use classify::{Classifier, QueryTile, Unit};
use definition::{Pairs, Sequence};

use super::params::Params;
use super::{Algorithm, Variant};
use crate::{
    Bias, Bits, Capabilities, Direction, Mask, Packed, Problem, RelativeBuckets, Shape, Window,
};

/// Saturates within a tile.
const BUCKETS: RelativeBuckets = RelativeBuckets {
    num_buckets: 8,
    max_distance: 12,
    direction: Direction::Bidirectional,
};
const BATCH: u32 = 4;

/// The devices of every adapter, with all that kernels make use of.
fn devices() -> Vec<(String, wgpu::Device, wgpu::Queue)> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::PRIMARY | wgpu::Backends::GL;
    let instance = wgpu::Instance::new(descriptor);
    let found = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let mut devices = Vec::new();
    for adapter in found {
        let info = adapter.get_info();
        let name = format!("{}/{}", info.backend, info.name);
        match pollster::block_on(adapter.request_device(&Capabilities::descriptor(&adapter))) {
            Ok((device, queue)) => devices.push((name, device, queue)),
            Err(reason) => println!("{name}: unsupported: {reason}"),
        }
    }
    assert!(!devices.is_empty(), "no adapter has a device");
    devices
}

/// Runs a check with every algorithm that a device has, each with tiles of few rows.
fn each_algorithm(check: impl Fn(&wgpu::Device, &wgpu::Queue, Algorithm, u32)) {
    for (name, device, queue) in devices() {
        for (algorithm, rows) in [
            (Algorithm::Fragments, 1),
            (Algorithm::Broadcast, 1),
            (Algorithm::Decode, 3),
        ] {
            let lanes = Capabilities::of(&device).subgroup_size;
            if algorithm == Algorithm::Broadcast && lanes < Algorithm::LANES {
                println!("{name}: {algorithm:?}: unsupported: subgroups of {lanes}");
                continue;
            }
            println!("{name}: {algorithm:?}");
            check(&device, &queue, algorithm, rows);
        }
    }
}

fn problem([batch, q_len, k_len]: [u32; 3], mask: Mask, query_offset: i32) -> Problem {
    let shape = Shape {
        batch,
        heads: 1,
        kv_heads: 1,
        q_len,
        k_len,
        head_dim: 4,
    };
    let builder = Problem::builder(shape).bias(Bias::Relative(BUCKETS));
    let built = builder.mask(mask).query_offset(query_offset).build();
    built.expect("a valid problem")
}

/// Lengths one before, at and one past a multiple of a tile, and of several tiles.
fn lengths(tile: u32) -> [u32; 5] {
    [1, tile.max(2) - 1, tile, tile + 1, 2 * tile + 2]
}

/// Windows within a tile, past it, and on one side.
fn windows(used: bool, tile: u32) -> Vec<Option<Window>> {
    if !used {
        return vec![None];
    }
    let reaches = [(0, 0), (3, 1), (tile, tile / 2), (2 * tile + 9, 0), (0, 5)];
    let window = |(left, right)| Some(Window { left, right });
    reaches.map(window).to_vec()
}

/// Positions at which a first tile begins one before and just where the bias is constant, on both sides, and others.
fn offsets(unit: &Unit) -> [i32; 9] {
    let signed = |n: u32| i32::try_from(n).expect("a small tile");
    let (q, k) = (signed(unit.rows), signed(unit.variant.k_tile()));
    let radius = signed(BUCKETS.thresholds().expect("valid buckets").saturation());
    let (later, earlier) = (1 - q - radius, k - 1 + radius);
    [-k - 3, later, later + 1, -1, 0, 1, q, earlier - 1, earlier]
}

/// Of each sequence: none, some, all, and more than there are.
fn limits(length: u32) -> Vec<u32> {
    vec![0, length / 2 + 1, length, length + 7]
}

/// Every mask that arithmetic alone decides, but for packed ones.
fn bounded_masks() -> impl Iterator<Item = Mask> {
    (0..16).map(|n: u32| Mask {
        causal: n & 1 != 0,
        window: (n & 2 != 0).then_some(Window { left: 0, right: 0 }),
        key_lengths: n & 4 != 0,
        query_lengths: n & 8 != 0,
        ..Mask::NONE
    })
}

/// Problems of one kernel that differ in their offsets and windows.
fn problems(sizes: [u32; 3], mask: Mask, unit: &Unit) -> Vec<Problem> {
    let windows = windows(mask.window.is_some(), unit.variant.k_tile());
    let masks = windows.into_iter().map(|window| Mask { window, ..mask });
    masks
        .flat_map(|mask| offsets(unit).map(|offset| problem(sizes, mask, offset)))
        .collect()
}

fn uniforms(problems: &[Problem], variant: &Variant) -> Vec<Params> {
    let of = |problem| Params::new(problem, false, [variant.q_tile(), 1]);
    problems.iter().map(of).collect()
}

/// The first sequence of a problem, with all its rows and keys.
fn whole<'a>(problem: &Problem, unit: &Unit) -> Sequence<'a> {
    let shape = problem.shape();
    Sequence {
        unit: *unit,
        mask: problem.mask(),
        buckets: BUCKETS,
        radius: problem.bias_radius().into(),
        rows: [0, shape.q_len.into()],
        keys: [0, shape.k_len.into()],
        query_limit: i64::MAX,
        shift: problem.query_offset().into(),
        pairs: None,
    }
}

#[test]
fn tiles_bounded_by_masks_and_lengths_are_told_apart() {
    each_algorithm(|device, queue, algorithm, rows| {
        for mask in bounded_masks() {
            let problem = problem([BATCH, 1, 1], mask, 0);
            let variant = Variant::new(&problem, &Capabilities::of(device), (algorithm, rows));
            let classifier = Classifier::new(device, queue, variant);
            for q_len in lengths(variant.q_tile()) {
                for k_len in lengths(variant.k_tile()) {
                    let all = problems([BATCH, q_len, k_len], mask, &classifier.unit);
                    let [keys, queries] = [k_len, q_len].map(limits);
                    let numbers = [(6, vec![0; 64]), (9, keys.clone()), (11, queries.clone())];
                    let tiles = q_len.div_ceil(variant.q_tile());
                    let params = uniforms(&all, &variant);
                    let found = classifier.run(&params, [tiles, BATCH], &numbers);
                    for (problem, found) in all.iter().zip(found) {
                        check_batch(problem, &classifier.unit, &found, [&keys, &queries]);
                    }
                }
            }
        }
    });
}

/// Checks tiles of all sequences, which have these lengths.
fn check_batch(problem: &Problem, unit: &Unit, found: &[QueryTile], lengths: [&[u32]; 2]) {
    let (mask, shape) = (problem.mask(), problem.shape());
    let sequences = found.chunks_exact(found.len() / BATCH as usize);
    for (b, tiles) in sequences.enumerate() {
        let [keys, queries] = lengths.map(|lengths| i64::from(lengths[b]));
        let mut sequence = whole(problem, unit);
        if mask.key_lengths {
            sequence.keys[1] = keys.min(sequence.keys[1]);
        }
        if mask.query_lengths {
            sequence.query_limit = queries;
        }
        for (n, tile) in (0..).zip(tiles) {
            assert_eq!(tile.q_first, n * unit.rows);
            sequence.check(tile, shape.k_len.into());
        }
    }
}

#[test]
fn tiles_of_packed_sequences_are_told_apart() {
    each_algorithm(|device, queue, algorithm, rows| {
        for mask in bounded_masks().filter(|mask| !mask.key_lengths && !mask.query_lengths) {
            let packed = Some(Packed { sequences: 6 });
            let mask = Mask { packed, ..mask };
            let problem = problem([1, 1, 1], mask, 0);
            let variant = Variant::new(&problem, &Capabilities::of(device), (algorithm, rows));
            let classifier = Classifier::new(device, queue, variant);
            let starts = |tile: u32| [0, tile + 1, tile + 1, 2 * tile, 2 * tile + 1, 2 * tile + 2];
            let queries = starts(variant.q_tile()).map(|start| start + 3);
            let keys = starts(variant.k_tile()).map(|start| start + 1);
            // The first sequence is short, the third empty, the last reaches past two tiles.
            let [q_len, k_len] = [
                queries[5] + 2 * variant.q_tile(),
                keys[5] + variant.k_tile(),
            ];
            let bounds = |starts: [u32; 6], end| {
                let inner = starts[..5].iter().copied();
                let all: Vec<u32> = std::iter::once(0).chain(inner).chain([end]).collect();
                all
            };
            let (queries, keys) = (bounds(queries, q_len), bounds(keys, k_len));
            let all = problems([1, q_len, k_len], mask, &classifier.unit);
            let numbers = [(6, vec![0; 2048]), (9, keys.clone()), (11, queries.clone())];
            let tiles = q_len / variant.q_tile() + 6;
            let found = classifier.run(&uniforms(&all, &variant), [tiles, 1], &numbers);
            for (problem, found) in all.iter().zip(found) {
                check_packed(problem, &classifier.unit, &found, [&queries, &keys]);
            }
        }
    });
}

/// Checks that every row lies in one tile, which meets the keys of its sequence.
fn check_packed(problem: &Problem, unit: &Unit, found: &[QueryTile], starts: [&[u32]; 2]) {
    let [queries, keys] = starts.map(|starts| starts.windows(2).map(|pair| [pair[0], pair[1]]));
    for (rows, keys) in queries.zip(keys) {
        let [rows, keys] = [rows, keys].map(|bounds| bounds.map(i64::from));
        let sequence = Sequence {
            rows,
            keys,
            shift: i64::from(problem.query_offset()) + keys[0] - rows[0],
            ..whole(problem, unit)
        };
        let own = found.iter().filter(|tile| {
            let first = i64::from(tile.q_first);
            (rows[0]..rows[1]).contains(&first) && i64::from(tile.row_limit) > first
        });
        let mut next = rows[0];
        for tile in own {
            assert_eq!(i64::from(tile.q_first), next, "{sequence:?}, {found:?}");
            sequence.check(tile, keys[1]);
            next += i64::from(unit.rows);
        }
        assert!(
            next >= rows[1],
            "rows from {next} on have no tile: {sequence:?}"
        );
    }
}

#[test]
fn tiles_that_nobody_sees_are_told_apart() {
    let none = Mask::NONE;
    let bits = Some(Bits {
        each_sequence: false,
        each_head: false,
    });
    let documents = Mask {
        documents: true,
        ..none
    };
    let masks = [
        documents,
        Mask { bits, ..none },
        Mask { keys: true, ..none },
        Mask {
            causal: true,
            ..documents
        },
        Mask { bits, ..documents },
    ];
    each_algorithm(|device, queue, algorithm, rows| {
        for mask in masks {
            let problem = problem([1, 1, 1], mask, 0);
            let variant = Variant::new(&problem, &Capabilities::of(device), (algorithm, rows));
            let classifier = Classifier::new(device, queue, variant);
            let [q_tile, k_tile] = [variant.q_tile(), variant.k_tile()];
            for k_len in lengths(k_tile).into_iter().chain([5 * k_tile + 3]) {
                let q_len = 3 * q_tile + 2;
                let all = problems([1, q_len, k_len], mask, &classifier.unit);
                check_pairs(
                    &classifier,
                    &all,
                    Hidden::new(q_len, k_len, &classifier.unit),
                );
            }
        }
    });
}

/// What hides pairs of queries and keys.
struct Hidden {
    query_documents: Vec<u32>,
    key_documents: Vec<u32>,
    bits: Vec<u32>,
    key_mask: Vec<u8>,
}

impl Hidden {
    /// Documents that change within tiles and leave some to nobody; bits of which a tile may have a single one; keys of which
    /// a stretch longer than a tile is hidden.
    fn new(q_len: u32, k_len: u32, unit: &Unit) -> Self {
        let (rows, k_tile) = (unit.rows, unit.variant.k_tile());
        let single = |i: u32, word: u32| {
            if i % 5 == 3 && word % 3 == 1 {
                1 << (i % 32)
            } else {
                0
            }
        };
        let words = k_len.div_ceil(32);
        Self {
            query_documents: (0..q_len).map(|i| i / (rows + 1)).collect(),
            key_documents: (0..k_len).map(|j| j / (k_tile + k_tile / 2) % 4).collect(),
            bits: (0..q_len)
                .flat_map(|i| (0..words).map(move |word| single(i, word)))
                .collect(),
            key_mask: (0..k_len)
                .map(|j| u8::from(j % (3 * k_tile) < k_tile / 2))
                .collect(),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "made for this call")]
fn check_pairs(classifier: &Classifier<'_>, all: &[Problem], hidden: Hidden) {
    let unit = &classifier.unit;
    let mask = hidden.key_mask.chunks(4).map(|bytes| {
        let bytes = bytes.iter().rev();
        bytes.fold(0, |word, &byte| word << 8 | u32::from(byte))
    });
    let numbers = [
        (6, vec![0; 2048]),
        (7, mask.collect()),
        (12, hidden.query_documents.clone()),
        (13, hidden.key_documents.clone()),
        (14, hidden.bits.clone()),
    ];
    let pairs = Pairs {
        query_documents: &hidden.query_documents,
        key_documents: &hidden.key_documents,
        bits: &hidden.bits,
        key_mask: &hidden.key_mask,
    };
    let tiles = all[0].shape().q_len.div_ceil(unit.variant.q_tile());
    let found = classifier.run(&uniforms(all, &unit.variant), [tiles, 1], &numbers);
    for (problem, found) in all.iter().zip(found) {
        let sequence = Sequence {
            pairs: Some(pairs),
            ..whole(problem, unit)
        };
        for tile in &found {
            sequence.check(tile, problem.shape().k_len.into());
        }
    }
}
