//! Biases as functions of the offset.

use relattn::cpu::{Inputs, dense_bias};
use relattn::{Bias, Problem, Shape};

use super::Result;

/// The bias of each head between the query at this position and so many keys from position 0 on.
pub(crate) fn by_offset(
    bias: Bias,
    table: &[f32],
    heads: u32,
    [position, keys]: [u32; 2],
) -> Result<Vec<Vec<f32>>> {
    let shape = Shape {
        batch: 1,
        heads,
        kv_heads: 1,
        q_len: 1,
        k_len: keys,
        head_dim: 1,
    };
    let problem = Problem::builder(shape)
        .bias(bias)
        .query_offset(i32::try_from(position)?)
        .build()?;
    let [q, k] = [heads, keys].map(|rows| vec![0.0; rows as usize]);
    let inputs = Inputs {
        table: Some(table),
        ..Inputs::new(&q, &k, &k)
    };
    let values = dense_bias(&problem, &inputs)?;
    Ok(values.chunks(keys as usize).map(<[f32]>::to_vec).collect())
}

/// A bias less its mean under these weights. The softmax does not see a constant, so that nothing can be learned about it.
pub(crate) fn centred(bias: &[f32], weights: impl Fn(usize) -> f32) -> Vec<f32> {
    let weighted = bias
        .iter()
        .enumerate()
        .map(|(n, value)| (weights(n), value));
    let (weight, sum) = weighted.fold((0.0, 0.0), |(weight, sum), (w, value)| {
        (weight + w, sum + w * value)
    });
    bias.iter().map(|value| value - sum / weight).collect()
}
