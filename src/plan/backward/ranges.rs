//! The sums by offset that a row of a table gets, where a row is the bias itself.

use crate::problem::Term;
use crate::{Bias, Direction, Thresholds};

/// Of each row the first sum, and the one behind the last, of those at offsets −radius ..= radius.
pub(super) fn ranges(term: &Term, radius: u32) -> Vec<u32> {
    let rows = match (term.bias, &term.thresholds) {
        (Bias::PerOffset { max_offset }, _) => offset_ranges(max_offset),
        (_, Some(thresholds)) => bucket_ranges(thresholds),
        _ => Vec::new(),
    };
    let end = i64::from(radius);
    let of_row = |[first, last]: [i32; 2]| {
        let [first, last] = [i64::from(first).max(-end), i64::from(last).min(end)];
        let sums = first + end..last + end + 1;
        let sums = if sums.is_empty() { 0..0 } else { sums };
        [sums.start, sums.end].map(|n| u32::try_from(n).unwrap_or(0))
    };
    rows.into_iter().flat_map(of_row).collect()
}

/// The first and the last offset of each row; the ends have all beyond them.
fn offset_ranges(max_offset: u32) -> Vec<[i32; 2]> {
    let end = max_offset.cast_signed();
    let row = |offset: i32| {
        let first = if offset == -end { -i32::MAX } else { offset };
        [first, if offset == end { i32::MAX } else { offset }]
    };
    (-end..=end).map(row).collect()
}

/// Where no offset has a row.
const NONE: [i32; 2] = [1, 0];

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
            // Half of an odd number of buckets leaves a row over.
            let rows = buckets.num_buckets as usize;
            let over = std::iter::repeat(NONE);
            before.chain(later).chain(over).take(rows).collect()
        }
        // Later keys are at distance 0.
        Direction::Causal => before
            .map(|[first, last]| [first, if last == 0 { i32::MAX } else { last }])
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::ranges;
    use crate::{Bias, Direction, Problem, RelativeBuckets, Shape};

    fn of(num_buckets: u32) -> Vec<u32> {
        let shape = Shape {
            batch: 1,
            heads: 1,
            kv_heads: 1,
            q_len: 300,
            k_len: 300,
            head_dim: 4,
        };
        let bias = Bias::Relative(RelativeBuckets {
            num_buckets,
            max_distance: 128,
            direction: Direction::Bidirectional,
        });
        let problem = Problem::builder(shape).bias(bias).build();
        let problem = problem.expect("a valid problem");
        let term = problem.learned_by_offset().next().expect("a table");
        ranges(term, problem.bias_radius())
    }

    #[test]
    fn every_row_of_a_table_has_a_range_though_no_offset_has_an_odd_one() {
        let (even, odd) = (of(32), of(33));
        assert_eq!(even.len(), 2 * 32);
        assert_eq!(odd, [&even[..], &[0, 0]].concat());
    }
}
