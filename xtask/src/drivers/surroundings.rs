//! The environment in which a program finds one driver and no other.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use super::places::{Places, write};
use super::stacks::{Driver, Stack};

const LAYER: &str = "VK_LAYER_KHRONOS_validation";
const LAYERS: &str = "layers";
const MANIFEST: &str = "driver.json";
/// In place of the manifest of a driver that must not be found.
const NOTHING: &str = "/dev/null";

/// Writes the manifests of the driver and of the layer, with the whole paths of their libraries.
pub(crate) fn write_manifests(stack: &Stack, places: &Places) -> Result<(), String> {
    match stack.driver {
        Driver::Vulkan { library } => {
            let library = places.library(library)?;
            write(&places.file(MANIFEST), &driver(&library))?;
            let layer = places.library("libVkLayer_khronos_validation.so")?;
            let folder = places.file(LAYERS);
            fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
            write(&folder.join("validation.json"), &self::layer(&layer))
        }
        Driver::Dx12 { library } => {
            write(&places.file(MANIFEST), &driver(&places.library(library)?))
        }
        Driver::Gl => write(
            &places.file(MANIFEST),
            &driver(&places.library("libEGL_mesa.so.0")?),
        ),
    }
}

/// As loaders of Vulkan and of EGL read it.
fn driver(library: &Path) -> String {
    format!(
        "{{\"file_format_version\": \"1.0.0\", \"ICD\": {{\"library_path\": {library:?}, \"api_version\": \"1.3.0\"}}}}\n"
    )
}

fn layer(library: &Path) -> String {
    format!(
        "{{\"file_format_version\": \"1.1.0\", \"layer\": {{\"name\": \"{LAYER}\", \"type\": \"GLOBAL\", \
         \"library_path\": {library:?}, \"api_version\": \"1.4.0\", \"implementation_version\": \"1\", \
         \"description\": \"Khronos validation layer\"}}}}\n"
    )
}

/// Settings of the validation layer, whose messages go to a pipe.
pub(super) fn settings(pipe: &Path) -> String {
    let settings = [
        ("debug_action", "VK_DBG_LAYER_ACTION_LOG_MSG"),
        ("report_flags", "error,warn,perf,info"),
        ("log_filename", &pipe.display().to_string()),
        ("validate_sync", "true"),
        ("enable_message_limit", "false"),
    ];
    let lines = settings.map(|(name, value)| format!("khronos_validation.{name} = {value}\n"));
    lines.concat()
}

/// The variables that a program is started with.
pub(super) fn variables(
    stack: &Stack,
    places: &Places,
    settings: &Path,
) -> Vec<(&'static str, OsString)> {
    let manifest = places.file(MANIFEST).into_os_string();
    match stack.driver {
        Driver::Vulkan { .. } => vec![
            ("WGPU_BACKEND", "vulkan".into()),
            ("VK_DRIVER_FILES", manifest),
            ("VK_INSTANCE_LAYERS", LAYER.into()),
            ("VK_LAYER_PATH", places.file(LAYERS).into()),
            ("VK_LAYER_SETTINGS_PATH", settings.into()),
            ("VK_LOADER_LAYERS_DISABLE", "~implicit~".into()),
            ("__EGL_VENDOR_LIBRARY_FILENAMES", NOTHING.into()),
        ],
        Driver::Dx12 { .. } => vec![
            ("WGPU_BACKEND", "dx12".into()),
            ("VK_DRIVER_FILES", manifest),
            ("VK_LOADER_LAYERS_DISABLE", "~implicit~".into()),
        ],
        Driver::Gl => vec![
            ("WGPU_BACKEND", "gl".into()),
            ("__EGL_VENDOR_LIBRARY_FILENAMES", manifest),
            ("LIBGL_DRIVERS_PATH", dri(places)),
            ("LIBGL_ALWAYS_SOFTWARE", "1".into()),
            ("GALLIUM_DRIVER", "llvmpipe".into()),
            ("VK_DRIVER_FILES", NOTHING.into()),
            // Wayland's library complains where it is not set.
            ("XDG_RUNTIME_DIR", places.folder.clone().into()),
        ],
    }
}

fn dri(places: &Places) -> OsString {
    let folders = places
        .libraries()
        .into_iter()
        .map(|folder| folder.join("dri"));
    let folders = folders.filter(|folder| folder.is_dir());
    std::env::join_paths(folders).unwrap_or_default()
}
