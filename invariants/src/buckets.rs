//! The thresholds of T5's buckets, against the definition in exact arithmetic, one bucket after the other.

use arbitrary::{Arbitrary, Unstructured};
use num_bigint::BigUint;
use relattn::cpu::Oracle;
use relattn::{Direction, RelativeBuckets, Thresholds};

use crate::numbers::{Number, Rare};

/// So many buckets or fewer have every threshold looked at.
const FEW: u32 = 48;

#[derive(Arbitrary, Debug)]
struct Case {
    causal: bool,
    few_buckets: u8,
    any_buckets: Rare<Number>,
    max_distance: Number,
    offsets: [i32; 2],
    far: i64,
}

/// Buckets are those of the definition for every offset, and numbers that leave none are refused.
///
/// # Panics
/// Where that does not hold.
pub fn buckets(bytes: &[u8]) {
    let Ok(case) = Case::arbitrary(&mut Unstructured::new(bytes)) else {
        return;
    };
    let few = u32::from(case.few_buckets) % (FEW + 1);
    let buckets = RelativeBuckets {
        num_buckets: case.any_buckets.0.map_or(few, |Number(any)| any),
        max_distance: case.max_distance.0,
        direction: if case.causal {
            Direction::Causal
        } else {
            Direction::Bidirectional
        },
    };
    match buckets.thresholds() {
        Ok(thresholds) => {
            assert!(is_valid(&buckets), "{buckets:?} has been accepted");
            check(&thresholds, &case);
        }
        Err(error) => {
            assert!(!is_valid(&buckets), "{buckets:?}: {error}");
            assert!(!error.to_string().is_empty());
        }
    }
}

/// A direction has exact buckets and a logarithmic one, and distances past the exact ones.
fn is_valid(buckets: &RelativeBuckets) -> bool {
    let directions = match buckets.direction {
        Direction::Bidirectional => 2,
        Direction::Causal => 1,
    };
    let exact = buckets.num_buckets / directions / 2;
    (2 * directions..=2048).contains(&buckets.num_buckets)
        && exact < buckets.max_distance
        && buckets.max_distance <= 1 << 30
}

fn check(thresholds: &Thresholds, case: &Case) {
    let buckets = thresholds.buckets();
    let near = case.offsets.map(i64::from);
    // Halves of the distance that matters.
    let within = near.map(|offset| offset % (2 * i64::from(buckets.max_distance)));
    let mut offsets = vec![case.far, i64::MIN, i64::MAX, 0];
    offsets.extend(near.into_iter().chain(within));
    if buckets.num_buckets <= FEW {
        let steps = thresholds.steps().iter().map(|&step| i64::from(step));
        offsets.extend(steps.flat_map(|step| [1 - step, -step, step - 1, step]));
    }
    for offset in offsets {
        let (found, defined) = (thresholds.bucket(offset), defined(&buckets, offset));
        assert_eq!(found, defined, "{buckets:?} at {offset}");
        let oracle = Oracle::bucket(&buckets, offset);
        assert_eq!(oracle, defined, "the oracle, {buckets:?} at {offset}");
    }
    assert!(thresholds.steps().is_sorted());
}

/// The bucket by the definition. With e exact buckets, l others and the greatest distance D, distance n ≥ e has the other bucket k, the
/// largest below l with `ln(n / e) / ln(D / e) · l ≥ k`, which is `n^l · e^k ≥ D^k · e^l`.
fn defined(buckets: &RelativeBuckets, offset: i64) -> u32 {
    let later = offset > 0;
    let (count, base, distance) = match buckets.direction {
        Direction::Bidirectional => {
            let half = buckets.num_buckets / 2;
            (half, if later { half } else { 0 }, offset.unsigned_abs())
        }
        Direction::Causal if later => (buckets.num_buckets, 0, 0),
        Direction::Causal => (buckets.num_buckets, 0, offset.unsigned_abs()),
    };
    let exact = count / 2;
    if distance < u64::from(exact) {
        return base + u32::try_from(distance).expect("below the exact buckets");
    }
    let others = count - exact;
    let mut left = BigUint::from(distance).pow(others);
    let mut right = BigUint::from(exact).pow(others);
    let reached = (1..others).take_while(|_| {
        left *= exact;
        right *= buckets.max_distance;
        left >= right
    });
    base + exact + u32::try_from(reached.count()).expect("below the buckets")
}
