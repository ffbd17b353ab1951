//! Attention over parts of the keys, merged, is attention over all of them, on every adapter.

#![cfg(feature = "gpu")]

mod harness;

use harness::adapters::contexts;
use harness::compare::Reference;
use harness::data::Data;
use harness::elements;
use relattn::cpu::{self, Attention, Outputs, Tiled};
use relattn::plan::{MergeOperands, Operand};
use relattn::run::OnDevice;
use relattn::{
    Bias, Context, Dropout, Error, InputError, Kerple, Mask, PositionError, Problem, ProblemError,
    RelativeBuckets, Shape, Tensor, wgpu,
};
use wgpu::util::DeviceExt;

const SHAPE: Shape = Shape {
    batch: 1,
    heads: 2,
    kv_heads: 1,
    q_len: 37,
    k_len: 100,
    head_dim: 12,
};

const T5: Bias = Bias::Relative(RelativeBuckets::t5_decoder());

/// What scores are biased by, and whether weights are dropped.
const FAMILIES: [(Bias, Option<Dropout>); 6] = [
    (T5, None),
    (Bias::Alibi, None),
    (Bias::Kerple(Kerple::Log), None),
    (Bias::Sandwich { dimensions: 16 }, None),
    (Bias::Fire { width: 8 }, None),
    (
        T5,
        Some(Dropout {
            probability: 0.3,
            seed: 5,
        }),
    ),
];

/// The problem over keys `first .. first + k_len`.
fn part((bias, dropout): (Bias, Option<Dropout>), first: u32, k_len: u32) -> Problem {
    let builder = Problem::builder(Shape { k_len, ..SHAPE })
        .bias(bias)
        .mask(Mask::CAUSAL)
        .query_offset(40)
        .key_offset(first);
    let builder = match dropout {
        Some(dropout) => builder.dropout(dropout),
        None => builder,
    };
    builder.build().expect("valid")
}

/// Rows of the one key/value head.
fn keys(values: &[f32], first: u32, count: u32) -> Vec<f32> {
    let d = SHAPE.head_dim as usize;
    values[first as usize * d..][..count as usize * d].to_vec()
}

fn upload(context: &Context, values: &[f32]) -> wgpu::Buffer {
    let contents: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let descriptor = wgpu::util::BufferInitDescriptor {
        label: None,
        contents: &contents,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
    };
    context.device().create_buffer_init(&descriptor)
}

fn read(context: &Context, encoder: wgpu::CommandEncoder, buffer: &wgpu::Buffer) -> Vec<f32> {
    let staging = context.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: buffer.size(),
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let mut encoder = encoder;
    encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
    context.queue().submit([encoder.finish()]);
    staging.slice(..).map_async(wgpu::MapMode::Read, |_| ());
    let idle = context.device().poll(wgpu::PollType::wait_indefinitely());
    idle.expect("a device");
    let range = staging.slice(..).get_mapped_range().expect("mapped");
    let words = range.chunks_exact(4);
    words
        .map(|word| f32::from_le_bytes(word.try_into().expect("four bytes")))
        .collect()
}

fn encoder(context: &Context) -> wgpu::CommandEncoder {
    context
        .device()
        .create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
}

/// The result over the keys from one end to the other.
fn attend<A: Attention>(
    attention: &A,
    family: (Bias, Option<Dropout>),
    data: &Data,
    ends: &[u32],
) -> Outputs
where
    A::Error: std::fmt::Debug,
{
    let (first, count) = (ends[0], ends[1] - ends[0]);
    let data = Data {
        k: keys(&data.k, first, count),
        v: keys(&data.v, first, count),
        ..data.clone()
    };
    let found = attention.forward(&part(family, first, count), &data.inputs());
    found.expect("computed")
}

/// The parts' results, computed and merged on the device.
fn merged(
    context: &Context,
    family: (Bias, Option<Dropout>),
    data: &Data,
    cuts: &[u32],
) -> Outputs {
    let device = OnDevice::new(context.clone());
    let mut all = Outputs {
        out: Vec::new(),
        lse: Vec::new(),
    };
    for ends in cuts.windows(2) {
        let found = attend(&device, family, data, ends);
        all.out.extend(found.out);
        all.lse.extend(found.lse);
    }
    let parts = u32::try_from(cuts.len() - 1).expect("few");
    let rows = SHAPE.heads * SHAPE.q_len;
    let whole = part(family, 0, SHAPE.k_len);
    let poison = |tensor| upload(context, &vec![f32::NAN; elements(&whole, tensor)]);
    let (outs, lses) = (upload(context, &all.out), upload(context, &all.lse));
    let (out, lse) = (poison(Tensor::Out), poison(Tensor::Lse));
    let bound = context
        .merge(parts, rows, SHAPE.head_dim)
        .bind(&MergeOperands {
            outs: outs.as_entire_buffer_binding(),
            lses: lses.as_entire_buffer_binding(),
            out: out.as_entire_buffer_binding(),
            lse: lse.as_entire_buffer_binding(),
        })
        .expect("bound");
    // A merge stands nowhere.
    let moved = bound.set_position(context.queue(), 0, 0);
    assert_eq!(moved, Err(PositionError::NoPosition));
    let mut recorded = encoder(context);
    bound.encode(&mut recorded);
    Outputs {
        out: read(context, recorded, &out),
        lse: read(context, encoder(context), &lse),
    }
}

#[test]
fn any_split_equals_the_whole() {
    for family in FAMILIES {
        let whole = part(family, 0, SHAPE.k_len);
        let data = Data::generate(&whole, 3);
        let reference = Reference::new(&whole, &data.inputs());
        for (adapter, context) in contexts() {
            // One part; halves; a part of no key; a part that no query sees; many.
            for cuts in [
                &[0, 100][..],
                &[0, 50, 100],
                &[0, 33, 33, 100],
                &[0, 1, 90, 100],
                &[0, 7, 20, 41, 60, 61, 99, 100],
            ] {
                let found = merged(&context, family, &data, cuts);
                let checked = reference.check(&found);
                checked.unwrap_or_else(|error| panic!("{adapter}: {family:?}, {cuts:?}: {error}"));
            }
        }
    }
}

/// The same parts, computed and merged on the CPU.
#[test]
fn any_split_equals_the_whole_on_the_cpu() {
    for family in FAMILIES {
        let whole = part(family, 0, SHAPE.k_len);
        let data = Data::generate(&whole, 3);
        let reference = Reference::new(&whole, &data.inputs());
        for cuts in [&[0, 100][..], &[0, 33, 33, 100], &[0, 1, 7, 90, 100]] {
            let parts = cuts.windows(2);
            let parts: Vec<Outputs> = parts
                .map(|ends| attend(&Tiled, family, &data, ends))
                .collect();
            let found = cpu::merge(&parts, SHAPE.head_dim).expect("parts of one form");
            let checked = reference.check(&found);
            checked.unwrap_or_else(|error| panic!("{family:?}, {cuts:?}: {error}"));
        }
    }
    let one = |out: &[f32], lse: &[f32]| Outputs {
        out: out.to_vec(),
        lse: lse.to_vec(),
    };
    let odd = cpu::merge(&[one(&[1.0, 2.0], &[0.0]), one(&[1.0], &[0.0])], 2);
    let expected = InputError::Length {
        tensor: Tensor::PartOut,
        found: 1,
        expected: 2,
    };
    assert_eq!(odd, Err(expected));
    let empty = one(&[5.0, 5.0], &[f32::NEG_INFINITY]);
    let merged = cpu::merge(&[empty.clone(), empty], 2).expect("parts of one form");
    assert_eq!(merged, one(&[0.0, 0.0], &[f32::NEG_INFINITY]));
}

/// Rows that no part has a key for are 0 and −∞.
#[test]
fn rows_without_keys_stay_empty() {
    for (adapter, context) in contexts() {
        let empty = f32::NEG_INFINITY;
        let outs = upload(&context, &[1.0, 2.0, 0.0, 0.0, 5.0, 6.0, 0.0, 0.0]);
        let lses = upload(&context, &[0.5, empty, 0.5, empty]);
        let (out, lse) = (
            upload(&context, &[f32::NAN; 4]),
            upload(&context, &[9.0; 2]),
        );
        let bound = context.merge(2, 2, 2).bind(&MergeOperands {
            outs: outs.as_entire_buffer_binding(),
            lses: lses.as_entire_buffer_binding(),
            out: out.as_entire_buffer_binding(),
            lse: lse.as_entire_buffer_binding(),
        });
        let mut recorded = encoder(&context);
        bound.expect("bound").encode(&mut recorded);
        assert_eq!(
            read(&context, recorded, &out),
            [3.0, 4.0, 0.0, 0.0],
            "{adapter}"
        );
        let lse = read(&context, encoder(&context), &lse);
        assert!(
            (lse[0] - 0.5 - 2_f32.ln()).abs() < 1e-6,
            "{adapter}: {lse:?}"
        );
        assert_eq!(lse[1], empty, "{adapter}");
    }
}

#[test]
fn bad_operands_are_named() {
    let (_, context) = contexts().swap_remove(0);
    let (long, short) = (upload(&context, &[0.0; 64]), upload(&context, &[0.0; 3]));
    let (out, lse) = (upload(&context, &[0.0; 8]), upload(&context, &[0.0; 4]));
    let whole = wgpu::Buffer::as_entire_buffer_binding;
    let operands = |outs: &'_ wgpu::Buffer, out: &'_ wgpu::Buffer| {
        let operands: [Operand<'_>; 2] = [whole(outs), whole(out)];
        let [outs, out] = operands;
        context
            .merge(2, 4, 2)
            .bind(&MergeOperands {
                outs,
                lses: whole(&long),
                out,
                lse: whole(&lse),
            })
            .map(|_| ())
    };
    assert_eq!(operands(&long, &out), Ok(()));
    assert_eq!(
        operands(&short, &out),
        Err(Error::BufferTooSmall {
            tensor: Tensor::PartOut,
            found: 12,
            needed: 64
        })
    );
    assert_eq!(
        operands(&long, &long),
        Err(Error::SharedBuffer {
            read: Tensor::PartOut,
            written: Tensor::Out
        })
    );
    let of = |parts, value_dim| {
        let merge = context.merge(parts, 4, value_dim);
        let operands = MergeOperands {
            outs: whole(&long),
            lses: whole(&long),
            out: whole(&out),
            lse: whole(&lse),
        };
        merge.bind(&operands).map(|_| ())
    };
    assert!(matches!(
        of(u32::MAX, 2),
        Err(Error::Problem(ProblemError::TooLarge {
            tensor: Tensor::PartOut,
            ..
        }))
    ));
    let missing = InputError::Missing {
        tensor: Tensor::PartOut,
    };
    assert_eq!(of(0, 2), Err(Error::Input(missing)));
    assert!(matches!(
        of(2, 0),
        Err(Error::Problem(ProblemError::HeadDim { found: 0, .. }))
    ));
}
