//! What naga makes of a kernel for each backend of wgpu, with the options that wgpu-hal 30 takes there.

mod glsl;
mod hlsl;
mod msl;
mod spirv;

use std::fmt;

use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use relattn::Checks;
use relattn::plan::KernelText;

pub use naga::back::glsl::Version;
pub use naga::back::hlsl::ShaderModel;

/// What naga refuses, and why no kernel is in danger of it: wgpu has no `Features::SHADER_F16` there either.
const NO_HALF: &str = "naga writes no f16 in GLSL";

/// A language, and what of it a backend may use.
#[derive(Clone, Copy, Debug)]
pub enum Language {
    /// DirectX 12; of shader model 5.1 where FXC compiles.
    Hlsl(ShaderModel),
    /// Metal, of a version.
    Msl(u8, u8),
    /// OpenGL.
    Glsl(Version),
    /// Vulkan, of a version of SPIR-V.
    Spirv(u8, u8),
}

/// A language, and the run-time checks that are written into it.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The language.
    pub language: Language,
    /// The checks.
    pub checks: Checks,
}

/// What naga wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Translation {
    /// A text, and the name of its entry point.
    Text {
        /// The text.
        source: String,
        /// The entry point.
        entry: String,
    },
    /// The words of SPIR-V.
    Words(Vec<u32>),
}

/// A kernel that naga has read and found valid.
#[derive(Debug)]
pub struct Module {
    pub(crate) module: naga::Module,
    pub(crate) info: ModuleInfo,
}

impl Target {
    /// The oldest that a backend may meet without checks, which is the default, and the newest with checks.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let oldest = [
            Language::Hlsl(ShaderModel::V5_1),
            Language::Hlsl(ShaderModel::V6_0),
            Language::Msl(2, 4),
            Language::Glsl(Version::new_gles(310)),
            Language::Glsl(Version::Desktop(430)),
            Language::Spirv(1, 3),
        ];
        let newest = [
            Language::Hlsl(ShaderModel::V6_6),
            Language::Msl(3, 2),
            Language::Spirv(1, 6),
        ];
        let of = |checks| move |language| Self { language, checks };
        let unchecked = oldest.into_iter().map(of(Checks::None));
        unchecked
            .chain(newest.into_iter().map(of(Checks::All)))
            .collect()
    }

    /// Why no device of this target ever gets a text.
    #[must_use]
    pub fn unsupported(&self, kernel: &KernelText) -> Option<&'static str> {
        match self.language {
            Language::Glsl(_) if kernel.wgsl.contains("enable f16;") => Some(NO_HALF),
            Language::Glsl(_) if kernel.subgroups => {
                Some("wgpu's OpenGL has no subgroup operations")
            }
            Language::Hlsl(ShaderModel::V5_1) if kernel.subgroups => {
                Some("shader model 5.1 has no subgroup operations")
            }
            _ => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.language {
            Language::Hlsl(model) => write!(f, "HLSL {}", model.to_str().replace('_', "."))?,
            Language::Msl(major, minor) => write!(f, "MSL {major}.{minor}")?,
            Language::Glsl(Version::Embedded { version, .. }) => write!(f, "GLSL ES {version}")?,
            Language::Glsl(Version::Desktop(version)) => write!(f, "GLSL {version}")?,
            Language::Spirv(major, minor) => write!(f, "SPIR-V {major}.{minor}")?,
        }
        f.write_str(match self.checks {
            Checks::None => "",
            Checks::All => ", checked",
        })
    }
}

impl Module {
    /// Reads a text.
    ///
    /// # Errors
    /// Whatever naga says about a text that is not valid.
    pub fn parse(wgsl: &str) -> Result<Self, String> {
        let module =
            naga::front::wgsl::parse_str(wgsl).map_err(|error| error.emit_to_string(wgsl))?;
        let info = Validator::new(ValidationFlags::all(), Capabilities::all())
            .validate(&module)
            .map_err(|error| error.emit_to_string(wgsl))?;
        match module.entry_points.len() {
            1 => Ok(Self { module, info }),
            other => Err(format!("{other} entry points; allowed: one")),
        }
    }

    /// Writes it for a target.
    ///
    /// # Errors
    /// Whatever naga cannot write.
    pub fn translate(&self, target: &Target) -> Result<Translation, String> {
        let checks = target.checks;
        match target.language {
            Language::Hlsl(model) => hlsl::write(self, model, checks),
            Language::Msl(major, minor) => msl::write(self, (major, minor), checks),
            Language::Glsl(version) => glsl::write(self, version, checks),
            Language::Spirv(major, minor) => {
                spirv::write(self, (major, minor), checks).map(Translation::Words)
            }
        }
    }

    fn entry(&self) -> &naga::EntryPoint {
        &self.module.entry_points[0]
    }

    /// The buffers by binding number, in the order of a layout.
    fn buffers(&self) -> Vec<Buffer> {
        let globals = self.module.global_variables.iter();
        let mut buffers: Vec<Buffer> = globals
            .filter_map(|(_, global)| Buffer::of(global))
            .collect();
        buffers.sort_by_key(|buffer| buffer.binding.binding);
        buffers
    }
}

/// A binding.
struct Buffer {
    binding: naga::ResourceBinding,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Uniform,
    Read,
    Written,
}

impl Buffer {
    fn of(global: &naga::GlobalVariable) -> Option<Self> {
        let kind = match global.space {
            naga::AddressSpace::Uniform => Kind::Uniform,
            naga::AddressSpace::Storage { access } => {
                if access.contains(naga::StorageAccess::STORE) {
                    Kind::Written
                } else {
                    Kind::Read
                }
            }
            _ => return None,
        };
        let binding = global.binding?;
        Some(Self { binding, kind })
    }
}

/// All indices into memory checked by naga, or none.
fn policies(checks: Checks) -> BoundsCheckPolicies {
    let policy = match checks {
        Checks::None => BoundsCheckPolicy::Unchecked,
        Checks::All => BoundsCheckPolicy::Restrict,
    };
    BoundsCheckPolicies {
        index: policy,
        buffer: policy,
        image_load: policy,
        binding_array: BoundsCheckPolicy::Unchecked,
    }
}
