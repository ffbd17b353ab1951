//! Memory that runs out: one test for each device and way. A device whose driver does not run out is listed as ignored with the reason.

#[path = "../harness/mod.rs"]
mod harness;

mod budget;
mod exhausted;
#[path = "../faults/small.rs"]
#[expect(dead_code, reason = "what other faults need besides")]
mod small;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use relattn::{Context, wgpu};

fn main() -> ExitCode {
    if exhausted::is_child() {
        exhausted::run();
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::from_args();
    let mut trials = budget::trials();
    trials.extend(exhausted::trials());
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A test on a device, or why there is none.
fn trial(
    device: &str,
    name: &str,
    test: Result<impl FnOnce() -> Result<(), Failed> + Send + 'static, String>,
) -> Trial {
    match test {
        Ok(test) => Trial::test(name, test),
        Err(reason) => {
            let name = format!("{name}: unsupported: {reason}");
            // Fails where it is run all the same.
            Trial::test(name, || Err(reason.into())).with_ignored_flag(true)
        }
    }
    .with_kind(device)
}

/// Buffers that nobody touches, of these sizes, until there is memory for none; nothing where that is past `most` bytes.
fn hoard(context: &Context, pieces: &[u64], most: u64) -> Option<Vec<wgpu::Buffer>> {
    let device = context.device();
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
            if taken > most {
                return None;
            }
        }
    }
    Some(hoard)
}
