//! A sign of life on stderr while something takes long.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// What may pass without a sign.
const PATIENCE: Duration = Duration::from_secs(1);

/// Runs some work, under a spinner where it takes long; nothing shows where stderr is not a terminal.
pub(crate) fn during<T>(message: &str, work: impl FnOnce() -> T) -> T {
    let (done, waiting) = channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            if waiting.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let bar = spinner(message);
                // The other end is dropped when the work is over, which is the only message.
                let _ = waiting.recv();
                bar.finish_and_clear();
            }
        });
        // Dropped with the closure's frame also where the work panics, so that the other thread ends.
        let _done = done;
        work()
    })
}

/// A bar of so many steps; nothing shows where stderr is not a terminal.
pub(crate) fn steps(count: usize) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(count).unwrap_or(u64::MAX));
    let style = ProgressStyle::with_template("  {bar:24} {pos}/{len} {msg}, {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

fn spinner(message: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("  {spinner} {msg}, {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.set_message(message.to_owned());
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// The duration of each run: at least one, and more while they fit into the budget.
pub(crate) fn timed<E>(
    budget: Duration,
    most: usize,
    mut work: impl FnMut() -> Result<(), E>,
) -> Result<Vec<Duration>, E> {
    let start = Instant::now();
    let mut durations = Vec::new();
    while durations.len() < most && (durations.is_empty() || start.elapsed() < budget) {
        let start = Instant::now();
        work()?;
        durations.push(start.elapsed());
    }
    Ok(durations)
}
