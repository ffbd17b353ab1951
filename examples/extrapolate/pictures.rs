//! The pictures.

use relattn::Bias;

use crate::Results;
use crate::experiment::Student;
use crate::teachers::{TEACHERS, Teacher};
use crate::training::chart::{COLOURS, Chart, Line, PALE, Panel, Pen};
use crate::training::{Axis, Result, by_offset, centred};

const SIZE: [u32; 2] = [350, 280];
const TEACHER: Pen = Pen::new(PALE).wide(6);
const WITHOUT: Pen = Pen::new(PALE).dashed();

impl Results {
    /// The students of the families that are compared with each other, by their pens.
    fn compared(&self, sequences: u32) -> impl Iterator<Item = (&Student, Pen)> {
        let students = self.students.iter();
        let students = students.filter(move |student| student.sequences == sequences);
        students
            .zip(COLOURS)
            .map(|(student, colour)| (student, Pen::new(colour)))
    }

    fn most(&self) -> u32 {
        self.plan.amounts.last().copied().unwrap_or(0)
    }

    fn families(&self) -> Vec<(String, Pen)> {
        let compared = self.compared(self.most());
        compared
            .map(|(student, pen)| (student.family.name.into(), pen))
            .collect()
    }

    fn lengths(&self) -> Vec<f32> {
        let lengths = self.plan.multiples.iter();
        lengths.map(|n| (n * self.plan.length) as f32).collect()
    }

    /// How the students were trained, `sequences` being so many or nothing.
    fn training(&self, sequences: &str) -> String {
        let length = self.plan.length;
        format!(
            "Trained on {sequences}sequences of {length} tokens, with noise as strong as the signal."
        )
    }
}

fn counted(sequences: u32) -> String {
    match sequences {
        1 => "1 training sequence".into(),
        _ => format!("{sequences} training sequences"),
    }
}

/// Of each multiple, the error of one teacher.
fn of_teacher(errors: &[Vec<f32>], teacher: usize) -> impl Iterator<Item = f32> {
    errors.iter().map(move |errors| errors[teacher])
}

/// A logarithmic axis around all these errors.
fn errors_axis(errors: impl Iterator<Item = f32>) -> Axis {
    let (least, most) = errors.fold((f32::INFINITY, 0.0_f32), |(least, most), error| {
        (least.min(error), most.max(error))
    });
    let ticks = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];
    let ticks: Vec<f32> = ticks
        .into_iter()
        .filter(|tick| (0.4 * least..2.5 * most).contains(tick))
        .collect();
    let range = [0.8 * least, 1.2 * most];
    let inside = ticks
        .into_iter()
        .filter(|tick| (range[0]..range[1]).contains(tick));
    Axis::logarithmic("relative error of the output", range, inside.collect())
}

/// Error against length, a line for each family.
pub(crate) fn by_length(results: &Results) -> Chart {
    let compared: Vec<_> = results.compared(results.most()).collect();
    let lengths = results.lengths();
    let range = [0.9 * lengths[0], 1.1 * lengths[lengths.len() - 1]];
    let all = compared
        .iter()
        .flat_map(|(student, _)| student.errors.iter().flatten());
    let y = errors_axis(all.copied());
    let points = |errors: &[Vec<f32>], teacher| -> Vec<_> {
        let errors = of_teacher(errors, teacher);
        lengths.iter().copied().zip(errors).collect()
    };
    let panels = TEACHERS.iter().enumerate().map(|(n, teacher)| {
        let families = compared.iter().map(|(student, pen)| Line {
            pen: pen.dotted(),
            points: points(&student.errors, n),
        });
        let without = Line {
            pen: WITHOUT,
            points: points(&results.without, n),
        };
        Panel {
            title: teacher.name.into(),
            x: Axis::logarithmic("length of the sequence", range, lengths.clone()),
            y: y.clone(),
            lines: std::iter::once(without).chain(families).collect(),
            mark: None,
        }
    });
    let mut legend = results.families();
    legend.push(("no bias".into(), WITHOUT));
    Chart {
        title: "Position biases past their training length".into(),
        notes: vec![format!(
            "{} The error is that of the last {} rows, against the teacher without noise.",
            results.training(&format!("{} ", results.most())),
            results.plan.length
        )],
        legend,
        columns: TEACHERS.len(),
        panels: panels.collect(),
        size: SIZE,
    }
}

/// Error against T5's number of buckets, a line for each amount of data; a row of panels for the training length, another for
/// the longest.
pub(crate) fn by_buckets(results: &Results) -> Chart {
    let mut students: Vec<(f32, &Student)> = Vec::new();
    for student in &results.students {
        if let Bias::Relative(buckets) = student.family.bias {
            students.push((buckets.num_buckets as f32, student));
        }
    }
    students.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let last = results.plan.multiples.len() - 1;
    let shown = students
        .iter()
        .flat_map(|(_, student)| [&student.errors[0], &student.errors[last]]);
    let y = errors_axis(shown.flatten().copied());
    let amounts = results.plan.amounts.iter().zip(COLOURS);
    let amounts: Vec<_> = amounts
        .map(|(&n, colour)| (n, Pen::new(colour).dotted()))
        .collect();
    let mut panels = Vec::new();
    for length in [0, last] {
        for (n, teacher) in TEACHERS.iter().enumerate() {
            let line = |&(sequences, pen): &(u32, Pen)| Line {
                pen,
                points: students
                    .iter()
                    .filter(|(_, student)| student.sequences == sequences)
                    .map(|(buckets, student)| (*buckets, student.errors[length][n]))
                    .collect(),
            };
            panels.push(Panel {
                title: format!("{}; {} tokens", teacher.name, results.lengths()[length]),
                x: Axis::logarithmic("buckets", [7.0, 74.0], vec![8.0, 16.0, 32.0, 64.0]),
                y: y.clone(),
                lines: amounts.iter().map(line).collect(),
                mark: None,
            });
        }
    }
    Chart {
        title: "T5's number of buckets and the amount of data".into(),
        notes: vec![format!(
            "{} Above: at that length. Below: at {} tokens.",
            results.training(""),
            results.lengths()[last]
        )],
        legend: amounts.iter().map(|&(n, pen)| (counted(n), pen)).collect(),
        columns: TEACHERS.len(),
        panels,
        size: SIZE,
    }
}

/// What the families learned, over the teachers: a row for the least data, another for the most.
pub(crate) fn biases(results: &Results) -> Result<Chart> {
    let plan = &results.plan;
    let mut panels = Vec::new();
    for sequences in [plan.amounts[0], results.most()] {
        for teacher in 0..TEACHERS.len() {
            panels.push(bias_panel(results, sequences, teacher)?);
        }
    }
    let mut legend = vec![("teacher".into(), TEACHER)];
    legend.extend(results.families());
    let fire = results.compared(results.most());
    let fire = fire.filter(|(student, _)| depends_on_position(student));
    legend.extend(fire.map(|(student, pen)| {
        let name = format!("{}, in training", student.family.name);
        (name, pen.dashed())
    }));
    Ok(Chart {
        title: "What the families learned".into(),
        notes: vec![
            format!(
                "{} As the query at {} sees it, and FIRE, which depends on that, also as in the last row of training.",
                results.training(""),
                plan.longest() - 1
            ),
            "Of several heads the first. Curves are shifted to the same mean under the teacher's weights in training: the softmax does not see a constant."
                .into(),
        ],
        legend,
        columns: TEACHERS.len(),
        panels,
        size: SIZE,
    })
}

const fn depends_on_position(student: &Student) -> bool {
    !student.family.bias.is_by_offset()
}

fn bias_panel(results: &Results, sequences: u32, teacher: usize) -> Result<Panel> {
    let plan = &results.plan;
    let Teacher { name, bias } = TEACHERS[teacher];
    let right: Vec<f32> = (0..plan.longest()).map(|d| bias(d as f32)).collect();
    // By how much each distance matters to the teacher, in training.
    let weight = |distance: usize| {
        let seen = distance < plan.length as usize;
        if seen { right[distance].exp() } else { 0.0 }
    };
    let line = |pen: Pen, bias: &[f32]| Line {
        pen,
        points: (1..).map(|d| d as f32).zip(centred(bias, weight)).collect(),
    };
    let mut lines = vec![line(TEACHER, &right)];
    let values = lines[0].points.iter().map(|point| point.1);
    let least = values.clone().fold(0.0, f32::min).max(-8.0);
    let most = values.fold(0.0, f32::max);
    for (student, pen) in results.compared(sequences) {
        let head = teacher * plan.repeats as usize;
        let seen_from = |keys: u32| -> Result<Vec<f32>> {
            let (bias, table) = (student.family.bias, &student.table);
            let mut curve =
                by_offset(bias, table, plan.heads(), [keys - 1, keys])?.swap_remove(head);
            curve.reverse();
            Ok(curve)
        };
        lines.push(line(pen, &seen_from(plan.longest())?));
        if depends_on_position(student) {
            lines.push(line(pen.dashed(), &seen_from(plan.length)?));
        }
    }
    let ticks = vec![1.0, 4.0, 16.0, 64.0, 256.0];
    Ok(Panel {
        title: format!("{name}; {}", counted(sequences)),
        x: Axis::logarithmic("1 + distance", [1.0, plan.longest() as f32], ticks),
        y: Axis::around("bias, shifted", [least - 1.5, most + 1.5]),
        lines,
        mark: Some((plan.length as f32, "unseen")),
    })
}
