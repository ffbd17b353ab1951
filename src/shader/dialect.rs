//! What compilers other than naga's want of a linked text.

use std::borrow::Cow;

use super::UNIFORMITY;

/// A line of each kernel of fragments: a component that is written by number, and the same by constants. For the first FXC unrolls every
/// loop around it, and is not done after minutes.
const COMPONENTS: [[&str; 2]; 2] = [
    [
        "score[r][half][n] = add_product(query[r], key, score[r][half][n]);",
        "let sum = add_product(query[r], key, score[r][half][n]);
         score[r][half] = select(score[r][half], vec4(sum), vec4(n) == vec4(0u, 1u, 2u, 3u));",
    ],
    [
        "product[which][r][half][n] = add_product(own[r], other, product[which][r][half][n]);",
        "let sum = add_product(own[r], other, product[which][r][half][n]);
         product[which][r][half] = select(product[which][r][half], vec4(sum), vec4(n) == vec4(0u, 1u, 2u, 3u));",
    ],
];

/// What browsers want to be told of a text with subgroup operations. Those of one subgroup take the same way through a kernel: it follows
/// from the workgroup and from votes, neither of which a browser follows through private variables.
const SUBGROUPS: &str = "enable subgroups;\ndiagnostic(off, subgroup_uniformity);\n";

/// What the compiler that reads a text makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// naga's, on most backends of wgpu. It knows what a text makes use of, and refuses to be told.
    Native,
    /// For FXC, Microsoft's older compiler, behind naga: it allows barriers only where it can prove that all invocations come to them, and takes
    /// minutes over components of vectors that are written by number.
    Fxc,
    /// A browser's: barriers as FXC's, and subgroup operations have to be enabled.
    Browser,
}

impl Dialect {
    /// That of the compiler behind a device.
    #[must_use]
    pub fn of(device: &wgpu::Device) -> Self {
        match device.adapter_info().backend {
            wgpu::Backend::BrowserWebGpu => Self::Browser,
            // Where there are subgroups the compiler is DXC.
            wgpu::Backend::Dx12 if !device.features().contains(wgpu::Features::SUBGROUP) => {
                Self::Fxc
            }
            _ => Self::Native,
        }
    }

    /// A text that is linked for naga, in this dialect. Directives come first in WGSL.
    pub(crate) fn translate(self, text: &str, subgroups: bool) -> Cow<'_, str> {
        let [told, proved] = UNIFORMITY;
        match self {
            Self::Native => Cow::Borrowed(text),
            Self::Browser if subgroups => Cow::Owned([SUBGROUPS, text].concat()),
            Self::Browser => Cow::Owned(text.replace(told, proved)),
            Self::Fxc => {
                let mut text = text.replace(told, proved);
                for [by_number, by_constants] in COMPONENTS {
                    text = text.replace(by_number, by_constants);
                }
                Cow::Owned(text)
            }
        }
    }
}
