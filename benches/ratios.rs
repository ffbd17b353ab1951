//! `cargo bench --bench ratios`: contenders in turn, round after round, so that whatever else the machine does hits all
//! of them; medians of the times and of the ratios within a round.

mod rig;
mod unfused;

use std::process::Command;
use std::time::SystemTime;

use rig::case::Case;
use rig::contender::{Resident, contenders};
use rig::device::{Rig, name};

/// What is divided by what.
const PAIRS: [(&str, &str); 6] = [
    ("unfused", "fused, T5"),
    ("unfused, new bias", "fused, T5"),
    ("fused, T5", "fused, no bias"),
    ("fused, index matrix", "fused, T5"),
    ("fused, index matrix", "fused, no bias"),
    ("cpu::Tiled", "fused, T5"),
];

fn main() {
    let rig = Rig::open();
    println!("{}", heading(&rig));
    for n in rig::lengths() {
        let case = Case::new(n);
        let resident = Resident::new(&rig, &case);
        let contenders = contenders(&resident);
        let rounds = if rig::quick() { 1 } else { 11 };
        let times: Vec<Vec<f64>> = (0..rounds)
            .map(|_| {
                contenders
                    .iter()
                    .map(|one| 1e3 * one.time().as_secs_f64())
                    .collect()
            })
            .collect();
        let names: Vec<_> = contenders.iter().map(|one| one.name).collect();
        print!("{}", table(n, &names, &times));
    }
    println!("load afterwards: {}", load());
}

/// What the figures depend on.
fn heading(rig: &Rig) -> String {
    let info = &rig.info;
    let now = humantime::format_rfc3339_seconds(SystemTime::now());
    format!(
        "adapter: {}\ndriver: {} {}\nkernel: {}\ndate: {now}\nCPU: {}\n{}\nrevision: {}\nload before: {}\nB = 1, H = 8, D = 64, f32, T5 32/128 bidirectional, scale 1/8; times in ms",
        name(info),
        info.driver,
        info.driver_info,
        rig.kernel(),
        cpu(),
        says("rustc", &["--version"]),
        says("git", &["describe", "--always", "--dirty"]),
        load(),
    )
}

/// A line for each pair.
fn table(n: u32, names: &[&str], times: &[Vec<f64>]) -> String {
    let column = |wanted: &str| names.iter().position(|&name| name == wanted);
    let of = |column: usize| median(times.iter().map(|round| round[column]).collect());
    let mut text = format!(
        "\nN = {n}, rounds: {}\n{:<20} {:>9}   {:<20} {:>9} {:>8}\n",
        times.len(),
        "A",
        "ms",
        "B",
        "ms",
        "A / B"
    );
    for (a, b) in PAIRS {
        let (x, y) = (column(a).expect(a), column(b).expect(b));
        let ratio = median(times.iter().map(|round| round[x] / round[y]).collect());
        text += &format!(
            "{a:<20} {:>9.2}   {b:<20} {:>9.2} {ratio:>8.3}\n",
            of(x),
            of(y)
        );
    }
    text
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The load averages of 1, 5 and 15 minutes, where the system tells: other work slows what is measured here.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let averages: Vec<_> = text.split_whitespace().take(3).collect();
    if averages.is_empty() {
        return "unknown".into();
    }
    averages.join(" ")
}

fn cpu() -> String {
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
