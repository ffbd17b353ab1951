//! `relattn attend --rope` against rotations of complex numbers.

mod harness;

use std::collections::HashMap;

use harness::place::Place;
use harness::reference::{Case, number};
use harness::{Made, largest_error, small};
use relattn_conformance::compare::largest;

type Tensors = HashMap<&'static str, Made>;

/// `small()` without mask.
fn plain() -> Tensors {
    let mut tensors = small();
    tensors.remove("key_mask");
    tensors
}

/// Of a row.
type Position<'a> = &'a dyn Fn(usize) -> f64;

/// Which features turn together, how fast, and by what they grow.
struct Turn<'a> {
    pair: fn(usize) -> [usize; 2],
    frequencies: &'a [f64],
    growth: f64,
}

impl Turn<'_> {
    fn rotated(&self, made: &Made, position: impl Fn(usize) -> f64) -> Made {
        let mut values = made.values();
        let [.., rows, features] = made.shape[..] else {
            panic!("four dimensions");
        };
        for (n, row) in values.chunks_exact_mut(features).enumerate() {
            for (pair, frequency) in self.frequencies.iter().enumerate() {
                let [x, y] = (self.pair)(pair);
                let (sine, cosine) = (position(n % rows) * frequency).sin_cos();
                let (a, b) = (row[x], row[y]);
                row[x] = self.growth * (a * cosine - b * sine);
                row[y] = self.growth * (a * sine + b * cosine);
            }
        }
        Made::numbers(&made.shape, &values)
    }

    /// Asserts that rotated tensors without `--rope` give what plain ones give with it.
    fn agrees(&self, options: &[&str], query_offset: f64) {
        let tensors = plain();
        let mut rotated = tensors.clone();
        rotated.insert(
            "q",
            self.rotated(&tensors["q"], |row| number(row) + query_offset),
        );
        rotated.insert("k", self.rotated(&tensors["k"], number));
        let place = Place::new(&tensors);
        let expected = Place::new(&rotated).ctx("oracle", &["--bias=none"]);
        let unrotated = place.ctx("oracle", &["--bias=none"]);
        let effect = largest_error(&expected, &unrotated);
        assert!(effect > 1e-3, "{options:?} change nothing: {effect:e}");
        for device in ["oracle", "cpu", "auto"] {
            let found = place.ctx(device, &[&["--bias=none"], options].concat());
            let error = largest_error(&found, &expected);
            assert!(error <= 3e-6, "{options:?} on {device}: {error:e}");
        }
        let positions = [&|row| number(row) + query_offset, &number as Position<'_>];
        self.gradients_agree([&tensors, &rotated], options, positions);
    }

    /// Asserts that the gradients are those of rotated tensors, turned back.
    fn gradients_agree(
        &self,
        [tensors, rotated]: [&Tensors; 2],
        options: &[&str],
        positions: [Position<'_>; 2],
    ) {
        let [plain, turned] = [tensors, rotated].map(|tensors| {
            let mut tensors = tensors.clone();
            let dctx = Made::floats(&tensors["q"].shape);
            tensors.insert("dctx", dctx);
            Place::new(&tensors)
        });
        let base = ["--bias=none", "--backward"];
        let expected = turned.written("oracle", &base);
        for device in ["oracle", "cpu", "auto"] {
            let found = plain.written(device, &[&base, options].concat());
            let back =
                |name, position: Position<'_>| self.rotated(&expected[name], |row| -position(row));
            for (name, expected) in [
                ("dq", back("dq", positions[0])),
                ("dk", back("dk", positions[1])),
                ("dv", expected["dv"].clone()),
            ] {
                assert_eq!(found[name].shape, expected.shape, "{name}");
                let pairs = found[name].values().into_iter().zip(expected.values());
                let worst = largest(pairs.map(|(x, y)| x - y));
                assert!(worst <= 3e-6, "{options:?} on {device}: {name}: {worst:e}");
            }
        }
    }
}

const HALF: fn(usize) -> [usize; 2] = |n| [n, n + 4];
const INTERLEAVED: fn(usize) -> [usize; 2] = |n| [2 * n, 2 * n + 1];

#[test]
fn pairings_bases_and_parts() {
    let frequencies = [1.0, 0.1, 0.01, 0.001];
    for (name, pair) in [("half", HALF), ("interleaved", INTERLEAVED)] {
        Turn {
            pair,
            frequencies: &frequencies,
            growth: 1.0,
        }
        .agrees(&["--rope", name, "--query-offset=3"], 3.0);
    }
    // Four features of eight, to base 100.
    Turn {
        pair: |n| [n, n + 2],
        frequencies: &[1.0, 0.1],
        growth: 1.0,
    }
    .agrees(
        &["--rope=half", "--rope-dimensions=4", "--rope-base=100"],
        0.0,
    );
}

#[test]
fn scalings() {
    let turn = |frequencies: &[f64], growth, options: &[&str]| {
        Turn {
            pair: HALF,
            frequencies,
            growth,
        }
        .agrees(&[&["--rope=half"], options].concat(), 0.0);
    };
    let linear = [0.5, 0.05, 0.005, 0.0005];
    turn(&linear, 1.0, &["--rope-scaling=linear", "--rope-factor=2"]);
    let base = 10_000.0 * 8_f64.powf(8.0 / 6.0);
    let ntk = [0.0, 2.0, 4.0, 6.0].map(|n: f64| base.powf(-n / 8.0));
    turn(&ntk, 1.0, &["--rope-scaling=ntk", "--rope-factor=8"]);
    // Over 400 positions pair 0 makes 64 turns, pair 1 makes 6.4, pair 2 0.64: the ramp from pair 0 to pair 2 leaves half.
    let yarn = [1.0, 0.1 * (0.5 + 0.5 / 4.0), 0.01 / 4.0, 0.001 / 4.0];
    turn(
        &yarn,
        0.1 * 4_f64.ln() + 1.0,
        &[
            "--rope-scaling=yarn",
            "--rope-factor=4",
            "--rope-original-length=400",
        ],
    );
}

/// Positions begin anew in each sequence of a packed batch.
#[test]
fn packed_sequences() {
    let starts = [0, 3, 8];
    let position = |row: usize| number(if row < 3 { row } else { row - 3 });
    let mut tensors: Tensors = ["q", "k", "v"]
        .map(|name| (name, Made::floats(&[1, 2, 8, 4])))
        .into();
    let turn = Turn {
        pair: |n| [n, n + 2],
        frequencies: &[1.0, 0.01],
        growth: 1.0,
    };
    let mut rotated = tensors.clone();
    rotated.insert("q", turn.rotated(&tensors["q"], |row| position(row) + 2.0));
    rotated.insert("k", turn.rotated(&tensors["k"], position));
    for name in ["query_starts", "key_starts"] {
        tensors.insert(name, Made::words(&[3], &starts));
    }
    let place = Place::new(&tensors);
    let visible = |[_, _, i, j]: [usize; 4]| (i < 3) == (j < 3);
    let expected = harness::reference::attention(&Case {
        tensors: &rotated,
        bias: &|_| 0.0,
        visible: &visible,
    });
    for device in ["oracle", "auto"] {
        let options = ["--bias=none", "--rope=half", "--query-offset=2"];
        let error = largest_error(&place.ctx(device, &options), &expected);
        assert!(error <= 3e-6, "{device}: {error:e}");
    }
    for name in ["query_starts", "key_starts"] {
        rotated.insert(name, tensors[name].clone());
    }
    turn.gradients_agree(
        [&tensors, &rotated],
        &["--rope=half", "--query-offset=2"],
        [&|row| position(row) + 2.0, &position],
    );
}

#[test]
fn sequences_without_heads_have_nothing_to_turn() {
    let empty = Made::floats(&[1, 0, 16, 8]);
    let tensors = HashMap::from([
        ("q", empty.clone()),
        ("k", empty.clone()),
        ("v", empty),
        ("query_starts", Made::words(&[3], &[0, 8, 16])),
        ("key_starts", Made::words(&[3], &[0, 8, 16])),
    ]);
    let options = ["--bias=none", "--rope=half"];
    assert!(Place::new(&tensors).ctx("cpu", &options).is_empty());
}
