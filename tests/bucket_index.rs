//! The bucket-index matrix on every adapter, exactly.

#![cfg(feature = "gpu")]

mod harness;

use relattn::{Context, Error, IndexFormat, ProblemError, wgpu};
use wgpu::util::DeviceExt;

const GUARD: u32 = 0xdead_beef;

/// The words of the matrix and the guard word behind it; the buffer starts out full of guard words.
fn build(context: &Context, index: &relattn::plan::BucketIndex) -> Vec<u32> {
    let device = context.device();
    let words = usize::try_from(index.bytes() / 4).expect("a small matrix") + 1;
    let contents: Vec<u8> = std::iter::repeat_n(GUARD.to_le_bytes(), words)
        .flatten()
        .collect();
    let buffer = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
        label: None,
        contents: &contents,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
    });
    let staging = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: buffer.size(),
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let bound = index
        .bind(&buffer.as_entire_buffer_binding())
        .expect("bound");
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    bound.encode(&mut encoder);
    encoder.copy_buffer_to_buffer(&buffer, 0, &staging, 0, buffer.size());
    context.queue().submit([encoder.finish()]);
    staging.slice(..).map_async(wgpu::MapMode::Read, |_| ());
    device
        .poll(wgpu::PollType::wait_indefinitely())
        .expect("a device");
    let mapped = staging.slice(..).get_mapped_range().expect("mapped");
    mapped
        .chunks_exact(4)
        .map(|word| u32::from_le_bytes(word.try_into().expect("four bytes")))
        .collect()
}

#[test]
fn equals_the_thresholds() {
    for (adapter, context) in harness::adapters::contexts() {
        for (name, buckets) in harness::bucket_configurations() {
            let thresholds = buckets.thresholds().expect("valid");
            for ([q_len, k_len], query_offset) in [
                ([1, 1], 0),
                ([37, 901], 0),
                ([5, 130], 125),
                ([3, 7], -700_000),
                ([0, 4], 0),
            ] {
                let expected: Vec<u32> = (0..q_len)
                    .flat_map(|i| (0..k_len).map(move |j| (i, j)))
                    .map(|(i, j)| {
                        let offset = i64::from(j) - i64::from(i) - i64::from(query_offset);
                        thresholds.bucket(offset)
                    })
                    .collect();
                let index = |format| {
                    context.bucket_index(&thresholds, [q_len, k_len], query_offset, format)
                };
                let words = build(&context, &index(IndexFormat::U32));
                let (guard, found) = words.split_last().expect("a guard");
                assert_eq!(found, expected, "{adapter}: {name}");
                assert_eq!(*guard, GUARD, "{adapter}: {name}");
                let words = build(&context, &index(IndexFormat::U16));
                let (guard, found) = words.split_last().expect("a guard");
                let halves = found.iter().flat_map(|word| [word & 0xffff, word >> 16]);
                assert!(
                    halves.take(expected.len()).eq(expected.iter().copied()),
                    "{adapter}: {name} in halves"
                );
                assert_eq!(*guard, GUARD, "{adapter}: {name} in halves");
                if buckets.num_buckets > 256 {
                    continue;
                }
                let words = build(&context, &index(IndexFormat::U8));
                let (guard, found) = words.split_last().expect("a guard");
                let bytes = found
                    .iter()
                    .flat_map(|word| word.to_le_bytes())
                    .map(u32::from);
                assert!(
                    bytes.take(expected.len()).eq(expected),
                    "{adapter}: {name} in bytes"
                );
                assert_eq!(*guard, GUARD, "{adapter}: {name} in bytes");
            }
        }
    }
}

#[test]
fn refuses_bytes_for_many_buckets_and_positions_past_32_bits() {
    let wavlm = harness::bucket_configurations()["wavlm_T_320_800"];
    let thresholds = wavlm.thresholds().expect("valid");
    for (_, context) in harness::adapters::contexts() {
        let buffer = context.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 64,
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        });
        let index = context.bucket_index(&thresholds, [4, 4], 0, IndexFormat::U8);
        let found = index.bind(&buffer.as_entire_buffer_binding()).map(|_| ());
        let expected = ProblemError::TableRows {
            found: 320,
            maximum: 256,
        };
        assert_eq!(found, Err(Error::Problem(expected)));
        let index = context.bucket_index(&thresholds, [4, 4], i32::MIN, IndexFormat::U16);
        let found = index.bind(&buffer.as_entire_buffer_binding()).map(|_| ());
        let expected = ProblemError::QueryOffset {
            found: i32::MIN.into(),
            keys: 0,
            q_len: 4,
            k_len: 4,
            maximum: (1 << 30) - 1,
        };
        assert_eq!(found, Err(Error::Problem(expected)));
    }
}
