//! What figures depend on, and how they are summed up.

use std::process::Command;
use std::time::SystemTime;

use super::device::{Rig, name};

/// What the figures depend on.
#[must_use]
pub fn heading(rig: &Rig) -> String {
    let info = &rig.info;
    format!(
        "adapter: {}\ndriver: {} {}\nkernel: {}\ndate: {}\nCPU: {}\n{}\nrevision: {}\nload before: {}\nB = 1, H = 8, D = 64, f32, T5 32/128 bidirectional, scale 1/8; times in ms",
        name(info),
        info.driver,
        info.driver_info,
        rig.kernel(),
        now(),
        cpu(),
        says("rustc", &["--version"]),
        says("git", &["describe", "--always", "--dirty"]),
        load(),
    )
}

/// The time, in UTC.
#[must_use]
pub fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// The middle one.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The load averages of 1, 5 and 15 minutes, where the system tells: other work slows what is measured here.
#[must_use]
pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let averages: Vec<_> = text.split_whitespace().take(3).collect();
    if averages.is_empty() {
        return "unknown".into();
    }
    averages.join(" ")
}

/// The processor and its threads, where the system tells.
#[must_use]
pub fn cpu() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown", |rest| rest.trim_start_matches([':', '\t', ' ']));
    format!("{model}, {cores} threads")
}

/// What a program prints, where there is one.
fn says(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text).trim().to_owned()
}
