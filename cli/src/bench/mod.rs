//! `relattn bench`: what a device can do at best, and how much of it the passes reach.

mod chart;
mod contest;
mod record;
mod reference;
mod setting;
mod text;

use relattn_bench::probe::Peaks;
use relattn_bench::rig::device::Rig;
use relattn_bench::rig::report;

use crate::adapters;
use crate::args::{BenchArgs, DeviceChoice};
use crate::fault::Fault;
use crate::gpu::Gpu;
use crate::output;
use crate::progress::steps;
use record::Report;
use setting::{Setting, UNIT, settings};

pub(crate) fn run(args: &BenchArgs) -> Result<(), Fault> {
    check(args)?;
    let format = args.chart.as_deref().map(chart::Format::of).transpose()?;
    let gpu = open(&args.device.choice)?;
    let report = measure(&gpu, &settings(args), args.json == Some(None))?;
    if let (Some(path), Some(format)) = (&args.chart, format) {
        output::replace(path, &chart::draw(&report, format)?)?;
    }
    match &args.json {
        Some(Some(path)) => output::write_json(path, &report)?,
        Some(None) => output::print_json(&report),
        None => {}
    }
    Ok(())
}

/// What can be refused before anything is measured.
fn check(args: &BenchArgs) -> Result<(), Fault> {
    if let Some(&found) = args.query_len.iter().find(|n| !n.is_multiple_of(UNIT)) {
        return Err(Fault::QueryLength { found, unit: UNIT });
    }
    let written = [
        args.chart.as_ref(),
        args.json.as_ref().and_then(Option::as_ref),
    ];
    written
        .into_iter()
        .flatten()
        .try_for_each(|path| output::writable(path))
}

fn open(choice: &DeviceChoice) -> Result<Gpu, Fault> {
    match choice {
        DeviceChoice::Auto => adapters::best().ok_or(Fault::NothingToMeasure),
        DeviceChoice::Cpu => Err(Fault::NotAnAdapter { choice: "cpu" }),
        DeviceChoice::Oracle => Err(Fault::NotAnAdapter { choice: "oracle" }),
        DeviceChoice::Named(name) => adapters::named(name),
    }
}

/// Measures everything; prints as it goes, unless it is to be quiet.
fn measure(gpu: &Gpu, settings: &[Setting], quiet: bool) -> Result<Report, Fault> {
    let rig = Rig::new(gpu.context().clone(), gpu.info().clone());
    let say = |text: String| {
        if !quiet {
            output::print(&text);
        }
    };
    let bar = steps(settings.len() + 1);
    bar.set_message("probes");
    let peaks = gpu.guard(|| Ok(Peaks::measure(gpu.adapter())))?;
    let peaks = peaks.map_err(|error| Fault::Gpu {
        name: adapters::label(gpu.info()),
        message: error.to_string(),
    })?;
    let mut report = Report::new(&rig, &peaks);
    bar.suspend(|| say(text::heading(&report)));
    for setting in settings {
        bar.inc(1);
        bar.set_message(format!(
            "{}{} {}",
            text::pass(setting.pass),
            setting.suffix,
            setting.q_len
        ));
        let results = gpu.guard(|| Ok(contest::run(&rig, setting)))??;
        report.add(setting, &results)?;
    }
    bar.finish_and_clear();
    report.load_after = report::load();
    say(format!(
        "\n{}\n\nload afterwards: {}",
        text::table(&report),
        report.load_after
    ));
    Ok(report)
}
