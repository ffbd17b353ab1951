//! Products of matrices on every adapter that has them, which rules do not choose where a processor plays the GPU: the catalogue in f16,
//! forward and backward, with values staged as this device's subgroups want them and as others would; infinities behind masks, gradients of
//! any size, and planted errors, each of which a case has to refuse.
//!
//! A device that multiplies no matrices of f16 with sums of f32 is listed as ignored with the reason; it never counts as passed.

mod harness;

use std::cell::Cell;
use std::process::ExitCode;

use harness::adapters::{Adapter, adapters};
use harness::catalogue::Case;
use harness::compare::Reference;
use harness::data::Data;
use harness::gradients::GradientReference;
use harness::planted::Planted;
use harness::trials::{in_turn, trials_of, unsupported};
use harness::{backward, device, matrices, matrices_backward};
use libtest_mimic::{Arguments, Failed, Trial};
use relattn::cpu::Outputs;
use relattn::plan::{Backward, Forward};
use relattn::{
    Bias, Context, Dtype, Error, Mask, MatrixSizes, Problem, RelativeBuckets, Scale, Shape,
};
use relattn::{Window, shader};

/// The slot `values` of small subgroups and of large ones.
const STAGED_VALUES: [&str; 2] = [
    include_str!("../shaders/part/values_by_key.wgsl"),
    include_str!("../shaders/part/values_by_feature.wgsl"),
];

/// Which of them a kernel has.
#[derive(Clone, Copy)]
enum Values {
    /// That of the device's subgroups.
    Own,
    /// The other one, which is as right.
    Other,
}

/// What is tried.
enum Try {
    Case(Problem, Values),
    Backward(Problem),
    Planted(Planted, Values),
    PlantedBackward(Planted),
    Infinities(Values),
    /// A bias of far keys that leaves scores no digits.
    FarBias(Values),
    /// Gradients of the output of very different sizes, by row.
    Sizes,
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    // Kept to the end, as by the tests of gradients.
    let adapters = adapters();
    let trials = adapters
        .iter()
        .map(of_adapter)
        .map(Vec::into_iter)
        .collect();
    libtest_mimic::run(&arguments, in_turn(trials)).exit_code()
}

fn of_adapter(adapter: &Adapter) -> Vec<Trial> {
    let none = |context: &Context| context.capabilities().matrices == MatrixSizes::NONE;
    if adapter.context.as_ref().is_ok_and(none) {
        let reason = "no matrices of f16 with sums of f32";
        return vec![unsupported(adapter, "products of matrices", reason)];
    }
    let cases = matrices::cases_and_scales().into_iter();
    let cases = cases.flat_map(|Case { name, problem }| {
        let own = (name.to_owned(), Try::Case(problem.clone(), Values::Own));
        [own, (other(name), Try::Case(problem, Values::Other))]
    });
    let planted = matrices::PLANTED.into_iter().flat_map(|one| {
        let name = format!("planted: {}", one.0);
        let as_other = (other(&name), Try::Planted(one, Values::Other));
        [(name, Try::Planted(one, Values::Own)), as_other]
    });
    let behind = "infinities behind masks";
    let infinities = [
        (behind.to_owned(), Try::Infinities(Values::Own)),
        (other(behind), Try::Infinities(Values::Other)),
    ];
    let far = "a bias without end for far keys";
    let far = [
        (far.to_owned(), Try::FarBias(Values::Own)),
        (other(far), Try::FarBias(Values::Other)),
    ];
    let gradients = matrices::cases_and_scales().into_iter();
    let gradients = gradients.map(|Case { name, problem }| {
        let name = format!("gradients: {name}");
        (name, Try::Backward(problem))
    });
    let planted_gradients = matrices_backward::PLANTED.map(|one| {
        let name = format!("planted in gradients: {}", one.0);
        (name, Try::PlantedBackward(one))
    });
    let sizes = ("gradients of any size".to_owned(), Try::Sizes);
    let forward = cases.chain(planted).chain(infinities).chain(far);
    let all = forward
        .chain(gradients)
        .chain(planted_gradients)
        .chain([sizes]);
    trials_of(adapter, all.collect(), supported, check)
}

fn other(name: &str) -> String {
    format!("values as for other subgroups: {name}")
}

fn supported(context: &Context, tried: &Try) -> Result<(), Error> {
    match tried {
        Try::Case(problem, _) => matrices::candidate(problem, &context.capabilities()).map(|_| ()),
        Try::Backward(problem) => {
            matrices_backward::candidate(problem, &context.capabilities()).map(|_| ())
        }
        Try::Planted(..)
        | Try::PlantedBackward(_)
        | Try::Infinities(_)
        | Try::FarBias(_)
        | Try::Sizes => Ok(()),
    }
}

fn check(context: &Context, tried: &Try) -> Result<(), Failed> {
    match tried {
        Try::Case(problem, values) => {
            let data = Data::generate(problem, 7);
            let found = run(context, problem, *values, &data)?;
            Reference::new(problem, &data.inputs()).check(&found)?;
        }
        Try::Backward(problem) => {
            let (data, dout) = (Data::generate(problem, 7), backward::dout(problem, 17));
            let pass = compiled(context, problem, &|text| text)?;
            gradients(context, &pass, problem, &data, &dout)?;
        }
        Try::Planted(planted, values) => refuses(context, *planted, *values)?,
        Try::PlantedBackward(planted) => refuses_backward(context, *planted)?,
        Try::Infinities(values) => infinities(context, *values)?,
        Try::FarBias(values) => far_bias(context, *values)?,
        Try::Sizes => sizes(context)?,
    }
    Ok(())
}

fn run(
    context: &Context,
    problem: &Problem,
    values: Values,
    data: &Data,
) -> Result<Outputs, Failed> {
    let mut forward = matrices::forward(context, problem)?;
    if matches!(values, Values::Other) {
        let text = text(&forward, values)?;
        forward = with_text(context, forward, &text)?;
    }
    Ok(device::run(context, &forward, problem, data)?)
}

fn text(forward: &Forward, values: Values) -> Result<String, Failed> {
    let text = shader::link(forward.variant());
    let own = STAGED_VALUES.iter().position(|part| text.contains(part));
    let own = own.ok_or("values are staged in no way that is known")?;
    Ok(match values {
        Values::Own => text,
        Values::Other => text.replace(STAGED_VALUES[own], STAGED_VALUES[1 - own]),
    })
}

#[expect(
    unsafe_code,
    reason = "values are staged within the same bounds either way, and planted errors take a wrong number or a wrong place within a tensor"
)]
fn with_text(context: &Context, forward: Forward, text: &str) -> Result<Forward, Failed> {
    Ok(unsafe { context.with_text(forward, text) }?)
}

/// Whether the case of a planted error has its text, and refuses it.
fn refuses(context: &Context, (_, from, to, case): Planted, values: Values) -> Result<(), Failed> {
    let mut cases = matrices::cases_and_scales().into_iter();
    let found = cases.find(|one| one.name == case);
    let Case { name, problem } = found.ok_or_else(|| format!("no case {case:?}"))?;
    let data = Data::generate(&problem, 7);
    let forward = matrices::forward(context, &problem)?;
    let text = text(&forward, values)?;
    if !text.contains(from) {
        return Err(format!("{name:?} has no {from:?}").into());
    }
    let forward = with_text(context, forward, &text.replace(from, to))?;
    let found = device::run(context, &forward, &problem, &data);
    let reference = Reference::new(&problem, &data.inputs());
    match found.and_then(|outputs| reference.check(&outputs)) {
        Ok(share) => Err(format!("{name:?} is right to {share:.2}").into()),
        Err(_) => Ok(()),
    }
}

#[expect(
    unsafe_code,
    reason = "planted errors take a wrong number or a wrong place within a tensor, never one outside"
)]
fn compiled(
    context: &Context,
    problem: &Problem,
    edit: &dyn Fn(String) -> String,
) -> Result<Backward, Error> {
    let candidate = matrices_backward::candidate(problem, &context.capabilities())?;
    unsafe { context.backward_with_texts(problem, Some(candidate), edit) }
}

/// The largest error of gradients as a share of what is allowed, or that it is more.
fn gradients(
    context: &Context,
    pass: &Backward,
    problem: &Problem,
    data: &Data,
    dout: &[f32],
) -> Result<f64, Failed> {
    let found = backward::run(context, pass, problem, data, dout)?;
    let reference = GradientReference::new(problem, &data.inputs(), dout);
    Ok(reference.check(&found)?)
}

/// As [`refuses`], of the kernels of gradients.
fn refuses_backward(context: &Context, (_, from, to, case): Planted) -> Result<(), Failed> {
    let mut cases = matrices::cases_and_scales().into_iter();
    let found = cases.find(|one| one.name == case);
    let Case { name, problem } = found.ok_or_else(|| format!("no case {case:?}"))?;
    let (data, dout) = (Data::generate(&problem, 7), backward::dout(&problem, 17));
    let planted = Cell::new(false);
    let edit = |text: String| {
        planted.set(planted.get() || text.contains(from));
        text.replace(from, to)
    };
    // One that does not compile is not noticed by the comparison.
    let pass = compiled(context, &problem, &edit)?;
    if !planted.get() {
        return Err(format!("{name:?} has no {from:?}").into());
    }
    match gradients(context, &pass, &problem, &data, &dout) {
        Ok(share) => Err(format!("{name:?} is right to {share:.2}").into()),
        Err(_) => Ok(()),
    }
}

/// Gradients of the output that grow from row to row and from tile to tile, by factors of which f16 would hold some tenths at once.
fn sizes(context: &Context) -> Result<(), Failed> {
    let shape = Shape {
        batch: 1,
        heads: 2,
        kv_heads: 1,
        q_len: 150,
        k_len: 130,
        head_dim: 24,
    };
    let builder = Problem::builder(shape).dtype(Dtype::F16);
    let t5 = Bias::Relative(RelativeBuckets::t5_encoder());
    let problem = builder.bias(t5).build()?;
    let data = Data::generate(&problem, 3);
    let pass = compiled(context, &problem, &|text| text)?;
    for largest in [3e-2_f32, 1.0, 2e4] {
        let mut dout = backward::dout(&problem, 5);
        for (n, row) in dout.chunks_mut(24).enumerate() {
            let share = (n % 150) as f32 / 150.0;
            let size = largest * 2_f32.powf(8.0 * share - 8.0);
            let rounded = |x: f32| f32::from(half::f16::from_f32(x * size));
            row.iter_mut().for_each(|x| *x = rounded(*x));
        }
        gradients(context, &pass, &problem, &data, &dout)
            .map_err(|failed| format!("up to {largest}: {failed:?}"))?;
    }
    Ok(())
}

/// Keys past the reach of a bias by offset count for nothing, however far below zero their bias is: the tile met first, of such keys alone,
/// has weights all the same, and they must neither overflow in f16 nor stay.
fn far_bias(context: &Context, values: Values) -> Result<(), Failed> {
    let shape = Shape {
        batch: 1,
        heads: 2,
        kv_heads: 2,
        q_len: 200,
        k_len: 200,
        head_dim: 24,
    };
    let builder = Problem::builder(shape).dtype(Dtype::F16);
    let problem = builder
        .bias(Bias::PerOffset { max_offset: 20 })
        .scale(Scale::Unit)
        .build()?;
    let mut data = Data::generate(&problem, 3);
    data.q.iter_mut().for_each(|x| *x *= 8.0);
    let with = |far: f32| {
        let mut data = data.clone();
        let table = data.table.as_mut().expect("a table");
        let last = table.len() - 2;
        for at in [0, 1, last, last + 1] {
            table[at] = far;
        }
        run(context, &problem, values, &data)
    };
    let near = with(-1e4)?;
    for far in [-1e7, -1e9, -1e30] {
        let found = with(far)?;
        if found.out.iter().any(|x| !x.is_finite()) {
            return Err(format!("a bias of {far} makes outputs that are not finite").into());
        }
        if found.out != near.out || found.lse != near.lse {
            return Err(format!("a bias of {far} counts").into());
        }
    }
    Ok(())
}

const ROWS: usize = 80;
const FEATURES: usize = 24;

/// Not a number and infinity change the rows that see them, and no other: behind a key mask, a causal mask and a window.
fn infinities(context: &Context, values: Values) -> Result<(), Failed> {
    let shape = Shape {
        batch: 1,
        heads: 2,
        kv_heads: 2,
        q_len: 80,
        k_len: 80,
        head_dim: 24,
    };
    let mask = Mask {
        causal: true,
        keys: true,
        window: Some(Window { left: 30, right: 0 }),
        ..Mask::NONE
    };
    let builder = Problem::builder(shape).mask(mask).dtype(Dtype::F16);
    let problem = builder
        .bias(Bias::Relative(RelativeBuckets::t5_decoder()))
        .build()?;
    let mut clean = Data::generate(&problem, 3);
    let visible = clean.key_mask.as_mut().expect("a key mask");
    visible.fill(1);
    visible[20] = 0;
    let row = |head: usize, n: usize| (head * ROWS + n) * FEATURES;
    let mut dirty = clean.clone();
    dirty.q[row(0, 11)] = f32::NAN;
    dirty.k[row(1, 50) + 3] = f32::NAN;
    dirty.v[row(0, 40) + 5] = f32::INFINITY;
    dirty.v[row(1, 20)] = f32::INFINITY;
    dirty.k[row(0, 20)] = f32::NAN;
    let [clean, dirty] = [
        run(context, &problem, values, &clean)?,
        run(context, &problem, values, &dirty)?,
    ];
    for head in 0..2 {
        for i in 0..ROWS {
            let touched = match head {
                0 => i == 11 || (40..=70).contains(&i),
                _ => (50..ROWS).contains(&i),
            };
            let row = row(head, i)..row(head, i) + FEATURES;
            let (clean, dirty) = (&clean.out[row.clone()], &dirty.out[row]);
            if dirty.iter().any(|x| !x.is_finite()) != touched || !touched && clean != dirty {
                return Err(
                    format!("head {head}, row {i}: {dirty:?}, and {clean:?} without").into(),
                );
            }
            // Of a value alone the feature that it is in, and no other.
            if head == 0 && i >= 40 && touched {
                let infinite = |&(d, x): &(usize, &f32)| (d == 5) == (*x == f32::INFINITY);
                if !dirty.iter().enumerate().all(|one| infinite(&one)) {
                    return Err(format!("row {i}: {dirty:?}").into());
                }
            }
        }
    }
    Ok(())
}
