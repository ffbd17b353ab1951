//! Which keys a query may see.

/// Which keys a query may see: all conditions must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mask {
    /// Hide keys after the query: `j > i + query_offset`.
    pub causal: bool,
    /// Hide keys whose byte in the `[B, Nk]` key mask is 0.
    pub keys: bool,
}

impl Mask {
    /// Every key is visible.
    pub const NONE: Self = Self {
        causal: false,
        keys: false,
    };
    /// Keys after the query are hidden.
    pub const CAUSAL: Self = Self {
        causal: true,
        keys: false,
    };
}
