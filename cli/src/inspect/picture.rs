//! The heat map: the buckets, and the bias of each head.

use relattn::Direction;

use super::Findings;
use super::bias::HeadBias;
use super::canvas::{Align, Area, Canvas, FRAME, GREY, INK, Style};
use super::grid::{Grid, Heads};
use super::{colours, map};
use crate::fault::Fault;

pub(super) const MARGIN: u32 = 36;
/// The longer side of the map of buckets.
pub(super) const MAP: u32 = 640;
/// Above the maps: the headings, then the labels of the keys.
pub(super) const TOP: u32 = 156;
/// Left of the map of buckets: the labels of the queries.
const LABELS: u32 = 58;
/// Below the map of buckets: its scales.
pub(super) const SCALES: u32 = 96;
pub(super) const GAP: u32 = 16;
/// Draws everything into one picture.
pub(super) fn draw(findings: &Findings, bias: Option<&HeadBias>) -> Result<Vec<u8>, Fault> {
    let matrix = &findings.matrix;
    let sizes = [matrix.q_len, matrix.k_len];
    let [width, height] = map::extent(sizes, MAP);
    let map = Area {
        x: MARGIN + LABELS,
        y: TOP,
        width,
        height,
    };
    let right = map.x + width + MARGIN + GAP;
    let at = |head, i, j| bias.map_or(0.0, |bias| bias.at(matrix.at(i, j), head));
    let heads = bias.map(|bias| Heads {
        name: &bias.name,
        heads: bias.heads,
        sizes,
        magnitude: bias.usual_magnitude(),
        at: &at,
    });
    let grid = heads.as_ref().map(|heads| Grid::new(heads, right, height));
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
    if let (Some(grid), Some(heads)) = (grid, heads) {
        grid.draw(&mut canvas, &heads);
    }
    canvas.png()
}

fn heading(canvas: &mut Canvas, findings: &Findings) {
    let buckets = findings.thresholds.buckets();
    let direction = match buckets.direction {
        Direction::Bidirectional => "bidirectional",
        Direction::Causal => "causal",
    };
    let facts = format!(
        "{} buckets, {direction}, max distance {}; the bias is constant from distance {} on",
        buckets.num_buckets,
        buckets.max_distance,
        findings.thresholds.saturation()
    );
    title(canvas, "Relative position buckets", &facts);
}

/// The heading of a picture, and a line below it.
pub(super) fn title(canvas: &mut Canvas, name: &str, facts: &str) {
    let large = Style {
        medium: true,
        ..Style::new(30.0, INK, Align::Left)
    };
    canvas.text(MARGIN, 50, name, large);
    canvas.text(MARGIN, 78, facts, Style::new(18.0, GREY, Align::Left));
}

fn map_of_buckets(canvas: &mut Canvas, findings: &Findings, area: Area) {
    let matrix = &findings.matrix;
    let buckets = findings.thresholds.buckets();
    map::fill(canvas, [matrix.q_len, matrix.k_len], area, |i, j| {
        colours::bucket(buckets, matrix.at(i, j))
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
            let bucket = first + map::sampled(x, width, last - first + 1);
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
