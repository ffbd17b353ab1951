//! Every reachable shader against the Rust side: bindings, uniforms, workgroup memory.

#[path = "component_tests.rs"]
mod components;

use std::mem::{offset_of, size_of};

use naga::TypeInner;

use super::{FireParams, IndexParams, MergeParams, Params, TableParams};
use crate::plan::backward::params::{
    BackwardParams, CopyParams, FireGradientParams, OffsetGradientParams, PartialParams,
    RowGradientParams,
};
use crate::plan::rope::RopeParams;
use crate::plan::{
    Algorithm, BackwardVariant, BiasSlots, Family, GradientFamily, GradientSlots, IndexSlot,
    Kernel, Lengths, MaskSlots, RopeVariant, Side, Variant,
};
use crate::shader::Dialect;
use crate::{Capabilities, Dtype, IndexFormat, Pairing};

/// The name and the byte of each member of a Rust struct.
macro_rules! members {
    ($type:ty: $($name:ident),+) => {
        vec![$((stringify!($name).to_owned(), offset_of!($type, $name))),+]
    };
}

/// Every kind of bias alone, and some sums, up to every kind at once.
fn bias_slots() -> Vec<BiasSlots> {
    let none = BiasSlots::default();
    let offset = BiasSlots {
        offset: true,
        ..none
    };
    let index = |format, matrices| BiasSlots {
        index: Some(IndexSlot {
            rows: 7,
            matrices,
            format,
        }),
        ..none
    };
    let all = BiasSlots {
        offset: true,
        gate: true,
        dense: true,
        fire_width: Some(32),
        ..index(IndexFormat::U16, 2)
    };
    vec![
        none,
        offset,
        BiasSlots {
            gate: true,
            ..offset
        },
        index(IndexFormat::U32, 1),
        index(IndexFormat::U16, 1),
        index(IndexFormat::U8, 3),
        BiasSlots {
            dense: true,
            ..none
        },
        BiasSlots {
            dense: true,
            ..offset
        },
        BiasSlots {
            fire_width: Some(5),
            ..none
        },
        all,
    ]
}

/// A combination of masks for each number below 16.
fn mask_slots(mask: u32) -> MaskSlots {
    let bit = |n: u32| mask >> n & 1 != 0;
    MaskSlots {
        causal: bit(0),
        window: bit(3),
        keys: bit(1),
        lengths: match mask % 5 {
            0 => Lengths::Full,
            1 => Lengths::Keys,
            2 => Lengths::Queries,
            3 => Lengths::Both,
            _ => Lengths::Packed,
        },
        documents: bit(2) && bit(3),
        bits: bit(0) != bit(3),
    }
}

/// Every forward kernel that `choose` may reach, at several head dimensions.
fn kernels() -> Vec<Kernel> {
    let formats = [IndexFormat::U32, IndexFormat::U16, IndexFormat::U8];
    let mut kernels = [
        Family::Buckets,
        Family::PerOffset,
        Family::Alibi,
        Family::KerpleLog,
        Family::KerplePower,
        Family::Sandwich,
    ]
    .map(Kernel::OffsetTable)
    .to_vec();
    kernels.extend(formats.map(Kernel::BucketIndex));
    kernels.extend([Kernel::Merge, Kernel::FireTable { width: 32 }]);
    kernels.extend(rotations().map(Kernel::Rope));
    kernels.extend([
        Kernel::PartialSums,
        Kernel::IndexGradient,
        Kernel::FireGradient { width: 32 },
        Kernel::ClearDbias,
        Kernel::CopyWords,
    ]);
    kernels.extend(
        [
            GradientFamily::Rows,
            GradientFamily::Alibi,
            GradientFamily::KerpleLog,
            GradientFamily::KerplePower,
        ]
        .map(Kernel::OffsetGradient),
    );
    for (dtype, value_dim) in [(Dtype::F32, 5), (Dtype::F16, 64), (Dtype::Bf16, 6)] {
        kernels.push(Kernel::DecodeMerge { dtype, value_dim });
        kernels.push(Kernel::BackwardStatistics { dtype, value_dim });
    }
    for head_dim in [1, 3, 32, 33, 64, 65, 96, 128, 130, 255, 256] {
        for bias in bias_slots() {
            // Every combination of masks at one dimension, none and all at the others.
            for mask in (0..16).filter(|mask| head_dim == 96 || [0, 15].contains(mask)) {
                for (algorithm, rows) in algorithms(head_dim.max(value_dim(head_dim, mask))) {
                    let variant = Variant {
                        algorithm,
                        dtype: dtype(head_dim, mask),
                        head_dim,
                        value_dim: value_dim(head_dim, mask),
                        rows,
                        vec4: vec4(algorithm, head_dim, mask),
                        lanes: 0,
                        bias,
                        mask: mask_slots(mask),
                        dropout: mask & 4 != 0,
                        block_size: (mask % 3 == 1).then_some(16),
                    };
                    kernels.push(Kernel::Forward(variant));
                    kernels.extend(backward(variant));
                }
                for variant in cooperative(head_dim, mask, bias) {
                    kernels.push(Kernel::Forward(variant));
                    kernels.extend(backward(variant));
                }
            }
        }
    }
    kernels
}

/// Of what can be read four features at a time half is.
fn vec4(algorithm: Algorithm, head_dim: u32, mask: u32) -> bool {
    let rows = [head_dim, value_dim(head_dim, mask)];
    matches!(algorithm, Algorithm::Fragments | Algorithm::Decode)
        && rows.iter().all(|row| row.is_multiple_of(4))
        && mask.is_multiple_of(2)
}

/// Products of matrices, with subgroups of each size in turn.
fn cooperative(head_dim: u32, mask: u32, bias: BiasSlots) -> Vec<Variant> {
    let lanes = [8, 16, 32, 64, 128][(head_dim / 32 + mask) as usize % 5];
    let sizes = [8, 16].into_iter();
    let fits = sizes.filter(|&rows| rows <= lanes && head_dim.is_multiple_of(2));
    let variant = |rows| Variant {
        algorithm: Algorithm::Cooperative,
        dtype: Dtype::F16,
        head_dim,
        value_dim: value_dim(head_dim, mask),
        rows,
        vec4: false,
        lanes,
        bias,
        mask: mask_slots(mask),
        dropout: mask & 4 != 0,
        block_size: (mask % 3 == 1).then_some(16),
    };
    fits.map(variant).collect()
}

/// The backward kernels with the scores of a forward kernel.
fn backward(forward: Variant) -> Vec<Kernel> {
    let rows = match (forward.algorithm, forward.head_dim.max(forward.value_dim)) {
        (Algorithm::Decode, _) | (Algorithm::Cooperative, 129..) => return Vec::new(),
        (Algorithm::Broadcast | Algorithm::Cooperative, _) => forward.rows,
        (Algorithm::Fragments, 0..=128) => 4,
        (Algorithm::Fragments, _) => 2,
    };
    let scores = Variant {
        rows,
        block_size: None,
        ..forward
    };
    let none = GradientSlots::default();
    let bias = forward.bias;
    let dense = GradientSlots {
        dense: bias.dense,
        ..none
    };
    let all = GradientSlots {
        offset: bias.offset,
        gate: bias.gate,
        index: bias.index.is_some(),
        fire: bias.fire_width.is_some(),
        ..dense
    };
    let offset = GradientSlots {
        offset: bias.offset,
        ..none
    };
    let sides = match forward.algorithm {
        Algorithm::Cooperative => vec![
            (Side::Queries, none),
            (Side::Queries, offset),
            (Side::Keys, none),
        ],
        _ => vec![
            (Side::Queries, none),
            (Side::Queries, all),
            (Side::Keys, none),
            (Side::Keys, dense),
        ],
    };
    let kernel = |(side, gradients)| {
        Kernel::Backward(BackwardVariant {
            side,
            scores,
            gradients,
        })
    };
    let mut kernels: Vec<Kernel> = sides.into_iter().map(kernel).collect();
    kernels.dedup();
    kernels
}

/// Every rotation.
fn rotations() -> impl Iterator<Item = RopeVariant> {
    let dtypes = [Dtype::F32, Dtype::F16, Dtype::Bf16];
    let pairings = [Pairing::Interleaved, Pairing::HalfSplit];
    dtypes.into_iter().flat_map(move |dtype| {
        pairings.into_iter().flat_map(move |pairing| {
            [false, true].map(|in_place| RopeVariant {
                dtype,
                pairing,
                in_place,
            })
        })
    })
}

/// The same, or half or twice as many where some masks are in use.
fn value_dim(head_dim: u32, mask: u32) -> u32 {
    match mask % 3 {
        1 if head_dim >= 4 => head_dim / 4 * 2,
        2 if head_dim <= 128 => 2 * head_dim,
        _ => head_dim,
    }
}

/// f32, and both types of 16 bits in turn where the dimension is even.
fn dtype(head_dim: u32, mask: u32) -> Dtype {
    match (head_dim % 2, (head_dim / 32 + mask) % 3) {
        (1, _) | (_, 0) => Dtype::F32,
        (_, 1) => Dtype::F16,
        _ => Dtype::Bf16,
    }
}

fn algorithms(head_dim: u32) -> [(Algorithm, u32); 3] {
    use Algorithm::{Broadcast, Decode, Fragments};
    match head_dim {
        0..=64 => [(Fragments, 8), (Broadcast, 4), (Decode, 1 + head_dim % 4)],
        65..=128 => [(Fragments, 4), (Broadcast, 2), (Decode, 2)],
        _ => [(Fragments, 4), (Broadcast, 1), (Decode, 1)],
    }
}

fn parse(kernel: Kernel) -> naga::Module {
    parse_text(kernel, &kernel.text())
}

fn parse_text(kernel: Kernel, text: &str) -> naga::Module {
    naga::front::wgsl::parse_str(text)
        .unwrap_or_else(|error| panic!("{}: {}", kernel.label(), error.emit_to_string(text)))
}

#[test]
fn every_reachable_shader_is_valid_and_has_the_bindings_of_the_table() {
    for kernel in kernels() {
        let module = parse(kernel);
        let flags = naga::valid::ValidationFlags::all();
        // unpack2x16float is part of WebGPU; naga names it for the sake of old OpenGL.
        let mut capabilities = naga::valid::Capabilities::SHADER_FLOAT16_IN_FLOAT32;
        let algorithm = match kernel {
            Kernel::Forward(variant) => Some(variant.algorithm),
            Kernel::Backward(variant) => Some(variant.scores.algorithm),
            _ => None,
        };
        capabilities |= match algorithm {
            Some(Algorithm::Broadcast) => naga::valid::Capabilities::SUBGROUP,
            Some(Algorithm::Cooperative) => {
                naga::valid::Capabilities::SUBGROUP
                    | naga::valid::Capabilities::SHADER_FLOAT16
                    | naga::valid::Capabilities::COOPERATIVE_MATRIX
            }
            _ => naga::valid::Capabilities::empty(),
        };
        let mut validator = naga::valid::Validator::new(flags, capabilities);
        validator
            .subgroup_stages(naga::valid::ShaderStages::COMPUTE)
            .subgroup_operations(naga::valid::SubgroupOperationSet::all());
        let info = validator
            .validate(&module)
            .unwrap_or_else(|error| panic!("{}: {error:?}", kernel.label()));
        let used = info.get_entry_point(0);
        let mut found: Vec<(u32, bool)> = module
            .global_variables
            .iter()
            .filter(|&(handle, _)| !used[handle].is_empty())
            .filter_map(|(_, variable)| {
                let naga::AddressSpace::Storage { access } = variable.space else {
                    return None;
                };
                let binding = variable.binding.as_ref()?.binding;
                Some((binding, !access.contains(naga::StorageAccess::STORE)))
            })
            .collect();
        found.sort_unstable();
        assert_eq!(found, kernel.bindings(), "{}", kernel.label());
    }
}

#[test]
fn workgroup_memory_is_what_the_variant_says_in_the_dialect_of_browsers() {
    for kernel in kernels() {
        let expected = match kernel {
            Kernel::Forward(variant) => variant.workgroup_bytes(),
            Kernel::Backward(variant) => variant.workgroup_bytes(),
            _ => continue,
        };
        // naga cannot be told of subgroups, and kernels by subgroup have no workgroup memory in either dialect.
        let text = kernel.text();
        let dialect = match kernel.uses_subgroups() {
            true => Dialect::Native,
            false => Dialect::Browser,
        };
        let module = parse_text(kernel, &dialect.translate(&text, kernel.uses_subgroups()));
        let bytes: u32 = module
            .global_variables
            .iter()
            .filter(|(_, variable)| variable.space == naga::AddressSpace::WorkGroup)
            .map(|(_, variable)| module.types[variable.ty].inner.size(module.to_ctx()))
            .map(|size| size.next_multiple_of(16))
            .sum();
        let label = kernel.label();
        assert_eq!(bytes, expected, "{label}");
        let allowed = match text.contains("coopMultiplyAdd") {
            true => Algorithm::MATRIX_STORAGE,
            false => Capabilities::WEBGPU_DEFAULT.workgroup_storage,
        };
        assert!(bytes <= allowed, "{label}: {bytes}");
    }
}

#[test]
fn uniforms_lie_as_the_shaders_declare_them() {
    let variant = Variant {
        algorithm: Algorithm::Fragments,
        dtype: Dtype::F32,
        head_dim: 8,
        value_dim: 8,
        rows: 8,
        vec4: true,
        lanes: 0,
        bias: BiasSlots::default(),
        mask: MaskSlots::default(),
        dropout: true,
        block_size: None,
    };
    let mut expected = members!(Params: q_strides, k_strides, v_strides, out_strides, bias_strides, bits_strides, index_strides, first, q_base, k_base, v_base, out_base, bias_base, bits_base, index_base, q_len,
        k_len, filled, shift, heads, group_size, radius, scale, empty_lse, lse_rows, window_left, window_right, table_first, sequences, blocks, table_width, part_rows, q_tile, splits,
        dropout_key, dropout_threshold, keep_scale, key_offset, keys_first, keys_end, part_first, parts);
    assert_eq!(
        uniform(Kernel::Forward(variant), size_of::<Params>()),
        expected
    );
    expected = members!(TableParams: heads, radius, count, per_direction, first_row, adds, padding);
    assert_eq!(
        uniform(
            Kernel::OffsetTable(Family::Buckets),
            size_of::<TableParams>()
        ),
        expected
    );
    expected = members!(FireParams: heads, first_row, padding);
    assert_eq!(
        uniform(Kernel::FireTable { width: 32 }, size_of::<FireParams>()),
        expected
    );
    expected = members!(MergeParams: parts, rows, value_dim, groups, empty_lse);
    assert_eq!(uniform(Kernel::Merge, size_of::<MergeParams>()), expected);
    expected = members!(RopeParams: input_strides, output_strides, heads, rows, items, rotated_items, words, rotated_words, count, groups,
        first_position, magnitude);
    for variant in rotations() {
        assert_eq!(
            uniform(Kernel::Rope(variant), size_of::<RopeParams>()),
            expected
        );
    }
    expected = members!(IndexParams: q_len, k_len, query_offset, steps, per_direction, groups);
    assert_eq!(
        uniform(
            Kernel::BucketIndex(IndexFormat::U8),
            size_of::<IndexParams>()
        ),
        expected
    );
}

#[test]
fn uniforms_of_the_backward_pass_lie_as_the_shaders_declare_them() {
    let family = Kernel::OffsetGradient(GradientFamily::Alibi);
    for (kernel, number, size, expected) in [
        (
            Kernel::PartialSums,
            0,
            size_of::<PartialParams>(),
            members!(PartialParams: at_partials, at_sums, width, tiles, heads, batch, first_head, adds),
        ),
        (
            family,
            0,
            size_of::<OffsetGradientParams>(),
            members!(OffsetGradientParams: heads, radius, first_row, adds, at_sums),
        ),
        (
            Kernel::IndexGradient,
            0,
            size_of::<RowGradientParams>(),
            members!(RowGradientParams: heads, width, first_row, rows, adds, at_sums, groups),
        ),
        (
            Kernel::FireGradient { width: 32 },
            0,
            size_of::<FireGradientParams>(),
            members!(FireGradientParams: heads, first_row, adds, at_sums, sums_width, first_moment),
        ),
        (
            Kernel::CopyWords,
            0,
            size_of::<CopyParams>(),
            members!(CopyParams: count, groups, padding),
        ),
        (
            Kernel::ClearDbias,
            21,
            size_of::<BackwardParams>(),
            members!(BackwardParams: at_statistics, at_offset_table, at_fire_table, at_key_mask, at_key_numbers, at_query_numbers,
                at_query_documents, at_key_documents, at_gate, at_table, at_offset_partials, at_score_partials, score_width,
                at_moments, tiles, heads, adds, dbias_base, padding),
        ),
    ] {
        assert_eq!(uniform_at(kernel, number, size), expected);
    }
}

/// The name and the byte of each member of a kernel's uniforms, which must fit this many bytes.
fn uniform(kernel: Kernel, size: usize) -> Vec<(String, usize)> {
    uniform_at(kernel, 0, size)
}

/// Of those at a binding.
fn uniform_at(kernel: Kernel, number: u32, size: usize) -> Vec<(String, usize)> {
    let module = parse(kernel);
    let mut globals = module.global_variables.iter();
    let (_, params) = globals
        .find(|(_, variable)| {
            let binding = variable.binding.as_ref().map(|binding| binding.binding);
            variable.space == naga::AddressSpace::Uniform && binding == Some(number)
        })
        .expect("uniforms");
    let TypeInner::Struct { members, span } = &module.types[params.ty].inner else {
        panic!("the uniforms are no struct");
    };
    assert!(*span as usize <= size, "{}", kernel.label());
    let place = |member: &naga::StructMember| {
        (member.name.clone().expect("a name"), member.offset as usize)
    };
    members.iter().map(place).collect()
}
