//! What wgpu reports while this crate calls it, as errors of this crate.
//!
//! wgpu hands an error to the innermost scope of the thread, or else to the caller's handler, and panics where there is none. Scopes of
//! this crate's own keep what its calls report apart from what the caller's do, and end before the crate returns.

use std::time::Duration;

use crate::Error;

/// Makes calls of wgpu, and returns what it reports of them as an error.
///
/// A browser tells of errors only after this has returned; there they go to the caller's scopes and handler.
pub(crate) fn watched<T>(
    device: &wgpu::Device,
    calls: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    if cfg!(target_family = "wasm") {
        return calls();
    }
    let [internal, validation, memory] = [
        wgpu::ErrorFilter::Internal,
        wgpu::ErrorFilter::Validation,
        wgpu::ErrorFilter::OutOfMemory,
    ]
    .map(|filter| device.push_error_scope(filter));
    let result = calls();
    // Scopes end in the reverse order, and what there is no memory for is invalid ever after.
    let [memory, validation, internal] =
        [memory, validation, internal].map(|scope| pollster::block_on(scope.pop()));
    match memory.or(validation).or(internal) {
        None => result,
        Some(wgpu::Error::OutOfMemory { .. }) => Err(Error::OutOfMemory),
        Some(_) if is_lost(device) => Err(Error::DeviceLost),
        Some(report) => Err(refused(&report)),
    }
}

/// Whether the device is lost. wgpu tells only a callback, of which a device has one, and that is the caller's. But a lost device makes
/// no memory, without an error that would say so.
pub(crate) fn is_lost(device: &wgpu::Device) -> bool {
    if cfg!(target_family = "wasm") {
        // Nothing else keeps a browser from mapping a buffer.
        return true;
    }
    let scope = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("relattn::is_lost"),
        size: 4,
        usage: wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: true,
    });
    let unmapped = buffer.get_mapped_range(..).is_err();
    let report = pollster::block_on(scope.pop());
    unmapped && report.is_none()
}

/// Blocks until the device has done all that was submitted, or for so long.
pub(crate) fn wait(device: &wgpu::Device, limit: Option<Duration>) -> Result<(), Error> {
    let poll = device.poll(wgpu::PollType::Wait {
        submission_index: None,
        timeout: limit,
    });
    match (poll, limit) {
        (Ok(_), _) => Ok(()),
        (Err(wgpu::PollError::Timeout), Some(limit)) => Err(Error::TimedOut { limit }),
        (Err(_), _) => Err(Error::DeviceLost),
    }
}

/// In one line.
fn refused(report: &wgpu::Error) -> Error {
    let words = report.to_string();
    let words: Vec<_> = words.split_whitespace().collect();
    Error::Refused {
        reason: words.join(" "),
    }
}
