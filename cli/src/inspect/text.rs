//! Thresholds and matrix as text.

use relattn::{Direction, Thresholds};

use super::Findings;
use super::matrix::Matrix;

/// Rows and columns of a matrix that are shown from its start and from its end.
const START: u32 = 10;
const END: u32 = 4;
/// Buckets of a direction that are listed without a gap.
const LISTED: usize = 40;

pub(super) fn of(findings: &Findings) -> String {
    let thresholds = &findings.thresholds;
    let buckets = thresholds.buckets();
    let direction = match buckets.direction {
        Direction::Bidirectional => "bidirectional",
        Direction::Causal => "causal",
    };
    let heads = findings.heads;
    let heads = heads.map_or_else(String::new, |heads| format!(", for all of {heads} heads"));
    format!(
        "{} buckets, {direction}, max_distance {}{heads}\n\n{}\n{}\n{}",
        buckets.num_buckets,
        buckets.max_distance,
        steps(thresholds),
        saturation(findings),
        matrix(&findings.matrix),
    )
}

/// Which distances fall into which bucket.
fn steps(thresholds: &Thresholds) -> String {
    let both = thresholds.buckets().direction == Direction::Bidirectional;
    let base = thresholds.buckets().per_direction();
    let mut text =
        String::from("             bucket of a key\n  distance   at or before the query");
    text += if both { "   after it\n" } else { "\n" };
    let starts: Vec<u32> = std::iter::once(0)
        .chain(thresholds.steps().iter().copied())
        .collect();
    for (bucket, &start) in starts.iter().enumerate() {
        if starts.len() > LISTED && bucket == LISTED - 8 {
            text += &format!("  {:>8}   {:>22}\n", "...", "...");
        }
        if starts.len() > LISTED && (LISTED - 8..starts.len() - 8).contains(&bucket) {
            continue;
        }
        let Some(distances) = distances(&starts, bucket) else {
            continue;
        };
        text += &format!("  {distances:>8}   {bucket:>22}");
        if both && start > 0 {
            text += &format!("   {:>8}", bucket + base as usize);
        }
        text += "\n";
    }
    text += &match thresholds.buckets().direction {
        Direction::Bidirectional => {
            format!("  bucket {base} is never used: no key is after the query at distance 0\n")
        }
        Direction::Causal => "  every key after the query is in bucket 0\n".into(),
    };
    text
}

/// The distances of a bucket, or nothing where rounding left it empty.
fn distances(starts: &[u32], bucket: usize) -> Option<String> {
    let start = starts[bucket];
    match starts.get(bucket + 1) {
        None => Some(format!("{start}..")),
        Some(&next) if next <= start => None,
        Some(&next) if next == start + 1 => Some(start.to_string()),
        Some(&next) => Some(format!("{start}-{}", next - 1)),
    }
}

fn saturation(findings: &Findings) -> String {
    let distance = findings.thresholds.saturation();
    let tiles = &findings.tiles;
    format!(
        "From distance {distance} on the bias no longer changes. Of the {} tiles ({} queries x {} keys) that the fused pass\n\
         takes here, {} lie past it as a whole: each has one bias, a single number.\n",
        tiles.all, tiles.rows, tiles.columns, tiles.constant
    )
}

fn matrix(matrix: &Matrix) -> String {
    let (queries, keys) = (matrix.q_len, matrix.k_len);
    let source = if matrix.on_device {
        format!(
            "built on {}, equal to the thresholds throughout",
            matrix.built_by
        )
    } else {
        "by the thresholds".into()
    };
    let columns = shown(keys, [START, END]);
    let largest = matrix.query_offset.unsigned_abs().max(queries).max(keys);
    let width = largest.to_string().len().max(3) + 1;
    let line = |name: &str, cell: &dyn Fn(u32) -> String| {
        let cells = columns.iter().map(|column| match column {
            Some(j) => format!("{:>width$}", cell(*j)),
            None => format!("{:>width$}", "..."),
        });
        let cells: String = cells.collect();
        format!("  {name:>10}{cells}\n")
    };
    let mut text = format!("Buckets of {queries} queries x {keys} keys, {source}\n");
    if matrix.query_offset != 0 {
        text += &format!("query 0 is at position {}\n", matrix.query_offset);
    }
    text += &line("key", &|j| j.to_string());
    for row in shown(queries, [START, END]) {
        text += &match row {
            Some(i) => line(&format!("query {i}"), &|j| matrix.at(i, j).to_string()),
            None => line("...", &|_| "...".into()),
        };
    }
    text.trim_end().to_owned()
}

/// The indices that are shown, as many from the start and from the end, and a gap.
pub(super) fn shown(count: u32, [start, end]: [u32; 2]) -> Vec<Option<u32>> {
    if count <= start + end + 1 {
        return (0..count).map(Some).collect();
    }
    let start = (0..start).map(Some);
    let end = (count - end..count).map(Some);
    start.chain(std::iter::once(None)).chain(end).collect()
}
