//! The pictures.

use crate::Learned;
use crate::training::Axis;
use crate::training::chart::{COLOURS, Chart, Line, PALE, Panel, Pen};

const TEACHER: Pen = Pen::new(PALE).wide(6);

fn points(x: &[f32], y: &[f32]) -> Vec<(f32, f32)> {
    x.iter().copied().zip(y.iter().copied()).collect()
}

/// What was learned over what was to be learned: a row for each family, a column for each head.
pub(crate) fn biases(all: &[Learned]) -> Chart {
    let student = Pen::new(COLOURS[1]);
    let mut panels = Vec::new();
    for learned in all {
        for (head, (found, right)) in learned.student.iter().zip(&learned.teacher).enumerate() {
            let (first, last) = (
                learned.offsets[0],
                learned.offsets[learned.offsets.len() - 1],
            );
            panels.push(Panel {
                title: format!("{}, head {head}", learned.name),
                x: Axis::linear("offset of the key", [first, last], ticks(first, last)),
                y: Axis::around("bias less its mean", found.iter().chain(right).copied()),
                lines: vec![
                    Line {
                        pen: TEACHER,
                        points: points(&learned.offsets, right),
                    },
                    Line {
                        pen: student,
                        points: points(&learned.offsets, found),
                    },
                ],
                mark: None,
            });
        }
    }
    Chart {
        title: "Biases of attention, learned from its outputs".into(),
        notes: vec![
            "The softmax does not see a constant: each curve is shown less its mean over the offsets that occur."
                .into(),
        ],
        legend: vec![
            ("teacher".into(), TEACHER),
            ("student".into(), student),
        ],
        columns: all.first().map_or(1, |learned| learned.teacher.len()),
        panels,
        size: [360, 270],
    }
}

fn ticks(first: f32, last: f32) -> Vec<f32> {
    let step = (last - first).log2().floor().exp2() / 4.0;
    let (from, to) = ((first / step).ceil(), (last / step).floor());
    (0..)
        .map(|n| from + n as f32)
        .take_while(|&n| n <= to)
        .map(|n| n * step)
        .collect()
}

/// The loss after each step.
pub(crate) fn losses(all: &[Learned]) -> Chart {
    let pens = COLOURS.map(Pen::new);
    let values = all.iter().flat_map(|learned| learned.loss.iter().copied());
    let steps = all
        .iter()
        .map(|learned| learned.loss.len())
        .max()
        .unwrap_or(1) as f32
        - 1.0;
    let lines = all.iter().zip(pens).map(|(learned, pen)| Line {
        pen,
        points: (0..)
            .map(|step| step as f32)
            .zip(learned.loss.iter().copied())
            .collect(),
    });
    Chart {
        title: "Mean squared error of the outputs".into(),
        notes: Vec::new(),
        legend: all
            .iter()
            .zip(pens)
            .map(|(learned, pen)| (learned.name.into(), pen))
            .collect(),
        columns: 1,
        panels: vec![Panel {
            title: String::new(),
            x: Axis::linear("step", [0.0, steps], Axis::around("", [0.0, steps]).ticks),
            y: Axis::decades("loss", values),
            lines: lines.collect(),
            mark: None,
        }],
        size: [760, 420],
    }
}
