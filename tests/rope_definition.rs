//! The frequencies and the definition of the rotation against numbers found elsewhere, and the CPU's fast form against both.

mod harness;

use harness::data::values;
use relattn::cpu::{rotated, rotated_exact};
use relattn::{
    Dtype, InputError, Layout, Pairing, ProblemError, Rope, RopeScaling, Rotation, Tensor,
};

fn frequencies(scaling: RopeScaling) -> Vec<f64> {
    let rope = Rope {
        scaling,
        ..Rope::new(128)
    };
    let frequencies = rope.inverse_frequencies().expect("valid");
    assert_eq!(frequencies.len(), 64);
    frequencies
}

#[track_caller]
fn close(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() <= 1e-14 * expected,
        "{found:e} for {expected:e}"
    );
}

/// 10,000^(−n / 64) is a power of ten at every sixteenth pair.
#[test]
fn plain_frequencies_are_powers_of_the_base() {
    let found = frequencies(RopeScaling::None);
    for (n, expected) in [(0, 1.0), (16, 0.1), (32, 0.01), (48, 0.001)] {
        close(found[n], expected);
    }
    // 10^(−63 / 16).
    close(found[63], 1.154_781_984_689_458_2e-4);
    assert_eq!(Rope::new(128).attention_factor(), 1.0);
}

#[test]
fn linear_divides_every_frequency() {
    let found = frequencies(RopeScaling::Linear { factor: 4.0 });
    for (n, expected) in [(0, 0.25), (16, 0.025), (32, 0.0025), (48, 0.000_25)] {
        close(found[n], expected);
    }
}

/// The first pair stays, the last is divided by the factor, and the middle one by `8^(64 / 126)`.
#[test]
fn ntk_scales_the_base() {
    let found = frequencies(RopeScaling::Ntk { factor: 8.0 });
    close(found[0], 1.0);
    close(found[32], 0.01 / 2.875_493_394_890_035_5);
    close(found[63], 1.154_781_984_689_458_2e-4 / 8.0);
}

/// With 4096 positions the pair of n makes `4096 / 2π · 10^(−n / 16)` turns: 32 at n = 20.9, rounded down to 20, and 1 at
/// n = 45.03, rounded up to 46. Between, the ramp has 26 steps.
#[test]
fn yarn_keeps_fast_pairs_and_divides_slow_ones() {
    let plain = frequencies(RopeScaling::None);
    let found = frequencies(RopeScaling::yarn(16.0, 4096));
    for n in 0..64 {
        let ramp = match n {
            0..=20 => 0.0,
            21..=45 => f64::from(n - 20) / 26.0,
            _ => 1.0,
        };
        let n = n as usize;
        close(found[n], plain[n] * (1.0 - ramp * 15.0 / 16.0));
    }
    // 10^(−33 / 16) · 17 / 32, half way.
    close(found[33], 4.600_435_467_850_347e-3);
    let factor = |attention_factor| {
        let scaling = RopeScaling::Yarn {
            factor: 16.0,
            original_length: 4096,
            beta_fast: 32.0,
            beta_slow: 1.0,
            attention_factor,
        };
        let rope = Rope {
            scaling,
            ..Rope::new(128)
        };
        rope.attention_factor()
    };
    close(factor(None), 1.277_258_872_223_978_1);
    close(factor(Some(0.7)), 0.7);
}

/// Ends of the ramp that lie outside the pairs: all turn fast enough to stay as they are.
#[test]
fn yarn_over_a_long_original_length_changes_nothing() {
    let rope = |scaling| Rope {
        base: 10.0,
        scaling,
        ..Rope::new(16)
    };
    assert_eq!(
        rope(RopeScaling::yarn(4.0, 1_000_000)).inverse_frequencies(),
        rope(RopeScaling::None).inverse_frequencies()
    );
}

/// One pair of frequency 1: sine and cosine of whole radians, by mpmath.
#[test]
fn the_definition_turns_by_the_position() {
    for (position, cosine, sine) in [
        (0, 1.0, 0.0),
        (4095, -0.065_975_996_558_064_9, -0.997_821_210_376_974_4),
        (65_536, -0.721_834_750_912_664_3, 0.692_065_453_822_723_2),
        (
            1_000_000,
            0.936_752_127_533_144_8,
            -0.349_993_502_171_292_95,
        ),
        (i32::MIN, 0.237_816_194_572_803_36, 0.971_310_175_792_939_2),
    ] {
        for pairing in [Pairing::Interleaved, Pairing::HalfSplit] {
            let rope = Rope {
                pairing,
                ..Rope::new(2)
            };
            let rotation = Rotation::builder(rope, [1, 1, 1, 3]).first_position(position);
            let rotation = rotation.build().expect("valid");
            let found = rotated_exact(&rotation, &[2.0, 3.0, 7.0]).expect("valid");
            let expected = [2.0 * cosine - 3.0 * sine, 3.0 * cosine + 2.0 * sine, 7.0];
            for (found, expected) in found.iter().zip(expected) {
                assert!(
                    (found - expected).abs() < 1e-14,
                    "{position}: {found} for {expected}"
                );
            }
        }
    }
}

/// The f64 product 2147483647 · (1/3) is wrong by 4e-8; cosine and sine of the exact one are by mpmath.
#[test]
fn the_definition_loses_nothing_far_out() {
    let rope = Rope {
        base: 9.0,
        ..Rope::new(4)
    };
    let rotation = Rotation::builder(rope, [1, 1, 1, 4]).first_position(i32::MAX);
    let rotation = rotation.build().expect("valid");
    let found = rotated_exact(&rotation, &[0.0, 1.0, 0.0, 0.0]).expect("valid");
    for (found, expected) in [
        (found[1], 0.713_095_069_574_520_7),
        (found[3], -0.701_067_344_659_918_9),
    ] {
        assert!((found - expected).abs() < 1e-14, "{found} for {expected}");
    }
}

/// Row 1 at position 3: pair 0 turns by 3, pair 1 by 0.03.
#[test]
fn the_pairings_name_their_features() {
    let ((s, c), (t, d)) = (3_f64.sin_cos(), 0.03_f64.sin_cos());
    for (pairing, expected) in [
        (Pairing::Interleaved, [c, s, d, t]),
        (Pairing::HalfSplit, [c, d, s, t]),
    ] {
        let rope = Rope {
            pairing,
            ..Rope::new(4)
        };
        let rotation = Rotation::builder(rope, [1, 1, 2, 4]).first_position(2);
        let rotation = rotation.build().expect("valid");
        let row = match pairing {
            Pairing::Interleaved => [1.0, 0.0, 1.0, 0.0],
            Pairing::HalfSplit => [1.0, 1.0, 0.0, 0.0],
        };
        let found = rotated_exact(&rotation, &[row, row].concat()).expect("valid");
        for (found, expected) in found[4..].iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1e-15,
                "{pairing:?}: {found} for {expected}"
            );
        }
    }
}

#[test]
fn the_fast_form_equals_the_definition() {
    for pairing in [Pairing::Interleaved, Pairing::HalfSplit] {
        for scaling in [RopeScaling::None, RopeScaling::yarn(16.0, 4096)] {
            for position in [0, 65_536, 1_000_000, -70_000, i32::MIN, i32::MAX - 4] {
                let rope = Rope {
                    pairing,
                    scaling,
                    ..Rope::new(10)
                };
                let rotation = Rotation::builder(rope, [2, 3, 5, 13])
                    .first_position(position)
                    .input(Layout {
                        batch: 5 * 3 * 13,
                        head: 13,
                        row: 3 * 13,
                    })
                    .output(Layout {
                        batch: 14,
                        head: 5 * 2 * 14,
                        row: 2 * 14,
                    })
                    .build()
                    .expect("valid");
                let input = values(2 * 3 * 5 * 13, 9);
                let exact = rotated_exact(&rotation, &input).expect("valid");
                let found = rotated(&rotation, &input).expect("valid");
                assert_eq!(found.len(), exact.len());
                for (&found, &exact) in found.iter().zip(&exact) {
                    assert!(
                        (f64::from(found) - exact).abs() <= 4e-7,
                        "{rope:?} at {position}: {found} for {exact}"
                    );
                }
            }
        }
    }
}

#[test]
fn bad_ropes_are_named() {
    let dimensions = |found, minimum| ProblemError::RopeDimensions {
        found,
        minimum,
        multiple: 2,
        maximum: 8,
    };
    for found in [0, 3, 10] {
        let expected = Err(dimensions(found, 2));
        assert_eq!(Rope::new(found).validate(8), expected);
    }
    assert_eq!(Rope::new(8).validate(8), Ok(()));
    let scaled = |scaling| {
        let rope = Rope {
            scaling,
            ..Rope::new(8)
        };
        rope.validate(8)
    };
    let two = Rope {
        scaling: RopeScaling::Ntk { factor: 2.0 },
        ..Rope::new(2)
    };
    assert_eq!(two.validate(8), Err(dimensions(2, 4)));
    for factor in [0.5, -1.0, f64::INFINITY] {
        let expected = Err(ProblemError::RopeFactor { found: factor });
        for scaling in [
            RopeScaling::Linear { factor },
            RopeScaling::Ntk { factor },
            RopeScaling::yarn(factor, 4096),
        ] {
            assert_eq!(scaled(scaling), expected);
        }
    }
    assert!(scaled(RopeScaling::Linear { factor: f64::NAN }).is_err());
    let huge = scaled(RopeScaling::Ntk { factor: f64::MAX });
    let found = f64::INFINITY;
    assert_eq!(huge, Err(ProblemError::RopeBase { found }));
    for base in [1.0, 0.0, -5.0, f64::INFINITY] {
        let rope = Rope {
            base,
            ..Rope::new(8)
        };
        assert_eq!(
            rope.inverse_frequencies(),
            Err(ProblemError::RopeBase { found: base })
        );
    }
}

#[test]
fn bad_yarn_is_named() {
    let yarn = |original_length, beta_fast, beta_slow, attention_factor| {
        let scaling = RopeScaling::Yarn {
            factor: 2.0,
            original_length,
            beta_fast,
            beta_slow,
            attention_factor,
        };
        let rope = Rope {
            scaling,
            ..Rope::new(8)
        };
        rope.validate(8)
    };
    assert_eq!(yarn(7, 32.0, 1.0, Some(1.0)), Ok(()));
    for (beta_fast, beta_slow) in [(1.0, 1.0), (1.0, 32.0), (32.0, 0.0), (f64::INFINITY, 1.0)] {
        assert_eq!(
            yarn(4096, beta_fast, beta_slow, None),
            Err(ProblemError::RopeTurns {
                beta_slow,
                beta_fast
            })
        );
    }
    assert_eq!(
        yarn(6, 32.0, 1.0, None),
        Err(ProblemError::RopeOriginalLength {
            found: 6,
            minimum: std::f64::consts::TAU
        })
    );
    for found in [0.0, 1e-300, -1.0, 1e39, f64::INFINITY] {
        assert_eq!(
            yarn(4096, 32.0, 1.0, Some(found)),
            Err(ProblemError::RopeAttentionFactor { found })
        );
    }
}

#[test]
fn bad_rotations_are_named() {
    let of = |sizes| Rotation::builder(Rope::new(6), sizes);
    let error = |builder: relattn::RotationBuilder| builder.build().expect_err("refused");
    assert_eq!(
        error(of([1, 1, 1, 258])),
        ProblemError::HeadDim {
            tensor: Tensor::RopeInput,
            found: 258,
            maximum: 256
        }
    );
    assert_eq!(
        error(of([1, 1, 5, 8]).first_position(i32::MAX - 3)),
        ProblemError::Position {
            found: i64::from(i32::MAX) + 1,
            maximum: i32::MAX.into()
        }
    );
    assert_eq!(
        error(of([1 << 20, 1, 1 << 10, 8])),
        ProblemError::TooLarge {
            tensor: Tensor::RopeInput,
            elements: 1 << 33,
            maximum: u32::MAX.into()
        }
    );
    let overlapping = Layout {
        batch: 32,
        head: 32,
        row: 7,
    };
    assert_eq!(
        error(of([1, 1, 4, 8]).output(overlapping)),
        ProblemError::Overlap {
            tensor: Tensor::Out,
            stride: 7,
            minimum: 8
        }
    );
    assert_eq!(
        error(of([1, 1, 4, 7]).dtype(Dtype::Bf16)),
        ProblemError::Odd {
            tensor: Tensor::RopeInput,
            what: "the number of features",
            found: 7
        }
    );
    assert_eq!(
        error(of([1, 1, 4, 8]).dtype(Dtype::F16)),
        ProblemError::RopeDimensions {
            found: 6,
            minimum: 4,
            multiple: 4,
            maximum: 8
        }
    );
}

#[test]
fn an_input_of_another_length_is_named() {
    let rotation = Rotation::builder(Rope::new(8), [1, 2, 3, 8]).build();
    let rotation = rotation.expect("valid");
    let expected = InputError::Length {
        tensor: Tensor::RopeInput,
        found: 47,
        expected: 48,
    };
    assert_eq!(rotated(&rotation, &[0.0; 47]), Err(expected.clone()));
    assert_eq!(rotated_exact(&rotation, &[0.0; 47]), Err(expected));
}
