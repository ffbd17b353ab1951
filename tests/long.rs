//! Sequences longer than any tile, table or dispatch is sized for, on every adapter; some rows against the oracle.

#![cfg(feature = "gpu")]

mod harness;

use harness::adapters::contexts;
use harness::compare::Reference;
use harness::data::Data;
use relattn::cpu::{Attention, Outputs};
use relattn::run::OnDevice;
use relattn::{Bias, Mask, Problem, RelativeBuckets, Shape, Window};

const N: u32 = 70_000;
const D: u32 = 8;

/// Query rows from `first` on of one long sequence.
fn rows(first: u32, q_len: u32, bias: Bias) -> Problem {
    let shape = Shape {
        batch: 1,
        heads: 2,
        kv_heads: 1,
        q_len,
        k_len: N,
        head_dim: D,
    };
    Problem::builder(shape)
        .bias(bias)
        .mask(Mask {
            window: Some(Window {
                left: 300,
                right: 200,
            }),
            ..Mask::NONE
        })
        .query_offset(i32::try_from(first).expect("small"))
        .build()
        .expect("valid")
}

/// The values of some rows of `[H, N, width]`.
fn of_rows(values: &[f32], width: usize, [first, count]: [u32; 2]) -> Vec<f32> {
    let rows = values.chunks_exact(N as usize * width);
    rows.flat_map(|head| &head[first as usize * width..][..count as usize * width])
        .copied()
        .collect()
}

#[test]
fn rows_of_a_long_sequence_equal_the_oracle() {
    for bias in [Bias::Relative(RelativeBuckets::t5_encoder()), Bias::Alibi] {
        let whole = rows(0, N, bias);
        let data = Data::generate(&whole, 5);
        for (adapter, context) in contexts() {
            let device = OnDevice::new(context);
            let found = device.forward(&whole, &data.inputs()).expect("computed");
            for first in [0, 32_760, N - 20] {
                let part = rows(first, 20, bias);
                let span = [first, 20];
                let part_data = Data {
                    q: of_rows(&data.q, D as usize, span),
                    ..data.clone()
                };
                let reference = Reference::new(&part, &part_data.inputs());
                let checked = reference.check(&Outputs {
                    out: of_rows(&found.out, D as usize, span),
                    lse: of_rows(&found.lse, 1, span),
                });
                checked.unwrap_or_else(|error| panic!("{adapter}: {bias:?}, {first}: {error}"));
            }
        }
    }
}
