//! Where RADV is, and how to start this program for one of its families.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::table::Table;

/// GPUs that stand for theirs: RDNA3, RDNA4 and GCN; with the name that Mesa had for one before.
pub(crate) const FAMILIES: [&[&str]; 3] = [&["navi31", "gfx1100"], &["gfx1201"], &["vega10"]];

/// The driver's manifest: from the environment, else of the system.
pub(crate) fn manifest() -> Option<PathBuf> {
    let named = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"]
        .into_iter()
        .filter_map(std::env::var_os);
    let named = named.flat_map(|list| std::env::split_paths(&list).collect::<Vec<_>>());
    let folders = ["/etc/vulkan/icd.d", "/usr/share/vulkan/icd.d"].map(Path::new);
    let installed = folders
        .into_iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok());
    let installed = installed.flat_map(|entries| entries.flatten().map(|entry| entry.path()));
    // Of several architectures' files the first is that of a machine with one.
    let mut installed: Vec<PathBuf> = installed.collect();
    installed.sort();
    named.chain(installed).find(|path| is_radv(path))
}

fn is_radv(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.contains("radeon") && name.ends_with(".json") && !name.contains("i686") && path.exists()
}

/// What the driver says of the kernels whose name contains a word, for a family; nothing where it does not know it.
pub(crate) fn compile(
    manifest: &Path,
    family: &[&str],
    only: &str,
) -> Result<Option<Table>, String> {
    for name in family {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let output = Command::new(program)
            .args(["--compile", "--only", only])
            .env("RADV_FORCE_FAMILY", name)
            .env("VK_DRIVER_FILES", manifest)
            .env("VK_ICD_FILENAMES", manifest)
            .output()
            .map_err(|error| error.to_string())?;
        let errors = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            return Table::parse(&String::from_utf8_lossy(&output.stdout)).map(Some);
        }
        if !errors.contains("Unknown family") {
            return Err(format!("{name}: {}: {errors}", output.status));
        }
    }
    Ok(None)
}
