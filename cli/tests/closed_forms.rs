//! `relattn attend` against the formula of each bias, written out here.

mod harness;

use std::collections::HashMap;

use harness::reference::{Case, Score, number, offset};
use harness::{Made, small};

type Tensors = HashMap<&'static str, Made>;

const ALL: fn(Score) -> bool = |_| true;
const HEADS: usize = 4;

/// `small()` without the mask.
fn plain() -> Tensors {
    let mut tensors = small();
    tensors.remove("key_mask");
    tensors
}

fn with<const N: usize>(more: [(&'static str, Made); N]) -> Tensors {
    let mut tensors = plain();
    tensors.extend(more);
    tensors
}

fn agrees(tensors: &Tensors, options: &[&str], bias: &dyn Fn(Score) -> f64) {
    let visible = &ALL;
    Case {
        tensors,
        bias,
        visible,
    }
    .agrees(options);
}

/// Small positive numbers, one for each head.
fn positive(values: [f64; HEADS]) -> Made {
    Made::numbers(&[HEADS], &values)
}

/// A dense bias for each head.
fn dense(tensors: &Tensors) -> impl Fn(Score) -> f64 + use<> {
    let values = tensors["bias"].values();
    move |[_, head, i, j]| values[(head * 5 + i) * 7 + j]
}

/// T5's near buckets: the distance, and 16 more after the query.
fn t5(table: &Made) -> impl Fn(Score) -> f64 + use<> {
    let values = table.values();
    move |[_, head, i, j]| {
        let bucket = if j > i { 16 + j - i } else { i - j };
        values[bucket * HEADS + head]
    }
}

#[test]
fn alibi() {
    let slopes = [0.3, 0.2, 0.05, 0.9];
    let tensors = with([("slopes", positive(slopes))]);
    let bias = |place: Score| -slopes[place[1]] * offset(place, 2.0).abs();
    agrees(&tensors, &["--bias=alibi", "--query-offset=2"], &bias);
    let paper = |place: Score| -0.25_f64.powf(number(place[1]) + 1.0) * offset(place, 0.0).abs();
    agrees(&plain(), &["--bias=alibi"], &paper);
}

#[test]
fn kerple() {
    let (p, a) = ([0.3, 1.2, 0.7, 0.4], [0.5, 0.1, 0.9, 0.2]);
    let tensors = with([("p", positive(p)), ("a", positive(a))]);
    agrees(&tensors, &["--bias=kerple-log"], &|place| {
        -p[place[1]] * (1.0 + a[place[1]] * offset(place, 0.0).abs()).ln()
    });
    agrees(&tensors, &["--bias=kerple-power"], &|place| {
        -a[place[1]] * offset(place, 0.0).abs().powf(p[place[1]])
    });
}

#[test]
fn both_of_kerple_with_names_of_their_own() {
    let (p, a) = ([0.3, 1.2, 0.7, 0.4], [0.5, 0.1, 0.9, 0.2]);
    let tensors = with([
        ("kerple_log_p", positive(p)),
        ("kerple_log_a", positive(a)),
        ("kerple_power_p", positive(a)),
        ("kerple_power_a", positive(p)),
    ]);
    agrees(&tensors, &["--bias=kerple-log,kerple-power"], &|place| {
        let (p, a, distance) = (p[place[1]], a[place[1]], offset(place, 0.0).abs());
        -p * (1.0 + a * distance).ln() - p * distance.powf(a)
    });
}

#[test]
fn a_number_for_each_offset() {
    for name in ["table", "offset_table"] {
        let table = Made::floats(&[7, HEADS]);
        let values = table.values();
        let mut tensors = plain();
        tensors.remove("table");
        tensors.insert(name, table);
        let options = ["--bias=offset", "--max-offset=3", "--query-offset=1"];
        agrees(&tensors, &options, &|[_, head, i, j]| {
            let row = (j + 2).clamp(i, i + 6) - i;
            values[row * HEADS + head]
        });
    }
}

#[test]
fn sandwich() {
    let bias = |place: Score| {
        let angle = |n: i32| offset(place, 0.0) / 10_f64.powi(n);
        let inner: f64 = (0..4).map(|n| angle(n).cos()).sum();
        inner / 2.0 / (number(place[1]) + 1.0)
    };
    agrees(&plain(), &["--bias=sandwich", "--dimensions=8"], &bias);
}

/// FIRE by its paper, with the weights of a file.
fn fire(tensors: &Tensors, [c, l]: [f64; 2], query_offset: f64) -> impl Fn(Score) -> f64 + use<> {
    let names = ["mlp.0.weight", "mlp.0.bias", "mlp.2.weight", "mlp.2.bias"];
    let [w1, b1, w2, b2] = names.map(|name| tensors[name].values());
    move |place| {
        let [_, head, i, _] = place;
        let psi = |x: f64| ((c * x).abs() + 1.0).ln();
        let position = number(i) + query_offset;
        let x = psi(offset(place, query_offset).abs()) / (psi(position.max(l)) + 1e-6);
        let unit = |u: usize| w2[head * w1.len() + u] * (w1[u] * x + b1[u]).max(0.0);
        (0..w1.len()).map(unit).sum::<f64>() + b2[head]
    }
}

fn fire_weights() -> [(&'static str, Made); 4] {
    [
        ("mlp.0.weight", Made::numbers(&[3, 1], &[1.5, -0.9, 2.0])),
        ("mlp.0.bias", Made::numbers(&[3], &[-0.2, 0.5, 0.1])),
        ("mlp.2.weight", Made::floats(&[HEADS, 3])),
        ("mlp.2.bias", positive([0.3, -0.4, 0.1, 0.0])),
    ]
}

#[test]
fn fire_with_the_defaults_and_with_parameters_of_its_own() {
    let mut tensors = with(fire_weights());
    agrees(
        &tensors,
        &["--bias=fire"],
        &fire(&tensors, [0.1, 512.0], 0.0),
    );
    tensors.insert("mlp.0.weight", Made::numbers(&[3], &[1.5, -0.9, 2.0]));
    tensors.insert("c", Made::numbers(&[], &[0.7]));
    tensors.insert("init_L", Made::numbers(&[1], &[2.0]));
    tensors.insert("L_multiplier", Made::numbers(&[], &[2.5]));
    let c = f64::from(0.7_f32);
    let bias = fire(&tensors, [c, 5.0], 3.0);
    agrees(&tensors, &["--bias=fire", "--query-offset=3"], &bias);
}

#[test]
fn several_index_matrices() {
    let indices: Vec<u32> = (0..2 * 2 * 35).map(|n| n * n % 12).collect();
    let table = Made::floats(&[20, HEADS]);
    let values = table.values();
    for batch in [1, 2] {
        let shape = [2, batch, 5, 7];
        let count = 2 * batch * 35;
        let tensors = with([
            ("table", table.clone()),
            ("index", Made::words(&shape, &indices[..count])),
        ]);
        agrees(&tensors, &["--bias=index"], &|[b, head, i, j]| {
            let of = |m: usize| {
                let plane = m * batch + b.min(batch - 1);
                let row = indices[(plane * 5 + i) * 7 + j] as usize;
                // Two tables of ten rows; an index past them adds nothing.
                if row < 10 {
                    values[(m * 10 + row) * HEADS + head]
                } else {
                    0.0
                }
            };
            of(0) + of(1)
        });
    }
}

#[test]
fn sums_in_any_order() {
    let mut tensors = with(fire_weights());
    tensors.insert("bias", Made::floats(&[1, HEADS, 5, 7]));
    let (t5, dense) = (t5(&tensors["table"]), dense(&tensors));
    let fire = fire(&tensors, [0.1, 512.0], 0.0);
    let alibi = |place: Score| -0.25_f64.powf(number(place[1]) + 1.0) * offset(place, 0.0).abs();
    agrees(&tensors, &["--bias=t5,dense"], &|place| {
        t5(place) + dense(place)
    });
    let all = |place| t5(place) + dense(place) + fire(place) + alibi(place);
    agrees(&tensors, &["--bias=fire,t5,alibi,dense"], &all);
    let several = ["--bias", "dense", "--bias=alibi", "--bias", "t5,fire"];
    agrees(&tensors, &several, &all);
}

#[test]
fn tables_of_a_sum_have_names_of_their_own() {
    let indices: Vec<u32> = (0..35).map(|n| n * n % 9).collect();
    let mut tensors = with([
        ("index", Made::words(&[5, 7], &indices)),
        (
            "index_table",
            Made::numbers(
                &[9, HEADS],
                &(0..36).map(|n| f64::from(n) / 40.0).collect::<Vec<_>>(),
            ),
        ),
    ]);
    let t5 = t5(&tensors["table"]);
    let values = tensors["index_table"].values();
    let index = |[_, head, i, j]: Score| values[indices[i * 7 + j] as usize * HEADS + head];
    // Alone, a bias takes its own name before the shared one.
    agrees(&tensors, &["--bias=index"], &index);
    let table = tensors.remove("table").expect("a table");
    tensors.insert("t5_table", table);
    agrees(&tensors, &["--bias=index,t5"], &|place| {
        index(place) + t5(place)
    });
}

#[test]
fn a_gate_multiplies_the_biases_by_offset_alone() {
    let mut tensors = plain();
    tensors.insert("bias", Made::floats(&[1, HEADS, 5, 7]));
    tensors.insert("gate", Made::floats(&[2, HEADS, 5]));
    let (t5, dense) = (t5(&tensors["table"]), dense(&tensors));
    let gate = tensors["gate"].values();
    let factor = |[b, head, i, _]: Score| gate[(b * HEADS + head) * 5 + i];
    agrees(&tensors, &["--bias=t5,dense"], &|place| {
        factor(place) * t5(place) + dense(place)
    });
}
