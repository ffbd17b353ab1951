//! Attention by its definition, in f64 and without the library.

use std::collections::HashMap;

use super::place::Place;
use super::{Made, largest_error};

/// Sequence, head, query and key.
pub(crate) type Score = [usize; 4];

/// The tensors of an input, what is added to its scores, and which of them count.
pub(crate) struct Case<'a> {
    pub(crate) tensors: &'a HashMap<&'static str, Made>,
    pub(crate) bias: &'a dyn Fn(Score) -> f64,
    pub(crate) visible: &'a dyn Fn(Score) -> bool,
}

impl Case<'_> {
    /// Asserts that the program gives the same by every way to compute.
    pub(crate) fn agrees(&self, options: &[&str]) {
        let expected = attention(self);
        let plain = attention(&Case {
            bias: &|_| 0.0,
            visible: &|_| true,
            ..*self
        });
        let effect = largest_error(&expected, &plain);
        assert!(effect > 1e-3, "{options:?} change nothing: {effect:e}");
        let place = Place::new(self.tensors);
        for device in ["oracle", "cpu", "auto"] {
            let error = largest_error(&place.ctx(device, options), &expected);
            assert!(error <= 3e-6, "{options:?} on {device}: {error:e}");
        }
    }
}

/// [`exact`] with every weight, rounded.
pub(crate) fn attention(case: &Case<'_>) -> Vec<f32> {
    let exact = exact(case, &|_| 1.0);
    #[expect(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
    exact.iter().map(|&value| value as f32).collect()
}

/// `(factor ∘ softmax(q kᵀ + bias)) v` over the visible keys; zeros where there are none.
pub(crate) fn exact(case: &Case<'_>, factor: &dyn Fn(Score) -> f64) -> Vec<f64> {
    let [q, k, v] = ["q", "k", "v"].map(|name| &case.tensors[name]);
    let [batch, heads, q_len, d] = q.shape[..] else {
        panic!("four dimensions");
    };
    let (kv_heads, k_len, value_dim) = (k.shape[1], k.shape[2], v.shape[3]);
    let [q, k, v] = [q, k, v].map(Made::values);
    let mut out = Vec::new();
    for row in 0..batch * heads * q_len {
        let [b, head, i] = [row / q_len / heads, row / q_len % heads, row % q_len];
        let keys = (b * kv_heads + head / (heads / kv_heads)) * k_len;
        let weight = |j: usize| {
            let place = [b, head, i, j];
            if !(case.visible)(place) {
                return 0.0;
            }
            let (query, key) = (&q[row * d..][..d], &k[(keys + j) * d..][..d]);
            let product: f64 = query.iter().zip(key).map(|(x, y)| x * y).sum();
            (product + (case.bias)(place)).exp()
        };
        let weights: Vec<f64> = (0..k_len).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        for n in 0..value_dim {
            let value = |(j, weight): (usize, &f64)| {
                factor([b, head, i, j]) * weight * v[(keys + j) * value_dim + n]
            };
            let total: f64 = weights.iter().enumerate().map(value).sum();
            out.push(if sum > 0.0 { total / sum } else { 0.0 });
        }
    }
    out
}

/// Key minus query, the first query at this position.
pub(crate) fn offset([_, _, i, j]: Score, query_offset: f64) -> f64 {
    number(j) - number(i) - query_offset
}

/// A small count as a float.
pub(crate) fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("small"))
}
