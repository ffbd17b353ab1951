//! What the demo computes with.

use relattn::cpu::Inputs;
use relattn::{Bias, Mask, Problem, RelativeBuckets, Shape};

use crate::fault::Fault;
use crate::tensors::TensorFile;
use crate::wanted::{CTX, K, KEY_MASK, Q, TABLE, V};

/// Layer 5 of sentence-transformers/all-mpnet-base-v2 (Apache-2.0) on three sentences.
pub(crate) static MPNET: &[u8] =
    include_bytes!("../../../tests/data/mpnet_real_layer05.safetensors");
/// What messages call it.
pub(crate) const MPNET_PATH: &str = "the layer in this program";

/// A problem with its data, and the recorded output if there is one.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) problem: Problem,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    table: Vec<f32>,
    key_mask: Option<Vec<u8>>,
    pub(super) expected: Vec<f32>,
}

impl Layer {
    pub(super) fn mpnet(file: &TensorFile<'_>) -> Result<Self, Fault> {
        let [batch, heads, q_len, head_dim] = file.sizes(Q)?;
        let sizes = [batch, heads, q_len, head_dim];
        let shape = Shape {
            batch,
            heads,
            kv_heads: heads,
            q_len,
            k_len: q_len,
            head_dim,
        };
        let buckets = RelativeBuckets::t5_encoder();
        let problem = Problem::builder(shape)
            .bias(Bias::Relative(buckets))
            .mask(Mask {
                causal: false,
                keys: true,
                ..Mask::NONE
            })
            .build()?;
        Ok(Self {
            problem,
            q: file.floats(Q, &sizes)?,
            k: file.floats(K, &sizes)?,
            v: file.floats(V, &sizes)?,
            table: file.floats(TABLE, &[buckets.num_buckets, heads])?,
            key_mask: Some(file.bytes(KEY_MASK, &[batch, q_len])?),
            expected: file.floats(CTX, &sizes)?,
        })
    }

    /// One long sequence of random data with the bias table of another layer.
    pub(super) fn long(other: &Self, length: u32) -> Result<Self, Fault> {
        let shape = Shape {
            batch: 1,
            q_len: length,
            k_len: length,
            ..*other.problem.shape()
        };
        let problem = Problem::builder(shape).bias(other.bias()).build()?;
        let count = shape.rows() * shape.head_dim as usize;
        let mut random = SplitMix(2020);
        let mut values = || (0..count).map(|_| random.about_normal()).collect();
        Ok(Self {
            problem,
            q: values(),
            k: values(),
            v: values(),
            table: other.table.clone(),
            key_mask: None,
            expected: Vec::new(),
        })
    }

    fn bias(&self) -> Bias {
        self.problem.biases().next().unwrap_or(Bias::None)
    }

    pub(super) fn inputs(&self) -> Inputs<'_> {
        Inputs {
            table: Some(&self.table),
            key_mask: self.key_mask.as_deref(),
            ..Inputs::new(&self.q, &self.k, &self.v)
        }
    }

    /// The same attention for `count` query rows from row `first` on.
    pub(super) fn rows(&self, first: u32, count: u32) -> Result<Self, Fault> {
        let shape = Shape {
            q_len: count,
            ..*self.problem.shape()
        };
        let problem = Problem::builder(shape)
            .bias(self.bias())
            .mask(self.problem.mask())
            .query_offset(first.try_into().unwrap_or(i32::MAX))
            .build()?;
        Ok(Self {
            problem,
            q: self.cut(&self.q, first, count),
            k: self.k.clone(),
            v: self.v.clone(),
            table: self.table.clone(),
            key_mask: self.key_mask.clone(),
            expected: Vec::new(),
        })
    }

    /// Some rows of every head of a tensor that is shaped as the queries are.
    pub(super) fn cut(&self, values: &[f32], first: u32, count: u32) -> Vec<f32> {
        let shape = self.problem.shape();
        let d = shape.head_dim as usize;
        values
            .chunks_exact(shape.q_len as usize * d)
            .flat_map(|head| &head[first as usize * d..][..count as usize * d])
            .copied()
            .collect()
    }
}

/// Steele, Lea and Flood's `SplitMix64` (2014).
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A sum of four 16-bit uniform numbers: mean 0, variance 1.
    fn about_normal(&mut self) -> f32 {
        let bits = self.next();
        let sum: u32 = (0..4)
            .map(|n| u32::from(u16::try_from(bits >> (16 * n) & 0xffff).unwrap_or(0)))
            .sum();
        #[expect(
            clippy::cast_precision_loss,
            reason = "a sum of four 16-bit numbers fits f32"
        )]
        let sum = sum as f32;
        (sum / 65_536.0 - 2.0) * 3.0_f32.sqrt()
    }
}
