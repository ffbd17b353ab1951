//! `relattn conform --soak`: random problems from several threads on one device.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use relattn_conformance::soak::{Held, Load, Soaked, soak};
use serde::Serialize;

use super::machine::resident;
use super::targets;
use crate::args::ConformArgs;
use crate::fault::Fault;
use crate::figures;
use crate::output;

/// Threads at least and at most, whatever the number of processors.
const THREADS: [usize; 2] = [2, 8];

#[derive(Serialize)]
struct Report {
    device: String,
    driver: String,
    threads: u32,
    seconds: f64,
    seed: u64,
    problems: u64,
    failed: u64,
    unsupported: u64,
    failures: Vec<(String, String)>,
    worst_share: f64,
    buffers: [isize; 2],
    buffer_bytes: [isize; 2],
    bind_groups: [isize; 2],
    process_bytes: [Option<u64>; 2],
}

pub(super) fn run(args: &ConformArgs, minutes: f64) -> Result<(), Fault> {
    let targets = targets::of(args)?;
    // The last device of an adapter has all that the kernels make use of.
    let first = targets
        .iter()
        .find(|target| target.unusable.is_none())
        .unwrap_or(&targets[0]);
    let same = |target: &&targets::Target| {
        target.kind == first.kind && target.name.starts_with(&first.name)
    };
    let target = targets.iter().rfind(same).unwrap_or(first);
    let adapter = targets::device(target.kind, target.number, &target.identity)?;
    let context = adapter.context.map_err(|reason| Fault::UnusableDevice {
        name: target.label(),
        reason,
    })?;
    let load = Load {
        threads: threads(),
        duration: Duration::from_secs_f64(60.0 * minutes),
        seed: args.seed,
        one_at_a_time: adapter.one_at_a_time,
    };
    let bar = bar(&target.label());
    let start = Instant::now();
    let progress =
        |problems, failed| bar.set_message(format!("{problems} problems, {failed} failed"));
    let soaked = soak(&context, &load, &progress, &resident);
    bar.finish_and_clear();
    let report = Report::new(target, &load, start.elapsed(), &soaked);
    if args.json {
        output::print_json(&report);
    } else {
        output::print(&report.text());
    }
    verdict(&report.device, &soaked)
}

fn threads() -> u32 {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = processors.clamp(THREADS[0], THREADS[1]);
    u32::try_from(threads).unwrap_or(1)
}

fn bar(label: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_prefix(label.to_owned());
    let style = ProgressStyle::with_template("  {spinner} {prefix}: {msg}, {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

fn verdict(name: &str, soaked: &Soaked) -> Result<(), Fault> {
    let fault = |what: String| {
        Err(Fault::Soak {
            name: name.to_owned(),
            what,
        })
    };
    match soaked {
        Soaked { failed: 1.., .. } => fault(format!(
            "{} of {} problems failed",
            soaked.failed, soaked.problems
        )),
        Soaked { problems: 0, .. } => fault("no problem was run".into()),
        _ if soaked.leaked() => fault("buffers or bind groups were left behind".into()),
        _ => Ok(()),
    }
}

impl Report {
    fn new(target: &targets::Target, load: &Load, elapsed: Duration, soaked: &Soaked) -> Self {
        let each = |of: fn(&Held) -> isize| [0, 1].map(|n| of(&soaked.held[n]));
        Self {
            device: target.label(),
            driver: target.driver.clone(),
            threads: load.threads,
            seconds: elapsed.as_secs_f64(),
            seed: load.seed,
            problems: soaked.problems,
            failed: soaked.failed,
            unsupported: soaked.unsupported,
            failures: soaked.failures.clone(),
            worst_share: soaked.worst_share,
            buffers: each(|held| held.buffers),
            buffer_bytes: each(|held| held.buffer_memory),
            bind_groups: each(|held| held.bind_groups),
            process_bytes: [0, 1].map(|n| soaked.held[n].process),
        }
    }

    fn text(&self) -> String {
        let Self {
            device,
            driver,
            threads,
            problems,
            failed,
            unsupported,
            seed,
            seconds,
            ..
        } = self;
        let change = |[before, after]: [isize; 2]| format!("{before} before, {after} after");
        let mut lines = vec![
            format!("{device}, {driver}"),
            format!(
                "{problems} problems, {failed} failed, from {threads} threads in {seconds:.0} s; seed {seed}"
            ),
            format!("worst error: {:.2} of what is allowed", self.worst_share),
            format!("buffers of the device: {}", change(self.buffers)),
            format!("bind groups of the device: {}", change(self.bind_groups)),
        ];
        if *unsupported > 0 {
            lines.push(format!(
                "{unsupported} more problems that the device cannot run, none of which was checked"
            ));
        }
        if let [Some(before), Some(after)] = self.process_bytes {
            let [from, to] = [before, after].map(figures::bytes);
            let each = figures::bytes(after.saturating_sub(before) / problems.max(&1));
            lines.push(format!(
                "memory of the process: {from} before, {to} after; {each} more for each problem"
            ));
            lines.push("the process includes the driver: growth while buffers and bind groups stay is the driver's".into());
        }
        lines.extend(
            self.failures
                .iter()
                .map(|(case, reason)| format!("failed: {case}: {reason}")),
        );
        lines.join("\n  ")
    }
}
