//! The rotation on every adapter, against the definition in f64 and against what holds of every rotation.

#![cfg(feature = "gpu")]

mod harness;

use harness::adapters::contexts;
use harness::data::values;
use harness::device::{elements, stored};
use harness::rotation::{apart, check, in_place, input};
use relattn::cpu::rotated_exact;
use relattn::plan::RopeOperands;
use relattn::{
    Context, Dtype, Error, Layout, Pairing, ProblemError, Rope, RopeScaling, Rotation, Tensor, wgpu,
};

const DTYPES: [Dtype; 3] = [Dtype::F32, Dtype::F16, Dtype::Bf16];
const PAIRINGS: [Pairing; 2] = [Pairing::Interleaved, Pairing::HalfSplit];
const SCALINGS: [RopeScaling; 4] = [
    RopeScaling::None,
    RopeScaling::Linear { factor: 4.0 },
    RopeScaling::Ntk { factor: 8.0 },
    RopeScaling::yarn(16.0, 4096),
];
/// Of row 0; the last reach the ends of 32 signed bits.
const POSITIONS: [i32; 9] = [
    0,
    1,
    4095,
    65_536,
    1_000_000,
    -1,
    -70_000,
    i32::MIN,
    i32::MAX - 6,
];

/// Every pairing, scaling and type.
fn ropes(dimensions: u32) -> impl Iterator<Item = (Rope, Dtype)> {
    PAIRINGS.into_iter().flat_map(move |pairing| {
        SCALINGS.into_iter().flat_map(move |scaling| {
            DTYPES.into_iter().map(move |dtype| {
                let rope = Rope {
                    scaling,
                    pairing,
                    ..Rope::new(dimensions)
                };
                (rope, dtype)
            })
        })
    })
}

#[test]
fn equals_the_definition_at_every_position() {
    for (adapter, context) in contexts() {
        for (rope, dtype) in ropes(64) {
            for position in POSITIONS {
                let rotation = Rotation::builder(rope, [2, 3, 7, 64])
                    .dtype(dtype)
                    .first_position(position)
                    .build()
                    .expect("valid");
                let input = input(&rotation);
                let found = apart(&context, &rotation, &input);
                check(&rotation, &input, &found).unwrap_or_else(|error| {
                    panic!("{adapter}: {rope:?} {dtype:?} at {position}: {error}")
                });
            }
        }
    }
}

/// What becomes of pairs (1, 0) in 2000 rows of 256: 128 cosines and 128 sines, as found and as they should be.
fn cosines_and_sines(context: &Context, rotation: &Rotation) -> (Vec<f32>, Vec<f64>) {
    let row = std::iter::repeat_n(1.0, 128).chain(std::iter::repeat_n(0.0, 128));
    let input: Vec<f32> = row.cycle().take(2000 * 256).collect();
    let exact = rotated_exact(rotation, &input).expect("valid");
    (apart(context, rotation, &input).numbers(), exact)
}

/// Of every frequency, at two thousand positions each.
#[test]
fn sine_and_cosine_lie_within_2e_7() {
    for (adapter, context) in contexts() {
        for position in [0, 65_536, 1_000_000, i32::MIN, i32::MAX - 1999] {
            let rotation = Rotation::builder(Rope::new(256), [1, 1, 2000, 256])
                .first_position(position)
                .build()
                .expect("valid");
            let (found, exact) = cosines_and_sines(&context, &rotation);
            for (n, (&found, &exact)) in found.iter().zip(&exact).enumerate() {
                let error = (f64::from(found) - exact).abs();
                assert!(
                    error <= 2e-7,
                    "{adapter}: row {} from {position}, feature {}: {found} for {exact}",
                    n / 256,
                    n % 256
                );
            }
        }
    }
}

/// Slow pairs turn by a few units of 2^-32 turns, and the sine of so small an angle shows each of them.
#[test]
fn small_angles_are_right_to_half_a_unit() {
    let rope = Rope {
        base: 1e12,
        ..Rope::new(256)
    };
    for (adapter, context) in contexts() {
        for position in [1, 60_000, -60_000, 16_000_000] {
            let rotation = Rotation::builder(rope, [1, 1, 2000, 256]).first_position(position);
            let rotation = rotation.build().expect("valid");
            let (found, exact) = cosines_and_sines(&context, &rotation);
            let half_unit = std::f64::consts::TAU * 33_f64.exp2().recip();
            let mut small = 0;
            for (n, (&found, &exact)) in found.iter().zip(&exact).enumerate() {
                if n % 256 < 128 || exact.abs() > 1e-3 {
                    continue;
                }
                small += 1;
                let error = (f64::from(found) - exact).abs();
                assert!(
                    error <= 1.001 * half_unit + 2e-7 * exact.abs(),
                    "{adapter}: row {} from {position}, feature {}: {found:e} for {exact:e}",
                    n / 256,
                    n % 256
                );
            }
            assert!(small > 10_000, "{small} small angles");
        }
    }
}

/// One times a factor half way between two numbers of bf16, first above an even one, then above an odd one.
#[test]
fn bf16_is_rounded_to_even() {
    for (adapter, context) in contexts() {
        for (factor, expected) in [
            (1.0 + 1.0 / 256.0, 1.0),
            (1.0 + 3.0 / 256.0, 1.0 + 1.0 / 64.0),
        ] {
            let rope = Rope {
                pairing: Pairing::Interleaved,
                scaling: RopeScaling::Yarn {
                    factor: 2.0,
                    original_length: 4096,
                    beta_fast: 32.0,
                    beta_slow: 1.0,
                    attention_factor: Some(factor),
                },
                ..Rope::new(2)
            };
            let rotation = Rotation::builder(rope, [1, 1, 1, 2]).dtype(Dtype::Bf16);
            let found = apart(&context, &rotation.build().expect("valid"), &[1.0, -1.0]);
            assert_eq!(
                found.numbers(),
                [expected, -expected],
                "{adapter}: {factor}"
            );
        }
    }
}

/// The first features of rows that lie as `[B, N, H, D]`, with gaps, into other gaps.
#[test]
fn strided_and_partial_rows() {
    for (adapter, context) in contexts() {
        for (rope, dtype) in ropes(12) {
            let head_dim = if dtype == Dtype::F32 { 21 } else { 22 };
            let rotation = Rotation::builder(rope, [2, 3, 5, head_dim])
                .dtype(dtype)
                .first_position(-2)
                .input(Layout {
                    batch: 5 * 3 * 24 + 8,
                    head: 24,
                    row: 3 * 24,
                })
                .output(Layout {
                    batch: 26,
                    head: 5 * 2 * 26,
                    row: 2 * 26,
                })
                .build()
                .expect("valid");
            let input = input(&rotation);
            let found = apart(&context, &rotation, &input);
            let context = format!("{adapter}: {rope:?} {dtype:?}");
            check(&rotation, &input, &found).unwrap_or_else(|error| panic!("{context}: {error}"));
            let numbers = found.numbers();
            for i in 0..5 {
                let from = &input[rotation.input().start(1, 2, i)..][12..head_dim as usize];
                let to = &numbers[rotation.output().start(1, 2, i)..][12..head_dim as usize];
                assert_eq!(from, to, "{context}: unrotated features of row {i}");
            }
        }
    }
}

/// All rows read the same numbers, which a rotation of one row after the other confirms.
#[test]
fn an_input_may_be_shared() {
    for (adapter, context) in contexts() {
        let rotation = Rotation::builder(Rope::new(8), [2, 2, 3, 8])
            .input(Layout::default())
            .first_position(100)
            .build()
            .expect("valid");
        let input = input(&rotation);
        assert_eq!(input.len(), 8);
        let found = apart(&context, &rotation, &input);
        check(&rotation, &input, &found).unwrap_or_else(|error| panic!("{adapter}: {error}"));
    }
}

#[test]
fn in_place_equals_apart() {
    for (adapter, context) in contexts() {
        for (rope, dtype) in ropes(12) {
            let layout = Layout {
                batch: 7 * 3 * 16,
                head: 16,
                row: 3 * 16,
            };
            let rotation = Rotation::builder(rope, [2, 3, 7, 16])
                .dtype(dtype)
                .first_position(4_000)
                .input(layout)
                .output(layout)
                .build()
                .expect("valid");
            let input = input(&rotation);
            assert_eq!(
                in_place(&context, &rotation, &input).bits,
                apart(&context, &rotation, &input).bits,
                "{adapter}: {rope:?} {dtype:?}"
            );
        }
    }
}

/// Position 0 without a factor changes no bit, and features that are not rotated keep theirs, NaN and all.
#[test]
fn what_does_not_turn_keeps_its_bits() {
    for (adapter, context) in contexts() {
        for (pairing, dtype) in PAIRINGS.into_iter().flat_map(|p| DTYPES.map(|d| (p, d))) {
            let rope = Rope {
                pairing,
                ..Rope::new(8)
            };
            let rotation = Rotation::builder(rope, [1, 1, 1, 12]).dtype(dtype).build();
            let rotation = rotation.expect("valid");
            let mut input = input(&rotation);
            input[9] = f32::NAN;
            input[10] = f32::INFINITY;
            input[11] = -0.0;
            let found = apart(&context, &rotation, &input);
            let expected = elements(dtype, &stored(dtype, &input));
            assert_eq!(found.bits, expected, "{adapter}: {pairing:?} {dtype:?}");
        }
    }
}

/// A rotation keeps the norm of a pair, times the attention factor.
#[test]
fn norms_of_pairs_are_kept() {
    for (adapter, context) in contexts() {
        for (rope, _) in ropes(64).filter(|&(_, dtype)| dtype == Dtype::F32) {
            let rotation = Rotation::builder(rope, [1, 2, 33, 64])
                .first_position(123_456_789)
                .build()
                .expect("valid");
            let input = input(&rotation);
            let found = apart(&context, &rotation, &input).numbers();
            let factor = match rope.scaling {
                RopeScaling::Yarn { .. } => 0.1 * 16_f64.ln() + 1.0,
                _ => 1.0,
            };
            for (from, to) in input.chunks(64).zip(found.chunks(64)) {
                for n in 0..32 {
                    let [x, y] = match rope.pairing {
                        Pairing::Interleaved => [2 * n, 2 * n + 1],
                        Pairing::HalfSplit => [n, n + 32],
                    };
                    let norm = |row: &[f32]| f64::from(row[x]).powi(2) + f64::from(row[y]).powi(2);
                    let expected = norm(from) * factor * factor;
                    assert!(
                        (norm(to) - expected).abs() <= 1e-6 * expected,
                        "{adapter}: {rope:?}: pair {n}: {} for {expected}",
                        norm(to)
                    );
                }
            }
        }
    }
}

/// Scores q · k of rotated rows depend on the distance of their positions alone, however far out both are.
#[test]
fn scores_depend_on_the_offset_only() {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        let products = a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b));
        products.sum()
    };
    for (adapter, context) in contexts() {
        for (rope, _) in ropes(64).filter(|&(_, dtype)| dtype == Dtype::F32) {
            let (q, k) = (values(64, 1), values(64, 2));
            let at = |row: &[f32], position: i32| {
                let rotation = Rotation::builder(rope, [1, 1, 1, 64]).first_position(position);
                let rotation = rotation.build().expect("valid");
                apart(&context, &rotation, row).numbers()
            };
            let score = |i: i32, j: i32| dot(&at(&q, i), &at(&k, j));
            for distance in [0, 1, 37] {
                let near = score(distance, 0);
                for j in [65_536, 1_000_000, -1_000_000, 2_000_000_000] {
                    let far = score(j + distance, j);
                    assert!(
                        (near - far).abs() < 3e-6,
                        "{adapter}: {rope:?}: {near} at 0, {far} at {j}"
                    );
                }
                let other = score(distance + 1, 0);
                assert!((near - other).abs() > 1e-3, "{other} at another distance");
            }
        }
    }
}

#[test]
fn nothing_to_rotate_is_no_error() {
    for (_, context) in contexts() {
        for sizes in [[0, 2, 3, 8], [2, 0, 3, 8], [2, 2, 0, 8]] {
            let rotation = Rotation::builder(Rope::new(8), sizes).build();
            let rotation = rotation.expect("valid");
            let none: [u32; 0] = [];
            assert_eq!(apart(&context, &rotation, &[]).bits, none);
            assert_eq!(in_place(&context, &rotation, &[]).bits, none);
        }
    }
}

#[test]
fn bad_operands_are_named() {
    let (_, context) = contexts().swap_remove(0);
    let buffer = |size, usage| {
        context.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size,
            usage,
            mapped_at_creation: false,
        })
    };
    let storage = wgpu::BufferUsages::STORAGE;
    let [long, other, short] = [128, 128, 124].map(|size| buffer(size, storage));
    let uniform = buffer(128, wgpu::BufferUsages::UNIFORM);
    let whole = wgpu::Buffer::as_entire_buffer_binding;
    let rotation = Rotation::builder(Rope::new(8), [1, 1, 4, 8]);
    let rope = context.rope(&rotation.clone().build().expect("valid"));
    let bind = |input, output| {
        let operands = RopeOperands {
            input: whole(input),
            output: whole(output),
        };
        rope.bind(&operands).map(|_| ())
    };
    assert_eq!(bind(&long, &other), Ok(()));
    let too_small = |tensor| {
        Err(Error::BufferTooSmall {
            tensor,
            found: 124,
            needed: 128,
        })
    };
    assert_eq!(bind(&short, &other), too_small(Tensor::RopeInput));
    assert_eq!(bind(&long, &short), too_small(Tensor::Out));
    assert_eq!(
        bind(&long, &uniform),
        Err(Error::NotStorage {
            tensor: Tensor::Out
        })
    );
    assert_eq!(
        bind(&long, &long),
        Err(Error::SharedBuffer {
            read: Tensor::RopeInput,
            written: Tensor::Out
        })
    );
    let in_place = |tensor| rope.bind_in_place(&whole(tensor)).map(|_| ());
    assert_eq!(in_place(&long), Ok(()));
    assert_eq!(in_place(&short), too_small(Tensor::Out));
    let apart = rotation.input(Layout::default()).build().expect("valid");
    let found = context.rope(&apart).bind_in_place(&whole(&long));
    assert_eq!(
        found.map(|_| ()),
        Err(Error::Problem(ProblemError::InPlaceLayouts {
            input: apart.input(),
            output: apart.output()
        }))
    );
}
