//! Programs for Windows under Wine, on its DirectX 12.

mod display;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::places::{Places, write};
use super::programs::{find, output, succeed};

pub(super) use display::Display;

pub(super) const TARGET: &str = "x86_64-pc-windows-gnu";
const LINKER: &str = "x86_64-w64-mingw32-gcc";
/// What the machine must have, and which of Debian's packages it is in.
const PROGRAMS: [(&str, &str); 4] = [
    ("wine", "wine64"),
    ("Xvfb", "xvfb"),
    (LINKER, "gcc-mingw-w64-x86-64-win32"),
    ("npm", "npm"),
];
/// Microsoft's FXC comes with Dawn's package, under a licence of its own, so that it is fetched and kept nowhere else. Its DXC is left there:
/// where wgpu finds that, it takes no adapter below shader model 6, and Wine's DirectX 12 has 5.1.
const DAWN: &str = "webgpu@0.6.2";
const FXC: &str = "node_modules/webgpu/dist/win32-x64/d3dcompiler_47.dll";
const RANDOM: &str = include_str!("bcryptprimitives.c");
/// Wine's own compiler of HLSL fails on what naga writes; the rest would ask to be installed.
const OVERRIDES: &str = "mscoree=d;mshtml=d;dxcompiler=d;d3dcompiler_47=n";

/// Why programs for Windows cannot be built or run here.
pub(super) fn obstacle() -> Option<String> {
    let missing = PROGRAMS.iter().find(|(program, _)| find(program).is_err());
    if let Some((program, package)) = missing {
        return Some(format!("{program} is missing: Debian's {package}"));
    }
    let libraries = ["--print", "target-libdir", "--target", TARGET];
    match output(Command::new("rustc").args(libraries)) {
        Ok(folder) if Path::new(&folder).is_dir() => None,
        Ok(_) => Some(format!(
            "Rust's standard library for {TARGET} is missing: `rustup target add {TARGET}`"
        )),
        Err(reason) => Some(reason),
    }
}

/// A Windows of the stack's own, with what Wine's lacks. It is whole, or made again.
pub(super) fn set_up(places: &Places) -> Result<(), String> {
    let complete = places.file("windows-complete");
    if complete.is_file() {
        return Ok(());
    }
    let downloaded = places.file("npm");
    succeed(
        Command::new("npm")
            .args(["install", "--ignore-scripts", "--no-save", "--prefix"])
            .arg(&downloaded)
            .arg(DAWN),
    )?;
    let display = Display::open()?;
    let wine = |arguments: &[&str]| {
        let mut command = Command::new("wine");
        command.args(arguments);
        command.envs(variables(places, &display));
        succeed(&mut command)
    };
    wine(&["wineboot", "--init"])?;
    let renderer = "HKCU\\Software\\Wine\\Direct3D";
    wine(&[
        "reg", "add", renderer, "/v", "renderer", "/d", "vulkan", "/f",
    ])?;
    let system = windows(places).join("drive_c/windows/system32");
    let copied = fs::copy(downloaded.join(FXC), system.join("d3dcompiler_47.dll"));
    copied.map_err(|error| format!("{FXC}: {error}"))?;
    random_numbers(places, &system)?;
    finish(places);
    write(&complete, DAWN)
}

fn random_numbers(places: &Places, system: &Path) -> Result<(), String> {
    let source = places.file("bcryptprimitives.c");
    write(&source, RANDOM)?;
    succeed(
        Command::new(LINKER)
            .args(["-shared", "-O2", "-o"])
            .arg(system.join("bcryptprimitives.dll"))
            .arg(source)
            .arg("-ladvapi32"),
    )
}

fn windows(places: &Places) -> PathBuf {
    places.file("windows")
}

/// Waits for what Wine keeps running for a while after a program, which complains where its display ends first.
pub(super) fn finish(places: &Places) {
    let mut server = Command::new("wineserver");
    server.arg("--wait").env("WINEPREFIX", windows(places));
    // Where there is no such program there is nothing but the complaint.
    let _ = succeed(&mut server);
}

/// The variables that Wine is started with, but for the driver's.
pub(super) fn variables(places: &Places, display: &Display) -> Vec<(&'static str, String)> {
    vec![
        ("WINEPREFIX", windows(places).display().to_string()),
        ("WINEDEBUG", "-all".into()),
        ("WINEDLLOVERRIDES", OVERRIDES.into()),
        ("DISPLAY", display.name().into()),
        // Else each heap of descriptors takes gigabytes of Mesa's.
        ("VKD3D_CONFIG", "virtual_heaps".into()),
    ]
}
