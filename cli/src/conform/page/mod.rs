//! A page to read: tables, charts, and maps of the errors of failed cases. It needs no other file.

mod chart;
mod map;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use relattn_conformance::outcome::{Outcome, Verdict};
use relattn_conformance::record::{Record, Summary};

use super::Found;
use super::table::label;
use chart::{Row, Scale};

const STYLE: &str = include_str!("style.css");
/// Failed cases that are shown in full.
const SHOWN: usize = 12;

/// The page.
pub(super) fn of(record: &Record, results: &[Found]) -> String {
    let failed: usize = record.adapters.iter().map(|adapter| adapter.failed).sum();
    let passed: usize = record.adapters.iter().map(|adapter| adapter.passed).sum();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "relattn conform" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "relattn conform" }
                    p.verdict.bad[failed > 0] {
                        @if failed > 0 { (failed) " cases failed" } @else { (passed) " cases passed, none failed" }
                    }
                    p.quiet {
                        "relattn " (record.version) " at " (record.commit) ", " (record.extent) " · " (record.os) " · " (record.processor)
                    }
                }
                (adapters(record))
                @for (summary, found) in record.adapters.iter().zip(results) { (adapter(summary, found)) }
            }
        }
    };
    page.into_string()
}

fn adapters(record: &Record) -> Markup {
    html! {
        table {
            thead { tr {
                th { "adapter" } th { "driver" } th.number { "passed" } th.number { "failed" } th.number { "unsupported" }
                th.number { "worst error" } th.number { "of what is allowed" }
            } }
            tbody {
                @for adapter in &record.adapters {
                    tr {
                        td { (label(adapter)) } td { (adapter.driver) }
                        td.number.good { (adapter.passed) }
                        td.number.bad[adapter.failed > 0] { (adapter.failed) }
                        td.number { (adapter.unsupported) }
                        td.number { (adapter.worst_error.map_or_else(|| "-".into(), |error| format!("{error:.1e}"))) }
                        td.number { (adapter.worst_share().map_or_else(|| "-".into(), |share| format!("{share:.2}"))) }
                    }
                }
            }
        }
    }
}

fn adapter(summary: &Summary, found: &Found) -> Markup {
    let outcomes = &found.outcomes;
    html! {
        section {
            h2 { (label(summary)) }
            @if let Some(reason) = &summary.unusable { p.bad { "Not usable: " (reason) } }
            @if let Some(case) = &summary.worst_case { p.quiet { "Worst: " (case) } }
            (failures(outcomes))
            @if outcomes.iter().any(|outcome| outcome.worst.is_some()) {
                div.charts {
                    figure {
                        figcaption { "Error of each case as a share of what is allowed; the line is the limit" }
                        (chart::of(&rows(outcomes, |outcome| Some(outcome.worst.as_ref()?.share())), &Scale::SHARES))
                    }
                    figure {
                        figcaption { "Time of a run of each case, transfers included" }
                        (chart::of(&rows(outcomes, |outcome| outcome.kernel.as_ref().map(|_| outcome.run_seconds)), &Scale::SECONDS))
                    }
                }
            }
            @if !summary.unsupported_reasons.is_empty() {
                h3 { "Unsupported" }
                ul { @for (reason, count) in &summary.unsupported_reasons { li { b { (count) } " " (reason) } } }
            }
        }
    }
}

/// What is wrong with the first failed cases.
fn failures(outcomes: &[Outcome]) -> Markup {
    let failed = outcomes
        .iter()
        .filter_map(|outcome| match &outcome.verdict {
            Verdict::Failed { reason, heat } => Some((outcome, reason, heat)),
            _ => None,
        });
    let failed: Vec<_> = failed.collect();
    html! {
        @if !failed.is_empty() {
            h3.bad { (failed.len()) " failed" }
            div.failures {
                @for (outcome, reason, heat) in failed.iter().take(SHOWN) {
                    article {
                        h4 { (outcome.case) }
                        p { (reason) }
                        @if let Some(heat) = heat { (map::of(heat)) }
                    }
                }
            }
            @if failed.len() > SHOWN { p { "and " (failed.len() - SHOWN) " more." } }
        }
    }
}

/// A number of the cases of each pass, family and kernel.
fn rows(outcomes: &[Outcome], number: impl Fn(&Outcome) -> Option<f64>) -> Vec<Row> {
    let mut rows: std::collections::BTreeMap<String, Row> = std::collections::BTreeMap::new();
    for outcome in outcomes {
        let (Some(kernel), Some(value)) = (&outcome.kernel, number(outcome)) else {
            continue;
        };
        let name = format!("{} · {} · {kernel}", outcome.pass, outcome.family);
        let row = rows.entry(name.clone()).or_insert_with(|| Row {
            name,
            points: Vec::new(),
        });
        row.points
            .push((value, outcome.failed(), outcome.case.clone()));
    }
    rows.into_values().collect()
}
