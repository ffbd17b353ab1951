//! Devices that are lost before a call, in the middle of one, and between two.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use relattn::cpu::{Attention, AttentionGradient, Oracle};
use relattn::run::OnDevice;
use relattn::{
    Error, IndexFormat, Problem, RelativeBuckets, Rope, Rotation, plan::MergeOperands, wgpu,
};

use super::small::{data, devices, forward, problem, right, works};
use crate::harness::placed::Placed;

fn wait(device: &wgpu::Device) {
    device
        .poll(wgpu::PollType::wait_indefinitely())
        .expect("nothing to wait for");
}

/// Every way into a device says that it is lost, and a new one works.
#[test]
fn a_lost_device_is_named_by_every_call() {
    for (name, context) in devices() {
        let before = context.forward(&problem()).expect("a kernel");
        let placed = Placed::new(&context, &problem(), &data());
        context.device().destroy();
        wait(context.device());
        let lost = Err(Error::DeviceLost);
        let given = data();
        let inputs = given.inputs();
        let on_device = OnDevice::new(context.clone());
        assert_eq!(before.bind(&placed.operands()).map(drop), lost, "{name}");
        assert_eq!(forward(&context).map(drop), lost, "{name}");
        let results = Oracle.forward(&problem(), &inputs).expect("a result");
        let gradients = on_device.backward(&problem(), &inputs, &results, &results.out);
        assert_eq!(gradients.map(drop), lost, "{name}");
        assert_eq!(context.tune(&problem()).map(drop), lost, "{name}");
        assert_eq!(context.tune_backward(&problem()).map(drop), lost, "{name}");
        let other = Problem::builder(*problem().shape()).build().expect("valid");
        assert_eq!(context.forward(&other).map(drop), lost, "{name}");
        assert_eq!(context.backward(&other).map(drop), lost, "{name}");
    }
    for (name, context) in devices() {
        works(&context).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// Those that return a plan without an error keep it for `bind`.
#[test]
fn operations_without_a_result_keep_the_loss_for_later() {
    let thresholds = RelativeBuckets::t5_encoder().thresholds().expect("valid");
    let rotation = Rotation::builder(Rope::new(4), [1, 1, 4, 4]).build();
    let rotation = rotation.expect("valid");
    for (name, context) in devices() {
        let device = context.device();
        let buffer = |_| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: 1024,
                usage: wgpu::BufferUsages::STORAGE,
                mapped_at_creation: false,
            })
        };
        let [a, b, c, d] = [0; 4].map(buffer);
        let [a, b, c, d] = [&a, &b, &c, &d].map(wgpu::Buffer::as_entire_buffer_binding);
        device.destroy();
        wait(device);
        let lost = Err(Error::DeviceLost);
        let index = context.bucket_index(&thresholds, [4, 4], 0, IndexFormat::U32);
        assert_eq!(index.bind(&a).map(drop), lost, "{name}");
        let rope = context.rope(&rotation);
        assert_eq!(rope.bind_in_place(&a).map(drop), lost, "{name}");
        let operands = MergeOperands {
            outs: a,
            lses: b,
            out: c,
            lse: d,
        };
        let merge = context.merge(2, 3, 4);
        assert_eq!(merge.bind(&operands).map(drop), lost, "{name}");
    }
}

/// What was submitted may still come back, and then it is right; the caller's own callback hears of the loss once.
#[test]
fn a_loss_in_the_middle_of_a_call_ends_it() {
    for (name, context) in devices() {
        let heard = Arc::new(AtomicUsize::new(0));
        let counter = heard.clone();
        let device = context.device().clone();
        device.set_device_lost_callback(move |reason, _| {
            assert_eq!(reason, wgpu::DeviceLostReason::Destroyed);
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let on_device = OnDevice::new(context.clone());
        let (problem, given) = (problem(), data());
        let inputs = given.inputs();
        let mut call = Box::pin(on_device.forward_async(&problem, &inputs));
        let mut polls = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(call.as_mut().poll(&mut polls).is_pending(), "{name}");
        device.destroy();
        wait(&device);
        match pollster::block_on(call) {
            Ok(found) => right(&found).unwrap_or_else(|error| panic!("{name}: {error}")),
            Err(error) => assert_eq!(error, Error::DeviceLost, "{name}"),
        }
        assert_eq!(heard.load(Ordering::Relaxed), 1, "{name}");
        assert_eq!(
            forward(&context).map(drop),
            Err(Error::DeviceLost),
            "{name}"
        );
    }
}

/// Somebody else destroys the device while a thread is somewhere in its calls.
#[test]
fn a_loss_at_any_moment_neither_panics_nor_hangs() {
    for (name, context) in devices() {
        works(&context).unwrap_or_else(|error| panic!("{name}: {error}"));
        let caller = context.clone();
        let calls = std::thread::spawn(move || {
            loop {
                match forward(&caller) {
                    Ok(found) => right(&found).expect("the right result"),
                    Err(error) => return error,
                }
            }
        });
        std::thread::sleep(std::time::Duration::from_millis(20));
        context.device().destroy();
        let error = calls.join().expect("no panic");
        assert_eq!(error, Error::DeviceLost, "{name}");
    }
}
