//! Every kernel in the languages of every backend: one test for each pair.
//!
//! A text that no device of a backend ever gets, and a validator that the machine lacks, are listed as ignored with the reason.

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Failed, Trial};
use relattn::plan::KernelText;
use relattn_compilers::kernels;
use relattn_compilers::tools::{Tool, judge};
use relattn_compilers::translate::{Language, Module, Target};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let kernels = kernels::all().expect("the kernels of the suite");
    let kernels: Vec<_> = kernels.into_iter().map(Kernel::new).map(Arc::new).collect();
    let mut trials = Vec::new();
    for target in Target::all() {
        let tool = judge(&target);
        if let Some(tool) = tool.filter(|tool| !tool.is_here()) {
            trials.push(ignored(
                "not validated",
                &format!("no {}", tool.program),
                &target,
            ));
        }
        let tool = tool.filter(Tool::is_here);
        trials.extend(kernels.iter().map(|kernel| trial(kernel, target, tool)));
    }
    trials.extend(refusals());
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A kernel, read when a test first asks.
struct Kernel {
    text: KernelText,
    module: OnceLock<Result<Module, String>>,
}

impl Kernel {
    const fn new(text: KernelText) -> Self {
        let module = OnceLock::new();
        Self { text, module }
    }
}

fn trial(kernel: &Arc<Kernel>, target: Target, tool: Option<Tool>) -> Trial {
    if let Some(reason) = target.unsupported(&kernel.text) {
        return ignored(&kernel.text.name, reason, &target);
    }
    let shared = kernel.clone();
    let check = move || check(&shared, &target, tool);
    Trial::test(&kernel.text.name, check).with_kind(target.to_string())
}

fn check(kernel: &Kernel, target: &Target, tool: Option<Tool>) -> Result<(), Failed> {
    let module = kernel
        .module
        .get_or_init(|| Module::parse(&kernel.text.wgsl));
    let translation = module.as_ref()?.translate(target)?;
    tool.map_or(Ok(()), |tool| Ok(tool.check(&translation)?))
}

/// Fails where it is run all the same.
fn ignored(name: &str, reason: &str, target: &Target) -> Trial {
    let name = format!("{name}: unsupported: {reason}");
    let reason = reason.to_owned();
    let trial = Trial::test(name, || Err(reason.into()));
    trial.with_kind(target.to_string()).with_ignored_flag(true)
}

/// What naga refuses has to stay refused, or kernels should be translated that are not.
fn refusals() -> impl Iterator<Item = Trial> {
    const HALF: &str = "enable f16;
        @group(0) @binding(0) var<storage, read_write> x: array<f16>;
        @compute @workgroup_size(1) fn main() { x[0] += 1h; }";
    let glsl = |target: &Target| matches!(target.language, Language::Glsl(_));
    Target::all().into_iter().filter(glsl).map(|target| {
        let refused = move || match Module::parse(HALF)?.translate(&target) {
            Ok(_) => Err("naga wrote it".into()),
            Err(_) => Ok(()),
        };
        Trial::test("f16 is refused", refused).with_kind(target.to_string())
    })
}
