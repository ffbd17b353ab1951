//! What a device pass promises beside its numbers, on every adapter.

#![cfg(feature = "gpu")]

mod harness;

use std::sync::atomic::{AtomicBool, Ordering};

use harness::Recorded;
use harness::adapters::contexts;
use harness::catalogue::catalogue;
use harness::data::Data;
use relattn::cpu::{Attention, Oracle, Tiled};
use relattn::plan::{Forward, ForwardOperands, Operand, choose};
use relattn::run::OnDevice;
use relattn::{
    Bias, Capabilities, Context, Error, InputError, Limit, Mask, Packed, Problem, RelativeBuckets,
    Shape, Tensor, Window, wgpu,
};

const SMALL: Shape = Shape {
    batch: 1,
    heads: 1,
    kv_heads: 1,
    q_len: 4,
    k_len: 4,
    head_dim: 4,
};

fn buffer(context: &Context, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
    let descriptor = wgpu::BufferDescriptor {
        label: None,
        size,
        usage,
        mapped_at_creation: false,
    };
    context.device().create_buffer(&descriptor)
}

/// Binds `SMALL` with this q and out.
fn bind(
    forward: &Forward,
    q: Operand<'_>,
    kv: &wgpu::Buffer,
    out: &wgpu::Buffer,
) -> Result<(), Error> {
    let operands = ForwardOperands::new(
        q,
        kv.as_entire_buffer_binding(),
        kv.as_entire_buffer_binding(),
        out.as_entire_buffer_binding(),
    );
    forward.bind(&operands).map(|_| ())
}

#[test]
fn bad_buffers_are_named() {
    let problem = Problem::builder(SMALL).build().expect("valid");
    for (_, context) in contexts() {
        let forward = context.forward(&problem).expect("a kernel");
        let storage = |size| buffer(&context, size, wgpu::BufferUsages::STORAGE);
        let (good, out, short, long) = (storage(64), storage(64), storage(60), storage(512));
        let copy = buffer(&context, 64, wgpu::BufferUsages::COPY_DST);
        let try_q = |q| bind(&forward, q, &good, &out);
        assert_eq!(try_q(good.as_entire_buffer_binding()), Ok(()));
        assert_eq!(
            try_q(short.as_entire_buffer_binding()),
            Err(Error::BufferTooSmall {
                tensor: Tensor::Q,
                found: 60,
                needed: 64
            })
        );
        assert_eq!(
            try_q(copy.as_entire_buffer_binding()),
            Err(Error::NotStorage { tensor: Tensor::Q })
        );
        let alignment = context
            .device()
            .limits()
            .min_storage_buffer_offset_alignment;
        assert_eq!(
            try_q(Operand {
                buffer: &long,
                offset: 4,
                size: None
            }),
            Err(Error::Misaligned {
                tensor: Tensor::Q,
                offset: 4,
                alignment: alignment.into()
            })
        );
        assert_eq!(
            bind(&forward, good.as_entire_buffer_binding(), &good, &good),
            Err(Error::SharedBuffer {
                read: Tensor::Q,
                written: Tensor::Out
            })
        );
    }
}

#[test]
fn missing_and_unused_operands_are_named() {
    let biased = Problem::builder(SMALL).bias(Bias::Relative(RelativeBuckets::t5_encoder()));
    let biased = biased.build().expect("valid");
    let plain = Problem::builder(SMALL).build().expect("valid");
    for (_, context) in contexts() {
        let good = buffer(&context, 64, wgpu::BufferUsages::STORAGE);
        let out = buffer(&context, 64, wgpu::BufferUsages::STORAGE);
        let forward = context.forward(&biased).expect("a kernel");
        assert_eq!(
            bind(&forward, good.as_entire_buffer_binding(), &good, &out),
            Err(InputError::Missing {
                tensor: Tensor::Table
            }
            .into())
        );
        let operands = ForwardOperands {
            table: Some(good.as_entire_buffer_binding()),
            ..ForwardOperands::new(
                good.as_entire_buffer_binding(),
                good.as_entire_buffer_binding(),
                good.as_entire_buffer_binding(),
                out.as_entire_buffer_binding(),
            )
        };
        let found = context
            .forward(&plain)
            .expect("a kernel")
            .bind(&operands)
            .map(|_| ());
        assert_eq!(
            found,
            Err(InputError::Unused {
                tensor: Tensor::Table
            }
            .into())
        );
    }
}

#[test]
fn a_device_below_the_default_limits_is_refused() {
    let many_rows = Shape { q_len: 90, ..SMALL };
    let problem = Problem::builder(many_rows).build().expect("valid");
    let capabilities = Capabilities {
        workgroup_storage: 8192,
        ..Capabilities::WEBGPU_DEFAULT
    };
    let found = choose(&problem, &capabilities);
    assert!(matches!(
        found,
        Err(Error::DeviceLimit {
            limit: Limit::WorkgroupStorage,
            found: 8192,
            ..
        })
    ));
}

#[test]
fn a_new_length_keeps_the_variant() {
    let variant = |q_len, k_len, query_offset| {
        let shape = Shape {
            batch: 1,
            heads: 2,
            kv_heads: 2,
            q_len,
            k_len,
            head_dim: 64,
        };
        let builder = Problem::builder(shape).bias(Bias::Relative(RelativeBuckets::t5_decoder()));
        let problem = builder.query_offset(query_offset).build().expect("valid");
        choose(&problem, &Capabilities::WEBGPU_DEFAULT)
    };
    assert_eq!(variant(70, 210, 0), variant(900, 9, 12));
    assert_eq!(variant(1, 3, 2), variant(1, 90_000, 89_999));
}

#[test]
fn every_case_fits_the_default_limits() {
    for case in catalogue() {
        match choose(&case.problem, &Capabilities::WEBGPU_DEFAULT) {
            Ok(variant) => assert!(variant.workgroup_bytes() <= 16_384, "{}", case.name),
            // A packed batch reads two starts; with a bias and another mask that is too much for eight buffers.
            Err(Error::DeviceLimit {
                limit: Limit::StorageBuffers,
                found: 8,
                needed: 9..=10,
            }) => assert!(case.problem.mask().packed.is_some(), "{}", case.name),
            Err(error) => panic!("{}: {error}", case.name),
        }
    }
}

/// Not a number and infinity change the rows that see them, and no other.
#[test]
fn infinities_stay_in_the_rows_that_they_touch() {
    let shape = Shape {
        batch: 1,
        heads: 2,
        kv_heads: 2,
        q_len: 80,
        k_len: 80,
        head_dim: 12,
    };
    let builder = Problem::builder(shape).bias(Bias::Relative(RelativeBuckets::t5_decoder()));
    let problem = builder
        .mask(Mask {
            causal: true,
            keys: true,
            ..Mask::NONE
        })
        .build()
        .expect("valid");
    let mut clean = Data::generate(&problem, 3);
    clean.key_mask = Some(vec![1; 80]);
    let row = |head: usize, n: usize| (head * 80 + n) * 12;
    let mut dirty = clean.clone();
    dirty.q[row(0, 11)] = f32::NAN;
    dirty.k[row(1, 50) + 3] = f32::NAN;
    let met = [f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
    dirty.v[row(0, 40) + 5..][..3].copy_from_slice(&met);
    dirty.key_mask.as_mut().expect("a mask")[20] = 0;
    let mut hidden = dirty.clone();
    hidden.v[row(1, 20)..][..3].copy_from_slice(&met);
    hidden.k[row(0, 20)] = f32::NAN;
    let check = |name: &str, clean: &[f32], dirty: &[f32]| {
        for head in 0..2 {
            for i in 0..80 {
                let touched = head == 0 && (i == 11 || i >= 40) || head == 1 && i >= 50;
                let rows = row(head, i)..row(head, i) + 12;
                let (clean, dirty) = (&clean[rows.clone()], &dirty[rows]);
                assert_eq!(
                    dirty.iter().any(|x| !x.is_finite()),
                    touched,
                    "{name}: head {head}, row {i}"
                );
                let same = clean.iter().zip(dirty).all(|(a, b)| (a - b).abs() <= 1e-6);
                assert!(touched || same, "{name}: head {head}, row {i}");
                if head == 0 && i >= 40 {
                    let [positive, negative, neither] = dirty[5..8] else {
                        unreachable!("three features");
                    };
                    let infinite = [positive, negative] == met[..2];
                    assert!(infinite && neither.is_nan(), "{name}: row {i}");
                }
            }
        }
    };
    let mut same_mask = clean.clone();
    same_mask.key_mask.clone_from(&dirty.key_mask);
    let tiled = |data: &Data| {
        Tiled
            .forward(&problem, &data.inputs())
            .expect("a result")
            .out
    };
    check("tiled", &tiled(&same_mask), &tiled(&hidden));
    let oracle = |data: &Data| {
        Oracle
            .forward(&problem, &data.inputs())
            .expect("a result")
            .out
    };
    check("oracle", &oracle(&same_mask), &oracle(&hidden));
    for (name, context) in contexts() {
        let device = OnDevice::new(context);
        let found = |data: &Data| {
            device
                .forward(&problem, &data.inputs())
                .expect("a result")
                .out
        };
        check(&name, &found(&same_mask), &found(&hidden));
    }
}

#[test]
fn blocking_and_asynchronous_runs_agree() {
    let case = Recorded::t5("t5_dec_chunk_b1_h8_q16_k128");
    for (name, context) in contexts() {
        let device = OnDevice::new(context);
        let blocking = device
            .forward(&case.problem, &case.inputs())
            .expect("a result");
        let inputs = case.inputs();
        let pending = device.forward_async(&case.problem, &inputs);
        let polling = device.context().device().clone();
        let done = AtomicBool::new(false);
        let found = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    polling.poll(wgpu::PollType::Poll).expect("a device");
                    std::thread::yield_now();
                }
            });
            let found = pollster::block_on(pending);
            done.store(true, Ordering::Relaxed);
            found
        });
        assert_eq!(found.expect("a result"), blocking, "{name}");
    }
}

/// One context serves many lengths with one kernel, and its results do not depend on what ran before.
#[test]
fn a_context_is_reused() {
    let case = Recorded::t5("t5_dec_step_b1_h8_q1_k128");
    let other = Recorded::t5("t5_dec_chunk_b1_h8_q16_k128");
    for (name, context) in contexts() {
        let device = OnDevice::new(context);
        let first = device
            .forward(&case.problem, &case.inputs())
            .expect("a result");
        device
            .forward(&other.problem, &other.inputs())
            .expect("a result");
        let again = device
            .forward(&case.problem, &case.inputs())
            .expect("a result");
        assert_eq!(first, again, "{name}");
    }
}

/// Buckets that reach to a billion cost no more than the offsets that occur.
#[test]
fn far_buckets_make_a_small_table() {
    let far = RelativeBuckets {
        max_distance: 1 << 30,
        ..RelativeBuckets::t5_encoder()
    };
    let problem = Problem::builder(SMALL)
        .bias(Bias::Relative(far))
        .build()
        .expect("valid");
    assert_eq!(problem.bias_radius(), 3);
    assert_eq!(problem.offset_table_bytes(), 4 * 7);
    let data = Data::generate(&problem, 5);
    let exact = Oracle.exact(&problem, &data.inputs()).expect("a result");
    let tiled = Tiled.forward(&problem, &data.inputs()).expect("a result");
    assert!(harness::largest_error(&exact.out, &tiled.out) <= 1e-6);
    for (name, context) in contexts() {
        let found = OnDevice::new(context)
            .forward(&problem, &data.inputs())
            .expect("a result");
        assert!(
            harness::largest_error(&exact.out, &found.out) <= 1e-6,
            "{name}"
        );
    }
}

#[test]
fn what_the_device_cannot_hold_is_refused_before_anything_is_made() {
    let long = Shape {
        k_len: 1 << 24,
        head_dim: 64,
        ..SMALL
    };
    let ranged = Problem::builder(long).build().expect("valid");
    let packed = Mask {
        packed: Some(Packed { sequences: 2 }),
        ..Mask::NONE
    };
    let builder = Problem::builder(Shape { batch: 1, ..long }).mask(packed);
    let problem = builder.build().expect("valid");
    let wide = Shape {
        heads: 70_000,
        kv_heads: 1,
        ..SMALL
    };
    let many = Problem::builder(wide).build().expect("valid");
    let segments = Problem::builder(wide).bias(Bias::Fire { width: 8 }).build();
    let segments = segments.expect("valid");
    for (_, context) in contexts() {
        let refused = context.forward(&problem).expect("a kernel").check_limits();
        assert!(
            matches!(
                refused,
                Err(Error::BindingTooLarge {
                    tensor: Tensor::K,
                    ..
                })
            ),
            "{refused:?}"
        );
        // More heads than a dispatch has are several dispatches, and so are more keys of a head than a binding has.
        for problem in [&many, &ranged] {
            let split = context.forward(problem).expect("a kernel").check_limits();
            assert_eq!(split, Ok(()));
        }
        let gradients = context.backward(&ranged).expect("kernels");
        let refused = gradients.check_limits();
        assert!(
            matches!(
                refused,
                Err(Error::BindingTooLarge {
                    tensor: Tensor::K | Tensor::DK,
                    ..
                })
            ),
            "{refused:?}"
        );
        // Nor are FIRE's segments of more heads.
        let refused = context.forward(&segments).expect("a kernel").check_limits();
        assert_eq!(
            refused,
            Err(Error::DispatchTooLarge {
                found: 70_000,
                maximum: 65_535
            })
        );
    }
}

#[test]
fn costs_are_counted_without_overflow() {
    let cost = |shape, mask, offset| {
        Problem::builder(shape)
            .mask(mask)
            .query_offset(offset)
            .build()
            .expect("valid")
            .cost()
    };
    let shape = Shape {
        q_len: 3,
        k_len: 5,
        head_dim: 2,
        ..SMALL
    };
    assert_eq!(cost(shape, Mask::NONE, 0).flops, 4 * 3 * 5 * 2);
    assert_eq!(cost(shape, Mask::NONE, 0).bytes, 4 * 2 * 2 * (3 + 5));
    assert_eq!(cost(shape, Mask::CAUSAL, 0).flops, 4 * (1 + 2 + 3) * 2);
    assert_eq!(cost(shape, Mask::CAUSAL, 3).flops, 4 * (4 + 5 + 5) * 2);
    assert_eq!(cost(shape, Mask::CAUSAL, -2).flops, 4 * 2);
    assert_eq!(cost(shape, Mask::CAUSAL, -9).flops, 0);
    let empty = Shape {
        batch: 0,
        heads: u32::MAX,
        kv_heads: u32::MAX,
        q_len: 1 << 29,
        ..SMALL
    };
    assert_eq!(cost(empty, Mask::NONE, 0).flops, 0);
    // 2 features, keys counted one by one.
    for (left, right, causal, offset) in [
        (0, 0, false, 0),
        (1, 2, false, 0),
        (1, 2, true, 1),
        (u32::MAX, 0, false, -2),
        (0, u32::MAX, false, 4),
        (1, 1, false, 90),
    ] {
        let mask = Mask {
            causal,
            window: Some(Window { left, right }),
            ..Mask::NONE
        };
        let sees = |i: i64, j: i64| {
            let from = j - i - i64::from(offset);
            from >= -i64::from(left) && from <= i64::from(right) && (!causal || from <= 0)
        };
        let rows = (0..3).flat_map(|i| (0..5).map(move |j| (i, j)));
        let pairs = rows.filter(|&(i, j)| sees(i, j)).count() as u64;
        assert_eq!(cost(shape, mask, offset).flops, 4 * pairs * 2, "{mask:?}");
    }
}
