//! A process that may have six gigabytes of addresses and no more, and drivers that get their memory from there: a processor's.

use std::process::Command;

use libtest_mimic::{Failed, Trial};
use relattn::cpu::{Attention, Inputs};
use relattn::run::OnDevice;
use relattn::{Context, Error, Problem, Shape, wgpu};

use super::small::{devices, held};
use super::{hoard, trial};

/// Names the device that a child process exhausts.
const CHILD: &str = "RELATTN_EXHAUSTED_DEVICE";
/// Addresses that the child has, in kilobytes, and in bytes.
const LIMIT: [u64; 2] = [6 << 20, 6 << 30];

pub(super) fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

pub(super) fn trials() -> Vec<Trial> {
    let trials = devices().into_iter().map(|(device, context)| {
        let test = supported(&context).map(|()| {
            let device = device.clone();
            move || in_child(&device)
        });
        trial(&device, "a driver that gets no memory is named", test)
    });
    trials.collect()
}

fn supported(context: &Context) -> Result<(), String> {
    let backend = context.device().adapter_info().backend;
    if !cfg!(target_os = "linux") {
        Err("no shell limits what a process has".into())
    } else if !context.capabilities().cpu {
        Err("it has memory of its own".into())
    } else if backend == wgpu::Backend::Gl {
        Err("OpenGL takes memory where it is first written".into())
    } else {
        Ok(())
    }
}

fn in_child(device: &str) -> Result<(), Failed> {
    let [kilobytes, _] = LIMIT;
    let output = Command::new("sh")
        .args(["-c", &format!("ulimit -v {kilobytes} && exec \"$0\"")])
        .arg(std::env::current_exe()?)
        .env(CHILD, device)
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}: {errors}", output.status).into())
}

/// In the child: what is left is enough for everything but the output, of 41 MB.
pub(super) fn run() {
    let wanted = std::env::var(CHILD).expect("a device");
    let devices = devices().into_iter();
    let mut named = devices.filter(|(name, _)| *name == wanted);
    let (_, context) = named.next().expect("the device that was named");
    let problem = problem();
    let (q, k, v) = (vec![0.0; 40_000], [0.0], [0.0; 256]);
    let inputs = Inputs::new(&q, &k, &v);
    let on_device = OnDevice::new(context.clone());
    on_device.forward(&problem, &inputs).expect("memory");
    let before = held(context.device());
    let [_, limit] = LIMIT;
    let taken = hoard(&context, &[1 << 28, 1 << 24], limit).expect("a limit");
    let found = on_device.forward(&problem, &inputs).map(drop);
    assert_eq!(found, Err(Error::OutOfMemory));
    drop(taken);
    on_device.forward(&problem, &inputs).expect("memory again");
    assert_eq!(held(context.device()), before);
}

fn problem() -> Problem {
    let shape = Shape {
        batch: 1,
        heads: 1,
        kv_heads: 1,
        q_len: 40_000,
        k_len: 1,
        head_dim: 1,
    };
    let builder = Problem::builder(shape).value_dim(256);
    builder.build().expect("a valid problem")
}
