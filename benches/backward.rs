//! `cargo bench --bench backward`: both directions of attention with T5's bias, in turn, round after round; medians of the
//! times and of the ratios within a round.

use std::rc::Rc;
use std::time::Duration;

use relattn::plan::{BackwardOperands, Bound, ForwardOperands, Wanted};
use relattn::{Bias, wgpu};
use relattn_bench::rig;
use relattn_bench::rig::case::{Case, HEADS, T5};
use relattn_bench::rig::device::Rig;
use relattn_bench::rig::gradients::{Gradients, assert_gradient, assert_slopes, dout, gradients};
use relattn_bench::rig::report::{heading, load};
use relattn_bench::rig::rounds::{Contender, Rounds};
use relattn_bench::unfused::TILES;
use relattn_bench::unfused::backward::{self, Training};
use relattn_bench::unfused::contender::Resident;

/// What is divided by what.
const FUSED: [(&str, &str); 2] = [
    (
        "fused, backward",
        "fused, backward, no gradient of the bias",
    ),
    ("fused, backward", "fused, backward, no bias"),
];
const WITH_BASELINE: [(&str, &str); 5] = [
    ("unfused, both", "fused, both"),
    ("unfused, both, new bias", "fused, both"),
    ("unfused, both", "unfused, forward"),
    FUSED[0],
    FUSED[1],
];

/// What gradients of a case have to be.
struct Expected {
    t5: Gradients,
    plain: Gradients,
}

impl Expected {
    fn of(case: &Case) -> Self {
        let [t5, plain] = [T5, Bias::None].map(|bias| gradients(case, bias, &dout(case)));
        Self { t5, plain }
    }

    /// Those of which nobody wants that of the bias.
    fn without_table(&self) -> Gradients {
        let mut gradients = self.t5.clone();
        gradients.dtable.fill(0.0);
        gradients
    }
}

/// Where the code of kernels lies moves a ratio by some hundredths.
const DEVICES: usize = 5;
/// At which the baseline's matrices fill a default binding.
const LONGEST_BASELINE: u32 = 2048;

fn main() {
    println!("{}", heading(&Rig::open()));
    check_the_check();
    for n in rig::lengths_or(&[1024, 2048, 4096]) {
        let case = Case::new(n);
        let expected = Expected::of(&case);
        let compared = n <= LONGEST_BASELINE;
        let rounds = Rounds::on_devices(rig::placements(DEVICES), |rig| {
            let learner = Learner::new(rig, &case);
            let mut contenders = fused(&learner, &expected);
            if compared {
                contenders.extend(baseline(&learner, &expected));
            }
            Rounds::run(rig::rounds(), &contenders)
        });
        let pairs = if compared { &WITH_BASELINE[..] } else { &FUSED };
        print!("{}", rounds.table(n, pairs));
    }
    println!("load afterwards: {}", load());
}

/// At a length at which the oracle is no matter.
fn check_the_check() {
    let case = Case::new(64);
    let dout = dout(&case);
    assert_slopes(&case, T5, &dout, &gradients(&case, T5, &dout));
}

/// The buffers of a case: those of the forward pass, and gradients.
#[derive(Debug)]
struct Learner<'a> {
    rig: &'a Rig,
    case: &'a Case,
    forward: Resident<'a>,
    dout: wgpu::Buffer,
    dq: wgpu::Buffer,
    dk: wgpu::Buffer,
    dv: wgpu::Buffer,
    dtable: wgpu::Buffer,
    lse: wgpu::Buffer,
    workspace: wgpu::Buffer,
}

impl<'a> Learner<'a> {
    fn new(rig: &'a Rig, case: &'a Case) -> Self {
        let like = |tensor: &[f32]| rig.output(size_of_val(tensor) as u64);
        Self {
            rig,
            case,
            forward: Resident::new(rig, case),
            dout: rig.upload(&dout(case)),
            dq: like(&case.q),
            dk: like(&case.k),
            dv: like(&case.v),
            dtable: like(&case.table),
            lse: rig.output(u64::from(HEADS * case.n) * 4),
            workspace: rig.output(workspace_bytes(rig, case)),
        }
    }

    /// Both directions of the fused pass, bound; the gradient of the bias where it is wanted.
    fn fused(&self, bias: Bias, wanted: Wanted) -> [Bound; 2] {
        let problem = self.case.problem(bias);
        let whole = wgpu::Buffer::as_entire_buffer_binding;
        let operands = ForwardOperands {
            lse: Some(whole(&self.lse)),
            ..self.forward.operands(bias)
        };
        let context = &self.rig.context;
        let forward = context.forward(&problem).expect("a kernel");
        let backward = context.backward_of(&problem, wanted).expect("kernels");
        let bound = forward.bind(&operands).expect("buffers that fit");
        let operands = BackwardOperands {
            forward: operands,
            dout: whole(&self.dout),
            dq: whole(&self.dq),
            dk: whole(&self.dk),
            dv: whole(&self.dv),
            dtable: wanted.table.then(|| whole(&self.dtable)),
            dgate: None,
            dbias: None,
            accumulate: false,
            workspace: whole(&self.workspace),
        };
        [bound, backward.bind(&operands).expect("buffers that fit")]
    }

    /// The passes of the baseline, with its bias matrix made now.
    fn baseline(&self) -> Rc<Training> {
        let gradients = backward::Gradients {
            dout: &self.dout,
            dq: &self.dq,
            dk: &self.dk,
            dv: &self.dv,
            dtable: &self.dtable,
        };
        let training = Training::new(
            self.rig.context.device(),
            self.forward.sizes(),
            &TILES,
            &self.forward.unfused_operands(),
            &gradients,
        );
        self.rig.time(|encoder| training.encode_bias(encoder));
        Rc::new(training)
    }

    /// A contender, once its gradients are right.
    fn checked<'b>(
        &'b self,
        name: &'static str,
        record: impl Fn(&mut wgpu::CommandEncoder) + 'b,
        expected: &Gradients,
    ) -> Contender<'b> {
        let mut found = vec![
            ("dq", &self.dq, &expected.dq),
            ("dk", &self.dk, &expected.dk),
            ("dv", &self.dv, &expected.dv),
        ];
        if expected.dtable.iter().any(|&value| value != 0.0) {
            found.push(("dtable", &self.dtable, &expected.dtable));
        }
        found
            .iter()
            .for_each(|(_, buffer, _)| self.rig.clear(buffer));
        let contender = self.timed(name, record);
        contender.time();
        for (gradient, buffer, expected) in found {
            let name = format!("{name}: {gradient}");
            assert_gradient(&name, &self.rig.read(buffer), expected);
        }
        contender
    }

    fn timed<'b>(
        &'b self,
        name: &'static str,
        record: impl Fn(&mut wgpu::CommandEncoder) + 'b,
    ) -> Contender<'b> {
        let time = move || -> Duration { self.rig.time_pass(&record) };
        Contender::new(name, time)
    }
}

/// Of T5's bias, which is more than without.
fn workspace_bytes(rig: &Rig, case: &Case) -> u64 {
    let backward = rig.context.backward(&case.problem(T5));
    backward.expect("kernels").workspace_bytes()
}

/// Every contender, checked.
fn fused<'a>(learner: &'a Learner<'_>, expected: &Expected) -> Vec<Contender<'a>> {
    let table = Wanted {
        table: true,
        ..Wanted::default()
    };
    let [forward, backward] = learner.fused(T5, table);
    let [_, quiet] = learner.fused(T5, Wanted::default());
    let [plain_forward, plain] = learner.fused(Bias::None, Wanted::default());
    let again = backward.clone();
    let both = learner.checked(
        "fused, both",
        move |encoder| {
            forward.encode(encoder);
            backward.encode(encoder);
        },
        &expected.t5,
    );
    let backward = learner.checked(
        "fused, backward",
        move |encoder| again.encode(encoder),
        &expected.t5,
    );
    let quiet = learner.checked(
        "fused, backward, no gradient of the bias",
        move |encoder| quiet.encode(encoder),
        &expected.without_table(),
    );
    // Its backward pass reads what the forward pass with T5's bias leaves, once the rounds have begun: the time is the same.
    learner.rig.time(|encoder| plain_forward.encode(encoder));
    let plain = learner.checked(
        "fused, backward, no bias",
        move |encoder| plain.encode(encoder),
        &expected.plain,
    );
    vec![both, backward, quiet, plain]
}

fn baseline<'a>(learner: &'a Learner<'_>, expected: &Expected) -> Vec<Contender<'a>> {
    let t5 = &expected.t5;
    let unfused = learner.baseline();
    let [forward, both, rebuilding] = [(); 3].map(|()| Rc::clone(&unfused));
    vec![
        learner.checked("unfused, both", move |encoder| both.encode(encoder), t5),
        learner.checked(
            "unfused, both, new bias",
            move |encoder| {
                rebuilding.encode_bias(encoder);
                rebuilding.encode(encoder);
            },
            t5,
        ),
        learner.timed("unfused, forward", move |encoder| {
            forward.encode_forward(encoder);
        }),
    ]
}
