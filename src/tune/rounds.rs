//! Passes in turn, round after round, so that whatever else the machine does hits all of them.

use std::time::{Duration, Instant};

use crate::plan::Bound;
use crate::watch::wait;
use crate::{Context, Error};

/// Rounds, of which the median counts.
const ROUNDS: usize = 7;
/// How long a GPU that has been idle takes to raise its clock: an H100's had fallen to a fifth while kernels were compiled, and what was
/// timed first seemed hopeless.
const WARM_UP: Duration = Duration::from_secs(1);
/// What a submission takes at least, so that the submission itself does not count.
const SUBMISSION: Duration = Duration::from_millis(2);
/// Passes in a submission at most.
const PASSES: u32 = 64;
/// What takes so many times as long as the fastest is not looked at again.
const HOPELESS: u32 = 3;

/// The median time of each pass; of one that is hopeless its only time.
pub(super) fn times(context: &Context, passes: &[Bound]) -> Result<Vec<Duration>, Error> {
    // Drivers finish compiling when a pass first runs.
    each_once(context, passes)?;
    let start = Instant::now();
    while !context.capabilities().cpu && start.elapsed() < WARM_UP {
        each_once(context, passes)?;
    }
    let first = each_once(context, passes)?;
    let fastest = first.iter().min().copied().unwrap_or_default();
    let count = repetitions(fastest);
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); passes.len()];
    for _ in 0..ROUNDS {
        for (n, pass) in passes.iter().enumerate() {
            if first[n] <= HOPELESS * fastest {
                times[n].push(submit(context, pass, count)? / count);
            }
        }
    }
    let medians = times.into_iter().zip(first);
    Ok(medians
        .map(|(times, first)| median(times).unwrap_or(first))
        .collect())
}

fn each_once(context: &Context, passes: &[Bound]) -> Result<Vec<Duration>, Error> {
    let passes = passes.iter();
    passes.map(|pass| submit(context, pass, 1)).collect()
}

fn repetitions(once: Duration) -> u32 {
    let wanted = SUBMISSION.as_nanos().checked_div(once.as_nanos());
    let wanted = wanted.and_then(|wanted| u32::try_from(wanted).ok());
    wanted.unwrap_or(PASSES).clamp(1, PASSES)
}

fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

/// From submission until the device is idle.
fn submit(context: &Context, pass: &Bound, count: u32) -> Result<Duration, Error> {
    let device = context.device();
    let descriptor = wgpu::CommandEncoderDescriptor::default();
    let mut encoder = device.create_command_encoder(&descriptor);
    for _ in 0..count {
        pass.encode(&mut encoder);
    }
    let commands = encoder.finish();
    let start = Instant::now();
    context.queue().submit([commands]);
    wait(device, None)?;
    Ok(start.elapsed())
}

#[cfg(test)]
mod tests {
    use super::{Duration, PASSES, median, repetitions};

    #[test]
    fn a_submission_takes_long_enough() {
        let ms = Duration::from_millis;
        assert_eq!(repetitions(ms(5)), 1);
        assert_eq!(repetitions(Duration::from_micros(500)), 4);
        assert_eq!(repetitions(Duration::ZERO), PASSES);
    }

    #[test]
    fn the_median_is_the_middle_one() {
        let times = [9, 1, 4].map(Duration::from_millis);
        assert_eq!(median(times.into()), Some(times[2]));
        assert_eq!(median(Vec::new()), None);
    }
}
