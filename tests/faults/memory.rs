//! Memory that runs out, and tensors that are larger than any buffer.

use relattn::cpu::{Attention, AttentionGradient, Inputs, Outputs};
use relattn::run::OnDevice;
use relattn::{Capabilities, Context, Error, Problem, Shape, Tensor, wgpu};

use super::small::{data, devices, forward, held, noop, problem, works};
use crate::harness::placed::Placed;

/// What is taken away before memory counts as short, so that no machine is brought to its knees.
const MOST: u64 = 1 << 36;

/// Contexts of an instance to which a hundredth of the memory is all that there is.
fn short_of_memory() -> Vec<(String, Context)> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::PRIMARY;
    descriptor.memory_budget_thresholds.for_resource_creation = Some(1);
    let instance = wgpu::Instance::new(descriptor);
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
    let contexts = adapters.iter().filter_map(|adapter| {
        let name = adapter.get_info().name;
        let request = adapter.request_device(&Capabilities::descriptor(adapter));
        match pollster::block_on(request) {
            Ok((device, queue)) => Some((name, Context::new(&device, &queue))),
            Err(reason) => {
                println!("{name}: unsupported: {reason}");
                None
            }
        }
    });
    contexts.collect()
}

/// Buffers that nobody touches, until there is memory for none; nothing where the driver knows no budget.
fn hoard(device: &wgpu::Device, pieces: &[u64]) -> Option<Vec<wgpu::Buffer>> {
    let mut hoard = Vec::new();
    let mut taken = 0;
    for &size in pieces {
        loop {
            let scope = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
            let buffer = device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size,
                usage: wgpu::BufferUsages::STORAGE,
                mapped_at_creation: false,
            });
            if pollster::block_on(scope.pop()).is_some() {
                break;
            }
            hoard.push(buffer);
            taken += size;
            if taken > MOST {
                return None;
            }
        }
    }
    Some(hoard)
}

/// Once memory is free again, the same context goes on.
#[test]
fn memory_that_runs_out_is_named_and_may_come_back() {
    for (name, context) in short_of_memory() {
        works(&context).unwrap_or_else(|error| panic!("{name}: {error}"));
        let device = context.device();
        let before = held(device);
        let planned = context.forward(&problem()).expect("a kernel");
        let placed = Placed::new(&context, &problem(), &data());
        let Some(taken) = hoard(device, &[1 << 28, 1 << 22, 1 << 16, 1 << 8]) else {
            println!("{name}: unsupported: the driver tells of no budget");
            continue;
        };
        let short = Err(Error::OutOfMemory);
        assert_eq!(forward(&context).map(drop), short, "{name}");
        assert_eq!(planned.bind(&placed.operands()).map(drop), short, "{name}");
        assert_eq!(context.tune(&problem()).map(drop), short, "{name}");
        drop((taken, placed, planned));
        works(&context).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(held(device), before, "{name}");
    }
}

const CHILD: &str = "RELATTN_FAULTS_OUT_OF_MEMORY";

/// A process that may have six gigabytes of addresses and no more, and a driver that gets its memory from there: a processor's.
#[test]
#[cfg(target_os = "linux")]
fn a_driver_that_gets_no_memory_is_named() {
    if std::env::var_os(CHILD).is_some() {
        return exhaust();
    }
    let name = "memory::a_driver_that_gets_no_memory_is_named";
    let output = std::process::Command::new("sh")
        .args(["-c", "ulimit -v 6291456 && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().expect("this program"))
        .args([name, "--exact", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .expect("a shell");
    let [told, errors] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    println!("{told}");
    assert!(output.status.success(), "{}: {errors}", output.status);
}

/// What is left is enough for everything but the output, of 41 MB.
#[cfg(target_os = "linux")]
fn exhaust() {
    let shape = Shape {
        q_len: 40_000,
        ..*past_any_buffer().shape()
    };
    let builder = Problem::builder(shape).value_dim(256);
    let problem = builder.build().expect("a valid problem");
    let (q, k, v) = (vec![0.0; 40_000], [0.0], [0.0; 256]);
    let inputs = Inputs::new(&q, &k, &v);
    for (name, context) in devices() {
        if !context.capabilities().cpu {
            println!("{name}: unsupported: has memory of its own");
            continue;
        }
        let on_device = OnDevice::new(context.clone());
        on_device.forward(&problem, &inputs).expect("memory");
        let before = held(context.device());
        let Some(taken) = hoard(context.device(), &[1 << 28, 1 << 24]) else {
            println!("{name}: unsupported: memory is taken where it is first written");
            continue;
        };
        let found = on_device.forward(&problem, &inputs).map(drop);
        assert_eq!(found, Err(Error::OutOfMemory), "{name}");
        drop(taken);
        on_device.forward(&problem, &inputs).expect("memory again");
        assert_eq!(held(context.device()), before, "{name}");
    }
}

/// An output of 300 MB, from inputs of a few: no buffer of a device with default limits holds it.
fn past_any_buffer() -> Problem {
    let shape = Shape {
        batch: 1,
        heads: 1,
        kv_heads: 1,
        q_len: 300_000,
        k_len: 1,
        head_dim: 1,
    };
    let builder = Problem::builder(shape).value_dim(256);
    builder.build().expect("a valid problem")
}

/// On a device that validates everything and executes nothing: what is refused has to be so before anything is computed.
#[test]
fn tensors_past_any_buffer_are_named() {
    let context = noop();
    let problem = past_any_buffer();
    let (q, k, v) = (vec![0.0; 300_000], [0.0], [0.0; 256]);
    let inputs = Inputs::new(&q, &k, &v);
    let on_device = OnDevice::new(context.clone());
    let maximum = context.device().limits().max_buffer_size;
    let too_large = Error::BufferTooLarge {
        tensor: Tensor::Out,
        needed: 4 * 300_000 * 256,
        maximum,
    };
    let refused = |found: Result<(), Error>| assert_eq!(found, Err(too_large.clone()));
    refused(on_device.forward(&problem, &inputs).map(drop));
    refused(context.tune(&problem).map(drop));
    refused(context.tune_backward(&problem).map(drop));
    let outputs = Outputs {
        out: vec![0.0; 300_000 * 256],
        lse: vec![0.0; 300_000],
    };
    let gradients = on_device.backward(&problem, &inputs, &outputs, &outputs.out);
    refused(gradients.map(drop));
}
