//! A Vulkan driver for the tests, on a Linux machine that has none.

use std::path::Path;
use std::process::Command;

/// What somebody has to install where we may not.
const ADVICE: &str = "no Vulkan driver is installed: install mesa-vulkan-drivers and libvulkan1 (Debian, Ubuntu), or your GPU's own";

/// Makes sure that there is a Vulkan driver, installing Mesa's software one on Debian or Ubuntu where we are root.
pub(crate) fn ensure() -> Result<(), String> {
    if !cfg!(target_os = "linux") || present() {
        return Ok(());
    }
    println!("no Vulkan driver: installing mesa-vulkan-drivers");
    apt_get(&["update"])?;
    apt_get(&[
        "install",
        "--yes",
        "--no-install-recommends",
        "mesa-vulkan-drivers",
        "libvulkan1",
    ])?;
    if present() {
        Ok(())
    } else {
        Err(ADVICE.into())
    }
}

fn present() -> bool {
    let named = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"];
    named.iter().any(|name| std::env::var_os(name).is_some())
        || ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"]
            .iter()
            .any(|folder| has_manifest(Path::new(folder)))
}

fn has_manifest(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|entries| {
        entries
            .flatten()
            .any(|entry| entry.path().extension().is_some_and(|end| end == "json"))
    })
}

fn apt_get(arguments: &[&str]) -> Result<(), String> {
    let status = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        _ => Err(ADVICE.into()),
    }
}
