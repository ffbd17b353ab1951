//! Messages of the validation layer that are no fault of relattn's, each as narrow as it can be told.

/// A message that has all of these texts.
#[derive(Debug)]
pub(super) struct Accepted {
    texts: [&'static str; 2],
    /// Whose fault it is, and where that is said.
    pub(super) reason: &'static str,
}

const LAYOUT: &str = "[ VUID-StandaloneSpirv-None-10684 ]";
const NAGA: &str = "naga 30 decorates every array and struct with a layout, also those of workgroup memory and of private variables, \
     where SPIR-V allows none; wgpu does not report it either: https://github.com/gfx-rs/wgpu/issues/7696";

const ACCEPTED: [Accepted; 3] = [
    Accepted {
        texts: [
            LAYOUT,
            "the Workgroup storage class has an explicit layout from the ArrayStride decoration",
        ],
        reason: NAGA,
    },
    Accepted {
        texts: [
            LAYOUT,
            "the Private storage class has an explicit layout from the ArrayStride decoration",
        ],
        reason: NAGA,
    },
    Accepted {
        texts: [
            LAYOUT,
            "the Private storage class has an explicit layout from the Offset decoration",
        ],
        reason: NAGA,
    },
];

/// Why a message is accepted, if it is.
pub(super) fn reason(message: &str) -> Option<&'static str> {
    let says = |accepted: &&Accepted| accepted.texts.iter().all(|text| message.contains(text));
    ACCEPTED.iter().find(says).map(|accepted| accepted.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = "Validation Error: [ VUID-StandaloneSpirv-None-10684 ] | MessageID = 0xb210f7c2\n\
        vkCreateShaderModule(): pCreateInfo->pCode (spirv-val produced an error):\n\
        Invalid explicit layout decorations on type '8[%8]', the Workgroup storage class has an explicit layout from the ArrayStride \
        decoration\n  %tile = OpVariable %_ptr_Workgroup__arr_v4float_TILE Workgroup";

    #[test]
    fn only_what_is_meant_is_accepted() {
        assert!(reason(MESSAGE).is_some());
        assert!(reason(&MESSAGE.replace("Workgroup storage", "Private storage")).is_some());
        assert!(reason(&MESSAGE.replace("Workgroup storage", "Function storage")).is_none());
        assert!(reason(&MESSAGE.replace("10684", "10685")).is_none());
    }
}
