//! Pipelines are kept within a bound, and what the driver compiled may be kept by the caller.

#![cfg(feature = "gpu")]

mod harness;

use std::num::NonZeroUsize;

use harness::adapters::contexts;
use harness::data::Data;
use harness::device::bits;
use relattn::plan::Forward;
use relattn::{Context, Error, Problem, Shape, wgpu};

fn problem(head_dim: u32, value_dim: u32) -> Problem {
    let shape = Shape {
        batch: 1,
        heads: 1,
        kv_heads: 1,
        q_len: 5,
        k_len: 70,
        head_dim,
    };
    let builder = Problem::builder(shape).value_dim(value_dim);
    builder.build().expect("a valid problem")
}

fn limit(pipelines: usize) -> NonZeroUsize {
    NonZeroUsize::new(pipelines).expect("a positive number")
}

fn run(context: &Context, forward: &Forward, problem: &Problem) -> Vec<u32> {
    let data = Data::generate(problem, 3);
    let found = harness::device::run(context, forward, problem, &data);
    bits(&found.expect("a result").out)
}

/// On a device that validates everything and executes nothing. A plan is the kernel and, of few rows, the merge of its width.
#[test]
fn thousands_of_plans_keep_to_the_bound() {
    let (device, queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
    let context = Context::new(&device, &queue);
    let plan = |context: &Context, kinds: u32, plans: u32| {
        let mut most = 0;
        for n in 0..plans {
            let problem = problem(1 + n % kinds, 8);
            context.forward(&problem).expect("a kernel");
            most = most.max(context.kept_pipelines());
        }
        most
    };
    assert_eq!(plan(&context, 200, 2000), 201);
    assert_eq!(plan(&context, 256, 600), 256);
    let clone = context.clone().with_pipeline_limit(limit(7));
    assert_eq!([&context, &clone].map(Context::kept_pipelines), [7, 7]);
    assert_eq!(plan(&context, 10, 40), 7);
}

#[test]
fn what_was_dropped_is_compiled_again_and_lives_where_it_is_held() {
    for (name, context) in contexts() {
        let context = context.with_pipeline_limit(limit(1));
        let (one, other) = (problem(6, 6), problem(10, 10));
        let held = context.forward(&one).expect("a kernel");
        let first = run(&context, &held, &one);
        context.forward(&other).expect("a kernel");
        assert_eq!(context.kept_pipelines(), 1, "{name}");
        assert_eq!(run(&context, &held, &one), first, "{name}");
        let again = context.forward(&one).expect("a kernel");
        assert_eq!(run(&context, &again, &one), first, "{name}");
    }
}

fn adapters() -> Vec<wgpu::Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::PRIMARY;
    let instance = wgpu::Instance::new(descriptor);
    pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY))
}

/// A cache with the data of one of the same adapter.
fn cache(device: &wgpu::Device, data: Option<&[u8]>) -> wgpu::PipelineCache {
    #[expect(
        unsafe_code,
        reason = "the data comes from a cache of the same adapter"
    )]
    unsafe {
        device.create_pipeline_cache(&wgpu::PipelineCacheDescriptor {
            label: None,
            data,
            fallback: false,
        })
    }
}

/// A device with the feature, and a cache with this data, where the adapter has the feature.
fn cached(adapter: &wgpu::Adapter, data: Option<&[u8]>) -> Option<(Context, wgpu::PipelineCache)> {
    let feature = wgpu::Features::PIPELINE_CACHE;
    if !adapter.features().contains(feature) {
        return None;
    }
    let request = adapter.request_device(&wgpu::DeviceDescriptor {
        required_features: feature,
        ..Default::default()
    });
    let (device, queue) = pollster::block_on(request).expect("a device");
    let cache = cache(&device, data);
    let context = Context::new(&device, &queue).with_driver_cache(&cache);
    Some((context, cache))
}

/// Adapters without the feature have nothing to keep, and are named.
#[test]
fn a_driver_cache_is_filled_and_reused() {
    let problem = problem(6, 6);
    for adapter in adapters() {
        let name = adapter.get_info().name;
        let Some((context, cache)) = cached(&adapter, None) else {
            println!("{name}: unsupported: no pipeline cache");
            continue;
        };
        let forward = context.forward(&problem).expect("a kernel");
        let found = run(&context, &forward, &problem);
        let data = cache.get_data().expect("data");
        let (context, cache) = cached(&adapter, Some(&data)).expect("as before");
        let reused = context.forward(&problem).expect("a kernel");
        assert_eq!(run(&context, &reused, &problem), found, "{name}");
        // Some drivers put nothing there.
        let after = cache.get_data().expect("data").len();
        assert_eq!(after, data.len(), "{name}: compiled what was there");
    }
}

/// wgpu refuses the cache of another device, which shows that it gets there.
#[test]
fn a_driver_cache_reaches_the_driver() {
    let descriptor = wgpu::DeviceDescriptor {
        required_features: wgpu::Features::PIPELINE_CACHE,
        ..Default::default()
    };
    let mut options = wgpu::InstanceDescriptor::new_without_display_handle();
    options.backends = wgpu::Backends::NOOP;
    options.backend_options.noop.enable = true;
    let instance = wgpu::Instance::new(options);
    let adapter =
        pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default()));
    let adapter = adapter.expect("an adapter that executes nothing");
    let device = || pollster::block_on(adapter.request_device(&descriptor)).expect("a device");
    let (own, other) = (device(), device());
    for (cached, refused) in [(&own, false), (&other, true)] {
        let cache = cache(&cached.0, None);
        let context = Context::new(&own.0, &own.1).with_driver_cache(&cache);
        let found = context.forward(&problem(6, 6)).map(drop);
        let is_refused = matches!(found, Err(Error::Refused { .. }));
        assert_eq!(is_refused, refused, "{found:?}");
        // A decoding step is two kernels; what did not compile is not kept.
        let kept = if refused { 0 } else { 2 };
        assert_eq!(context.kept_pipelines(), kept);
    }
}
