//! One context for many threads, and objects that are dropped in any order.

use std::num::NonZeroUsize;

use relattn::plan::Bound;
use relattn::{Context, Problem, wgpu};

use super::small::{data, devices, held, problem, works};
use crate::harness::data::Data;
use crate::harness::device::{LEAD, bits, run_once};
use crate::harness::placed::Placed;

/// The small problem, and others that differ from it in length alone or in the kernel.
fn problems() -> Vec<Problem> {
    let shape = *problem().shape();
    let longer = relattn::Shape { k_len: 90, ..shape };
    let wider = relattn::Shape {
        head_dim: 6,
        ..shape
    };
    let built = [longer, wider].map(|shape| Problem::builder(shape).build().expect("valid"));
    [problem()].into_iter().chain(built).collect()
}

fn run(context: &Context, problem: &Problem) -> Vec<u32> {
    let forward = context.forward(problem).expect("a kernel");
    let data = Data::generate(problem, 5);
    let found = run_once(context, &forward, problem, &data);
    bits(&found.expect("a result").out)
}

/// An OpenGL context is one thread's at a time, and wgpu gives up on a thread that waits for it longer than a second.
fn for_threads() -> Vec<(String, Context)> {
    let mut devices = devices();
    devices.retain(|(name, context)| {
        let gl = context.device().adapter_info().backend == wgpu::Backend::Gl;
        if gl {
            println!("{name}: unsupported: one thread at a time");
        }
        !gl
    });
    devices
}

/// From the same problem, from different ones, and with so few pipelines kept that threads take each other's away.
#[test]
fn threads_share_a_context() {
    let problems = problems();
    for (name, context) in for_threads() {
        let expected: Vec<_> = problems
            .iter()
            .map(|problem| run(&context, problem))
            .collect();
        for kept in [256, 1] {
            let limit = NonZeroUsize::new(kept).expect("a positive number");
            let context = &context.clone().with_pipeline_limit(limit);
            std::thread::scope(|scope| {
                for thread in 0..8 {
                    let (problems, expected, name) = (&problems, &expected, &name);
                    scope.spawn(move || {
                        for round in 0..4 {
                            let n = (thread / 2 + round) % problems.len();
                            assert_eq!(run(context, &problems[n]), expected[n], "{name}: {n}");
                        }
                    });
                }
            });
            assert!(context.kept_pipelines() <= kept, "{name}");
        }
    }
}

/// What is submitted outlives everything it was made of.
struct Parts {
    context: Option<Context>,
    forward: Option<relattn::plan::Forward>,
    bound: Option<Bound>,
    placed: Option<Placed>,
}

impl Parts {
    fn drop_one(&mut self, which: usize) {
        match which {
            0 => self.context = None,
            1 => self.forward = None,
            2 => self.bound = None,
            _ => self.placed = None,
        }
    }
}

fn orders() -> Vec<[usize; 4]> {
    let all = (0..256).map(|n| [n % 4, n / 4 % 4, n / 16 % 4, n / 64]);
    let permutation = |order: &[usize; 4]| (0..4).all(|n| order.contains(&n));
    all.filter(permutation).collect()
}

/// Every order in which context, plan, bound work and buffers can go, before the submission: the result comes, and nothing is left.
#[test]
fn objects_may_be_dropped_in_any_order() {
    let orders = orders();
    assert_eq!(orders.len(), 24);
    for (name, context) in devices() {
        let expected = works(&context).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (device, queue) = (context.device().clone(), context.queue().clone());
        let before = held(&device);
        for order in &orders {
            let mut parts = parts(&context);
            let (commands, staging) = record(&parts, &device);
            for &which in order {
                parts.drop_one(which);
            }
            queue.submit([commands]);
            staging.map_async(wgpu::MapMode::Read, .., |result| result.expect("mapped"));
            let wait = wgpu::PollType::wait_indefinitely();
            device.poll(wait).expect("a device");
            let range = staging.get_mapped_range(..).expect("mapped");
            let found: Vec<u32> = range
                .chunks_exact(4)
                .map(|word| u32::from_le_bytes(word.try_into().expect("four bytes")))
                .collect();
            assert_eq!(found, expected, "{name}: {order:?}");
            drop(range);
            drop(staging);
            assert_eq!(held(&device), before, "{name}: {order:?}");
        }
    }
}

fn parts(context: &Context) -> Parts {
    let forward = context.forward(&problem()).expect("a kernel");
    let placed = Placed::new(context, &problem(), &data());
    Parts {
        bound: Some(placed.bind(&forward).expect("bound")),
        forward: Some(forward),
        placed: Some(placed),
        context: Some(context.clone()),
    }
}

/// The pass, and a copy of its output.
fn record(parts: &Parts, device: &wgpu::Device) -> (wgpu::CommandBuffer, wgpu::Buffer) {
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let (bound, placed) = (parts.bound.as_ref(), parts.placed.as_ref());
    bound.expect("bound").encode(&mut encoder);
    let operands = placed.expect("buffers").operands();
    let bytes = 4 * problem().elements(relattn::Tensor::Out);
    let staging = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: bytes,
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    encoder.copy_buffer_to_buffer(operands.out.buffer, LEAD, &staging, 0, bytes);
    (encoder.finish(), staging)
}

/// The context, and every plan and buffer of it, may go while the last handle of the device is somebody else's.
#[test]
fn nothing_is_left_when_the_context_goes() {
    for (name, context) in devices() {
        let (device, queue) = (context.device().clone(), context.queue().clone());
        // wgpu keeps some buffers from its first submission on.
        works(&context).unwrap_or_else(|error| panic!("{name}: {error}"));
        let during = held(&device);
        drop(context);
        let before = held(&device);
        assert!(
            !during.counts() || during != before,
            "{name}: nothing is counted"
        );
        let context = Context::new(&device, &queue);
        works(&context).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(held(&device), during, "{name}");
        drop(context);
        assert_eq!(held(&device), before, "{name}");
    }
}
