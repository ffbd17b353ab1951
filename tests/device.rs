//! The fused pass on every adapter that wgpu finds, against the oracle and the recorded runs.

#![cfg(feature = "gpu")]

mod harness;

use harness::{Recorded, T5_CASES, devices, elements};
use relattn::cpu::{Attention, Inputs, Oracle};
use relattn::plan::{ForwardOperands, choose};
use relattn::run::OnDevice;
use relattn::{
    Bias, Capabilities, Context, Direction, Error, IndexFormat, Mask, Problem, RelativeBuckets,
    Scale, Shape, Tensor, wgpu,
};

/// Values without symmetry, between −1 and 1.
fn values(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f32::from(u16::try_from(state >> 16).expect("16 bits")) / 32_768.0 - 1.0
        })
        .collect()
}

/// Shape, bias, mask and query offset of a generated case.
struct Case {
    shape: Shape,
    direction: Option<Direction>,
    mask: Mask,
    query_offset: i32,
}

fn catalogue() -> Vec<Case> {
    use Direction::{Bidirectional, Causal};
    let keys = Mask {
        causal: false,
        keys: true,
    };
    let both = Mask {
        causal: true,
        keys: true,
    };
    [
        ([1, 1, 1, 1, 1, 1], None, Mask::NONE, 0),
        ([2, 3, 3, 65, 33, 64], Some(Bidirectional), Mask::NONE, 0),
        ([1, 4, 2, 130, 257, 40], Some(Bidirectional), keys, 0),
        ([2, 2, 1, 97, 97, 63], Some(Causal), Mask::CAUSAL, 0),
        ([1, 2, 2, 3, 200, 80], Some(Causal), both, 197),
        (
            [1, 1, 1, 40, 300, 128],
            Some(Bidirectional),
            Mask::NONE,
            -70,
        ),
        ([1, 2, 2, 33, 70, 256], Some(Bidirectional), Mask::NONE, 0),
        ([1, 2, 2, 70, 33, 17], None, Mask::CAUSAL, -20),
        ([1, 2, 2, 5, 0, 8], Some(Bidirectional), Mask::NONE, 0),
        ([1, 2, 2, 0, 7, 8], None, Mask::NONE, 0),
    ]
    .into_iter()
    .map(
        |([batch, heads, kv_heads, q_len, k_len, head_dim], direction, mask, query_offset)| Case {
            shape: Shape {
                batch,
                heads,
                kv_heads,
                q_len,
                k_len,
                head_dim,
            },
            direction,
            mask,
            query_offset,
        },
    )
    .collect()
}

/// The largest difference in the output and in the finite log-sum-exps.
fn compare(device: &OnDevice, problem: &Problem, inputs: &Inputs<'_>) -> f64 {
    let exact = Oracle.exact(problem, inputs).expect("valid inputs");
    let found = device.forward(problem, inputs).expect("a result");
    let again = device.forward(problem, inputs).expect("a result");
    let bits = |values: &[f32]| {
        values
            .iter()
            .map(|value| value.to_bits())
            .collect::<Vec<_>>()
    };
    assert_eq!(bits(&found.out), bits(&again.out), "two runs differ");
    assert_eq!(bits(&found.lse), bits(&again.lse), "two runs differ");
    assert_eq!(found.out.len(), exact.out.len());
    assert_eq!(found.lse.len(), exact.lse.len());
    let pairs = found
        .out
        .iter()
        .zip(&exact.out)
        .chain(found.lse.iter().zip(&exact.lse));
    pairs
        .map(|(&found, &exact)| match exact {
            f64::NEG_INFINITY => {
                assert!(
                    found.is_infinite() && found < 0.0,
                    "lse of an empty row is {found}"
                );
                0.0
            }
            _ => {
                assert!(found.is_finite(), "{found} instead of {exact}");
                (f64::from(found) - exact).abs()
            }
        })
        .fold(0.0, f64::max)
}

#[test]
fn recorded_runs() {
    for (name, device, queue) in devices() {
        let on_device = OnDevice::new(Context::new(&device, &queue));
        for case in T5_CASES
            .map(Recorded::t5)
            .iter()
            .chain([&Recorded::mpnet()])
        {
            let error = compare(&on_device, &case.problem, &case.inputs());
            assert!(
                error <= 2e-5,
                "{name}: {:?}: {error:e}",
                case.problem.shape()
            );
            let found = on_device
                .forward(&case.problem, &case.inputs())
                .expect("a result");
            let exact: Vec<f64> = found.out.iter().map(|&value| f64::from(value)).collect();
            let error = harness::largest_error(&exact, &case.ctx);
            assert!(
                error <= 4e-6,
                "{name}: {:?}: {error:e}",
                case.problem.shape()
            );
        }
        println!("passed: {name}: {} recorded runs", T5_CASES.len() + 1);
    }
}

#[test]
fn catalogue_against_the_oracle() {
    for (name, device, queue) in devices() {
        let on_device = OnDevice::new(Context::new(&device, &queue));
        for case in catalogue() {
            let shape = case.shape;
            let bias = case.direction.map_or(Bias::None, |direction| {
                Bias::Relative(RelativeBuckets {
                    num_buckets: 32,
                    max_distance: 128,
                    direction,
                })
            });
            let problem = Problem::builder(shape)
                .bias(bias)
                .mask(case.mask)
                .query_offset(case.query_offset)
                .scale(Scale::InverseSqrt)
                .build()
                .expect("valid");
            let (q, k) = (
                values(elements(&problem, Tensor::Q), 1),
                values(elements(&problem, Tensor::K), 2),
            );
            let (v, table) = (
                values(elements(&problem, Tensor::K), 3),
                values(32 * shape.heads as usize, 4),
            );
            let mask: Vec<u8> = (0..shape.batch * shape.k_len)
                .map(|n| u8::from(n % 5 != 2))
                .collect();
            let inputs = Inputs {
                q: &q,
                k: &k,
                v: &v,
                table: case.direction.map(|_| &table[..]),
                indices: None,
                key_mask: case.mask.keys.then_some(&mask[..]),
            };
            let error = compare(&on_device, &problem, &inputs);
            assert!(error <= 2e-6, "{name}: {shape:?}: {error:e}");
        }
    }
}

#[test]
fn indexed_bias_equals_the_oracle() {
    for (name, device, queue) in devices() {
        let on_device = OnDevice::new(Context::new(&device, &queue));
        for format in [IndexFormat::U32, IndexFormat::U8] {
            let shape = Shape {
                batch: 2,
                heads: 3,
                kv_heads: 3,
                q_len: 70,
                k_len: 45,
                head_dim: 24,
            };
            let bias = Bias::Indexed { rows: 50, format };
            let problem = Problem::builder(shape).bias(bias).build().expect("valid");
            let (q, k) = (
                values(elements(&problem, Tensor::Q), 1),
                values(elements(&problem, Tensor::K), 2),
            );
            let (v, table) = (values(elements(&problem, Tensor::K), 3), values(50 * 3, 4));
            // Not a function of the offset, and some past the table: they add 0.
            let indices: Vec<u32> = (0..70 * 45).map(|n| n * 37 % 53).collect();
            let inputs = Inputs {
                q: &q,
                k: &k,
                v: &v,
                table: Some(&table),
                indices: Some(&indices),
                key_mask: None,
            };
            let error = compare(&on_device, &problem, &inputs);
            assert!(error <= 2e-6, "{name}: {format:?}: {error:e}");
            let tiled = relattn::cpu::Tiled
                .forward(&problem, &inputs)
                .expect("a result");
            let exact = Oracle.exact(&problem, &inputs).expect("a result");
            assert!(
                harness::largest_error(&exact.out, &tiled.out) <= 2e-6,
                "{format:?}"
            );
            let wrong = Inputs {
                indices: Some(&vec![0; 70 * 45]),
                ..inputs
            };
            let wrong = on_device.forward(&problem, &wrong).expect("a result");
            assert!(
                harness::largest_error(&exact.out, &wrong.out) > 1e-3,
                "indices are ignored"
            );
        }
    }
}

#[test]
fn a_planted_error_is_noticed() {
    for (name, device, queue) in devices() {
        let on_device = OnDevice::new(Context::new(&device, &queue));
        let case = Recorded::t5("t5_enc_b1_h6_n200");
        let mut wrong = case.clone();
        wrong.table[20] += 1e-2;
        let found = on_device
            .forward(&wrong.problem, &wrong.inputs())
            .expect("a result");
        let found: Vec<f64> = found.out.iter().map(|&value| f64::from(value)).collect();
        assert!(harness::largest_error(&found, &case.ctx) > 4e-5, "{name}");
    }
}

#[test]
fn bad_buffers_are_named() {
    let shape = Shape {
        batch: 1,
        heads: 1,
        kv_heads: 1,
        q_len: 4,
        k_len: 4,
        head_dim: 4,
    };
    let problem = Problem::builder(shape).build().expect("valid");
    for (_, device, queue) in devices() {
        let forward = Context::new(&device, &queue)
            .forward(&problem)
            .expect("a kernel");
        let buffer = |size, usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size,
                usage,
                mapped_at_creation: false,
            })
        };
        let (good, out) = (
            buffer(64, wgpu::BufferUsages::STORAGE),
            buffer(64, wgpu::BufferUsages::STORAGE),
        );
        let (short, copy) = (
            buffer(60, wgpu::BufferUsages::STORAGE),
            buffer(64, wgpu::BufferUsages::COPY_DST),
        );
        let bind = |q: &wgpu::Buffer, out: &wgpu::Buffer| {
            let operands = ForwardOperands {
                q: q.as_entire_buffer_binding(),
                k: good.as_entire_buffer_binding(),
                v: good.as_entire_buffer_binding(),
                table: None,
                indices: None,
                key_mask: None,
                out: out.as_entire_buffer_binding(),
                lse: None,
            };
            forward.bind(&operands).map(|_| ())
        };
        assert_eq!(bind(&good, &out), Ok(()));
        assert_eq!(
            bind(&short, &out),
            Err(Error::BufferTooSmall {
                tensor: Tensor::Q,
                found: 60,
                needed: 64
            })
        );
        assert_eq!(
            bind(&copy, &out),
            Err(Error::NotStorage { tensor: Tensor::Q })
        );
        assert_eq!(
            bind(&good, &good),
            Err(Error::Aliased {
                first: Tensor::Q,
                second: Tensor::Out
            })
        );
    }
}

#[test]
fn a_new_length_keeps_the_variant() {
    let problem = |q_len, query_offset| {
        let shape = Shape {
            batch: 1,
            heads: 2,
            kv_heads: 2,
            q_len,
            k_len: 3 * q_len,
            head_dim: 64,
        };
        let builder = Problem::builder(shape).bias(Bias::Relative(RelativeBuckets::t5_decoder()));
        builder.query_offset(query_offset).build().expect("valid")
    };
    let variant = |problem| choose(&problem, &Capabilities::WEBGPU_DEFAULT);
    assert_eq!(variant(problem(7, 0)), variant(problem(900, 12)));
}
