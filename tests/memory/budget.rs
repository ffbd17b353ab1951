//! An instance that is told to leave most memory alone.

use libtest_mimic::{Failed, Trial};
use relattn::{Capabilities, Context, Error, wgpu};

use super::small::{data, forward, held, problem, works};
use super::{hoard, trial};
use crate::harness::placed::Placed;

const PIECES: [u64; 4] = [1 << 28, 1 << 22, 1 << 16, 1 << 8];
/// What is taken before the driver counts as one without a budget, so that no machine is brought to its knees.
const MOST: u64 = 1 << 36;

/// Of an instance to which a hundredth of the memory is all that there is.
pub(super) fn trials() -> Vec<Trial> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::PRIMARY;
    descriptor.memory_budget_thresholds.for_resource_creation = Some(1);
    let instance = wgpu::Instance::new(descriptor);
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
    let trials = adapters.iter().map(|adapter| {
        let context = short_of_memory(adapter);
        let test = context.map(|context| move || comes_back(&context));
        let name = "memory that runs out is named, and may come back";
        trial(&adapter.get_info().name, name, test)
    });
    trials.collect()
}

fn short_of_memory(adapter: &wgpu::Adapter) -> Result<Context, String> {
    let request = adapter.request_device(&Capabilities::descriptor(adapter));
    let (device, queue) = pollster::block_on(request).map_err(|error| error.to_string())?;
    let context = Context::new(&device, &queue);
    match hoard(&context, &PIECES, MOST) {
        Some(_) => Ok(context),
        None => Err("the driver tells of no budget".into()),
    }
}

/// Once memory is free again, the same context goes on.
fn comes_back(context: &Context) -> Result<(), Failed> {
    works(context)?;
    let device = context.device();
    let before = held(device);
    let planned = context.forward(&problem())?;
    let placed = Placed::new(context, &problem(), &data());
    let taken = hoard(context, &PIECES, MOST).ok_or("there is memory again")?;
    let short = Err(Error::OutOfMemory);
    assert_eq!(forward(context).map(drop), short);
    assert_eq!(planned.bind(&placed.operands()).map(drop), short);
    assert_eq!(context.tune(&problem()).map(drop), short);
    drop((taken, placed, planned));
    works(context)?;
    assert_eq!(held(device), before);
    Ok(())
}
