//! Every kernel that some device gets by default, for the problems of the conformance suite.

use std::collections::BTreeMap;

use relattn::plan::{Algorithm, KernelText};
use relattn::{
    Capabilities, Dtype, Error, IndexFormat, MatrixSizes, Pairing, Problem, ProblemError, Rope,
    Rotation,
};
use relattn_conformance::suite::{Extent, Work, suite};

/// Enough storage buffers for every combination of masks and biases.
const BUFFERS: u32 = 16;

/// A GPU, which gets kernels with workgroup memory.
const GPU: Capabilities = Capabilities {
    storage_buffers: BUFFERS,
    ..Capabilities::WEBGPU_DEFAULT
};

/// A processor that plays a GPU with subgroups, which gets kernels that shuffle.
const PROCESSOR: Capabilities = Capabilities {
    storage_buffers: BUFFERS,
    subgroup_size: 8,
    largest_subgroup: 8,
    busy_workgroups: 2,
    cpu: true,
    ..Capabilities::WEBGPU_DEFAULT
};

/// Each kernel once, in the order of their names.
///
/// # Errors
/// A problem of the suite that a device refuses for another reason than a paged cache without a backward pass.
pub fn all() -> Result<Vec<KernelText>, Error> {
    let mut kernels = BTreeMap::new();
    let mut add = |texts: Vec<KernelText>| {
        kernels.extend(texts.into_iter().map(|text| (text.name.clone(), text)));
    };
    for problem in problems() {
        for device in [GPU, PROCESSOR] {
            add(KernelText::of_forward(&problem, &device)?);
            if problem.paged().is_none() {
                add(KernelText::of_backward(&problem, &device)?);
            }
        }
    }
    for format in [IndexFormat::U32, IndexFormat::U16, IndexFormat::U8] {
        add(vec![KernelText::of_bucket_index(format)]);
    }
    add(vec![KernelText::of_merge()]);
    for rotation in rotations()? {
        add(KernelText::of_rope(&rotation));
    }
    Ok(kernels.into_values().collect())
}

/// Each kernel by products of matrices once, of both sizes, for Vulkan alone.
///
/// # Errors
/// As [`all`].
pub fn by_matrices() -> Result<Vec<KernelText>, Error> {
    let mut kernels = BTreeMap::new();
    for eight in [true, false] {
        let matrices = MatrixSizes {
            eight,
            sixteen: !eight,
        };
        let device = Capabilities {
            subgroup_size: 32,
            largest_subgroup: 32,
            workgroup_storage: Algorithm::MATRIX_STORAGE,
            matrices,
            ..GPU
        };
        for problem in halves() {
            let mut texts = KernelText::of_forward(&problem, &device)?;
            if problem.paged().is_none() {
                texts.extend(KernelText::of_backward(&problem, &device)?);
            }
            texts.retain(|text| text.wgsl.contains("coopMultiplyAdd"));
            kernels.extend(texts.into_iter().map(|text| (text.name.clone(), text)));
        }
    }
    Ok(kernels.into_values().collect())
}

/// The problems of the suite that matrices are multiplied for.
fn halves() -> Vec<Problem> {
    let entries = suite(Extent::Kernels, None).into_iter();
    entries
        .filter_map(|entry| match entry.work {
            Work::Matrices(problem, ..) => Some(problem),
            _ => None,
        })
        .collect()
}

/// The catalogue, and a problem of each of the pairwise choices of slots; others of a choice compile the same kernels.
fn problems() -> Vec<Problem> {
    let entries = suite(Extent::Kernels, None).into_iter();
    entries
        .filter_map(|entry| match entry.work {
            Work::Forward(problem, _) => Some(problem),
            // Products of matrices are for Vulkan alone, whose text comes from naga.
            Work::Matrices(..)
            | Work::Backward(..)
            | Work::MatricesBackward(..)
            | Work::Buckets(_) => None,
        })
        .collect()
}

fn rotations() -> Result<Vec<Rotation>, ProblemError> {
    let mut rotations = Vec::new();
    for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16] {
        for pairing in [Pairing::HalfSplit, Pairing::Interleaved] {
            let rope = Rope {
                pairing,
                ..Rope::new(64)
            };
            let builder = Rotation::builder(rope, [1, 2, 32, 64]).dtype(dtype);
            rotations.push(builder.build()?);
        }
    }
    Ok(rotations)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_with_an_entry_is_there_and_no_text_twice() {
        let kernels = all().expect("kernels");
        let entries: BTreeSet<&str> = kernels.iter().filter_map(entry).collect();
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../shaders"));
        let files = files.expect("shaders").flatten();
        let files = files.filter(|file| file.path().extension().is_some_and(|end| end == "wgsl"));
        // Of the two of products of matrices, which are for Vulkan alone, there is none.
        let by_matrices = entries.iter().any(|entry| entry.ends_with("_cooperative"));
        assert!(!by_matrices, "{entries:?}");
        assert_eq!(entries.len() + 2, files.count(), "{entries:?}");
        let texts: BTreeSet<&str> = kernels.iter().map(|kernel| &kernel.wgsl[..]).collect();
        assert_eq!(texts.len(), kernels.len());
    }

    /// The name of the entry point.
    fn entry(kernel: &KernelText) -> Option<&str> {
        let (_, after) = kernel.wgsl.split_once("@workgroup_size")?;
        let (_, name) = after.split_once("fn ")?;
        Some(name.split_once('(')?.0)
    }
}
