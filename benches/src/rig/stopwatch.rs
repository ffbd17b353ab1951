//! Time as the device tells it.

use std::time::Duration;

use relattn::wgpu;
use wgpu::{BufferUsages, Features};

/// Bytes of the two timestamps.
const BYTES: u64 = 16;

/// Two timestamps around recorded work.
#[derive(Debug)]
pub struct Stopwatch {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    /// Nanoseconds of a tick.
    period: f64,
}

impl Stopwatch {
    /// What a device has to be requested with.
    pub const FEATURES: Features =
        Features::TIMESTAMP_QUERY.union(Features::TIMESTAMP_QUERY_INSIDE_ENCODERS);

    /// None where the device was not requested with [`Self::FEATURES`].
    #[must_use]
    pub fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Option<Self> {
        device.features().contains(Self::FEATURES).then(|| Self {
            queries: device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("stopwatch"),
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            }),
            resolved: device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("stopwatch"),
                size: BYTES,
                usage: BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            }),
            period: queue.get_timestamp_period().into(),
        })
    }

    pub(super) fn start(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.write_timestamp(&self.queries, 0);
    }

    pub(super) fn stop(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.write_timestamp(&self.queries, 1);
        encoder.resolve_query_set(&self.queries, 0..2, &self.resolved, 0);
    }

    /// Where the two ticks are once the work is done.
    pub(super) const fn ticks(&self) -> &wgpu::Buffer {
        &self.resolved
    }

    pub(super) fn elapsed(&self, ticks: &[u64]) -> Duration {
        let ticks = ticks[1].checked_sub(ticks[0]);
        let ticks = ticks.expect("the device's timestamps run backwards");
        #[expect(
            clippy::cast_precision_loss,
            reason = "more than 53 bits of ticks are years"
        )]
        let nanoseconds = ticks as f64 * self.period;
        Duration::from_secs_f64(nanoseconds * 1e-9)
    }
}
