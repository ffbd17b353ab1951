//! Passes that are several dispatches.

use relattn::cpu::Outputs;
use relattn::plan::Forward;
use relattn::{Bias, Context, Mask, Problem, RelativeBuckets, Shape};

use super::compare::Reference;
use super::data::Data;
use super::placed::Placed;

pub(crate) struct Pass {
    pub(crate) outputs: Outputs,
    pub(crate) dispatches: usize,
}

impl Pass {
    pub(crate) fn new(
        context: &Context,
        problem: &Problem,
        data: &Data,
        forward: &Forward,
    ) -> Self {
        let placed = Placed::new(context, problem, data);
        let bound = placed.bind(forward).expect("buffers that fit");
        Self {
            outputs: placed.run(context, &bound).expect("a result"),
            dispatches: bound.dispatches(),
        }
    }
}

/// The last rows of a causal sequence of this shape, of which so many keys are there.
pub(crate) fn last_rows(shape: Shape, keys: u32) -> Problem {
    let shape = Shape {
        k_len: keys,
        ..shape
    };
    let t5 = Bias::Relative(RelativeBuckets::t5_encoder());
    let builder = Problem::builder(shape).bias(t5).mask(Mask::CAUSAL);
    let builder = builder.query_offset(position(&shape, keys));
    builder.build().expect("valid")
}

/// A pass over the last rows of a shape, moved to where fewer keys are there, computes those.
pub(crate) fn assert_moves(
    name: &str,
    context: &Context,
    forward: &Forward,
    shape: Shape,
    lengths: [u32; 3],
) {
    let last = last_rows(shape, shape.k_len);
    let data = Data::generate(&last, 4);
    let placed = Placed::new(context, &last, &data);
    let bound = placed.bind(forward).expect("buffers that fit");
    for keys in lengths {
        let moved = bound.set_position(context.queue(), position(&shape, keys), keys);
        moved.expect("a position within the cache");
        let found = placed.run(context, &bound).expect("a result");
        let first = |values: &[f32]| -> Vec<f32> {
            let [all, there] = [shape.k_len, keys].map(|keys| (keys * shape.head_dim) as usize);
            let heads = values.chunks_exact(all);
            heads.flat_map(|head| &head[..there]).copied().collect()
        };
        let filled = Data {
            k: first(&data.k),
            v: first(&data.v),
            ..data.clone()
        };
        let reference = Reference::new(&last_rows(shape, keys), &filled.inputs());
        let checked = reference.check(&found);
        checked.unwrap_or_else(|error| panic!("{name}: {keys} keys: {error}"));
    }
}

fn position(shape: &Shape, keys: u32) -> i32 {
    keys.cast_signed() - shape.q_len.cast_signed()
}
