//! `cargo xtask shader-stats`: what AMD's shader compiler makes of every kernel, on a machine without the GPU.
//!
//! Mesa's driver RADV compiles for a GPU that is not there when it is told which, and reports registers, spills, workgroup memory, waves
//! and the code. Nothing is executed. The tables in `tables/` are what it said last; what has become worse since fails.

mod driver;
mod hot_loop;
mod kept;
mod kernels;
mod null_hardware;
mod spirv;
mod table;
mod verdict;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use crate::null_hardware::NullHardware;
use crate::table::Table;

#[derive(Parser)]
#[command(
    about = "Compiles every kernel that a GPU gets by default with RADV, and compares with the kept tables"
)]
struct Arguments {
    /// Keep what is found as the tables to compare with.
    #[arg(long)]
    bless: bool,
    /// Fail where RADV is not installed.
    #[arg(long)]
    require: bool,
    /// Compile the kernels whose name contains this alone.
    #[arg(long, default_value = "", conflicts_with = "bless")]
    only: String,
    /// Compile for the one family in the environment and print its table.
    #[arg(long, hide = true)]
    compile: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = if arguments.compile {
        compile(&arguments.only)
            .map(|table| print!("{}", table.to_csv()))
            .map(|()| true)
    } else {
        some_kernel(&arguments.only).and_then(|()| compared(&arguments))
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Refuses a part of a name that no kernel has, even on a GPU that multiplies matrices.
fn some_kernel(only: &str) -> Result<(), String> {
    let kernels = kernels::all(true).map_err(|error| error.to_string())?;
    if kernels.iter().any(|kernel| kernel.name.contains(only)) {
        Ok(())
    } else {
        Err(format!("no kernel's name contains {only:?}"))
    }
}

fn compared(arguments: &Arguments) -> Result<bool, String> {
    let Some(manifest) = driver::manifest() else {
        println!(
            "unsupported: no RADV; install mesa-vulkan-drivers, or name its manifest in VK_DRIVER_FILES"
        );
        return Ok(!arguments.require);
    };
    every_family(arguments, &manifest)
}

/// The first version of Mesa that is judged. Before it RADV had only begun with RDNA3, and spills what later ones keep in registers.
const FIRST_JUDGED: u32 = 25;

/// Whether a version of Mesa, of which the first number is compared, is judged.
fn is_judged(version: &str) -> bool {
    let first = version.split('.').next();
    first
        .and_then(|first| first.parse().ok())
        .is_some_and(|first: u32| first >= FIRST_JUDGED)
}

/// The table of the one family in the environment; empty where the driver is not judged.
fn compile(only: &str) -> Result<Table, String> {
    let hardware = NullHardware::open()?;
    if !is_judged(&hardware.version) {
        return Ok(Table {
            rows: Vec::new(),
            version: hardware.version,
        });
    }
    let kernels = kernels::all(hardware.matrices).map_err(|error| error.to_string())?;
    let rows = kernels
        .iter()
        .filter(|kernel| kernel.name.contains(only))
        .map(|kernel| {
            let spirv = spirv::compile(&kernel.wgsl)?;
            hardware.compile(&kernel.name, &spirv)
        });
    Ok(Table {
        rows: rows.collect::<Result<_, String>>()?,
        version: hardware.version,
    })
}

/// Whether nothing is worse.
fn every_family(arguments: &Arguments, manifest: &Path) -> Result<bool, String> {
    let found = std::thread::scope(|scope| {
        let compile =
            |family| scope.spawn(move || driver::compile(manifest, family, &arguments.only));
        let threads = driver::FAMILIES.map(compile);
        threads.map(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err("a thread panicked".into()))
        })
    });
    let mut fine = true;
    for (family, found) in driver::FAMILIES.into_iter().zip(found) {
        let family = family[0];
        match found? {
            Some(table) if !is_judged(&table.version) => {
                let version = table.version;
                println!(
                    "{family}: unsupported: Mesa {version}; {FIRST_JUDGED} or later is judged"
                );
                fine &= !arguments.require;
            }
            Some(table) => fine &= report(arguments, family, &table)?,
            None => println!("{family}: unsupported: this version of RADV does not know it"),
        }
    }
    Ok(fine)
}

fn report(arguments: &Arguments, family: &str, found: &Table) -> Result<bool, String> {
    println!("{family}, Mesa {}", found.version);
    println!("{}", found.to_text());
    if arguments.bless {
        kept::write(family, found)?;
    }
    let kept = kept::read(family, &found.version)?.map(|table| table.only(&arguments.only));
    let verdict = verdict::judge(found, kept.as_ref());
    for difference in &verdict.differences {
        let of = kept.as_ref().map_or("none", |table| table.version.as_str());
        println!("{family}: other than by Mesa {of}: {difference}");
    }
    for failure in &verdict.failures {
        println!("{family}: FAILED: {failure}");
    }
    Ok(verdict.failures.is_empty())
}
