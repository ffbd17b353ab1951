//! Buckets and biases as colours.

use relattn::{Direction, RelativeBuckets};

use super::canvas::Colour;

/// Near keys are dark and far ones light; blue at or before the query, orange after it.
pub(super) fn bucket(buckets: RelativeBuckets, bucket: u32) -> Colour {
    let base = buckets.per_direction();
    let after = buckets.direction == Direction::Bidirectional && bucket >= base;
    let step = if after { bucket - base } else { bucket };
    let depth = f64::from(step) / f64::from(base.max(2) - 1);
    let gradient = if after {
        colorous::ORANGES
    } else {
        colorous::BLUES
    };
    // The lightest tenth of these scales cannot be told from the paper.
    gradient.eval_continuous(0.98 - 0.86 * depth).as_array()
}

/// Red below 0, white at 0, blue above; grey where it is not a number.
pub(super) fn bias(value: f32, magnitude: f32) -> Colour {
    if value.is_nan() {
        return [128, 128, 128];
    }
    let scaled = f64::from(value / magnitude.max(f32::MIN_POSITIVE)).clamp(-1.0, 1.0);
    colorous::RED_BLUE
        .eval_continuous(0.5 + 0.5 * scaled)
        .as_array()
}
