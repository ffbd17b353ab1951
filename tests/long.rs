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
const ALL: usize = usize::MAX;
const WINDOW: Window = Window {
    left: 300,
    right: 200,
};

/// Query rows from `first` on of a long sequence.
#[derive(Clone, Copy)]
struct Long {
    heads: u32,
    head_dim: u32,
    bias: Bias,
    window: Option<Window>,
    first: u32,
    q_len: u32,
}

impl Long {
    fn problem(&self) -> Problem {
        let shape = Shape {
            batch: 1,
            heads: self.heads,
            kv_heads: 1,
            q_len: self.q_len,
            k_len: N,
            head_dim: self.head_dim,
        };
        let mask = Mask {
            window: self.window,
            ..Mask::NONE
        };
        let builder = Problem::builder(shape).bias(self.bias).mask(mask);
        let first = i32::try_from(self.first).expect("small");
        builder.query_offset(first).build().expect("valid")
    }

    /// The values of the rows of another one in `[H, Nq, width]`.
    fn rows_of(&self, part: &Self, values: &[f32], width: u32) -> Vec<f32> {
        let [start, count] =
            [part.first - self.first, part.q_len].map(|rows| (rows * width) as usize);
        let heads = values.chunks_exact((self.q_len * width) as usize);
        heads
            .flat_map(|head| &head[start..][..count])
            .copied()
            .collect()
    }

    /// Some rows of what so many adapters compute, each 20 from one of these on.
    fn check(&self, adapters: usize, sampled: &[u32]) {
        let whole = self.problem();
        let data = Data::generate(&whole, 5);
        for (adapter, context) in contexts().into_iter().take(adapters) {
            let device = OnDevice::new(context);
            let found = device.forward(&whole, &data.inputs()).expect("computed");
            for &first in sampled {
                let part = Self {
                    first,
                    q_len: 20,
                    ..*self
                };
                let part_data = Data {
                    q: self.rows_of(&part, &data.q, self.head_dim),
                    ..data.clone()
                };
                let reference = Reference::new(&part.problem(), &part_data.inputs());
                let checked = reference.check(&Outputs {
                    out: self.rows_of(&part, &found.out, self.head_dim),
                    lse: self.rows_of(&part, &found.lse, 1),
                });
                checked
                    .unwrap_or_else(|error| panic!("{adapter}: {:?}, {first}: {error}", self.bias));
            }
        }
    }
}

#[test]
fn rows_of_a_long_sequence_equal_the_oracle() {
    for bias in [Bias::Relative(RelativeBuckets::t5_encoder()), Bias::Alibi] {
        let long = Long {
            heads: 2,
            head_dim: 8,
            bias,
            window: Some(WINDOW),
            first: 0,
            q_len: N,
        };
        long.check(ALL, &[0, 32_760, N - 20]);
    }
}

/// Every query sees every key. So few queries that a processor which plays a GPU takes seconds.
#[test]
fn rows_that_see_all_of_a_long_sequence_equal_the_oracle() {
    let first = N / 2;
    let long = Long {
        heads: 1,
        head_dim: 4,
        bias: Bias::Relative(RelativeBuckets::t5_encoder()),
        window: None,
        first,
        q_len: 512,
    };
    long.check(ALL, &[first, first + 492]);
}

/// The same of every query, which takes a processor that plays a GPU so long that one adapter has to do.
#[test]
fn all_rows_that_see_all_of_a_long_sequence_equal_the_oracle() {
    let long = Long {
        heads: 1,
        head_dim: 4,
        bias: Bias::Relative(RelativeBuckets::t5_encoder()),
        window: None,
        first: 0,
        q_len: N,
    };
    long.check(1, &[0, N / 2, N - 20]);
}
