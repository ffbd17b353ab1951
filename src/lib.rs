//! Fused attention with relative position bias.
//!
//! ```text
//! O = softmax(scale · Q Kᵀ + B) V,    B[h, i, j] = table[bucket(j − i − query_offset)][h]
//! ```
//!
//! q and the output are `[B, H, Nq, D]`, k and v `[B, Hkv, Nk, D]`, the learned table `[num_buckets, H]`. `scale`
//! multiplies the products only; the bias is added after it. A query that sees no key returns exact zeros and a
//! log-sum-exp of −∞.
//!
//! ```
//! use relattn::cpu::{Attention, Inputs, Oracle};
//! use relattn::{Bias, Problem, RelativeBuckets, Scale, Shape};
//!
//! let shape = Shape { batch: 1, heads: 1, kv_heads: 1, q_len: 2, k_len: 2, head_dim: 1 };
//! let problem = Problem::builder(shape)
//!     .scale(Scale::Unit)
//!     .bias(Bias::Relative(RelativeBuckets::t5_encoder()))
//!     .build()?;
//! let table = [0.0; 32];
//! let inputs = Inputs { table: Some(&table), ..Inputs::new(&[0.0, 0.0], &[1.0, 2.0], &[1.0, 3.0]) };
//! assert_eq!(Oracle.forward(&problem, &inputs)?.out, [2.0, 2.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod cpu;
#[cfg(feature = "gpu")]
pub mod plan;
#[cfg(feature = "gpu")]
pub mod run;
#[cfg(feature = "gpu")]
pub mod shader;
#[cfg(feature = "gpu")]
pub mod tune;

mod bias;
mod buckets;
mod builder;
mod capability;
#[cfg(feature = "gpu")]
mod compile;
#[cfg(feature = "gpu")]
mod context;
mod cost;
mod dropout;
mod error;
#[cfg(feature = "gpu")]
mod filled;
mod fire;
mod layout;
mod mask;
#[cfg(feature = "gpu")]
mod pipelines;
#[cfg(feature = "gpu")]
mod planted;
mod problem;
mod rope;
mod rotation;
mod tensor;
#[cfg(feature = "gpu")]
mod watch;

pub use bias::{Bias, IndexFormat, Kerple, alibi_slopes};
pub use buckets::{Direction, RelativeBuckets, Thresholds};
pub use builder::ProblemBuilder;
pub use capability::{Capabilities, MatrixSizes};
#[cfg(feature = "gpu")]
pub use compile::Checks;
#[cfg(feature = "gpu")]
pub use context::Context;
pub use cost::Cost;
pub use dropout::Dropout;
#[cfg(feature = "gpu")]
pub use error::{Error, Limit, PositionError, SeedError};
pub use error::{InputError, ProblemError};
pub use fire::Fire;
pub use layout::{Dtype, Layout, Shape};
pub use mask::{Bits, Mask, Packed, Paged, Window};
pub use problem::{Problem, Scale};
pub use rope::{Pairing, Rope, RopeScaling};
pub use rotation::{Rotation, RotationBuilder};
pub use tensor::Tensor;
#[cfg(feature = "gpu")]
pub use wgpu;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
