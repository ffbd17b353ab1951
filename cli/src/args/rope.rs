//! Rotary positions.

use clap::{Args, ValueEnum};

/// How q and k are rotated; without `--rope` they are not.
#[derive(Args, Clone, Debug)]
pub(crate) struct RopeArgs {
    /// Rotate q, from --query-offset on, and k, from 0 on, by rotary position embedding before attention
    #[arg(long = "rope", value_name = "PAIRING", value_enum)]
    pub(crate) pairing: Option<PairingKind>,
    /// The base of the frequencies [default: 10000]
    #[arg(long = "rope-base", value_name = "BASE", allow_hyphen_values = true)]
    pub(crate) base: Option<f64>,
    /// How the frequencies are changed for longer sequences than the model was trained on [default: none]
    #[arg(long = "rope-scaling", value_name = "SCALING", value_enum)]
    pub(crate) scaling: Option<ScalingKind>,
    /// The ratio of the new length to that of the training, for --rope-scaling linear, ntk and yarn
    #[arg(long = "rope-factor", value_name = "F", allow_hyphen_values = true)]
    pub(crate) factor: Option<f64>,
    /// The length of the training, for --rope-scaling yarn
    #[arg(long = "rope-original-length", value_name = "N")]
    pub(crate) original_length: Option<u32>,
    /// The rotated features, the first of each row [default: D]
    #[arg(id = "rope-dimensions", long = "rope-dimensions", value_name = "N")]
    pub(crate) dimensions: Option<u32>,
}

impl RopeArgs {
    pub(crate) const BASE: f64 = 10_000.0;

    /// The first option beside `--rope` that is given.
    pub(crate) fn given(&self) -> Option<&'static str> {
        [
            ("--rope-base", self.base.is_some()),
            ("--rope-scaling", self.scaling.is_some()),
            ("--rope-factor", self.factor.is_some()),
            ("--rope-original-length", self.original_length.is_some()),
            ("--rope-dimensions", self.dimensions.is_some()),
        ]
        .into_iter()
        .find_map(|(option, given)| given.then_some(option))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PairingKind {
    /// Features n and n + dimensions / 2, as in GPT-NeoX and Hugging Face's models
    Half,
    /// Features 2n and 2n + 1, as in the paper and GPT-J
    Interleaved,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScalingKind {
    /// Not at all
    None,
    /// Every frequency divided by the factor
    Linear,
    /// A larger base
    Ntk,
    /// Slow frequencies divided by the factor, fast ones kept
    Yarn,
}
