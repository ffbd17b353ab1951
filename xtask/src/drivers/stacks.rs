//! The driver stacks, and the packages that each of them is made of.

/// A driver with all that it needs, so that a program meets nothing else.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// The suites of Debian that packages come from; of the last one first.
    pub(crate) suites: &'static [&'static str],
    /// Packages that are unpacked with their dependencies.
    pub(crate) packages: &'static [&'static str],
    /// Files that are enough of Debian's chromium.
    pub(crate) chromium: &'static [&'static str],
    pub(crate) driver: Driver,
}

/// Which of the libraries is the driver.
#[derive(Debug)]
pub(crate) enum Driver {
    /// A library that Vulkan's loader opens, under the validation layer.
    Vulkan { library: &'static str },
    /// Mesa's software OpenGL, for wgpu's backend Gl.
    Gl,
    /// Wine's DirectX 12 on a driver of Vulkan, for programs that are built for Windows.
    Dx12 { library: &'static str },
}

const LAVAPIPE: Driver = Driver::Vulkan {
    library: "libvulkan_lvp.so",
};

/// What both stacks of Debian 13 are made of; its validation layer runs there.
const TRIXIE: &[&str] = &[
    "mesa-vulkan-drivers",
    "libvulkan1",
    "vulkan-validationlayers",
];

/// The package of Debian's chromium that has its libraries.
pub(crate) const CHROMIUM: &str = "chromium-common";
/// The validation layer of Debian 12 is of 2022 and calls WGSL an invalid source language; chromium's is recent and runs there.
const CHROMIUM_LAYER: &str = "./usr/lib/chromium/libVkLayer_khronos_validation.so";

pub(crate) const STACKS: [Stack; 7] = [
    Stack {
        name: "lavapipe-22.3",
        about: "Mesa's software Vulkan, of Debian 12",
        suites: &["bookworm", "bookworm-security"],
        packages: &["mesa-vulkan-drivers", "libvulkan1"],
        chromium: &[CHROMIUM_LAYER],
        driver: LAVAPIPE,
    },
    Stack {
        name: "lavapipe-25.0",
        about: "Mesa's software Vulkan, of the backports to Debian 12",
        suites: &["bookworm", "bookworm-security", "bookworm-backports"],
        packages: &["mesa-vulkan-drivers", "libvulkan1"],
        chromium: &[CHROMIUM_LAYER],
        driver: LAVAPIPE,
    },
    Stack {
        name: "lavapipe-25.0-llvm19",
        about: "Mesa's software Vulkan, of Debian 13",
        suites: &["trixie"],
        packages: TRIXIE,
        chromium: &[],
        driver: LAVAPIPE,
    },
    Stack {
        name: "lavapipe-26.1",
        about: "Mesa's software Vulkan, of the backports to Debian 13, with cooperative matrices",
        suites: &["trixie", "trixie-backports"],
        packages: TRIXIE,
        chromium: &[],
        driver: LAVAPIPE,
    },
    Stack {
        name: "gl",
        about: "Mesa's software OpenGL, of Debian 12",
        suites: &["bookworm"],
        packages: &["libegl1", "libegl-mesa0", "libgl1-mesa-dri"],
        chromium: &[],
        driver: Driver::Gl,
    },
    Stack {
        name: "swiftshader",
        about: "Google's software Vulkan, of Debian 12's chromium",
        suites: &["bookworm", "bookworm-security"],
        packages: &["libvulkan1"],
        chromium: &[CHROMIUM_LAYER, "./usr/lib/chromium/libvk_swiftshader.so"],
        driver: Driver::Vulkan {
            library: "libvk_swiftshader.so",
        },
    },
    Stack {
        name: "dx12-wine",
        about: "Wine's DirectX 12 on Mesa's software Vulkan, of the backports to Debian 12, for programs built for Windows",
        suites: &["bookworm", "bookworm-security", "bookworm-backports"],
        packages: &["mesa-vulkan-drivers", "libvulkan1"],
        chromium: &[],
        driver: Driver::Dx12 {
            library: "libvulkan_lvp.so",
        },
    },
];

/// The stack of a name.
pub(crate) fn named(name: &str) -> Result<&'static Stack, String> {
    let known = STACKS.iter().map(|stack| stack.name);
    let known = known.collect::<Vec<_>>().join(", ");
    let found = STACKS.iter().find(|stack| stack.name == name);
    found.ok_or_else(|| format!("no driver stack is called {name:?}; allowed: {known}"))
}
