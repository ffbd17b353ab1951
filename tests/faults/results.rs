//! Results that are late, that nobody waits for any more, or that cannot be read.

use std::time::Duration;

use relattn::cpu::Attention;
use relattn::run::OnDevice;
use relattn::{Context, Error, Problem, Shape, wgpu};

use super::small::{asynchronous, data, devices, held, problem, right, works};
use crate::harness::data::Data;

/// As many polls as a caller makes before it loses interest.
#[test]
fn a_call_that_is_dropped_half_way_leaves_nothing() {
    for (name, context) in devices() {
        works(&context).unwrap_or_else(|error| panic!("{name}: {error}"));
        let device = context.device();
        let before = held(device);
        let on_device = OnDevice::new(context.clone());
        let (problem, given) = (problem(), data());
        let inputs = given.inputs();
        let mut polls = std::task::Context::from_waker(std::task::Waker::noop());
        for polled in 0..3 {
            let mut call = Box::pin(on_device.forward_async(&problem, &inputs));
            for _ in 0..polled {
                assert!(call.as_mut().poll(&mut polls).is_pending(), "{name}");
            }
            drop(call);
        }
        assert_eq!(held(device), before, "{name}");
        works(&context).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// Long enough that no device has done it by the time it is asked.
fn long() -> (Problem, Data) {
    let shape = Shape {
        batch: 1,
        heads: 4,
        kv_heads: 1,
        q_len: 16,
        k_len: 40_000,
        head_dim: 4,
    };
    let problem = Problem::builder(shape).build().expect("a valid problem");
    let data = Data::generate(&problem, 7);
    (problem, data)
}

#[test]
fn a_wait_that_is_too_short_names_what_to_do() {
    let (problem, data) = long();
    for (name, context) in asynchronous() {
        let compiled = OnDevice::new(context.clone());
        let expected = compiled
            .forward(&problem, &data.inputs())
            .expect("a result");
        let before = held(context.device());
        let limit = Duration::ZERO;
        let hasty = compiled.clone().with_time_limit(limit);
        let found = hasty.forward(&problem, &data.inputs());
        assert_eq!(found.map(drop), Err(Error::TimedOut { limit }), "{name}");
        assert_eq!(held(context.device()), before, "{name}");
        let patient = compiled.with_time_limit(Duration::from_secs(600));
        let found = patient.forward(&problem, &data.inputs()).expect("in time");
        assert_eq!(found.out, expected.out, "{name}");
        works(&context).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// An asynchronous call whose caller polls in small steps.
#[test]
fn polls_that_time_out_lose_no_result() {
    let (problem, data) = long();
    for (name, context) in asynchronous() {
        let on_device = OnDevice::new(context.clone());
        on_device
            .forward(&problem, &data.inputs())
            .expect("a kernel");
        let inputs = data.inputs();
        let mut call = Box::pin(on_device.forward_async(&problem, &inputs));
        let mut polls = std::task::Context::from_waker(std::task::Waker::noop());
        let mut late = 0;
        let found = loop {
            if let std::task::Poll::Ready(found) = call.as_mut().poll(&mut polls) {
                break found.expect("a result");
            }
            late += usize::from(poll_shortly(&context).is_err());
        };
        assert!(late > 0, "{name}: no poll was too short");
        let expected = on_device.forward(&problem, &inputs).expect("a result");
        assert_eq!(found.out, expected.out, "{name}");
    }
}

fn poll_shortly(context: &Context) -> Result<wgpu::PollStatus, wgpu::PollError> {
    context.device().poll(wgpu::PollType::Wait {
        submission_index: None,
        timeout: Some(Duration::from_micros(10)),
    })
}

/// Results of calls that overlap each come to whom they belong.
#[test]
fn calls_may_overlap() {
    for (name, context) in devices() {
        let on_device = OnDevice::new(context.clone());
        let (problem, given) = (problem(), data());
        let inputs = given.inputs();
        let mut calls: Vec<_> = (0..4)
            .map(|_| Box::pin(on_device.forward_async(&problem, &inputs)))
            .collect();
        let mut polls = std::task::Context::from_waker(std::task::Waker::noop());
        for call in &mut calls {
            assert!(call.as_mut().poll(&mut polls).is_pending(), "{name}");
        }
        let wait = wgpu::PollType::wait_indefinitely();
        context.device().poll(wait).expect("a device");
        for call in calls.into_iter().rev() {
            let found = pollster::block_on(call).expect("a result");
            right(&found).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}
