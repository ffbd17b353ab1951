//! Figures as a table.

use comfy_table::{CellAlignment, Table, presets};

use super::record::{Measured, Record, Report};
use crate::args::Pass;
use crate::figures;

/// What is measured, where, when.
pub(super) fn heading(report: &Report) -> String {
    let peaks = &report.peaks;
    format!(
        "device     {}, {}\ndriver     {}\nprocessor  {}, load {}\ndate       {}, relattn {}\ntimes      by {}, \
         medians of contenders in turn; B = 1, H = 8, D = 64\n\nat best    f32 {}, f16 {}, cooperative matrices {}\n           \
         copy {}, read {}",
        report.adapter,
        report.kind,
        report.driver,
        report.processor,
        report.load_before,
        report.date,
        report.version,
        report.clock,
        flops(peaks.f32_gflops),
        offered(peaks.f16_gflops),
        cooperative(peaks),
        bytes(peaks.copy_gbps),
        bytes(peaks.read_gbps),
    )
}

/// A line for each case.
pub(super) fn table(report: &Report) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header([
        "case",
        "pass",
        "queries",
        "keys",
        "ms",
        "GFLOP/s",
        "GB/s",
        "of roofline",
        "unfused / it",
        "it / no bias",
        "CPU / it",
    ]);
    table.add_rows(report.records.iter().map(row));
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

fn row(record: &Record) -> [String; 11] {
    let ratio = |ratio: Option<f64>| ratio.map_or("-".into(), |ratio| format!("{ratio:.3}"));
    [
        record.case.clone(),
        pass(record.pass).into(),
        record.query_len.to_string(),
        record.key_len.to_string(),
        figures::three_digits(record.ms),
        figures::three_digits(record.gflops),
        figures::three_digits(record.gbps),
        format!("{:.1} %", 100.0 * record.peak_share),
        ratio(record.speedup_vs_unfused),
        ratio(record.bias_overhead),
        ratio(record.speedup_vs_cpu),
    ]
}

pub(super) const fn pass(pass: Pass) -> &'static str {
    match pass {
        Pass::Forward => "forward",
        Pass::Backward => "backward",
    }
}

/// Billions of operations a second with a unit.
pub(super) fn flops(billions: f64) -> String {
    if billions < 1000.0 {
        format!("{} GFLOP/s", figures::three_digits(billions))
    } else {
        format!("{} TFLOP/s", figures::three_digits(billions / 1000.0))
    }
}

pub(super) fn bytes(billions: f64) -> String {
    format!("{} GB/s", figures::three_digits(billions))
}

fn offered(billions: Option<f64>) -> String {
    billions.map_or("not offered".into(), flops)
}

fn cooperative(peaks: &Measured) -> String {
    let rate = offered(peaks.cooperative_gflops);
    match (peaks.cooperative_size, peaks.cooperative_sums) {
        (Some(size), Some(sums)) => format!("{rate} ({size} x {size}, f16 summed in {sums})"),
        _ => rate,
    }
}
