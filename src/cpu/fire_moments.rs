//! FIRE's gradients for `cpu::Tiled`: within a segment the MLP is linear, so two moments of the gradient serve all its units.

use std::f32::consts::LN_2;

use super::bias::Run;
use super::fire::{FireSource, Segments};

/// Sums over some scores of one head, `g` being the gradient of a score and `x` what the MLP reads.
pub(super) struct Moments {
    /// Σ g and Σ g·x: first of the scores with x = 0, where units of `b1 = 0` are idle, then by segment.
    segments: Vec<[f64; 2]>,
    /// Of |c| and of |L|.
    shared: [f64; 2],
}

impl Moments {
    pub(super) fn new(source: &FireSource) -> Self {
        let width = source.heads.iter().map(|head| head.units.len()).max();
        Self {
            segments: vec![[0.0; 2]; width.unwrap_or(0) + 2],
            shared: [0.0; 2],
        }
    }

    /// Adds the gradients to the rows of c, L, w1, b1, w2 and b2.
    pub(super) fn add_to(&self, head: &Segments, rows: &mut [f64]) {
        let width = head.units.len();
        let (at_zero, segments) = (self.segments[0], &self.segments[1..]);
        let starts = std::iter::once(0.0).chain(head.breakpoints.iter().copied());
        for (u, unit) in head.units.iter().enumerate() {
            let zero = if unit.b1 > 0.0 { at_zero } else { [0.0; 2] };
            let active = starts.clone().zip(segments);
            let active = active.filter(|&(start, _)| unit.active_from(start));
            let [sum, first] = active.fold(zero, |[sum, first], (_, moments)| {
                [sum + moments[0], first + moments[1]]
            });
            let [w1, b1, w2] = [unit.w1, unit.b1, unit.w2].map(f64::from);
            rows[2 + u] += w2 * first;
            rows[2 + width + u] += w2 * sum;
            rows[2 + 2 * width + u] += w1 * first + b1 * sum;
        }
        rows[2 + 3 * width] += self.segments.iter().map(|moments| moments[0]).sum::<f64>();
        for (row, (sign, shared)) in rows.iter_mut().zip(head.signs.into_iter().zip(self.shared)) {
            *row += f64::from(sign) * shared;
        }
    }
}

impl FireSource {
    /// Adds the gradients of the scores of a run.
    pub(super) fn add_moments(&self, run: &Run, gradients: &[f32], moments: &mut Moments) {
        let head = &self.heads[run.head];
        let normalizer = head.normalizer(run.position);
        #[expect(clippy::cast_precision_loss, reason = "positions are below 2^30")]
        let position = run.position as f32;
        let from = position.max(head.normal_length);
        let psi_by_c = |x: f32| x / (head.c * x + 1.0);
        let length = share_of_maximum(head.normal_length, position) * normalizer * head.c
            / (head.c * from + 1.0);
        for (offset, &gradient) in (run.offset..).zip(gradients) {
            #[expect(clippy::cast_precision_loss, reason = "distances are below 2^30")]
            let distance = offset.unsigned_abs() as f32;
            let x = head.psi(distance) * normalizer;
            let segment = head.segment(x);
            let slot = if x == 0.0 { 0 } else { segment + 1 };
            let [sum, first] = &mut moments.segments[slot];
            *sum += f64::from(gradient);
            *first += f64::from(gradient) * f64::from(x);
            let by_x = gradient * head.lines[segment][0] * LN_2;
            let x_by_c = (psi_by_c(distance) - x * psi_by_c(from)) * normalizer;
            moments.shared[0] += f64::from(by_x * x_by_c);
            moments.shared[1] -= f64::from(by_x * x * length);
        }
    }
}

/// The derivative of `max(x, y)` by x; half where they are equal.
fn share_of_maximum(x: f32, y: f32) -> f32 {
    if x > y {
        1.0
    } else if x < y {
        0.0
    } else {
        0.5
    }
}
