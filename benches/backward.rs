//! `cargo bench --bench backward`: both directions of attention with T5's bias, in turn, round after round; medians of the
//! times and of the ratios within a round.

mod rig;
mod unfused;

use std::rc::Rc;
use std::time::Duration;

use relattn::{Bias, wgpu};
use rig::case::{Case, T5};
use rig::device::Rig;
use rig::gradients::{Gradients, assert_gradient, assert_slopes, dout, gradients};
use rig::report::{heading, load};
use rig::rounds::{Contender, Rounds};
use unfused::TILES;
use unfused::backward::{self, Training};
use unfused::contender::Resident;

/// What is divided by what.
const PAIRS: [(&str, &str); 2] = [
    ("unfused, both", "unfused, forward"),
    ("unfused, both, new bias", "unfused, both"),
];

fn main() {
    let rig = Rig::open();
    println!("{}", heading(&rig));
    check_the_check();
    for n in rig::lengths() {
        let case = Case::new(n);
        let learner = Learner::new(&rig, &case);
        let rounds = Rounds::run(&contenders(&learner));
        print!("{}", rounds.table(n, &PAIRS));
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
        }
    }

    /// What the gradients have to be under this bias.
    fn expected(&self, bias: Bias) -> Gradients {
        gradients(self.case, bias, &dout(self.case))
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
        let found = [
            ("dq", &self.dq, &expected.dq),
            ("dk", &self.dk, &expected.dk),
            ("dv", &self.dv, &expected.dv),
            ("dtable", &self.dtable, &expected.dtable),
        ];
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
        let time = move || -> Duration { self.rig.time(&record) };
        Contender::new(name, time)
    }
}

/// Every contender, checked.
fn contenders<'a>(learner: &'a Learner<'_>) -> Vec<Contender<'a>> {
    let t5 = learner.expected(T5);
    let unfused = learner.baseline();
    let [forward, both, rebuilding] = [(); 3].map(|()| Rc::clone(&unfused));
    vec![
        learner.checked("unfused, both", move |encoder| both.encode(encoder), &t5),
        learner.checked(
            "unfused, both, new bias",
            move |encoder| {
                rebuilding.encode_bias(encoder);
                rebuilding.encode(encoder);
            },
            &t5,
        ),
        learner.timed("unfused, forward", move |encoder| {
            forward.encode_forward(encoder);
        }),
    ]
}
