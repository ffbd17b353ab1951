//! Mistakes of the caller around this crate's calls, and things that belong to another device.

use relattn::plan::{Algorithm, candidates};
use relattn::{Capabilities, Context, Error, wgpu};

use super::small::{data, devices, pairs, problem, works};
use crate::harness::placed::Placed;

fn validation_scope(context: &Context) -> wgpu::ErrorScopeGuard {
    let device = context.device();
    device.push_error_scope(wgpu::ErrorFilter::Validation)
}

/// Two usages that no buffer has together.
fn mistake(context: &Context) {
    drop(context.device().create_buffer(&wgpu::BufferDescriptor {
        label: Some("a mistake of the caller's"),
        size: 16,
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::MAP_WRITE,
        mapped_at_creation: false,
    }));
}

fn encoder(context: &Context) -> wgpu::CommandEncoder {
    let descriptor = wgpu::CommandEncoderDescriptor::default();
    context.device().create_command_encoder(&descriptor)
}

/// What the caller does wrong before and after a call is told to the caller's scope, and does not fail the call.
#[test]
fn scopes_of_the_caller_hear_of_the_callers_mistakes() {
    for (name, context) in devices() {
        for before in [true, false] {
            let scope = validation_scope(&context);
            if before {
                mistake(&context);
            }
            works(&context).unwrap_or_else(|error| panic!("{name}: {error}"));
            if !before {
                mistake(&context);
            }
            let report = pollster::block_on(scope.pop()).expect("a report");
            assert!(
                report.to_string().contains("a mistake of the caller's"),
                "{name}: {report}"
            );
        }
        let scope = validation_scope(&context);
        works(&context).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(pollster::block_on(scope.pop()).is_none(), "{name}");
    }
}

/// What a call is refused for is its own error, and no scope of the caller hears of it.
#[test]
fn buffers_of_another_device_are_refused() {
    for (name, context, other) in pairs() {
        let forward = context.forward(&problem()).expect("a kernel");
        let foreign = Placed::new(&other, &problem(), &data());
        let scope = validation_scope(&context);
        let refused = forward.bind(&foreign.operands()).map(drop);
        assert!(
            matches!(&refused, Err(Error::Refused { .. })),
            "{name}: {refused:?}"
        );
        assert!(pollster::block_on(scope.pop()).is_none(), "{name}");
        let own = Placed::new(&context, &problem(), &data());
        let bound = own.bind(&forward).expect("bound");
        own.run(&context, &bound).expect("a result");
        works(&other).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn destroyed_buffers_are_refused() {
    for (name, context) in devices() {
        let forward = context.forward(&problem()).expect("a kernel");
        let placed = Placed::new(&context, &problem(), &data());
        let bound = placed.bind(&forward).expect("bound");
        placed.operands().k.buffer.destroy();
        let refused = forward.bind(&placed.operands()).map(drop);
        assert!(
            matches!(&refused, Err(Error::Refused { .. })),
            "{name}: {refused:?}"
        );
        // What is bound already says so where it is submitted, to the caller.
        let scope = validation_scope(&context);
        let mut encoder = encoder(&context);
        bound.encode(&mut encoder);
        context.queue().submit([encoder.finish()]);
        assert!(pollster::block_on(scope.pop()).is_some(), "{name}");
        works(&context).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// Work recorded in another device's encoder is an error of that device where the caller finishes it.
#[test]
fn an_encoder_of_another_device_reports_to_its_own() {
    for (name, context, other) in pairs() {
        let forward = context.forward(&problem()).expect("a kernel");
        let placed = Placed::new(&context, &problem(), &data());
        let bound = placed.bind(&forward).expect("bound");
        let scope = validation_scope(&other);
        let mut foreign = encoder(&other);
        bound.encode(&mut foreign);
        drop(foreign.finish());
        assert!(pollster::block_on(scope.pop()).is_some(), "{name}");
        placed.run(&context, &bound).expect("a result");
        works(&other).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// A position that is written through another device's queue is an error of the caller's, and moves nothing.
#[test]
fn a_queue_of_another_device_moves_nothing() {
    for (name, context, other) in pairs() {
        let forward = context.forward(&problem()).expect("a kernel");
        let placed = Placed::new(&context, &problem(), &data());
        let bound = placed.bind(&forward).expect("bound");
        let before = placed.run(&context, &bound).expect("a result");
        let scope = validation_scope(&other);
        bound.set_position(other.queue(), 3, 6).expect("a position");
        assert!(pollster::block_on(scope.pop()).is_some(), "{name}");
        let after = placed.run(&context, &bound).expect("a result");
        assert_eq!(before.out, after.out, "{name}");
    }
}

/// Plans belong to the device of their context, whatever it was requested with.
#[test]
fn a_plan_made_with_features_is_refused_where_they_are_missing() {
    let (full, plain): (Vec<_>, Vec<_>) = devices()
        .into_iter()
        .partition(|(_, context)| context.capabilities().subgroup_size > 0);
    if full.is_empty() {
        println!("unsupported: no adapter has subgroups");
    }
    for (name, context) in full {
        let forward = context.forward(&problem()).expect("a kernel");
        for (other, without) in &plain {
            let foreign = Placed::new(without, &problem(), &data());
            let refused = forward.bind(&foreign.operands()).map(drop);
            assert!(
                matches!(&refused, Err(Error::Refused { .. })),
                "{name} on {other}: {refused:?}"
            );
        }
    }
    for (name, context) in plain {
        works(&context).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// A list of kernels for capabilities that the device does not have: what it cannot run is refused by name.
#[test]
fn capabilities_that_lie_are_found_out() {
    let shape = relattn::Shape {
        q_len: 64,
        ..*problem().shape()
    };
    let many_rows = relattn::Problem::builder(shape).build().expect("valid");
    let lie = Capabilities {
        subgroup_size: 8,
        largest_subgroup: 8,
        cpu: true,
        ..Capabilities::WEBGPU_DEFAULT
    };
    let listed = candidates(&many_rows, &lie);
    let broadcast = listed
        .iter()
        .find(|candidate| candidate.algorithm == Algorithm::Broadcast);
    let broadcast = *broadcast.expect("a kernel by subgroup");
    for (name, context) in devices() {
        if context.capabilities().subgroup_size > 0 {
            continue;
        }
        let refused = context.forward_by(&many_rows, broadcast).map(drop);
        assert_eq!(
            refused,
            Err(Error::Candidate { found: broadcast }),
            "{name}"
        );
        let refused = context.backward_by(&many_rows, broadcast).map(drop);
        assert_eq!(
            refused,
            Err(Error::Candidate { found: broadcast }),
            "{name}"
        );
        works(&context).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// A range may go on past its tensor, also past what the device binds: no more of it is bound than the tensor.
#[test]
fn ranges_longer_than_the_device_binds_are_cut() {
    for (name, context) in devices() {
        let limits = context.device().limits();
        let most = limits
            .max_storage_buffer_binding_size
            .min(limits.max_buffer_size - 256);
        let weights = context.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: most + 256,
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        });
        let placed = Placed::new(&context, &problem(), &data());
        let whole = relattn::plan::ForwardOperands {
            table: Some(weights.as_entire_buffer_binding()),
            ..placed.operands()
        };
        let forward = context.forward(&problem()).expect("a kernel");
        assert_eq!(forward.bind(&whole).map(drop), Ok(()), "{name}");
        let past_the_end = relattn::plan::ForwardOperands {
            table: Some(relattn::plan::Operand {
                size: std::num::NonZeroU64::new(1 << 40),
                ..placed.operands().table.expect("a table")
            }),
            ..placed.operands()
        };
        assert_eq!(forward.bind(&past_the_end).map(drop), Ok(()), "{name}");
    }
}
