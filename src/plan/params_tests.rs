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
use crate::plan::reachable::{kernels, rotations};
use crate::plan::rope::RopeParams;
use crate::plan::{Algorithm, BiasSlots, Family, GradientFamily, Kernel, MaskSlots, Variant};
use crate::shader::Dialect;
use crate::{Capabilities, Dtype, IndexFormat};

/// The name and the byte of each member of a Rust struct.
macro_rules! members {
    ($type:ty: $($name:ident),+) => {
        vec![$((stringify!($name).to_owned(), offset_of!($type, $name))),+]
    };
}

fn parse(kernel: Kernel) -> naga::Module {
    parse_text(kernel, &kernel.text())
}

fn parse_text(kernel: Kernel, text: &str) -> naga::Module {
    naga::front::wgsl::parse_str(text)
        .unwrap_or_else(|error| panic!("{}: {}", kernel.label(), error.emit_to_string(text)))
}

/// The type of the numbers that a kernel reads, where it can be of more than one.
fn dtype(kernel: Kernel) -> Option<Dtype> {
    match kernel {
        Kernel::Forward(variant) => Some(variant.dtype),
        Kernel::Backward(variant) => Some(variant.scores.dtype),
        Kernel::DecodeMerge { dtype, .. } | Kernel::BackwardStatistics { dtype, .. } => Some(dtype),
        Kernel::Rope(variant) => Some(variant.dtype),
        _ => None,
    }
}

#[test]
fn every_reachable_shader_is_valid_and_has_the_bindings_of_the_table() {
    for kernel in kernels() {
        let module = parse(kernel);
        let flags = naga::valid::ValidationFlags::all();
        // unpack2x16float is part of WebGPU; naga names it for the sake of old OpenGL, and of llvmpipe on old processors. What is not of f16
        // does without.
        let mut capabilities = naga::valid::Capabilities::empty();
        if dtype(kernel) == Some(Dtype::F16) {
            capabilities |= naga::valid::Capabilities::SHADER_FLOAT16_IN_FLOAT32;
        }
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
