//! What is compared: each bound once, checked once, then timed as often as somebody likes.

use std::rc::Rc;
use std::time::{Duration, Instant};

use relattn::cpu::{Attention, Tiled};
use relattn::plan::{BucketIndex, ForwardOperands};
use relattn::{Bias, Checks, Context, IndexFormat, wgpu};

use super::{Operands, Sizes, TILES, Unfused};
use crate::rig::case::{Case, HEAD_DIM, HEADS, SCALE, T5, assert_close};
use crate::rig::device::Rig;
use crate::rig::rounds::Contender;

const INDEXED: Bias = Bias::Indexed {
    rows: 32,
    matrices: 1,
    each_sequence: false,
    format: IndexFormat::U8,
};

/// The buffers of a case.
#[derive(Debug)]
pub struct Resident<'a> {
    rig: &'a Rig,
    case: &'a Case,
    q: wgpu::Buffer,
    k: wgpu::Buffer,
    v: wgpu::Buffer,
    table: wgpu::Buffer,
    bytes: wgpu::Buffer,
    words: wgpu::Buffer,
    out: wgpu::Buffer,
}

impl<'a> Resident<'a> {
    /// Uploads, and builds the bucket-index matrices.
    #[must_use]
    pub fn new(rig: &'a Rig, case: &'a Case) -> Self {
        Self {
            rig,
            case,
            q: rig.upload(&case.q),
            k: rig.upload(&case.k),
            v: rig.upload(&case.v),
            table: rig.upload(&case.table),
            bytes: buckets(rig, case, IndexFormat::U8),
            words: buckets(rig, case, IndexFormat::U32),
            out: rig.output(4 * u64::from(HEADS * case.n * HEAD_DIM)),
        }
    }

    /// The fused pass's operands under this bias.
    #[must_use]
    pub fn operands(&self, bias: Bias) -> ForwardOperands<'_> {
        let whole = wgpu::Buffer::as_entire_buffer_binding;
        ForwardOperands {
            table: (bias != Bias::None).then(|| whole(&self.table)),
            indices: (bias == INDEXED).then(|| whole(&self.bytes)),
            ..ForwardOperands::new(
                whole(&self.q),
                whole(&self.k),
                whole(&self.v),
                whole(&self.out),
            )
        }
    }

    /// The fused pass; it fills its table of offsets in every call.
    fn fused(&self, name: &'static str, bias: Bias, expected: &[f32]) -> Contender<'_> {
        self.fused_in(&self.rig.context, name, bias, expected)
    }

    /// The same in another context of the device.
    fn fused_in(
        &self,
        context: &Context,
        name: &'static str,
        bias: Bias,
        expected: &[f32],
    ) -> Contender<'_> {
        let forward = context.forward(&self.case.problem(bias));
        let bound = forward
            .and_then(|forward| forward.bind(&self.operands(bias)))
            .expect("a bound pass");
        let rig = self.rig;
        let run = move || rig.time_pass(|encoder| bound.encode(encoder));
        self.checked(name, run, expected)
    }

    /// The baseline's sizes.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        Sizes {
            heads: HEADS,
            n: self.case.n,
            head_dim: HEAD_DIM,
            buckets: 32,
            scale: SCALE,
        }
    }

    /// The baseline's operands.
    #[must_use]
    pub fn unfused_operands(&self) -> Operands<'_> {
        Operands {
            q: &self.q,
            k: &self.k,
            v: &self.v,
            buckets: &self.words,
            table: &self.table,
            out: &self.out,
        }
    }

    /// The passes of the baseline, with its bias matrix made now.
    fn baseline(&self) -> Rc<Unfused> {
        let device = self.rig.context.device();
        let unfused = Unfused::new(device, self.sizes(), &TILES, &self.unfused_operands());
        self.rig.time(|encoder| unfused.encode_bias(encoder));
        Rc::new(unfused)
    }

    fn unfused(&self, unfused: Rc<Unfused>, expected: &[f32]) -> Contender<'_> {
        let rig = self.rig;
        let run = move || rig.time_pass(|encoder| unfused.encode(encoder));
        self.checked("unfused", run, expected)
    }

    fn unfused_rebuilding(&self, unfused: Rc<Unfused>, expected: &[f32]) -> Contender<'_> {
        let rig = self.rig;
        let run = move || {
            rig.time_pass(|encoder| {
                unfused.encode_bias(encoder);
                unfused.encode(encoder);
            })
        };
        self.checked("unfused, new bias", run, expected)
    }

    fn checked<'b>(
        &self,
        name: &'static str,
        run: impl Fn() -> Duration + 'b,
        expected: &[f32],
    ) -> Contender<'b> {
        self.rig.clear(&self.out);
        run();
        assert_close(name, &self.rig.read(&self.out), expected);
        Contender::new(name, run)
    }
}

/// The bucket-index matrix of a case.
#[must_use]
pub fn index(rig: &Rig, case: &Case, format: IndexFormat) -> BucketIndex {
    let problem = case.problem(T5);
    let thresholds = problem.thresholds().expect("buckets");
    rig.context.bucket_index(thresholds, [case.n; 2], 0, format)
}

/// The matrix itself.
fn buckets(rig: &Rig, case: &Case, format: IndexFormat) -> wgpu::Buffer {
    let index = index(rig, case, format);
    let buffer = rig.output(index.bytes());
    let bound = index.bind(&buffer.as_entire_buffer_binding());
    let bound = bound.expect("a bound pass");
    rig.time(|encoder| bound.encode(encoder));
    buffer
}

/// The fused pass with T5's bias and the same without, checked.
#[must_use]
pub fn with_and_without<'a>(resident: &'a Resident<'_>) -> Vec<Contender<'a>> {
    let [plain, t5] = [Bias::None, T5].map(|bias| resident.case.expected(bias));
    vec![
        resident.fused("fused, T5", T5, &t5),
        resident.fused("fused, no bias", Bias::None, &plain),
    ]
}

/// Every contender, checked.
#[must_use]
pub fn contenders<'a>(resident: &'a Resident<'_>) -> Vec<Contender<'a>> {
    let case = resident.case;
    let t5 = case.expected(T5);
    let unfused = resident.baseline();
    let checked = resident.rig.context.clone().with_checks(Checks::All);
    let mut all = with_and_without(resident);
    all.extend([
        resident.fused_in(&checked, "fused, T5, checked", T5, &t5),
        resident.fused("fused, index matrix", INDEXED, &t5),
        resident.unfused(Rc::clone(&unfused), &t5),
        resident.unfused_rebuilding(unfused, &t5),
        tiled(case),
    ]);
    all
}

/// The tiled CPU form, which [`Case::expected`] compares with the oracle.
fn tiled(case: &Case) -> Contender<'_> {
    let problem = case.problem(T5);
    let run = move || {
        let start = Instant::now();
        let outputs = Tiled.forward(&problem, &case.inputs(T5));
        let took = start.elapsed();
        std::hint::black_box(outputs.expect("valid inputs"));
        took
    };
    Contender::new("cpu::Tiled", run)
}
