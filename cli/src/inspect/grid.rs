//! The maps of the heads, in rows.

use super::canvas::{Align, Area, Canvas, FRAME, GREY, INK, Style};
use super::picture::{GAP, MAP, MARGIN, SCALES, TOP};
use super::{colours, map};

const MOST_HEADS: u32 = 64;

/// The bias of every head, as it is drawn.
pub(super) struct Heads<'a> {
    /// Whose bias it is.
    pub(super) name: &'a str,
    pub(super) heads: u32,
    /// Queries and keys.
    pub(super) sizes: [u32; 2],
    /// What has the strongest colour.
    pub(super) magnitude: f32,
    /// The bias of a head, query and key.
    pub(super) at: &'a dyn Fn(u32, u32, u32) -> f32,
}

/// Where the maps are.
pub(super) struct Grid {
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
    pub(super) fn new(bias: &Heads<'_>, x: u32, height: u32) -> Self {
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
            cell: map::extent(bias.sizes, side),
        }
    }

    const fn pitch(&self) -> [u32; 2] {
        let width = if self.cell[0] < 72 { 72 } else { self.cell[0] };
        [width + GAP, self.cell[1] + GAP + NAME]
    }

    pub(super) fn right(&self) -> u32 {
        self.x + (self.columns * self.pitch()[0]).max(420) + MARGIN - GAP
    }

    pub(super) const fn bottom(&self) -> u32 {
        TOP + self.rows * self.pitch()[1] + SCALES - GAP - NAME
    }

    pub(super) fn draw(&self, canvas: &mut Canvas, bias: &Heads<'_>) {
        let magnitude = bias.magnitude;
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
            map::fill(canvas, bias.sizes, area, |i, j| {
                colours::bias((bias.at)(head, i, j), magnitude)
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
