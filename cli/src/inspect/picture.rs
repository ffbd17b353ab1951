//! The heat map: the buckets, and the bias of each head.

use relattn::Direction;

use super::Findings;
use super::bias::HeadBias;
use super::canvas::{Align, Area, Canvas, FRAME, GREY, INK, Style};
use super::colours;
use super::matrix::Matrix;
use crate::fault::Fault;

const MARGIN: u32 = 36;
/// The longer side of the map of buckets.
const MAP: u32 = 640;
/// Above the maps: the headings, then the labels of the keys.
const TOP: u32 = 156;
/// Left of the map of buckets: the labels of the queries.
const LABELS: u32 = 58;
/// Below the map of buckets: its scales.
const SCALES: u32 = 96;
const GAP: u32 = 16;
/// The shortest side of a map, so that one query still shows.
const THINNEST: u32 = 12;
const MOST_HEADS: u32 = 64;
/// Samples of a pixel along each side.
const SAMPLES: u32 = 3;

/// Draws everything into one picture.
pub(super) fn draw(findings: &Findings, bias: Option<&HeadBias>) -> Result<Vec<u8>, Fault> {
    let matrix = &findings.matrix;
    let [width, height] = extent(matrix, MAP);
    let map = Area {
        x: MARGIN + LABELS,
        y: TOP,
        width,
        height,
    };
    let right = map.x + width + MARGIN + GAP;
    let grid = bias.map(|bias| Grid::new(matrix, bias, right, height));
    let total = grid
        .as_ref()
        .map_or(right - GAP, Grid::right)
        .max(MARGIN + LABELS + 560);
    let bottom = grid
        .as_ref()
        .map_or(0, Grid::bottom)
        .max(TOP + height + SCALES);
    let mut canvas = Canvas::new(total, bottom + MARGIN / 2);
    heading(&mut canvas, findings);
    map_of_buckets(&mut canvas, findings, map);
    scales_of_buckets(&mut canvas, findings, map);
    if let (Some(grid), Some(bias)) = (grid, bias) {
        grid.draw(&mut canvas, matrix, bias);
    }
    canvas.png()
}

/// The size of a map whose longer side is this long.
fn extent(matrix: &Matrix, longest: u32) -> [u32; 2] {
    let larger = u64::from(matrix.q_len.max(matrix.k_len));
    [matrix.k_len, matrix.q_len].map(|size| {
        let scaled = u64::from(size) * u64::from(longest) / larger;
        u32::try_from(scaled).unwrap_or(longest).max(THINNEST)
    })
}

fn heading(canvas: &mut Canvas, findings: &Findings) {
    let buckets = findings.thresholds.buckets();
    let direction = match buckets.direction {
        Direction::Bidirectional => "bidirectional",
        Direction::Causal => "causal",
    };
    let title = Style {
        medium: true,
        ..Style::new(30.0, INK, Align::Left)
    };
    canvas.text(MARGIN, 50, "Relative position buckets", title);
    let facts = format!(
        "{} buckets, {direction}, max distance {}; the bias is constant from distance {} on",
        buckets.num_buckets,
        buckets.max_distance,
        findings.thresholds.saturation()
    );
    canvas.text(MARGIN, 78, &facts, Style::new(18.0, GREY, Align::Left));
}

/// The query or key that a pixel shows.
fn sampled(pixel: u32, pixels: u32, count: u32) -> u32 {
    let position = u64::from(pixel) * u64::from(count) / u64::from(pixels);
    u32::try_from(position).unwrap_or(0).min(count - 1)
}

fn fill_map(
    canvas: &mut Canvas,
    matrix: &Matrix,
    area: Area,
    colour: impl Fn(u32) -> super::canvas::Colour,
) {
    // Several samples a pixel where the matrix is finer, or thin diagonals would break up.
    let finer = matrix.k_len > area.width || matrix.q_len > area.height;
    let samples = if finer { SAMPLES } else { 1 };
    for y in 0..area.height {
        for x in 0..area.width {
            let mut sum = [0; 3];
            for n in 0..samples * samples {
                let (row, column) = (y * samples + n / samples, x * samples + n % samples);
                let i = sampled(row, area.height * samples, matrix.q_len);
                let j = sampled(column, area.width * samples, matrix.k_len);
                for (sum, level) in sum.iter_mut().zip(colour(matrix.at(i, j))) {
                    *sum += u32::from(level);
                }
            }
            let mean = sum.map(|sum| u8::try_from(sum / (samples * samples)).unwrap_or(255));
            canvas.put(area.x + x, area.y + y, mean);
        }
    }
    canvas.frame(area, FRAME);
}

fn map_of_buckets(canvas: &mut Canvas, findings: &Findings, area: Area) {
    let matrix = &findings.matrix;
    let buckets = findings.thresholds.buckets();
    fill_map(canvas, matrix, area, |bucket| {
        colours::bucket(buckets, bucket)
    });
    let name = Style {
        medium: true,
        ..Style::new(17.0, INK, Align::Middle)
    };
    canvas.text(area.x + area.width / 2, area.y - 32, "key", name);
    let upright = Style {
        upright: true,
        ..name
    };
    if area.height > 60 {
        canvas.text(MARGIN + 4, area.y + area.height / 2, "query", upright);
    }
    let tick = |align| Style::new(15.0, GREY, align);
    for (count, length, across) in [
        (matrix.k_len, area.width, true),
        (matrix.q_len, area.height, false),
    ] {
        for position in ticks(count, length) {
            let at = place(position, count, length);
            let label = position.to_string();
            if across {
                canvas.text(area.x + at, area.y - 10, &label, tick(Align::Middle));
                mark(canvas, area.x + at, area.y - 6, 1, 5);
            } else {
                canvas.text(area.x - 10, area.y + at + 5, &label, tick(Align::Right));
                mark(canvas, area.x - 6, area.y + at, 5, 1);
            }
        }
    }
}

fn mark(canvas: &mut Canvas, x: u32, y: u32, width: u32, height: u32) {
    let area = Area {
        x,
        y,
        width,
        height,
    };
    canvas.fill(area, FRAME);
}

/// The middle of a position's pixels.
fn place(position: u32, count: u32, length: u32) -> u32 {
    let twice = (2 * u64::from(position) + 1) * u64::from(length) / (2 * u64::from(count));
    u32::try_from(twice).unwrap_or(0).min(length - 1)
}

/// Round positions, far enough apart for their labels.
fn ticks(count: u32, length: u32) -> Vec<u32> {
    let most = (length / 70).max(1);
    let mut step = 1;
    while count.div_ceil(step) > most && step < 1 << 30 {
        step *= 2;
    }
    (0..count).step_by(step as usize).collect()
}

/// One scale for each direction, from near to far.
fn scales_of_buckets(canvas: &mut Canvas, findings: &Findings, map: Area) {
    let buckets = findings.thresholds.buckets();
    let base = buckets.per_direction();
    let both = buckets.direction == Direction::Bidirectional;
    let width = 260;
    let mut scales = vec![("key at or before the query", 0, base - 1)];
    if both {
        scales.push(("key after the query", base + 1, 2 * base - 1));
    }
    for (n, (name, first, last)) in (0..).zip(scales) {
        let area = Area {
            x: map.x + n * (width + 50),
            y: map.y + map.height + 48,
            width,
            height: 16,
        };
        canvas.text(
            area.x,
            area.y - 10,
            name,
            Style::new(15.0, INK, Align::Left),
        );
        for x in 0..width {
            let bucket = first + sampled(x, width, last - first + 1);
            let column = Area {
                x: area.x + x,
                width: 1,
                ..area
            };
            canvas.fill(column, colours::bucket(buckets, bucket));
        }
        canvas.frame(area, FRAME);
        let under = area.y + area.height + 18;
        let label = |align| Style::new(14.0, GREY, align);
        let near = format!("bucket {first}, near");
        canvas.text(area.x, under, &near, label(Align::Left));
        let far = format!("{last}, far");
        canvas.text(area.x + width, under, &far, label(Align::Right));
    }
}

/// The maps of the heads, in rows.
struct Grid {
    x: u32,
    columns: u32,
    rows: u32,
    heads: u32,
    cell: [u32; 2],
}

/// Between the maps of heads, for a head's name.
const NAME: u32 = 26;

impl Grid {
    /// As many columns as make the grid about as high as the map of buckets.
    fn new(matrix: &Matrix, bias: &HeadBias, x: u32, height: u32) -> Self {
        let heads = bias.heads.min(MOST_HEADS);
        let rows = (1..=heads.max(1))
            .find(|rows| rows * rows * 4 >= heads * 3)
            .unwrap_or(1);
        let space = height.max(MAP / 2) + GAP;
        let columns = heads.div_ceil(rows).max(1);
        let side = (space / rows)
            .saturating_sub(NAME + GAP)
            .max(MAP / columns)
            .clamp(48, 260);
        Self {
            x,
            columns,
            rows,
            heads,
            cell: extent(matrix, side),
        }
    }

    const fn pitch(&self) -> [u32; 2] {
        let width = if self.cell[0] < 72 { 72 } else { self.cell[0] };
        [width + GAP, self.cell[1] + GAP + NAME]
    }

    fn right(&self) -> u32 {
        self.x + (self.columns * self.pitch()[0]).max(420) + MARGIN - GAP
    }

    const fn bottom(&self) -> u32 {
        TOP + self.rows * self.pitch()[1] + SCALES - GAP - NAME
    }

    fn draw(&self, canvas: &mut Canvas, matrix: &Matrix, bias: &HeadBias) {
        let magnitude = bias.usual_magnitude();
        let title = Style {
            medium: true,
            ..Style::new(17.0, INK, Align::Left)
        };
        let heading = format!("Bias of each head, {}", bias.name);
        canvas.text(self.x, TOP - 32, &heading, title);
        let [across, down] = self.pitch();
        for head in 0..self.heads {
            let area = Area {
                x: self.x + head % self.columns * across,
                y: TOP + head / self.columns * down,
                width: self.cell[0],
                height: self.cell[1],
            };
            let name = format!("head {head}");
            canvas.text(
                area.x,
                area.y - 7,
                &name,
                Style::new(14.0, GREY, Align::Left),
            );
            fill_map(canvas, matrix, area, |bucket| {
                colours::bias(bias.at(bucket, head), magnitude)
            });
        }
        self.scale(canvas, magnitude);
    }

    fn scale(&self, canvas: &mut Canvas, magnitude: f32) {
        let area = Area {
            x: self.x,
            y: self.bottom() - SCALES + 48,
            width: 260,
            height: 16,
        };
        let name = "what is added to a score: red lowers it, blue raises it";
        canvas.text(
            area.x,
            area.y - 10,
            name,
            Style::new(15.0, INK, Align::Left),
        );
        for x in 0..area.width {
            #[expect(clippy::cast_precision_loss, reason = "a few hundred pixels")]
            let part = x as f32 / (area.width - 1) as f32;
            let column = Area {
                x: area.x + x,
                width: 1,
                ..area
            };
            canvas.fill(
                column,
                colours::bias((2.0 * part - 1.0) * magnitude, magnitude),
            );
        }
        canvas.frame(area, FRAME);
        let under = area.y + area.height + 18;
        for (x, label, align) in [
            (0, format!("\u{2264} \u{2212}{magnitude:.2}"), Align::Left),
            (area.width / 2, "0".into(), Align::Middle),
            (area.width, format!("\u{2265} {magnitude:.2}"), Align::Right),
        ] {
            canvas.text(area.x + x, under, &label, Style::new(14.0, GREY, align));
        }
    }
}
