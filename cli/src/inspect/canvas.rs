//! A picture in memory: rectangles, text, PNG.

use ab_glyph::{Font, FontRef, GlyphId, PxScale, ScaleFont, point};

use crate::fault::Fault;

pub(super) type Colour = [u8; 3];

pub(super) const INK: Colour = [38, 42, 51];
pub(super) const GREY: Colour = [110, 116, 128];
pub(super) const FRAME: Colour = [176, 181, 190];

static REGULAR: &[u8] = include_bytes!("../../data/Roboto-Regular.ttf");
static MEDIUM: &[u8] = include_bytes!("../../data/Roboto-Medium.ttf");

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// Which side of a text is at its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Middle,
    Right,
}

/// How a text looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) size: f32,
    pub(super) medium: bool,
    pub(super) colour: Colour,
    pub(super) align: Align,
    /// Read from bottom to top.
    pub(super) upright: bool,
}

impl Style {
    pub(super) const fn new(size: f32, colour: Colour, align: Align) -> Self {
        Self {
            size,
            medium: false,
            colour,
            align,
            upright: false,
        }
    }
}

pub(super) struct Canvas {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl Canvas {
    pub(super) fn new(width: u32, height: u32) -> Self {
        Self {
            width,
            height,
            pixels: vec![255; width as usize * height as usize * 3],
        }
    }

    pub(super) fn put(&mut self, x: u32, y: u32, colour: Colour) {
        if let Some(pixel) = self.pixel(x, y) {
            pixel.copy_from_slice(&colour);
        }
    }

    fn pixel(&mut self, x: u32, y: u32) -> Option<&mut [u8]> {
        if x >= self.width || y >= self.height {
            return None;
        }
        let start = (y as usize * self.width as usize + x as usize) * 3;
        self.pixels.get_mut(start..start + 3)
    }

    pub(super) fn fill(&mut self, area: Area, colour: Colour) {
        for y in area.y..area.y + area.height {
            for x in area.x..area.x + area.width {
                self.put(x, y, colour);
            }
        }
    }

    /// A line around an area, outside of it.
    pub(super) fn frame(&mut self, area: Area, colour: Colour) {
        let outer = Area {
            x: area.x.saturating_sub(1),
            y: area.y.saturating_sub(1),
            width: area.width + 2,
            height: area.height + 2,
        };
        for (x, y, width, height) in [
            (outer.x, outer.y, outer.width, 1),
            (outer.x, outer.y + outer.height - 1, outer.width, 1),
            (outer.x, outer.y, 1, outer.height),
            (outer.x + outer.width - 1, outer.y, 1, outer.height),
        ] {
            let side = Area {
                x,
                y,
                width,
                height,
            };
            self.fill(side, colour);
        }
    }

    /// Writes with the base line at `y`, or at `x` where the text is upright.
    pub(super) fn text(&mut self, x: u32, y: u32, text: &str, style: Style) {
        let data = if style.medium { MEDIUM } else { REGULAR };
        let Ok(font) = FontRef::try_from_slice(data) else {
            return;
        };
        let glyphs = set(&font, text, style.size);
        let width = glyphs.iter().map(|glyph| glyph.end).fold(0.0, f32::max);
        let start = match style.align {
            Align::Left => 0.0,
            Align::Middle => -width / 2.0,
            Align::Right => -width,
        };
        for glyph in glyphs {
            let scale = PxScale::from(style.size);
            let at = point((start + glyph.x).round(), 0.0);
            let Some(outline) = font.outline_glyph(glyph.id.with_scale_and_position(scale, at))
            else {
                continue;
            };
            let bounds = outline.px_bounds();
            outline.draw(|column, row, coverage| {
                let along = whole(bounds.min.x) + i64::from(column);
                let down = whole(bounds.min.y) + i64::from(row);
                let (dx, dy) = if style.upright {
                    (down, -along)
                } else {
                    (along, down)
                };
                self.blend(i64::from(x) + dx, i64::from(y) + dy, style.colour, coverage);
            });
        }
    }

    fn blend(&mut self, x: i64, y: i64, colour: Colour, coverage: f32) {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else {
            return;
        };
        if let Some(pixel) = self.pixel(x, y) {
            for (below, above) in pixel.iter_mut().zip(colour) {
                let mixed = f32::from(*below) * (1.0 - coverage) + f32::from(above) * coverage;
                *below = level(mixed);
            }
        }
    }

    pub(super) fn png(&self) -> Result<Vec<u8>, Fault> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.pixels)?;
        writer.finish()?;
        Ok(file)
    }
}

/// A glyph with its place in a line.
struct Placed {
    id: GlyphId,
    x: f32,
    end: f32,
}

fn set(font: &FontRef<'_>, text: &str, size: f32) -> Vec<Placed> {
    let scaled = font.as_scaled(PxScale::from(size));
    let mut end = 0.0;
    let mut last = None;
    let mut glyphs = Vec::new();
    for character in text.chars() {
        let id = font.glyph_id(character);
        let x = end + last.map_or(0.0, |last| scaled.kern(last, id));
        end = x + scaled.h_advance(id);
        last = Some(id);
        glyphs.push(Placed { id, x, end });
    }
    glyphs
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "pixel positions are small whole numbers"
)]
const fn whole(value: f32) -> i64 {
    value as i64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0 ..= 255"
)]
fn level(value: f32) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}
