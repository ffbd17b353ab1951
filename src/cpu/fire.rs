//! FIRE for `cpu::Tiled`: its MLP as a piecewise linear function, as `shaders/fire_table.wgsl` has it.

use std::f32::consts::LOG2_E;

use super::bias::Run;

/// The MLP of every head.
pub(super) struct FireSource {
    pub(super) heads: Vec<Segments>,
}

/// One head: between breakpoints `s − 1` and `s` the bias is `slopes[s] · x + constants[s]`.
pub(super) struct Segments {
    pub(super) c: f32,
    pub(super) normal_length: f32,
    pub(super) breakpoints: Vec<f32>,
    /// Times log2(e).
    pub(super) lines: Vec<[f32; 2]>,
    pub(super) units: Vec<Unit>,
    /// The derivatives of |c| and |L|.
    pub(super) signs: [f32; 2],
}

/// A unit of the hidden layer.
#[derive(Clone, Copy)]
pub(super) struct Unit {
    pub(super) w1: f32,
    pub(super) b1: f32,
    pub(super) w2: f32,
}

impl FireSource {
    /// From the rows of the table, `width` units from this row on.
    pub(super) fn new((width, first_row): (u32, u32), heads: u32, table: &[f32]) -> Self {
        let (width, first, heads) = (width as usize, first_row as usize, heads as usize);
        Self {
            heads: (0..heads)
                .map(|head| {
                    let at = |row: usize| table[(first + row) * heads + head];
                    let unit = |u: usize| Unit {
                        w1: at(2 + u),
                        b1: at(2 + width + u),
                        w2: at(2 + 2 * width + u),
                    };
                    let units: Vec<Unit> = (0..width).map(unit).collect();
                    Segments::new([at(0), at(1)], units, at(2 + 3 * width))
                })
                .collect(),
        }
    }

    pub(super) fn add(&self, run: &Run, scores: &mut [f32]) {
        let head = &self.heads[run.head];
        let normalizer = head.normalizer(run.position);
        for (offset, score) in (run.offset..).zip(scores) {
            *score += head.value(offset, normalizer);
        }
    }
}

impl Unit {
    /// The positive number at which it becomes active or idle, if there is one.
    fn breakpoint(self) -> Option<f32> {
        let turns = self.w1 > 0.0 && self.b1 < 0.0 || self.w1 < 0.0 && self.b1 > 0.0;
        turns.then(|| -self.b1 / self.w1)
    }

    /// Whether it is active just right of `x`.
    pub(super) fn active_from(self, x: f32) -> bool {
        match self.breakpoint() {
            Some(breakpoint) => (breakpoint <= x) == (self.w1 > 0.0),
            None => self.w1 > 0.0 || self.w1 == 0.0 && self.b1 > 0.0,
        }
    }
}

impl Segments {
    fn new(shared: [f32; 2], units: Vec<Unit>, b2: f32) -> Self {
        let mut breakpoints: Vec<f32> = units.iter().filter_map(|unit| unit.breakpoint()).collect();
        breakpoints.sort_unstable_by(f32::total_cmp);
        let starts = std::iter::once(0.0).chain(breakpoints.iter().copied());
        let lines = starts
            .map(|start| {
                let active = units.iter().filter(|unit| unit.active_from(start));
                let line = active.fold([0.0, b2], |[slope, constant], unit| {
                    [slope + unit.w2 * unit.w1, constant + unit.w2 * unit.b1]
                });
                line.map(|number| number * LOG2_E)
            })
            .collect();
        let [c, normal_length] = shared.map(f32::abs);
        let sign = |value: f32| if value == 0.0 { 0.0 } else { value.signum() };
        Self {
            c,
            normal_length,
            signs: shared.map(sign),
            breakpoints,
            lines,
            units,
        }
    }

    pub(super) fn psi(&self, x: f32) -> f32 {
        (self.c * x).ln_1p()
    }

    pub(super) fn normalizer(&self, position: i64) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "positions are below 2^30")]
        let position = position as f32;
        1.0 / (self.psi(position.max(self.normal_length)) + 1e-6)
    }

    fn value(&self, offset: i64, normalizer: f32) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "distances are below 2^30")]
        let distance = offset.abs() as f32;
        let x = self.psi(distance) * normalizer;
        let [slope, constant] = self.lines[self.segment(x)];
        slope * x + constant
    }

    pub(super) fn segment(&self, x: f32) -> usize {
        self.breakpoints
            .partition_point(|&breakpoint| breakpoint <= x)
    }
}
