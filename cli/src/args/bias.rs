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
    /// The last offset with a number of its own, for --bias offset [default: 128]
    #[arg(long, value_name = "R")]
    max_offset: Option<u32>,
    /// The width of the embeddings, for --bias sandwich [default: 128]
    #[arg(long, value_name = "N")]
    dimensions: Option<u32>,
}

impl BiasArgs {
    pub(crate) fn max_offset(&self) -> u32 {
        self.max_offset.unwrap_or(128)
    }

    pub(crate) fn dimensions(&self) -> u32 {
        self.dimensions.unwrap_or(128)
    }

    /// The options that are given for a kind that is not there, each with its kind.
    fn unread(&self) -> Vec<(&'static str, BiasKind)> {
        let BucketArgs {
            direction,
            num_buckets,
            max_distance,
        } = self.buckets;
        let options = [
            ("--direction", direction.is_some(), BiasKind::T5),
            ("--num-buckets", num_buckets.is_some(), BiasKind::T5),
            ("--max-distance", max_distance.is_some(), BiasKind::T5),
            ("--max-offset", self.max_offset.is_some(), BiasKind::Offset),
            (
                "--dimensions",
                self.dimensions.is_some(),
                BiasKind::Sandwich,
            ),
        ];
        let others = options
            .into_iter()
            .filter(|(_, given, kind)| *given && !self.kinds.contains(kind));
        others.map(|(option, _, kind)| (option, kind)).collect()
    }

    /// Whether no bias reads a tensor, be there a file or not.
    pub(crate) fn reads_no_tensor(&self) -> bool {
        let reads = |kind: &BiasKind| !matches!(kind, BiasKind::Sandwich | BiasKind::None);
        !self.kinds.iter().any(reads)
    }

    /// Says on the error stream which options nothing reads: scripts give them to every kind.
    pub(crate) fn note_unread(&self) {
        let found = self.names().join(",");
        for (option, kind) in self.unread() {
            let needed = kind.name();
            eprintln!("note: {option} is for --bias {needed}; --bias {found} does not read it");
        }
    }

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
    /// Whether keys after the query have buckets of their own, for --bias t5 [default: bidirectional]
    #[arg(long, value_enum)]
    direction: Option<DirectionKind>,
    /// Rows of the learned table, for --bias t5 [default: 32]
    #[arg(long, value_name = "N")]
    num_buckets: Option<u32>,
    /// The distance at which the formula reaches the last bucket, for --bias t5 [default: 128]
    #[arg(long, value_name = "N")]
    max_distance: Option<u32>,
}

impl From<BucketArgs> for RelativeBuckets {
    fn from(args: BucketArgs) -> Self {
        let t5 = Self::t5_encoder();
        Self {
            num_buckets: args.num_buckets.unwrap_or(t5.num_buckets),
            max_distance: args.max_distance.unwrap_or(t5.max_distance),
            direction: match args.direction {
                None => t5.direction,
                Some(DirectionKind::Bidirectional) => Direction::Bidirectional,
                Some(DirectionKind::Causal) => Direction::Causal,
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
    /// Whether it cannot be computed without tensors of a file.
    pub(crate) const fn needs_tensors(self) -> bool {
        !matches!(self, Self::Alibi | Self::Sandwich | Self::None)
    }

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
