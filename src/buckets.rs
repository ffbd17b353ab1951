//! T5's relative position buckets, exact to the integer.

use num_bigint::BigUint;

use crate::ProblemError;

/// Whether keys after the query have buckets of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Half of the buckets for keys before and at the query, half for keys after it (encoders).
    Bidirectional,
    /// All buckets for keys before and at the query; later keys share bucket 0 (decoders).
    Causal,
}

/// T5's relative position buckets: exact for near offsets, logarithmic up to `max_distance`.
///
/// With `nb` buckets a direction, `max_exact = nb / 2` and distance `n`, the bucket is `n` below `max_exact`, else
/// `min(nb − 1, max_exact + ⌊ln(n / max_exact) / ln(max_distance / max_exact) · (nb − max_exact)⌋)`.
/// Bidirectional buckets of offsets greater than 0 start at `nb = num_buckets / 2`, so bucket `nb` itself is never used.
///
/// Source: Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer" (2020),
/// `_relative_position_bucket` of mesh-tensorflow and Hugging Face's `T5Attention`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RelativeBuckets {
    /// Rows of the learned table.
    pub num_buckets: u32,
    /// The distance at which the formula reaches the last bucket; by rounding the last bucket begins before it.
    pub max_distance: u32,
    /// Whether later keys have buckets of their own.
    pub direction: Direction,
}

impl RelativeBuckets {
    /// The most buckets that are accepted; the largest model known uses 512.
    pub const MAX_BUCKETS: u32 = 2048;
    /// The greatest `max_distance`, so that offsets stay within 32 signed bits.
    pub const MAX_DISTANCE: u32 = 1 << 30;

    /// T5's encoder: 32 buckets to distance 128, both directions.
    #[must_use]
    pub const fn t5_encoder() -> Self {
        Self {
            num_buckets: 32,
            max_distance: 128,
            direction: Direction::Bidirectional,
        }
    }

    /// T5's decoder: 32 buckets to distance 128, backwards only.
    #[must_use]
    pub const fn t5_decoder() -> Self {
        Self {
            num_buckets: 32,
            max_distance: 128,
            direction: Direction::Causal,
        }
    }

    /// Buckets of one direction.
    #[must_use]
    pub const fn per_direction(&self) -> u32 {
        match self.direction {
            Direction::Bidirectional => self.num_buckets / 2,
            Direction::Causal => self.num_buckets,
        }
    }

    /// Checks the numbers and computes the integer thresholds.
    ///
    /// # Errors
    /// Fewer than two buckets a direction, more than [`Self::MAX_BUCKETS`], or a `max_distance` that leaves no
    /// logarithmic bucket.
    pub fn thresholds(&self) -> Result<Thresholds, ProblemError> {
        let minimum = match self.direction {
            Direction::Bidirectional => 4,
            Direction::Causal => 2,
        };
        if !(minimum..=Self::MAX_BUCKETS).contains(&self.num_buckets) {
            return Err(ProblemError::BucketCount {
                found: self.num_buckets,
                minimum,
                maximum: Self::MAX_BUCKETS,
            });
        }
        let max_exact = self.per_direction() / 2;
        if !(max_exact + 1..=Self::MAX_DISTANCE).contains(&self.max_distance) {
            return Err(ProblemError::MaxDistance {
                found: self.max_distance,
                minimum: max_exact + 1,
                maximum: Self::MAX_DISTANCE,
            });
        }
        Ok(Thresholds::new(*self, max_exact))
    }
}

/// The distances at which the bucket number steps up; a bucket is the count of thresholds not above the distance.
///
/// Integers, found by exact arithmetic: a logarithm one unit in the last place too low would put distances
/// 16, 32 and 64 of T5's encoder into the wrong bucket, and a shader's logarithm may be that inexact.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Thresholds {
    buckets: RelativeBuckets,
    steps: Vec<u32>,
}

impl Thresholds {
    fn new(buckets: RelativeBuckets, max_exact: u32) -> Self {
        let logarithmic = buckets.per_direction() - max_exact;
        let mut steps: Vec<u32> = (1..=max_exact).collect();
        let mut at_least = max_exact;
        for k in 1..logarithmic {
            at_least = first_distance(k, logarithmic, max_exact, buckets.max_distance, at_least);
            steps.push(at_least);
        }
        Self { buckets, steps }
    }

    /// The parameters these belong to.
    #[must_use]
    pub const fn buckets(&self) -> RelativeBuckets {
        self.buckets
    }

    /// `steps()[b]` is the smallest distance whose bucket (within its direction) is at least `b + 1`.
    #[must_use]
    pub fn steps(&self) -> &[u32] {
        &self.steps
    }

    /// The distance from which the bias no longer changes: the start of the last bucket, 91 for T5's encoder and 113
    /// for its decoder, not 128.
    #[must_use]
    pub fn saturation(&self) -> u32 {
        self.steps.last().copied().unwrap_or(0)
    }

    /// The bucket of an offset, key position minus query position.
    #[must_use]
    pub fn bucket(&self, offset: i64) -> u32 {
        let (base, distance) = match self.buckets.direction {
            Direction::Bidirectional if offset > 0 => {
                (self.buckets.per_direction(), offset.unsigned_abs())
            }
            Direction::Bidirectional => (0, offset.unsigned_abs()),
            Direction::Causal => (0, offset.min(0).unsigned_abs()),
        };
        let passed = self
            .steps
            .partition_point(|&step| u64::from(step) <= distance);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "at most MAX_BUCKETS thresholds"
        )]
        let bucket = base + passed as u32;
        bucket
    }
}

/// The smallest `n ≥ at_least` with `(n / max_exact)^l ≥ (max_distance / max_exact)^k`, by bisection on big integers:
/// `n^l · max_exact^k ≥ max_distance^k · max_exact^l`.
fn first_distance(k: u32, l: u32, max_exact: u32, max_distance: u32, at_least: u32) -> u32 {
    let goal = BigUint::from(max_distance).pow(k) * BigUint::from(max_exact).pow(l - k);
    let reached = |n: u32| BigUint::from(n).pow(l) >= goal;
    let ratio = f64::from(max_distance) / f64::from(max_exact);
    let estimate = f64::from(max_exact) * ratio.powf(f64::from(k) / f64::from(l));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the estimate lies between max_exact and max_distance"
    )]
    let mut n = (estimate as u32).clamp(at_least, max_distance);
    while n > at_least && reached(n - 1) {
        n -= 1;
    }
    while !reached(n) {
        n += 1;
    }
    n
}
