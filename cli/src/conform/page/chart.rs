//! Points on a logarithmic scale, a row for each kind of case.

use maud::{Markup, html};

const LEFT: f64 = 210.0;
const WIDTH: f64 = 560.0;
const RIGHT: f64 = 20.0;
const ROW: f64 = 20.0;
const BOTTOM: f64 = 24.0;

/// A number of each case of a kind, whether the case failed, and its name.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) points: Vec<(f64, bool, String)>,
}

/// What the numbers are: powers of ten from one to another, and a limit.
pub(super) struct Scale {
    powers: [i32; 2],
    limit: Option<f64>,
    names: fn(i32) -> String,
    /// What stands at the first power, where 0 and all that is smaller lies.
    first: Option<&'static str>,
}

impl Scale {
    /// Shares of what is allowed.
    pub(super) const SHARES: Self = Self {
        powers: [-3, 2],
        limit: Some(1.0),
        names: |power| {
            if power < 0 {
                format!("1/{}", 10_i32.pow(power.unsigned_abs()))
            } else {
                10_i32.pow(power.unsigned_abs()).to_string()
            }
        },
        first: Some("0 … 1/1000"),
    };
    /// Seconds.
    pub(super) const SECONDS: Self = Self {
        powers: [-4, 2],
        limit: None,
        names: |power| match power {
            ..-3 => format!("{} µs", 10_i32.pow((power + 6).unsigned_abs())),
            -3..0 => format!("{} ms", 10_i32.pow((power + 3).unsigned_abs())),
            0.. => format!("{} s", 10_i32.pow(power.unsigned_abs())),
        },
        first: None,
    };

    fn name(&self, power: i32) -> String {
        let first = self.first.filter(|_| power == self.powers[0]);
        first.map_or_else(|| (self.names)(power), str::to_owned)
    }

    /// Where a number lies; what is beyond the ends lies at them.
    fn x(&self, value: f64) -> f64 {
        let [first, last] = self.powers.map(f64::from);
        let place = (value.log10().clamp(first, last) - first) / (last - first);
        LEFT + place * (WIDTH - LEFT - RIGHT)
    }
}

pub(super) fn of(rows: &[Row], scale: &Scale) -> Markup {
    let places = || (0_u32..).map(|row| f64::from(row) * ROW);
    let bottom = places().nth(rows.len()).unwrap_or(0.0);
    let [first, last] = scale.powers;
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {}", bottom + BOTTOM)) role="img" {
            @for power in first..=last {
                @let x = scale.x(10_f64.powi(power));
                line x1=(x) x2=(x) y1="0" y2=(bottom) {}
                text.quiet x=(x) y=(bottom + 15.0) text-anchor="middle" { (scale.name(power)) }
            }
            @if let Some(limit) = scale.limit {
                line.limit x1=(scale.x(limit)) x2=(scale.x(limit)) y1="0" y2=(bottom) {}
            }
            @for (row, y) in rows.iter().zip(places()) { (points(row, scale, y + ROW / 2.0)) }
        }
    }
}

fn points(row: &Row, scale: &Scale, y: f64) -> Markup {
    let median = scale.x(median(row.points.iter().map(|point| point.0).collect()));
    html! {
        text x="0" y=(y + 4.0) { (row.name) }
        @for (value, failed, name) in &row.points {
            circle.bad[*failed] cx=(format!("{:.1}", scale.x(*value))) cy=(y) r="3" { title { (name) ": " (format!("{value:.2e}")) } }
        }
        line.median x1=(median) x2=(median) y1=(y - 6.0) y2=(y + 6.0) {}
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
