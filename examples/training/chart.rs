//! Pictures of panels with lines, as PNG.

use std::fs::File;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};

use super::Result;
use super::axis::Axis;

/// A type of the repository's own, so that no font of the system is needed.
static TYPE: &[u8] = include_bytes!("../../cli/data/Roboto-Regular.ttf");
/// Pixels are drawn so many times as large in each direction, and averaged.
const FINER: u32 = 2;

const INK: RGBColor = RGBColor(34, 34, 51);
const GREY: RGBColor = RGBColor(119, 119, 119);
const GRID: RGBColor = RGBColor(221, 221, 221);

/// Colours that people tell apart also without red or green, after Okabe and Ito.
pub(crate) const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];
pub(crate) const PALE: RGBColor = RGBColor(153, 153, 153);

/// How a line looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pen {
    pub(crate) colour: RGBColor,
    pub(crate) width: u32,
    pub(crate) dashed: bool,
    pub(crate) dots: bool,
}

impl Pen {
    pub(crate) const fn new(colour: RGBColor) -> Self {
        Self {
            colour,
            width: 2,
            dashed: false,
            dots: false,
        }
    }

    pub(crate) const fn dashed(self) -> Self {
        Self {
            dashed: true,
            ..self
        }
    }

    pub(crate) const fn dotted(self) -> Self {
        Self { dots: true, ..self }
    }

    pub(crate) const fn wide(self, width: u32) -> Self {
        Self { width, ..self }
    }

    fn style(self) -> ShapeStyle {
        self.colour.stroke_width(self.width * FINER)
    }
}

/// A line.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) pen: Pen,
    pub(crate) points: Vec<(f32, f32)>,
}

/// Lines over a pair of axes.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<Line>,
    /// Where a dashed line stands, and what is written beside it.
    pub(crate) mark: Option<(f32, &'static str)>,
}

/// A picture.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) title: String,
    /// Lines of text below the title.
    pub(crate) notes: Vec<String>,
    pub(crate) legend: Vec<(String, Pen)>,
    pub(crate) columns: usize,
    pub(crate) panels: Vec<Panel>,
    /// Of a panel.
    pub(crate) size: [u32; 2],
}

type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Where the chart places it.
fn plain(size: u32, colour: RGBColor) -> TextStyle<'static> {
    TextStyle {
        color: colour.to_backend_color(),
        ..TextStyle::from(("Roboto", size * FINER).into_font())
    }
}

/// To the right of a point and below it.
fn letters(size: u32, colour: RGBColor) -> TextStyle<'static> {
    plain(size, colour).pos(Pos::new(HPos::Left, VPos::Top))
}

impl Chart {
    /// Draws it into a file.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        // What fails is that the bytes are no font.
        register_font("Roboto", FontStyle::Normal, TYPE).map_err(|_| "the type does not load")?;
        let rows = u32::try_from(self.panels.len().div_ceil(self.columns))?;
        let head = self.head();
        let width = u32::try_from(self.columns)? * self.size[0];
        let height = head + rows * self.size[1] + 8;
        let [fine_width, fine_height] = [width * FINER, height * FINER];
        let mut pixels = vec![0; fine_width as usize * fine_height as usize * 3];
        {
            let backend = BitMapBackend::with_buffer(&mut pixels, (fine_width, fine_height));
            let area = backend.into_drawing_area();
            area.fill(&WHITE)?;
            let (top, panels) = area.split_vertically(head * FINER);
            self.write_head(&top)?;
            let panels = panels.split_evenly((rows as usize, self.columns));
            for (panel, area) in self.panels.iter().zip(&panels) {
                panel.draw(area)?;
            }
            area.present()?;
        }
        let pixels = averaged(&pixels, [width, height]);
        let mut encoder = png::Encoder::new(File::create(path)?, width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_compression(png::Compression::High);
        encoder.set_filter(png::Filter::NoFilter);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&pixels)?;
        Ok(writer.finish()?)
    }

    /// Pixels of the title, the notes and the legend.
    fn head(&self) -> u32 {
        let notes = u32::try_from(self.notes.len()).unwrap_or(0);
        76 + 19 * notes
    }

    fn write_head(&self, area: &Area<'_>) -> Result<()> {
        let at = |x: u32, y: u32| -> Result<(i32, i32)> {
            Ok((i32::try_from(x * FINER)?, i32::try_from(y * FINER)?))
        };
        area.draw_text(&self.title, &letters(21, INK), at(16, 12)?)?;
        let mut y = 42;
        for note in &self.notes {
            area.draw_text(note, &letters(14, GREY), at(16, y)?)?;
            y += 19;
        }
        let mut x = 16;
        for (name, pen) in &self.legend {
            let [from, to] = [at(x, y + 16)?, at(x + 28, y + 16)?];
            area.draw(&PathElement::new(vec![from, to], pen.style()))?;
            if pen.dashed {
                let gap = [at(x + 11, y + 16)?, at(x + 17, y + 16)?];
                area.draw(&PathElement::new(
                    gap.to_vec(),
                    WHITE.stroke_width(pen.width * FINER + 2),
                ))?;
            }
            let style = letters(14, INK);
            area.draw_text(name, &style, at(x + 34, y + 8)?)?;
            x += 34 + area.estimate_text_size(name, &style)?.0 / FINER + 22;
        }
        Ok(())
    }
}

impl Panel {
    fn draw(&self, area: &Area<'_>) -> Result<()> {
        let (x, y) = (&self.x, &self.y);
        let mut chart = ChartBuilder::on(area)
            .margin(10 * FINER)
            .caption(&self.title, plain(16, INK))
            .x_label_area_size(40 * FINER)
            .y_label_area_size(56 * FINER)
            .build_cartesian_2d(x.clone(), y.clone())?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID.stroke_width(FINER))
            .axis_style(GREY.stroke_width(FINER))
            .label_style(plain(13, GREY))
            .axis_desc_style(plain(14, INK))
            .x_desc(&x.label)
            .y_desc(&y.label)
            .x_labels(x.ticks.len())
            .y_labels(y.ticks.len())
            .draw()?;
        if let Some((at, text)) = self.mark {
            let ends = [y.from, y.to].map(|end| (at, end));
            chart.draw_series(dashes(ends.to_vec(), GREY.stroke_width(FINER)))?;
            let style = letters(13, GREY);
            let beside = EmptyElement::at(ends[1]) + Text::new(text, (8, 6), style);
            chart.draw_series([beside])?;
        }
        for line in &self.lines {
            let style = line.pen.style();
            let radius = line.pen.width * FINER;
            // What leaves the panel is cut off.
            let inside = |&&(_, value): &&(f32, f32)| (y.from..=y.to).contains(&value);
            let points: Vec<_> = line.points.iter().filter(inside).copied().collect();
            if line.pen.dots {
                let dots = points.iter();
                chart
                    .draw_series(dots.map(|&at| Circle::new(at, radius * 8 / 5, style.filled())))?;
            }
            if line.pen.dashed {
                chart.draw_series(dashes(points, style))?;
                continue;
            }
            // One by one and with round ends: at a sharp bend the line of a whole path has a thorn.
            chart.draw_series(
                points
                    .iter()
                    .map(|&at| Circle::new(at, radius / 2, style.filled())),
            )?;
            let pieces = line.points.windows(2);
            let pieces = pieces.filter(|ends| ends.iter().all(|end| inside(&end)));
            chart.draw_series(pieces.map(|ends| PathElement::new(ends, style)))?;
        }
        Ok(())
    }
}

fn dashes(
    points: Vec<(f32, f32)>,
    style: ShapeStyle,
) -> DashedLineSeries<std::vec::IntoIter<(f32, f32)>, u32> {
    DashedLineSeries::new(points, 6 * FINER, 5 * FINER, style)
}

/// Means of squares of pixels, in few shades: the file becomes a third smaller.
fn averaged(fine: &[u8], [width, height]: [u32; 2]) -> Vec<u8> {
    let finer = FINER as usize;
    let [width, height] = [width as usize, height as usize];
    let mut pixels = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            for channel in 0..3 {
                let at = |dy: usize, dx: usize| {
                    let place = (y * finer + dy) * width * finer + x * finer + dx;
                    u32::from(fine[3 * place + channel])
                };
                let all = (0..finer).flat_map(|dy| (0..finer).map(move |dx| at(dy, dx)));
                let mean = all.sum::<u32>() / (FINER * FINER);
                let shade = (mean + 8) / 17 * 17;
                pixels.push(u8::try_from(shade).unwrap_or(u8::MAX));
            }
        }
    }
    pixels
}
