//! `cargo run -p relattn-invariants -- unpack` makes libFuzzer's folders of the inputs that are kept, and `pack` the reverse.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

use relattn_invariants::{TARGETS, pack, unpack};

fn main() -> ExitCode {
    let task = env::args().nth(1);
    let convert = match task.as_deref() {
        Some("pack") => packed,
        Some("unpack") => unpacked,
        other => {
            eprintln!(
                "unknown task {:?}; allowed: pack, unpack",
                other.unwrap_or("(none)")
            );
            return ExitCode::from(2);
        }
    };
    for (target, _) in TARGETS {
        if let Err(error) = convert(target) {
            eprintln!("{target}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// The folder of a target, and the file of what is kept of it.
fn places(target: &str) -> (PathBuf, PathBuf) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let kept = fuzz.join("kept").join(target).with_extension("bin");
    (fuzz.join("corpus").join(target), kept)
}

fn packed(target: &str) -> io::Result<()> {
    let (folder, kept) = places(target);
    let entries: io::Result<Vec<_>> = fs::read_dir(folder)?.collect();
    let inputs: io::Result<Vec<_>> = entries?
        .iter()
        .map(|entry| fs::read(entry.path()))
        .collect();
    let mut inputs = inputs?;
    inputs.sort_unstable();
    let file = pack(&inputs).ok_or(io::Error::other("an input has more than 65,535 bytes"))?;
    fs::write(kept, file)
}

fn unpacked(target: &str) -> io::Result<()> {
    let (folder, kept) = places(target);
    let file = fs::read(kept)?;
    let inputs = unpack(&file).ok_or(io::Error::other("it is cut short"))?;
    fs::create_dir_all(&folder)?;
    for (n, input) in inputs.iter().enumerate() {
        fs::write(folder.join(format!("kept-{n:04}")), input)?;
    }
    Ok(())
}
