//! What a record says about the machine.

use std::path::Path;

use sysinfo::{CpuRefreshKind, RefreshKind, System};

/// The commit that this is built from, marked where the sources differ from it.
pub const COMMIT: &str = env!("RELATTN_COMMIT");

/// The operating system with its version.
#[must_use]
pub fn os() -> String {
    let name = System::long_os_version();
    let name = name.unwrap_or_else(|| std::env::consts::OS.into());
    let wine = if is_wine() { " as Wine plays it" } else { "" };
    format!("{name}{wine}, {}", std::env::consts::ARCH)
}

/// Whether what calls itself Windows is Wine, by a program that only Wine has.
fn is_wine() -> bool {
    cfg!(windows) && Path::new("C:\\windows\\system32\\wineboot.exe").is_file()
}

/// The processor.
#[must_use]
pub fn processor() -> String {
    let kind = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing());
    let system = System::new_with_specifics(kind);
    let name = system
        .cpus()
        .first()
        .map(|cpu| cpu.brand().trim().to_owned());
    let name = name.filter(|name| !name.is_empty());
    name.unwrap_or_else(|| "a processor without a name".into())
}
