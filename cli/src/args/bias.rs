//! What is added to the scores.

use clap::{Args, ValueEnum};
use relattn::{Direction, RelativeBuckets};

use crate::fault::Fault;

/// A sum of biases, and the parameters that are no tensors.
#[derive(Args, Clone, Debug)]
pub(crate) struct BiasArgs {
    /// What is added to the scores. Several are added up, each kind at most once: --bias t5,dense or --bias t5 --bias dense
    #[arg(
        long = "bias",
        value_name = "KIND",
        value_enum,
        value_delimiter = ',',
        default_value = "t5"
    )]
    pub(crate) kinds: Vec<BiasKind>,
    #[command(flatten)]
    pub(crate) buckets: BucketArgs,
    /// The last offset with a number of its own, for --bias offset
    #[arg(long, value_name = "R", default_value_t = 128)]
    pub(crate) max_offset: u32,
    /// The width of the embeddings, for --bias sandwich
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub(crate) dimensions: u32,
}

impl BiasArgs {
    /// Refuses a kind that is there twice, and no bias beside one.
    pub(crate) fn check_sum(&self) -> Result<(), Fault> {
        for (n, kind) in self.kinds.iter().enumerate() {
            if self.kinds[..n].contains(kind) {
                return Err(Fault::RepeatedBias { kind: kind.name() });
            }
        }
        match self.kinds.iter().find(|&&kind| kind != BiasKind::None) {
            Some(other) if self.kinds.contains(&BiasKind::None) => Err(Fault::NoneInSum {
                other: other.name(),
            }),
            _ => Ok(()),
        }
    }

    /// The kinds as the command line has them.
    pub(crate) fn names(&self) -> Vec<String> {
        self.kinds.iter().map(|kind| kind.name()).collect()
    }
}

/// T5's buckets.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct BucketArgs {
    /// Whether keys after the query have buckets of their own
    #[arg(long, value_enum, default_value_t = DirectionKind::Bidirectional)]
    pub(crate) direction: DirectionKind,
    /// Rows of the learned table
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub(crate) num_buckets: u32,
    /// The distance at which the formula reaches the last bucket
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub(crate) max_distance: u32,
}

impl From<BucketArgs> for RelativeBuckets {
    fn from(args: BucketArgs) -> Self {
        Self {
            num_buckets: args.num_buckets,
            max_distance: args.max_distance,
            direction: match args.direction {
                DirectionKind::Bidirectional => Direction::Bidirectional,
                DirectionKind::Causal => Direction::Causal,
            },
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BiasKind {
    /// T5's relative position bias, table[bucket(offset)]
    T5,
    /// A number for each offset up to --max-offset, shared beyond
    Offset,
    /// -slope · |offset|
    Alibi,
    /// -p · ln(1 + a · |offset|)
    KerpleLog,
    /// -a · |offset|^p
    KerplePower,
    /// Inner products of sinusoidal embeddings of --dimensions
    Sandwich,
    /// FIRE: an MLP of the logarithmic distance, relative to the query's position
    Fire,
    /// table[index], or the sum over several matrices
    Index,
    /// A number for each score
    Dense,
    /// No bias
    None,
}

impl BiasKind {
    /// What the command line calls it.
    pub(crate) fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DirectionKind {
    /// Half of the buckets for keys after the query (encoders)
    Bidirectional,
    /// All buckets for keys at or before the query (decoders)
    Causal,
}
