//! A reduced run of `examples/extrapolate`: what its findings rest on comes out.

#![cfg(feature = "gpu")]

#[allow(dead_code, reason = "the example uses all of it")]
#[path = "../examples/extrapolate/experiment.rs"]
mod experiment;
mod harness;
#[allow(dead_code, reason = "the example uses all of it")]
#[path = "../examples/extrapolate/teachers.rs"]
mod teachers;
#[path = "../examples/training/mod.rs"]
mod training;

use experiment::{Experiment, Plan, Student};
use relattn::Bias;

/// The teachers whose weight falls at every distance: the exponential and the power law.
const FALLING: [usize; 2] = [0, 1];

fn plan() -> Plan {
    Plan {
        multiples: vec![1, 4],
        amounts: vec![1],
        repeats: 1,
        steps: 60,
        ..Plan::full()
    }
}

fn student(experiment: &Experiment<'_>, family: training::Family) -> Student {
    let students = experiment.students(family, |_| ());
    let student = students.expect("a device that trains").pop();
    student.expect("an amount of data")
}

/// The mean error over the teachers that fall, of each multiple of the training length.
fn errors(student: &Student) -> Vec<f32> {
    let mean = |errors: &Vec<f32>| FALLING.iter().map(|&n| errors[n]).sum::<f32>() / 2.0;
    student.errors.iter().map(mean).collect()
}

#[test]
fn shared_parameters_reach_past_the_training_length() {
    let contexts = harness::adapters::shared();
    let (name, context) = contexts.first().expect("an adapter");
    let plan = plan();
    let experiment = Experiment::new(context, &plan).expect("a device that attends");
    let families = plan.families();
    let (alone, sharing): (Vec<_>, Vec<_>) = families
        .into_iter()
        .map(|family| student(&experiment, family))
        .partition(|student| matches!(student.family.bias, Bias::PerOffset { .. }));
    let alone = &alone[0];
    println!("{name}: {} {:?}", alone.family.name, errors(alone));
    for student in &sharing {
        let [there, here] = [alone, student].map(errors);
        println!("{name}: {} {here:?}", student.family.name);
        assert!(here[1] < 0.9 * there[1], "{}", student.family.name);
    }
    assert_untouched(&plan, &alone.table);
}

/// No training sequence has the offsets past its length, nor those that the mask hides.
fn assert_untouched(plan: &Plan, table: &[f32]) {
    let heads = plan.heads() as usize;
    let (first, zero) = (
        (plan.longest() - plan.length) as usize,
        plan.longest() as usize - 1,
    );
    for (row, values) in table.chunks(heads).enumerate() {
        let seen = (first..=zero).contains(&row);
        let touched = values.iter().any(|&value| value != 0.0);
        assert_eq!(seen, touched, "row {row}");
    }
}

#[test]
fn few_data_are_better_shared_among_few_buckets() {
    let contexts = harness::adapters::shared();
    let (name, context) = contexts.first().expect("an adapter");
    let plan = plan();
    let experiment = Experiment::new(context, &plan).expect("a device that attends");
    let [few, _, many] = Plan::other_buckets();
    let [few, many] = [few, many].map(|family| errors(&student(&experiment, family)));
    println!("{name}: 8 buckets {few:?}, 64 buckets {many:?}");
    assert!(few[0] <= many[0]);
}
