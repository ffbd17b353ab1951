//! Figures as a picture: the share of the roofline of each case.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};

use super::record::{Record, Report};
use super::text;
use crate::args::Pass;
use crate::fault::Fault;
use crate::figures;

/// A type of the program's own, so that no font of the system is needed.
static TYPE: &[u8] = include_bytes!("../../data/Roboto-Regular.ttf");

const INK: RGBColor = RGBColor(38, 42, 51);
const GREY: RGBColor = RGBColor(110, 116, 128);
const GRID: RGBColor = RGBColor(226, 228, 232);
/// The kinds of bias, in colours that people tell apart also without red or green, after Okabe and Ito.
const KINDS: [(&str, RGBColor); 4] = [
    ("t5", RGBColor(0, 114, 178)),
    ("no_bias", RGBColor(170, 174, 182)),
    ("dense", RGBColor(230, 159, 0)),
    ("alibi", RGBColor(0, 158, 115)),
];

const WIDTH: u32 = 960;
const HEAD: u32 = 142;
/// Where bars begin, and how long the longest may be.
const LEFT: u32 = 200;
const LENGTH: u32 = 520;
const ROW: u32 = 22;
/// Between bars that are not compared with each other.
const GAP: u32 = 9;
/// What stands above the bars of a direction.
const SECTION: u32 = 44;
const FOOT: u32 = 46;

/// How a chart is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Png,
    Svg,
}

impl Format {
    /// By the end of the name.
    pub(super) fn of(path: &Path) -> Result<Self, Fault> {
        let end = path.extension().and_then(|end| end.to_str());
        match end.map(str::to_ascii_lowercase).as_deref() {
            Some("png") => Ok(Self::Png),
            Some("svg") => Ok(Self::Svg),
            _ => Err(Fault::ChartKind {
                path: path.to_owned(),
            }),
        }
    }
}

/// The bytes of a picture.
pub(super) fn draw(report: &Report, format: Format) -> Result<Vec<u8>, Fault> {
    // What fails is that the bytes are no font.
    register_font("Roboto", FontStyle::Normal, TYPE).map_err(|_| Fault::Chart {
        reason: "the type does not load".into(),
    })?;
    let chart = Chart::of(report);
    match format {
        Format::Png => chart.png(),
        Format::Svg => chart.svg(),
    }
}

/// Sections of bars, and the share at the end of the axis.
struct Chart<'a> {
    report: &'a Report,
    sections: Vec<(Pass, Vec<&'a Record>)>,
    most: f64,
    /// Pixels of a point.
    scale: u32,
}

impl<'a> Chart<'a> {
    fn of(report: &'a Report) -> Self {
        let sections = [Pass::Forward, Pass::Backward].map(|pass| {
            let records = report.records.iter();
            (pass, records.filter(|record| record.pass == pass).collect())
        });
        let sections: Vec<(Pass, Vec<_>)> = sections
            .into_iter()
            .filter(|(_, records): &(_, Vec<_>)| !records.is_empty())
            .collect();
        let shares = report.records.iter().map(|record| record.peak_share);
        let most = shares.fold(0.1, f64::max);
        Self {
            report,
            sections,
            most: (most * 10.0).ceil() / 10.0,
            scale: 1,
        }
    }

    fn height(&self) -> u32 {
        let sections = self.sections.iter();
        let rows = sections.map(|(_, records)| SECTION + extent(records));
        HEAD + rows.sum::<u32>() + FOOT
    }

    fn png(mut self) -> Result<Vec<u8>, Fault> {
        self.scale = 2;
        let [width, height] = [WIDTH, self.height()].map(|size| size * self.scale);
        let mut pixels = vec![0; width as usize * height as usize * 3];
        {
            let backend = BitMapBackend::with_buffer(&mut pixels, (width, height));
            self.paint(&backend.into_drawing_area())?;
        }
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_compression(png::Compression::High);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&pixels)?;
        writer.finish()?;
        Ok(bytes)
    }

    fn svg(&self) -> Result<Vec<u8>, Fault> {
        let mut text = String::new();
        {
            let backend = SVGBackend::with_string(&mut text, (WIDTH, self.height()));
            self.paint(&backend.into_drawing_area())?;
        }
        // Whoever has no Roboto sees something like it.
        let text = text.replace("\"Roboto\"", "\"Roboto, Arial, sans-serif\"");
        Ok(text.into_bytes())
    }

    fn paint<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<(), Fault> {
        let page = Page {
            area,
            scale: self.scale,
        };
        area.fill(&WHITE).map_err(fault)?;
        self.head(&page)?;
        let mut y = HEAD;
        for (pass, records) in &self.sections {
            page.text(24, y + 20, text::pass(*pass), 17, INK, HPos::Left)?;
            y += SECTION;
            self.grid(&page, y, extent(records))?;
            for (n, record) in records.iter().enumerate() {
                if n > 0 && !compared(records[n - 1], record) {
                    y += GAP;
                }
                self.bar(&page, y, record)?;
                y += ROW;
            }
        }
        let note = "a dark tick: the unfused baseline, with scores and bias in memory";
        page.text(LEFT, y + 28, note, 13, GREY, HPos::Left)?;
        area.present().map_err(fault)
    }

    fn head<B: DrawingBackend>(&self, page: &Page<'_, B>) -> Result<(), Fault> {
        let report = self.report;
        let peaks = &report.peaks;
        page.text(24, 32, "Share of the roofline", 24, INK, HPos::Left)?;
        let lines = [
            format!("{}; {}", report.adapter, report.driver),
            format!(
                "{}; multiply-adds in f32 {}, memory {}",
                report.date,
                text::flops(peaks.f32_gflops),
                text::bytes(peaks.copy_gbps.max(peaks.read_gbps))
            ),
        ];
        for (line, y) in lines.iter().zip([60, 80]) {
            page.text(24, y, line, 14, GREY, HPos::Left)?;
        }
        let mut x = 24;
        for (kind, colour) in KINDS {
            let case = |record: &Record| kind_of(&record.case) == kind;
            if report.records.iter().any(case) {
                page.rectangle([x, 101], [12, 12], colour)?;
                let name = kind.replace('_', " ");
                page.text(x + 18, 107, &name, 14, INK, HPos::Left)?;
                x += 90;
            }
        }
        Ok(())
    }

    /// Lines at every tenth, or every fiftieth where shares are small.
    fn grid<B: DrawingBackend>(
        &self,
        page: &Page<'_, B>,
        y: u32,
        height: u32,
    ) -> Result<(), Fault> {
        let step = if self.most > 0.3 { 10 } else { 2 };
        for percent in (0..=150).step_by(step) {
            let share = f64::from(percent) / 100.0;
            if share > self.most + 1e-9 {
                break;
            }
            let x = LEFT + self.length(share);
            page.rectangle([x, y - 4], [1, height + 4], GRID)?;
            let label = format!("{percent} %");
            page.text(x, y - 14, &label, 12, GREY, HPos::Center)?;
        }
        Ok(())
    }

    fn bar<B: DrawingBackend>(
        &self,
        page: &Page<'_, B>,
        y: u32,
        record: &Record,
    ) -> Result<(), Fault> {
        let middle = y + ROW / 2;
        let colour = KINDS
            .iter()
            .find(|(kind, _)| *kind == kind_of(&record.case))
            .map_or(GREY, |&(_, colour)| colour);
        let name = record.case.replace('_', " ");
        let name = if record.query_len == record.key_len {
            format!("{name}, {}", record.query_len)
        } else {
            format!("{name}, {} x {}", record.query_len, record.key_len)
        };
        page.text(LEFT - 10, middle, &name, 14, INK, HPos::Right)?;
        let length = self.length(record.peak_share);
        page.rectangle([LEFT, y + 3], [length, ROW - 6], colour)?;
        let baseline = record
            .speedup_vs_unfused
            .filter(|_| kind_of(&record.case) == "t5");
        if let Some(speedup) = baseline {
            let x = LEFT + self.length(record.peak_share / speedup);
            page.rectangle([x - 1, y + 1], [3, ROW - 2], INK)?;
        }
        let figures = format!(
            "{} % · {} ms",
            figures::three_digits(100.0 * record.peak_share),
            figures::three_digits(record.ms)
        );
        page.text(LEFT + length + 10, middle, &figures, 13, GREY, HPos::Left)
    }

    fn length(&self, share: f64) -> u32 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "pixels of a share that is not negative"
        )]
        let pixels = (f64::from(LENGTH) * share / self.most).round() as u32;
        pixels.max(1)
    }
}

/// The first words of a case.
fn kind_of(case: &str) -> &str {
    let mut kinds = KINDS.iter().map(|(kind, _)| *kind);
    let found = kinds.find(|kind| case.starts_with(kind));
    found.unwrap_or(case)
}

/// Whether two cases differ in the bias alone.
fn compared(one: &Record, other: &Record) -> bool {
    let rest = |record: &Record| record.case[kind_of(&record.case).len()..].to_owned();
    one.query_len == other.query_len && rest(one) == rest(other)
}

/// The height of a section's bars.
fn extent(records: &[&Record]) -> u32 {
    let pairs = records.windows(2);
    let gaps = pairs.filter(|pair| !compared(pair[0], pair[1])).count();
    let pixels = |count: usize, size: u32| u32::try_from(count).unwrap_or(0) * size;
    pixels(records.len(), ROW) + pixels(gaps, GAP)
}

/// A page in points.
struct Page<'a, B: DrawingBackend> {
    area: &'a DrawingArea<B, Shift>,
    scale: u32,
}

impl<B: DrawingBackend> Page<'_, B> {
    /// Writes beside, around or before a point, in the middle of its height.
    fn text(
        &self,
        x: u32,
        y: u32,
        text: &str,
        size: u32,
        colour: RGBColor,
        side: HPos,
    ) -> Result<(), Fault> {
        let font = ("Roboto", size * self.scale).into_font();
        let style = TextStyle::from(font)
            .color(&colour)
            .pos(Pos::new(side, VPos::Center));
        let text = Text::new(text, self.at(x, y), style);
        self.area.draw(&text).map_err(fault)
    }

    fn rectangle(
        &self,
        [x, y]: [u32; 2],
        [width, height]: [u32; 2],
        colour: RGBColor,
    ) -> Result<(), Fault> {
        let corners = [self.at(x, y), self.at(x + width, y + height)];
        let rectangle = Rectangle::new(corners, colour.filled());
        self.area.draw(&rectangle).map_err(fault)
    }

    fn at(&self, x: u32, y: u32) -> (i32, i32) {
        let pixel = |n: u32| i32::try_from(n * self.scale).unwrap_or(i32::MAX);
        (pixel(x), pixel(y))
    }
}

fn fault(error: impl std::fmt::Display) -> Fault {
    Fault::Chart {
        reason: error.to_string(),
    }
}
