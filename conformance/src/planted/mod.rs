//! Errors to plant: changes of a shader's text, and a case of the catalogue that must refuse each.

mod broadcast;
mod decode;
mod fragments;
mod shared;

pub use broadcast::BROADCAST;
pub use decode::DECODE;
pub use fragments::FRAGMENTS;
pub use shared::SHARED;

use crate::matrices::PLANTED as MATRICES;
use crate::matrices_backward::PLANTED as MATRICES_BACKWARD;

/// The name of an error, the text that it replaces, what it puts there, and a case that must notice.
pub type Planted = (&'static str, &'static str, &'static str, &'static str);

/// A change of every kernel that has a text.
#[derive(Clone, Copy, Debug)]
pub struct Edit {
    from: &'static str,
    to: &'static str,
}

impl Edit {
    /// The planted error of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let lists = [
            &SHARED[..],
            &FRAGMENTS,
            &BROADCAST,
            &DECODE,
            &MATRICES,
            &MATRICES_BACKWARD,
        ];
        let mut all = lists.into_iter().flatten();
        let &(_, from, to, _) = all.find(|(planted, ..)| *planted == name)?;
        Some(Self { from, to })
    }

    /// Whether a kernel has the text.
    #[must_use]
    pub fn applies(&self, kernel: &str) -> bool {
        kernel.contains(self.from)
    }

    /// The kernel with the error.
    #[must_use]
    pub fn of(&self, kernel: &str) -> String {
        kernel.replace(self.from, self.to)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::read_to_string;
    use std::path::Path;

    use super::{MATRICES, MATRICES_BACKWARD};

    /// Few machines run kernels by matrices, so that nothing else there would notice an error that no kernel has the text for.
    #[test]
    fn every_error_of_kernels_by_matrices_has_a_text() {
        let shaders = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shaders");
        let of = |folder: &Path| {
            let files = folder.read_dir().expect("shaders").flatten();
            let texts = files.filter_map(|file| read_to_string(file.path()).ok());
            texts.collect::<String>()
        };
        let texts = of(&shaders) + &of(&shaders.join("part"));
        for (name, from, ..) in MATRICES.iter().chain(&MATRICES_BACKWARD) {
            assert!(texts.contains(from), "{name}: no {from:?}");
        }
    }
}
