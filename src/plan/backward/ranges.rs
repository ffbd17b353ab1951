//! The offsets at which a row of a table is the bias.

use crate::problem::Term;
use crate::{Bias, Direction, Thresholds};

/// The first and the last offset of each row, as bits.
pub(super) fn ranges(term: &Term) -> Vec<u32> {
    let rows = match (term.bias, &term.thresholds) {
        (Bias::PerOffset { max_offset }, _) => {
            let end = max_offset.cast_signed();
            let row = |offset: i32| {
                let first = if offset == -end { -i32::MAX } else { offset };
                [first, if offset == end { i32::MAX } else { offset }]
            };
            (-end..=end).map(row).collect()
        }
        (_, Some(thresholds)) => bucket_ranges(thresholds),
        _ => Vec::new(),
    };
    rows.into_iter().flatten().map(i32::cast_unsigned).collect()
}

/// No offset where a bucket has none: the range from 1 to 0.
fn bucket_ranges(thresholds: &Thresholds) -> Vec<[i32; 2]> {
    let buckets = thresholds.buckets();
    let steps = thresholds.steps();
    let count = buckets.per_direction() as usize;
    let distances = |bucket: usize| {
        let at = |n: usize| steps.get(n).map_or(i32::MAX, |step| step.cast_signed());
        let first = bucket.checked_sub(1).map_or(0, at);
        [
            first,
            if bucket < steps.len() {
                at(bucket) - 1
            } else {
                i32::MAX
            },
        ]
    };
    let before = (0..count).map(|bucket| {
        let [first, last] = distances(bucket);
        [-last, -first]
    });
    match buckets.direction {
        Direction::Bidirectional => {
            // What is at offset 0 counts as before, so that the first bucket of what comes later has no distance 0.
            let later = (0..count).map(|bucket| {
                let [first, last] = distances(bucket);
                [first.max(1), last]
            });
            before.chain(later).collect()
        }
        // Later keys are at distance 0.
        Direction::Causal => before
            .map(|[first, last]| [first, if last == 0 { i32::MAX } else { last }])
            .collect(),
    }
}
