//! Parameters and factors that are no numbers, or too large for any: they stay in the heads and rows that they belong to.

use relattn::cpu::Outputs;
use relattn::{Bias, Kerple, Problem, RelativeBuckets, Shape};

use super::arena::on_every_device;
use crate::harness::data::Data;

const FEATURES: usize = 4;
const ROWS: usize = 3;
const WILD: [f32; 5] = [
    f32::NAN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::MAX,
    -f32::MAX,
];

fn problem(bias: Bias, gated: bool) -> Problem {
    let shape = Shape {
        batch: 1,
        heads: 2,
        kv_heads: 1,
        q_len: 3,
        k_len: 40,
        head_dim: 4,
    };
    let builder = Problem::builder(shape).bias(bias).gated(gated);
    builder.query_offset(20).build().expect("a valid problem")
}

/// The bits of some rows of `[H, Nq]`.
fn rows(found: &Outputs, wanted: impl Fn(usize) -> bool) -> Vec<u32> {
    let out = found.out.chunks_exact(FEATURES).enumerate();
    let out = out
        .filter(|&(row, _)| wanted(row))
        .flat_map(|(_, values)| values);
    let lse = found.lse.iter().enumerate();
    let lse = lse.filter(|&(row, _)| wanted(row)).map(|(_, value)| value);
    out.chain(lse).map(|value| value.to_bits()).collect()
}

/// Head 0 has to be as it is beside a head 1 that is in order.
fn stays_in_its_head(problem: &Problem, wild: impl Fn(&mut Data, f32)) {
    let tame = Data::generate(problem, 23);
    let mut expected = Vec::new();
    on_every_device(problem, &tame, |_, found| {
        expected.push(rows(found, |row| row < ROWS));
    });
    for number in WILD {
        let mut data = tame.clone();
        wild(&mut data, number);
        let mut expected = expected.iter();
        on_every_device(problem, &data, |name, found| {
            let head = rows(found, |row| row < ROWS);
            assert_eq!(Some(&head), expected.next(), "{name}: {number}");
        });
    }
}

/// Every parameter of head 1; the table is `[rows, H]`.
fn all_of_a_head(data: &mut Data, number: f32) {
    let table = data.table.as_mut().expect("a table");
    table
        .iter_mut()
        .skip(1)
        .step_by(2)
        .for_each(|value| *value = number);
}

#[test]
fn parameters_that_are_no_numbers_stay_in_their_head() {
    for bias in [
        Bias::Alibi,
        Bias::Kerple(Kerple::Log),
        Bias::Kerple(Kerple::Power),
        Bias::PerOffset { max_offset: 9 },
        Bias::Relative(RelativeBuckets::t5_decoder()),
        Bias::Fire { width: 6 },
    ] {
        stays_in_its_head(&problem(bias, false), all_of_a_head);
    }
}

/// FIRE sorts its breakpoints, and searches among them: single numbers that compare with nothing must not mislead it.
#[test]
fn single_weights_of_fire_stay_in_their_head() {
    for row in [0, 1, 3, 9, 15, 20] {
        stays_in_its_head(&problem(Bias::Fire { width: 6 }, false), |data, number| {
            data.table.as_mut().expect("a table")[2 * row + 1] = number;
        });
    }
}

/// A factor belongs to a row.
#[test]
fn gates_that_are_no_numbers_stay_in_their_row() {
    let problem = problem(Bias::Relative(RelativeBuckets::t5_decoder()), true);
    let tame = Data::generate(&problem, 29);
    let others = |row| row != 4;
    let mut expected = Vec::new();
    on_every_device(&problem, &tame, |_, found| {
        expected.push(rows(found, others));
    });
    for number in WILD {
        let mut data = tame.clone();
        data.gate.as_mut().expect("a gate")[4] = number;
        let mut expected = expected.iter();
        on_every_device(&problem, &data, |name, found| {
            assert_eq!(
                Some(&rows(found, others)),
                expected.next(),
                "{name}: {number}"
            );
        });
    }
}
