//! Contenders of one comparison: each bound once, checked once, then timed in turn.

use std::rc::Rc;
use std::time::Instant;

use relattn::{IndexFormat, wgpu};
use relattn_bench::rig::device::Rig;
use relattn_bench::rig::rounds::{Contender, Rounds};
use relattn_bench::rig::uploaded::{Differentiated, Uploaded};
use relattn_bench::unfused::backward::{Gradients, Training};
use relattn_bench::unfused::{Operands, Sizes, TILES, Unfused};

use super::reference::Reference;
use super::setting::{Entrant, HEAD_DIM, SCALE, Setting};
use crate::args::Pass;
use crate::fault::Fault;

/// What was measured of one setting.
#[derive(Debug)]
pub(super) struct Results {
    pub(super) rounds: Rounds,
    /// Kernels of the fused passes.
    pub(super) variants: Vec<(Entrant, String)>,
}

/// Checks every contender, and times them.
pub(super) fn run(rig: &Rig, setting: &Setting) -> Result<Results, Fault> {
    let t5 = Reference::new(setting.problem(Entrant::T5)?, setting.pass)?;
    let t5 = Rc::new(t5);
    let mut contenders = Vec::new();
    let mut variants = Vec::new();
    for &entrant in &setting.entrants {
        contenders.push(match entrant {
            Entrant::Cpu => cpu(setting, Rc::clone(&t5)),
            Entrant::Unfused => unfused(rig, setting, &t5)?,
            Entrant::T5 => fused(rig, setting, entrant, &t5, &mut variants)?,
            Entrant::Alibi | Entrant::Dense | Entrant::NoBias => {
                let reference = Reference::new(setting.problem(entrant)?, setting.pass)?;
                fused(rig, setting, entrant, &reference, &mut variants)?
            }
        });
    }
    Ok(Results {
        rounds: Rounds::run(setting.rounds, &contenders),
        variants,
    })
}

/// Host memory to host memory.
fn cpu(setting: &Setting, reference: Rc<Reference>) -> Contender<'static> {
    let pass = setting.pass;
    Contender::new(Entrant::Cpu.name(), move || {
        let start = Instant::now();
        // It has done so before.
        reference.compute(pass).expect("the same inputs");
        start.elapsed()
    })
}

fn fused<'a>(
    rig: &'a Rig,
    setting: &Setting,
    entrant: Entrant,
    reference: &Reference,
    variants: &mut Vec<(Entrant, String)>,
) -> Result<Contender<'a>, Fault> {
    let (problem, name) = (&reference.problem, setting.case(entrant));
    let backward = setting.pass == Pass::Backward;
    let uploaded = Uploaded::new(rig, problem, &reference.tensors.inputs());
    let forward = rig.context.forward(problem)?;
    let bound = forward.bind(&uploaded.operands(backward))?;
    rig.time(|encoder| bound.encode(encoder));
    reference.check_output(&name, &uploaded.out(rig))?;
    if !backward {
        variants.push((entrant, forward.variant().to_string()));
        return Ok(recorded(rig, entrant, move |encoder| bound.encode(encoder)));
    }
    let backward = rig.context.backward(problem)?;
    let differentiated = Differentiated::new(rig, problem, &backward, reference.tensors.dout());
    let bound = backward.bind(&differentiated.operands(&uploaded))?;
    rig.time(|encoder| bound.encode(encoder));
    reference.check_gradients(&name, &differentiated.gradients(rig))?;
    let kernels = backward.variants().map(ToString::to_string);
    variants.push((entrant, kernels.join(", ")));
    Ok(recorded(rig, entrant, move |encoder| bound.encode(encoder)))
}

/// The baseline, whose bias lies in memory before; its gradients begin with the weights that its forward pass has left there.
fn unfused<'a>(
    rig: &'a Rig,
    setting: &Setting,
    reference: &Reference,
) -> Result<Contender<'a>, Fault> {
    let problem = &reference.problem;
    let uploaded = Uploaded::new(rig, problem, &reference.tensors.inputs());
    let buckets = bucket_matrix(rig, setting, reference)?;
    let table = uploaded.table.as_ref().expect("T5's table");
    let operands = Operands {
        q: &uploaded.q,
        k: &uploaded.k,
        v: &uploaded.v,
        buckets: &buckets,
        table,
        out: &uploaded.out,
    };
    let sizes = Sizes {
        heads: setting.heads(),
        n: setting.q_len,
        head_dim: HEAD_DIM,
        buckets: problem.table_rows(),
        scale: SCALE,
    };
    let device = rig.context.device();
    if setting.pass == Pass::Forward {
        let passes = Unfused::new(device, sizes, &TILES, &operands);
        rig.time(|encoder| {
            passes.encode_bias(encoder);
            passes.encode(encoder);
        });
        reference.check_output("unfused", &uploaded.out(rig))?;
        let record = move |encoder: &mut wgpu::CommandEncoder| passes.encode(encoder);
        return Ok(recorded(rig, Entrant::Unfused, record));
    }
    let backward = rig.context.backward(problem)?;
    let differentiated = Differentiated::new(rig, problem, &backward, reference.tensors.dout());
    let gradients = Gradients {
        dout: &differentiated.dout,
        dq: &differentiated.dq,
        dk: &differentiated.dk,
        dv: &differentiated.dv,
        dtable: differentiated.dtable.as_ref().expect("of T5's table"),
    };
    let passes = Training::new(device, sizes, &TILES, &operands, &gradients);
    rig.time(|encoder| {
        passes.encode_bias(encoder);
        passes.encode(encoder);
    });
    reference.check_output("unfused", &uploaded.out(rig))?;
    reference.check_gradients("unfused", &differentiated.gradients(rig))?;
    let record = move |encoder: &mut wgpu::CommandEncoder| passes.encode_backward(encoder);
    Ok(recorded(rig, Entrant::Unfused, record))
}

fn bucket_matrix(
    rig: &Rig,
    setting: &Setting,
    reference: &Reference,
) -> Result<wgpu::Buffer, Fault> {
    let thresholds = reference.problem.thresholds().expect("T5's buckets");
    let sizes = [setting.q_len, setting.k_len];
    let index = rig
        .context
        .bucket_index(thresholds, sizes, 0, IndexFormat::U32);
    let buffer = rig.output(index.bytes());
    let bound = index.bind(&buffer.as_entire_buffer_binding())?;
    rig.time(|encoder| bound.encode(encoder));
    Ok(buffer)
}

fn recorded<'a>(
    rig: &'a Rig,
    entrant: Entrant,
    record: impl Fn(&mut wgpu::CommandEncoder) + 'a,
) -> Contender<'a> {
    Contender::new(entrant.name(), move || rig.time_pass(&record))
}
