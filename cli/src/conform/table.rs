//! The outcome of a run as text.

use comfy_table::{CellAlignment, Table, presets};
use relattn_conformance::record::{Record, Summary};

/// A row for each device, and below it what is worth a sentence.
pub(super) fn of(record: &Record) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY);
    table.set_header([
        "adapter",
        "passed",
        "failed",
        "unsupported",
        "worst",
        "allowed",
    ]);
    for adapter in &record.adapters {
        let number =
            |value: Option<f64>| value.map_or_else(|| "-".into(), |value| format!("{value:.1e}"));
        table.add_row([
            label(adapter),
            adapter.passed.to_string(),
            adapter.failed.to_string(),
            adapter.unsupported.to_string(),
            number(adapter.worst_error),
            number(adapter.worst_allowed),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let remarks = record.adapters.iter().map(remarks);
    let remarks: String = remarks.collect();
    format!(
        "{table}\n{remarks}\nrelattn {} at {}, {}; {}, {}",
        record.version, record.commit, record.extent, record.os, record.processor
    )
}

pub(super) fn label(adapter: &Summary) -> String {
    format!("{}/{}", adapter.backend, adapter.name)
}

/// The driver, the worst case, why cases are unsupported, and which failed.
fn remarks(adapter: &Summary) -> String {
    let mut lines = vec![format!("driver: {}", adapter.driver)];
    lines.extend(
        adapter
            .unusable
            .as_ref()
            .map(|reason| format!("not usable: {reason}")),
    );
    if let (Some(case), Some(share)) = (&adapter.worst_case, adapter.worst_share()) {
        lines.push(format!("worst, {share:.2} of what is allowed: {case}"));
    }
    let reasons = adapter.unsupported_reasons.iter();
    lines.extend(reasons.map(|(reason, count)| format!("{count} unsupported: {reason}")));
    let failures = adapter.failures.iter();
    lines.extend(failures.map(|(case, reason)| format!("failed: {case}: {reason}")));
    let more = adapter.failed.saturating_sub(adapter.failures.len());
    lines.extend((more > 0).then(|| format!("and {more} more failures")));
    let lines = lines.into_iter().map(|line| format!("\n  {line}"));
    format!("\n{}{}\n", label(adapter), lines.collect::<String>())
}
