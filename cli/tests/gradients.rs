//! `relattn attend --backward` for every bias: names, shapes, and numbers against differences of the formula.

mod harness;

use harness::differences::{Bias, Differences, Tensors};
use harness::place::Place;
use harness::reference::{Score, number, offset};
use harness::{Made, largest_error};
use relattn::Dropout;

const HEADS: usize = 4;
const EVERYWHERE: [&str; 3] = ["oracle", "cpu", "auto"];
/// Kernels of each bias have tests of their own.
const HERE: [&str; 2] = ["oracle", "cpu"];

/// B 2, H 4, Hkv 2, Nq 3, Nk 5, D 4, Dv 3, with these tensors.
fn with<const N: usize>(more: [(&'static str, Made); N]) -> Tensors {
    let mut tensors = Tensors::from([
        ("q", Made::floats(&[2, HEADS, 3, 4])),
        ("k", Made::floats(&[2, 2, 5, 4])),
        ("v", Made::floats(&[2, 2, 5, 3])),
        ("dctx", Made::floats(&[2, HEADS, 3, 3])),
    ]);
    tensors.extend(more);
    tensors
}

fn agree(devices: &[&str], tensors: &Tensors, options: &[&str], bias: Bias, learned: &[&str]) {
    let tensors = tensors.clone();
    let dropout = None;
    Differences {
        tensors,
        bias,
        dropout,
    }
    .agree(devices, options, learned);
}

/// A number for each head.
fn heads(values: [f64; HEADS]) -> Made {
    Made::numbers(&[HEADS], &values)
}

/// T5's near buckets: the distance, and 16 more after the query.
fn t5(tensors: &Tensors, [_, head, i, j]: Score) -> f64 {
    let bucket = if j > i { 16 + j - i } else { i - j };
    tensors["table"].values()[bucket * HEADS + head]
}

#[test]
fn no_bias_and_one_without_parameters() {
    agree(&EVERYWHERE, &with([]), &["--bias=none"], |_, _| 0.0, &[]);
    let sandwich: Bias = |_, place| {
        let angle = |n: i32| offset(place, 0.0) / 10_f64.powi(n);
        (0..4).map(|n| angle(n).cos()).sum::<f64>() / 2.0 / (number(place[1]) + 1.0)
    };
    let options = ["--bias=sandwich", "--dimensions=8"];
    agree(&HERE, &with([]), &options, sandwich, &[]);
}

#[test]
fn a_gated_table_beside_a_shared_dense_bias() {
    let mut tensors = with([
        ("table", Made::floats(&[32, HEADS])),
        ("gate", Made::floats(&[2, HEADS, 3])),
    ]);
    for shape in [
        [1, 1, 3, 5],
        [2, 1, 3, 5],
        [1, HEADS, 3, 5],
        [2, HEADS, 3, 5],
    ] {
        tensors.insert("bias", Made::floats(&shape));
        let bias: Bias = |tensors, place| {
            let [b, head, i, j] = place;
            let (dense, gate) = (&tensors["bias"], tensors["gate"].values());
            let plane = b.min(dense.shape[0] - 1) * dense.shape[1] + head.min(dense.shape[1] - 1);
            let factor = gate[(b * HEADS + head) * 3 + i];
            factor * t5(tensors, place) + dense.values()[(plane * 3 + i) * 5 + j]
        };
        let devices: &[&str] = if shape[1] == 1 { &HERE } else { &EVERYWHERE };
        let learned = ["table", "gate", "bias"];
        agree(devices, &tensors, &["--bias=t5,dense"], bias, &learned);
    }
}

#[test]
fn a_number_for_each_offset() {
    let tensors = with([("offset_table", Made::floats(&[5, HEADS]))]);
    let bias: Bias = |tensors, [_, head, i, j]| {
        let row = (j + 2).clamp(i, i + 4) - i;
        tensors["offset_table"].values()[row * HEADS + head]
    };
    let options = ["--bias=offset", "--max-offset=2"];
    agree(&HERE, &tensors, &options, bias, &["offset_table"]);
}

#[test]
fn slopes() {
    let tensors = with([("slopes", heads([0.3, 0.2, 0.05, 0.9]))]);
    let bias: Bias =
        |tensors, place| -tensors["slopes"].values()[place[1]] * offset(place, 2.0).abs();
    let options = ["--bias=alibi", "--query-offset=2"];
    agree(&EVERYWHERE, &tensors, &options, bias, &["slopes"]);
}

fn kerple_log(tensors: &Tensors, place: Score, [p, a]: [&str; 2]) -> f64 {
    let [p, a] = [p, a].map(|name| tensors[name].values()[place[1]]);
    -p * (1.0 + a * offset(place, 0.0).abs()).ln()
}

fn kerple_power(tensors: &Tensors, place: Score, [p, a]: [&str; 2]) -> f64 {
    let [p, a] = [p, a].map(|name| tensors[name].values()[place[1]]);
    -a * offset(place, 0.0).abs().powf(p)
}

#[test]
fn kerple() {
    let (p, a) = (heads([0.3, 1.2, 0.7, 0.4]), heads([0.5, 0.1, 0.9, 0.2]));
    let tensors = with([("p", p.clone()), ("a", a.clone())]);
    let log: Bias = |tensors, place| kerple_log(tensors, place, ["p", "a"]);
    agree(&HERE, &tensors, &["--bias=kerple-log"], log, &["p", "a"]);
    let power: Bias = |tensors, place| kerple_power(tensors, place, ["p", "a"]);
    let options = ["--bias=kerple-power"];
    agree(&HERE, &tensors, &options, power, &["p", "a"]);
    let names = [
        "kerple_log_p",
        "kerple_log_a",
        "kerple_power_p",
        "kerple_power_a",
    ];
    let made = [&p, &a, &a, &p].map(Clone::clone);
    let mut tensors = with([]);
    tensors.extend(names.into_iter().zip(made));
    let both: Bias = |tensors, place| {
        kerple_log(tensors, place, ["kerple_log_p", "kerple_log_a"])
            + kerple_power(tensors, place, ["kerple_power_p", "kerple_power_a"])
    };
    let options = ["--bias=kerple-power,kerple-log"];
    agree(&HERE, &tensors, &options, both, &names);
}

/// Two tables of six rows, behind the rows of T5's.
#[test]
fn index_matrices_behind_another_table() {
    let indices: Vec<u32> = (0..2 * 2 * 15).map(|n| n * n % 7).collect();
    let mut tensors = with([
        ("index", Made::words(&[2, 2, 3, 5], &indices)),
        ("index_table", Made::floats(&[12, HEADS])),
        ("t5_table", Made::floats(&[32, HEADS])),
    ]);
    tensors.insert("table", tensors["t5_table"].clone());
    let bias: Bias = |tensors, place| {
        let [b, head, i, j] = place;
        let (index, table) = (&tensors["index"], tensors["index_table"].values());
        let of = |m: usize| {
            let at = ((m * 2 + b) * 3 + i) * 5 + j;
            let row = usize::from(index.data[4 * at]);
            // An index past the table adds nothing.
            if row < 6 {
                table[(m * 6 + row) * HEADS + head]
            } else {
                0.0
            }
        };
        let bucket = if j > i { 16 + j - i } else { i - j };
        of(0) + of(1) + tensors["t5_table"].values()[bucket * HEADS + head]
    };
    let learned = ["t5_table", "index_table"];
    agree(&HERE, &tensors, &["--bias=t5,index"], bias, &learned);
}

/// FIRE by its paper; without the numbers in the file its defaults.
fn fire(tensors: &Tensors, place: Score) -> f64 {
    let values = |name| tensors.get(name).map(Made::values);
    let number_of = |name, default| values(name).map_or(default, |values| values[0]);
    let c = number_of("c", 0.1);
    let l = number_of("init_L", 512.0) * number_of("L_multiplier", 1.0);
    let names = ["mlp.0.weight", "mlp.0.bias", "mlp.2.weight", "mlp.2.bias"];
    let [w1, b1, w2, b2] = names.map(|name| values(name).expect("weights"));
    let psi = |x: f64| ((c * x).abs() + 1.0).ln();
    let position = number(place[2]) + 2.0;
    let x = psi(offset(place, 2.0).abs()) / (psi(position.max(l)) + 1e-6);
    let unit = |u: usize| w2[place[1] * w1.len() + u] * (w1[u] * x + b1[u]).max(0.0);
    (0..w1.len()).map(unit).sum::<f64>() + b2[place[1]]
}

const FIRE: [&str; 7] = [
    "c",
    "init_L",
    "L_multiplier",
    "mlp.0.weight",
    "mlp.0.bias",
    "mlp.2.weight",
    "mlp.2.bias",
];

/// L is 2.5, between the positions of the queries: 2, 3 and 4.
fn with_fire() -> Tensors {
    with([
        ("c", Made::numbers(&[], &[0.7])),
        ("init_L", Made::numbers(&[1], &[1.25])),
        ("L_multiplier", Made::numbers(&[], &[2.0])),
        ("mlp.0.weight", Made::numbers(&[3, 1], &[1.5, -0.9, 2.0])),
        ("mlp.0.bias", Made::numbers(&[3], &[-0.2, 0.5, 0.1])),
        ("mlp.2.weight", Made::floats(&[HEADS, 3])),
        ("mlp.2.bias", heads([0.3, -0.4, 0.1, 0.0])),
    ])
}

#[test]
fn weights_of_fire() {
    let mut tensors = with_fire();
    let options = ["--bias=fire", "--query-offset=2"];
    // What is added to all scores alike has no effect.
    let (last, others) = FIRE.split_last().expect("names");
    let check = |devices: &[&str], tensors: &Tensors| {
        let place = Place::new(tensors);
        let written = place.written("oracle", &[&["--backward"], &options[..]].concat());
        let found = &written[&format!("d{last}")];
        assert_eq!(found.shape, [HEADS]);
        assert!(found.values().iter().all(|value| value.abs() < 1e-6));
        let tensors = tensors.clone();
        let differences = Differences {
            tensors,
            bias: fire,
            dropout: None,
        };
        differences.agree_beside(devices, &options, others, &[*last]);
    };
    check(&EVERYWHERE, &tensors);
    tensors.insert("mlp.0.weight", Made::numbers(&[3], &[1.5, -0.9, 2.0]));
    tensors.insert("c", Made::numbers(&[1], &[0.7]));
    check(&HERE, &tensors);
}

/// Parameters that the file lacks have gradients at their defaults.
#[test]
fn defaults() {
    let mut tensors = with_fire();
    let paper = [0.25, 0.0625, 0.015_625, 0.003_906_25];
    let defaults = [
        ("c", Made::numbers(&[], &[f64::from(0.1_f32)])),
        ("init_L", Made::numbers(&[], &[512.0])),
        ("L_multiplier", Made::numbers(&[], &[1.0])),
        ("slopes", heads(paper)),
    ];
    tensors.extend(defaults.clone());
    let options = ["--bias=fire,alibi", "--backward"];
    let given = Place::new(&tensors).written("oracle", &options);
    for (name, _) in &defaults {
        tensors.remove(name);
    }
    let absent = Place::new(&tensors).written("oracle", &options);
    for (name, made) in &defaults {
        let [given, absent] = [&given, &absent].map(|written| &written[&format!("d{name}")]);
        assert_eq!(absent.shape, made.shape, "{name}");
        assert_eq!(absent.data, given.data, "{name}");
        assert!(absent.values().iter().any(|&value| value != 0.0), "{name}");
    }
}

#[test]
fn dropout() {
    let tensors = with([("table", Made::floats(&[32, HEADS]))]);
    let place = Place::new(&tensors);
    let plain = place.ctx("oracle", &[]);
    for (options, probability, seed) in [
        (&["--dropout=0.3"][..], 0.3, 0),
        (
            &["--dropout=0.5", "--seed=18446744073709551615"],
            0.5,
            u64::MAX,
        ),
    ] {
        let dropout = Some(Dropout { probability, seed });
        let differences = Differences {
            tensors: tensors.clone(),
            bias: t5,
            dropout,
        };
        for device in EVERYWHERE {
            let found = place.ctx(device, options);
            let error = largest_error(&found, &differences.ctx());
            assert!(error <= 3e-6, "{options:?} on {device}: {error:e}");
            assert!(largest_error(&found, &plain) > 1e-2, "{options:?}");
        }
        differences.agree(&EVERYWHERE, options, &["table"]);
    }
    assert_eq!(place.ctx("cpu", &["--dropout=0"]), place.ctx("cpu", &[]));
}

#[test]
fn dropout_that_is_none() {
    let place = Place::new(&with([("table", Made::floats(&[32, HEADS]))]));
    for (options, words) in [
        (&["--dropout=1"][..], &["dropout is 1", "below 1"][..]),
        (&["--dropout=-0.1"], &["dropout is -0.1", "below 1"]),
        (&["--dropout", "nan"], &["dropout is NaN"]),
        (&["--seed=1"], &["--seed is given", "--dropout"]),
        (&["--dropout=0.1", "--seed=-1"], &["--seed"]),
        (&["--dropout=half"], &["--dropout"]),
    ] {
        place.refuses(options, words);
    }
}
