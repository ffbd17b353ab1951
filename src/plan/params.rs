//! The uniforms, laid out as the shaders declare them.

use bytemuck::{Pod, Zeroable};

use super::{BucketIndex, Merge};
use crate::{Bias, Direction, Problem, Thresholds};

/// `Params` of `shaders/part/params.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Params {
    q_strides: [u32; 4],
    k_strides: [u32; 4],
    v_strides: [u32; 4],
    out_strides: [u32; 4],
    bias_strides: [u32; 4],
    bits_strides: [u32; 4],
    q_len: u32,
    k_len: u32,
    heads: u32,
    group_size: u32,
    query_offset: i32,
    radius: u32,
    scale: f32,
    empty_lse: f32,
    write_lse: u32,
    window_left: i32,
    window_right: i32,
    padding: u32,
}

impl Params {
    pub(crate) fn new(problem: &Problem, write_lse: bool) -> Self {
        let shape = problem.shape();
        let [q_strides, k_strides, v_strides, out_strides] = problem
            .layouts()
            .map(|layout| [layout.batch, layout.head, layout.row, 0]);
        Self {
            q_strides,
            k_strides,
            v_strides,
            out_strides,
            bias_strides: match problem.bias() {
                Bias::Dense(layout) => [layout.batch, layout.head, layout.row, 0],
                _ => [0; 4],
            },
            bits_strides: bits_strides(problem),
            q_len: shape.q_len,
            k_len: shape.k_len,
            heads: shape.heads,
            group_size: shape.heads / shape.kv_heads.max(1),
            query_offset: problem.query_offset(),
            radius: problem.bias_radius(),
            scale: problem.scale() * std::f32::consts::LOG2_E,
            empty_lse: f32::NEG_INFINITY,
            write_lse: u32::from(write_lse),
            window_left: reach(problem.mask().window.map(|window| window.left)),
            window_right: reach(problem.mask().window.map(|window| window.right)),
            padding: 0,
        }
    }
}

/// Words from a sequence, a head and a row of the mask of bits to the next; 0 where it is shared.
fn bits_strides(problem: &Problem) -> [u32; 4] {
    let shape = problem.shape();
    let Some(bits) = problem.mask().bits else {
        return [0; 4];
    };
    // `Problem::build` keeps the whole within 32 bits.
    let row = shape.k_len.div_ceil(32);
    let head = row.saturating_mul(shape.q_len);
    let sequence = if bits.each_head {
        head.saturating_mul(shape.heads)
    } else {
        head
    };
    [
        if bits.each_sequence { sequence } else { 0 },
        if bits.each_head { head } else { 0 },
        row,
        0,
    ]
}

/// How far a window reaches, kept so small that its sum with a position fits 32 signed bits; no offset is larger.
fn reach(distance: Option<u32>) -> i32 {
    const FARTHEST: i32 = (1 << 30) - 1;
    distance.map_or(FARTHEST, |distance| {
        i32::try_from(distance).map_or(FARTHEST, |distance| distance.min(FARTHEST))
    })
}

/// `TableParams` of `shaders/offset_table.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct TableParams {
    pub(crate) heads: u32,
    pub(crate) radius: u32,
    pub(crate) count: u32,
    pub(crate) per_direction: u32,
}

/// `IndexParams` of `shaders/bucket_index.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct IndexParams {
    q_len: u32,
    k_len: u32,
    query_offset: i32,
    steps: u32,
    per_direction: u32,
    groups: u32,
    padding: [u32; 2],
}

impl IndexParams {
    pub(crate) fn new(index: &BucketIndex, groups: u32) -> Self {
        Self {
            q_len: index.q_len,
            k_len: index.k_len,
            query_offset: index.query_offset,
            steps: u32::try_from(index.thresholds.steps().len()).unwrap_or(0),
            per_direction: later_buckets(&index.thresholds),
            groups,
            padding: [0; 2],
        }
    }
}

/// `MergeParams` of `shaders/merge.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct MergeParams {
    parts: u32,
    rows: u32,
    value_dim: u32,
    groups: u32,
    empty_lse: f32,
    padding: [u32; 3],
}

impl MergeParams {
    pub(crate) const fn new(merge: &Merge, groups: u32) -> Self {
        Self {
            parts: merge.parts,
            rows: merge.rows,
            value_dim: merge.value_dim,
            groups,
            empty_lse: f32::NEG_INFINITY,
            padding: [0; 3],
        }
    }
}

/// Buckets of one direction where later keys have their own, else 0.
pub(crate) const fn later_buckets(thresholds: &Thresholds) -> u32 {
    match thresholds.buckets().direction {
        Direction::Bidirectional => thresholds.buckets().per_direction(),
        Direction::Causal => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use naga::TypeInner;

    use super::{IndexParams, MergeParams, Params, TableParams};
    use crate::plan::rope::RopeParams;
    use crate::plan::{Algorithm, BiasSlot, Family, Kernel, RopeVariant, Variant};
    use crate::{Capabilities, Dtype, IndexFormat, Pairing};

    /// The name and the byte of each member of a Rust struct.
    macro_rules! members {
        ($type:ty: $($name:ident),+) => {
            vec![$((stringify!($name).to_owned(), offset_of!($type, $name))),+]
        };
    }

    /// Every forward kernel that `choose` may reach, at several head dimensions.
    fn kernels() -> Vec<Kernel> {
        let formats = [IndexFormat::U32, IndexFormat::U16, IndexFormat::U8];
        let mut slots = vec![BiasSlot::None, BiasSlot::Offset, BiasSlot::Dense];
        slots.extend(formats.map(|format| BiasSlot::Index {
            rows: 7,
            each_sequence: format == IndexFormat::U16,
            format,
        }));
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
        kernels.push(Kernel::Merge);
        kernels.extend(rotations().map(Kernel::Rope));
        for head_dim in [1, 3, 32, 33, 64, 65, 96, 128, 130, 255, 256] {
            for bias in slots.iter().copied() {
                // Every combination of masks at one dimension, none and all at the others.
                for mask in (0..16).filter(|mask| head_dim == 96 || [0, 15].contains(mask)) {
                    let bit = |n: u32| mask >> n & 1 != 0;
                    for (algorithm, rows) in algorithms(head_dim.max(value_dim(head_dim, mask))) {
                        kernels.push(Kernel::Forward(Variant {
                            algorithm,
                            dtype: dtype(head_dim, mask),
                            head_dim,
                            value_dim: value_dim(head_dim, mask),
                            rows,
                            bias,
                            causal: bit(0),
                            key_mask: bit(1),
                            key_lengths: bit(2),
                            query_lengths: bit(1) != bit(2),
                            documents: bit(2) && bit(3),
                            bits: bit(0) != bit(3),
                            window: bit(3),
                        }));
                    }
                }
            }
        }
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

    fn algorithms(head_dim: u32) -> [(Algorithm, u32); 2] {
        match head_dim {
            0..=64 => [(Algorithm::Fragments, 8), (Algorithm::Broadcast, 4)],
            65..=128 => [(Algorithm::Fragments, 4), (Algorithm::Broadcast, 2)],
            _ => [(Algorithm::Fragments, 4), (Algorithm::Broadcast, 1)],
        }
    }

    fn parse(kernel: Kernel) -> naga::Module {
        let text = kernel.text();
        naga::front::wgsl::parse_str(&text)
            .unwrap_or_else(|error| panic!("{}: {}", kernel.label(), error.emit_to_string(&text)))
    }

    #[test]
    fn every_reachable_shader_is_valid_and_has_the_bindings_of_the_table() {
        for kernel in kernels() {
            let module = parse(kernel);
            let flags = naga::valid::ValidationFlags::all();
            // unpack2x16float is part of WebGPU; naga names it for the sake of old OpenGL.
            let mut capabilities = naga::valid::Capabilities::SHADER_FLOAT16_IN_FLOAT32;
            if let Kernel::Forward(Variant {
                algorithm: Algorithm::Broadcast,
                ..
            }) = kernel
            {
                capabilities |= naga::valid::Capabilities::SUBGROUP;
            }
            let mut validator = naga::valid::Validator::new(flags, capabilities);
            validator
                .subgroup_stages(naga::valid::ShaderStages::COMPUTE)
                .subgroup_operations(naga::valid::SubgroupOperationSet::all());
            validator
                .validate(&module)
                .unwrap_or_else(|error| panic!("{}: {error:?}", kernel.label()));
            let mut found: Vec<(u32, bool)> = module
                .global_variables
                .iter()
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
    fn workgroup_memory_is_what_the_variant_says() {
        for kernel in kernels() {
            let Kernel::Forward(variant) = kernel else {
                continue;
            };
            let module = parse(kernel);
            let bytes: u32 = module
                .global_variables
                .iter()
                .filter(|(_, variable)| variable.space == naga::AddressSpace::WorkGroup)
                .map(|(_, variable)| module.types[variable.ty].inner.size(module.to_ctx()))
                .sum();
            assert_eq!(bytes, variant.workgroup_bytes(), "{variant}");
            assert!(
                bytes <= Capabilities::WEBGPU_DEFAULT.workgroup_storage,
                "{variant}"
            );
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
            bias: BiasSlot::Offset,
            causal: true,
            key_mask: true,
            key_lengths: true,
            query_lengths: true,
            documents: true,
            bits: true,
            window: true,
        };
        let mut expected = members!(Params: q_strides, k_strides, v_strides, out_strides, bias_strides, bits_strides, q_len, k_len, heads, group_size,
            query_offset, radius, scale, empty_lse, write_lse, window_left, window_right);
        assert_eq!(
            uniform(Kernel::Forward(variant), size_of::<Params>()),
            expected
        );
        expected = members!(TableParams: heads, radius, count, per_direction);
        assert_eq!(
            uniform(
                Kernel::OffsetTable(Family::Buckets),
                size_of::<TableParams>()
            ),
            expected
        );
        expected = members!(MergeParams: parts, rows, value_dim, groups, empty_lse);
        assert_eq!(uniform(Kernel::Merge, size_of::<MergeParams>()), expected);
        expected = members!(RopeParams: input_strides, output_strides, heads, rows, items, rotated_items, words, rotated_words, count, groups, first_position, magnitude);
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

    /// The name and the byte of each member of a kernel's uniforms, which must fit this many bytes.
    fn uniform(kernel: Kernel, size: usize) -> Vec<(String, usize)> {
        let module = parse(kernel);
        let mut globals = module.global_variables.iter();
        let (_, params) = globals
            .find(|(_, variable)| variable.space == naga::AddressSpace::Uniform)
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
}
