//! The axes of a chart.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// An axis, and the numbers written along it.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) label: String,
    pub(crate) from: f32,
    pub(crate) to: f32,
    pub(crate) ticks: Vec<f32>,
    pub(crate) logarithmic: bool,
}

impl Axis {
    pub(crate) fn linear(label: &str, [from, to]: [f32; 2], ticks: Vec<f32>) -> Self {
        Self {
            label: label.into(),
            from,
            to,
            ticks,
            logarithmic: false,
        }
    }

    pub(crate) fn logarithmic(label: &str, range: [f32; 2], ticks: Vec<f32>) -> Self {
        Self {
            logarithmic: true,
            ..Self::linear(label, range, ticks)
        }
    }

    /// Powers of ten around these values.
    pub(crate) fn decades(label: &str, values: impl IntoIterator<Item = f32>) -> Self {
        let positive = values.into_iter().filter(|value| *value > 0.0);
        let (least, most) = bounds(positive);
        let (from, to) = (least.log10().floor(), most.log10().ceil());
        let decades = (0..).map(|n| from + n as f32).take_while(|&n| n <= to);
        let ticks = decades.map(|n| 10_f32.powf(n)).collect();
        Self::logarithmic(label, [10_f32.powf(from), 10_f32.powf(to)], ticks)
    }

    /// Round steps around these values.
    pub(crate) fn around(label: &str, values: impl IntoIterator<Item = f32>) -> Self {
        let (least, most) = bounds(values);
        let steps = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0];
        let mut steps = steps.into_iter();
        let step = steps.find(|step| (most - least) / step <= 6.0);
        let step = step.unwrap_or(100.0);
        let (first, last) = ((least / step).floor(), (most / step).ceil());
        let ticks = (0..).map(|n| first + n as f32).take_while(|&n| n <= last);
        let ticks = ticks.map(|n| n * step).collect();
        Self::linear(label, [first * step, last * step], ticks)
    }
}

fn bounds(values: impl IntoIterator<Item = f32>) -> (f32, f32) {
    values.into_iter().fold(
        (f32::INFINITY, f32::NEG_INFINITY),
        |(least, most), value| (least.min(value), most.max(value)),
    )
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f32;

    fn map(&self, value: &f32, (first, last): (i32, i32)) -> i32 {
        let place = |value: f32| if self.logarithmic { value.ln() } else { value };
        let (from, to) = (place(self.from), place(self.to));
        let part = (place(value.clamp(self.from, self.to)) - from) / (to - from);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a place within the picture"
        )]
        let steps = (part * (last - first) as f32).round() as i32;
        first + steps
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f32> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f32> {
        self.from..self.to
    }
}

impl ValueFormatter<f32> for Axis {
    fn format_ext(&self, value: &f32) -> String {
        if *value != 0.0 && value.abs() < 1e-3 {
            return format!("{value:.0e}").replace('-', "−");
        }
        let text = format!("{value:.3}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        text.replace('-', "−")
    }
}
