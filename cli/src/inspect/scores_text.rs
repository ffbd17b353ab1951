//! The numbers of a bias as text.

use std::ops::RangeInclusive;

use super::scores::Scores;
use super::text::shown;
use crate::figures;

/// Heads that are shown as columns, and as matrices.
const COLUMNS: u32 = 8;
const MATRICES: u32 = 4;
/// Rows and columns of a matrix that are shown from its start and from its end.
const ENDS: [u32; 2] = [5, 2];

pub(super) fn of(scores: &Scores) -> String {
    let shape = scores.problem.shape();
    let heading = format!(
        "{}, {} heads, {} queries x {} keys, query 0 at position {}",
        scores.kinds.join(" + "),
        shape.heads,
        shape.q_len,
        shape.k_len,
        scores.problem.query_offset()
    );
    let body = match scores.offsets() {
        Some(offsets) => by_offset(scores, offsets),
        None => matrices(scores),
    };
    format!("{heading}\n\n{body}").trim_end().to_owned()
}

/// The ends of a range of offsets, 0 and the powers of two between them.
pub(super) fn listed(offsets: RangeInclusive<i64>) -> Vec<i64> {
    let powers = (0..31).map(|n| 1 << n);
    let mut listed: Vec<i64> = powers.flat_map(|power: i64| [-power, power]).collect();
    listed.extend([0, *offsets.start(), *offsets.end()]);
    listed.retain(|offset| offsets.contains(offset));
    listed.sort_unstable();
    listed.dedup();
    listed
}

fn by_offset(scores: &Scores, offsets: RangeInclusive<i64>) -> String {
    let problem = &scores.problem;
    let (heads, radius) = (problem.shape().heads, problem.bias_radius());
    let mut text = match problem.offset_table_bytes() {
        0 => "Nothing is added to any score, and there is no offset table.".to_owned(),
        bytes => format!(
            "Radius {radius}: from this distance on the bias no longer changes here. The offset table, \
             {heads} x (2 x {radius} + 1) numbers,\ntakes {}.",
            figures::bytes(bytes)
        ),
    };
    text += "\n\nBias by offset, key minus query\n";
    let columns = 0..heads.min(COLUMNS);
    let names = columns
        .clone()
        .map(|head| format!("{:>11}", format!("head {head}")));
    text += &format!("  {:>11}{}\n", "offset", names.collect::<String>());
    for offset in listed(offsets) {
        let cells = columns
            .clone()
            .map(|head| format!("{:>11.5}", scores.at_offset(head, offset)));
        text += &format!("  {offset:>11}{}\n", cells.collect::<String>());
    }
    text + &left_out(heads, COLUMNS)
}

fn matrices(scores: &Scores) -> String {
    let heads = scores.problem.shape().heads;
    let matrices = (0..heads.min(MATRICES)).map(|head| matrix(scores, head));
    matrices.collect::<String>() + &left_out(heads, MATRICES)
}

fn matrix(scores: &Scores, head: u32) -> String {
    let shape = scores.problem.shape();
    let columns = shown(shape.k_len, ENDS);
    let line = |name: &str, cell: &dyn Fn(u32) -> String| {
        let cells = columns.iter().map(|column| match column {
            Some(j) => format!("{:>10}", cell(*j)),
            None => format!("{:>10}", "..."),
        });
        format!("  {name:>12}{}\n", cells.collect::<String>())
    };
    let mut text = format!("Bias of head {head}\n") + &line("key", &|j| j.to_string());
    for row in shown(shape.q_len, ENDS) {
        text += &match row {
            Some(i) => line(&format!("query {i}"), &|j| {
                format!("{:.4}", scores.at(head, i, j))
            }),
            None => line("...", &|_| "...".into()),
        };
    }
    text + "\n"
}

fn left_out(heads: u32, shown: u32) -> String {
    match heads.saturating_sub(shown) {
        0 => String::new(),
        more => format!("{more} more heads; --json has all\n"),
    }
}
