//! Every kernel that a GPU gets by default, over the head dimensions, types, biases and masks that models have most.

use relattn::plan::{Algorithm, KernelText};
use relattn::{
    Bias, Capabilities, Dtype, Error, IndexFormat, Kerple, Mask, MatrixSizes, Problem,
    ProblemError, RelativeBuckets, Rope, Rotation, Shape,
};

/// An AMD GPU as wgpu reports it, with WebGPU's default limits.
const GPU: Capabilities = Capabilities {
    subgroup_size: 32,
    largest_subgroup: 64,
    ..Capabilities::WEBGPU_DEFAULT
};

/// One whose adapter multiplies matrices, and whose caller said so.
const MATRICES: Capabilities = Capabilities {
    matrices: MatrixSizes {
        eight: false,
        sixteen: true,
    },
    workgroup_storage: Algorithm::MATRIX_STORAGE,
    ..GPU
};

/// Rows of a pass, and of a decoding step: one, and several of a speculative one.
const ROWS: u32 = 512;
const DECODE_ROWS: [u32; 2] = [1, 4];

/// Each kernel once, in an order that stays; on a GPU that multiplies matrices those that do too.
pub(crate) fn all(matrices: bool) -> Result<Vec<KernelText>, Error> {
    let mut kernels: Vec<KernelText> = Vec::new();
    for problem in problems(ROWS)? {
        kernels.extend(KernelText::of_forward(&problem, &GPU)?);
        kernels.extend(KernelText::of_backward(&problem, &GPU)?);
    }
    for rows in DECODE_ROWS {
        for problem in problems(rows)? {
            kernels.extend(KernelText::of_forward(&problem, &GPU)?);
        }
    }
    for problem in other_biases()? {
        let mut texts = KernelText::of_backward(&problem, &GPU)?;
        texts.retain(|text| !text.name.starts_with("backward "));
        kernels.extend(texts);
    }
    kernels.extend(
        [IndexFormat::U32, IndexFormat::U16, IndexFormat::U8].map(KernelText::of_bucket_index),
    );
    kernels.push(KernelText::of_merge());
    for dtype in [Dtype::F32, Dtype::F16] {
        let rotation = Rotation::builder(Rope::new(64), [1, 8, ROWS, 64])
            .dtype(dtype)
            .build()?;
        kernels.extend(KernelText::of_rope(&rotation));
    }
    if matrices {
        for problem in problems(ROWS)? {
            kernels.extend(KernelText::of_forward(&problem, &MATRICES)?);
            kernels.extend(KernelText::of_backward(&problem, &MATRICES)?);
        }
    }
    Ok(without_repeats(kernels))
}

fn problems(q_len: u32) -> Result<Vec<Problem>, ProblemError> {
    let mut problems = Vec::new();
    for head_dim in [32, 64, 128] {
        for dtype in [Dtype::F32, Dtype::F16] {
            for causal in [false, true] {
                for bias in [Bias::None, Bias::Relative(buckets(causal))] {
                    problems.push(problem([q_len, head_dim], dtype, causal, bias)?);
                }
            }
        }
    }
    Ok(problems)
}

const fn buckets(causal: bool) -> RelativeBuckets {
    if causal {
        RelativeBuckets::t5_decoder()
    } else {
        RelativeBuckets::t5_encoder()
    }
}

/// The small kernels that other biases add to a pass.
fn other_biases() -> Result<Vec<Problem>, ProblemError> {
    [
        Bias::PerOffset { max_offset: 128 },
        Bias::Alibi,
        Bias::Kerple(Kerple::Log),
        Bias::Kerple(Kerple::Power),
        Bias::Sandwich { dimensions: 128 },
        Bias::Fire { width: 32 },
    ]
    .into_iter()
    .map(|bias| problem([ROWS, 64], Dtype::F32, true, bias))
    .collect()
}

fn problem(
    [q_len, head_dim]: [u32; 2],
    dtype: Dtype,
    causal: bool,
    bias: Bias,
) -> Result<Problem, ProblemError> {
    let shape = Shape {
        batch: 1,
        heads: 8,
        kv_heads: 8,
        q_len,
        k_len: ROWS,
        head_dim,
    };
    let offset = if causal {
        (ROWS - q_len).cast_signed()
    } else {
        0
    };
    Problem::builder(shape)
        .dtype(dtype)
        .mask(Mask {
            causal,
            ..Mask::NONE
        })
        .query_offset(offset)
        .bias(bias)
        .build()
}

fn without_repeats(kernels: Vec<KernelText>) -> Vec<KernelText> {
    let mut once: Vec<KernelText> = Vec::new();
    for kernel in kernels {
        if !once.iter().any(|other| other.name == kernel.name) {
            once.push(kernel);
        }
    }
    once
}
