//! Matrices of bucket indices, compared exactly with the oracle's buckets.

use relattn::cpu::Oracle;
use relattn::{Context, Direction, IndexFormat, RelativeBuckets, wgpu};

use crate::device::{LEAD, POISON, placed, read, unguarded};
use crate::suite::{Entry, Work};

/// A matrix to build.
#[derive(Clone, Copy, Debug)]
pub struct BucketMatrix {
    buckets: RelativeBuckets,
    format: IndexFormat,
    lengths: [u32; 2],
    query_offset: i32,
}

/// The buckets of T5 and of `WavLM`, and others with few and with many buckets.
const BUCKETS: [(u32, u32, Direction); 8] = [
    (32, 128, Direction::Bidirectional),
    (32, 128, Direction::Causal),
    (320, 800, Direction::Bidirectional),
    (8, 16, Direction::Bidirectional),
    (16, 64, Direction::Causal),
    (32, 20, Direction::Causal),
    (64, 4096, Direction::Bidirectional),
    (128, 1_000_000, Direction::Causal),
];
/// Lengths around those of a word and a workgroup, and positions on both sides of the keys.
const PLACES: [([u32; 2], i32); 12] = [
    ([1, 1], 0),
    ([3, 5], 0),
    ([37, 901], 0),
    ([64, 64], 0),
    ([65, 33], -40),
    ([5, 130], 125),
    ([1, 2000], 1999),
    ([200, 3], 17),
    ([3, 7], -700_000),
    ([3, 7], 700_000),
    ([0, 4], 0),
    ([4, 0], 0),
];
const FORMATS: [IndexFormat; 3] = [IndexFormat::U32, IndexFormat::U16, IndexFormat::U8];

/// Every matrix.
pub(crate) fn all() -> Vec<Entry> {
    let places = |buckets| PLACES.into_iter().map(move |place| (buckets, place));
    let matrices = BUCKETS.into_iter().flat_map(places);
    let matrices =
        matrices.flat_map(|(buckets, place)| FORMATS.map(|format| matrix(buckets, place, format)));
    let fits = |matrix: &BucketMatrix| {
        matrix.format != IndexFormat::U8 || matrix.buckets.num_buckets <= 256
    };
    matrices.filter(fits).map(BucketMatrix::entry).collect()
}

/// Every eleventh matrix: each of the buckets, in each of the formats.
pub(crate) fn some() -> Vec<Entry> {
    all().into_iter().step_by(11).collect()
}

fn matrix(
    (num_buckets, max_distance, direction): (u32, u32, Direction),
    (lengths, query_offset): ([u32; 2], i32),
    format: IndexFormat,
) -> BucketMatrix {
    BucketMatrix {
        buckets: RelativeBuckets {
            num_buckets,
            max_distance,
            direction,
        },
        format,
        lengths,
        query_offset,
    }
}

impl BucketMatrix {
    fn entry(self) -> Entry {
        let RelativeBuckets {
            num_buckets,
            max_distance,
            direction,
        } = self.buckets;
        let direction = match direction {
            Direction::Bidirectional => "bidirectional",
            Direction::Causal => "causal",
        };
        let ([queries, keys], offset, format) =
            (self.lengths, self.query_offset, self.format_name());
        Entry {
            name: format!(
                "buckets: {num_buckets} to {max_distance}, {direction}, {queries} x {keys} from {offset}, {format}"
            ),
            work: Work::Buckets(self),
        }
    }

    /// `u8`, `u16` or `u32`.
    #[must_use]
    pub const fn format_name(&self) -> &'static str {
        match self.format {
            IndexFormat::U8 => "u8",
            IndexFormat::U16 => "u16",
            _ => "u32",
        }
    }

    /// Builds the matrix twice over poison and compares every index.
    pub fn check(&self, context: &Context) -> Result<(), String> {
        let first = self.build(context)?;
        if first != self.build(context)? {
            return Err("two runs differ".into());
        }
        let expected = self.expected();
        if first.len() != expected.len() {
            let [found, right] = [&first, &expected].map(Vec::len);
            return Err(format!("{found} indices, {right} are right"));
        }
        let wrong = first
            .iter()
            .zip(&expected)
            .position(|(found, expected)| found != expected);
        match wrong {
            Some(at) => Err(format!(
                "index {at} is {}, {} is right",
                first[at], expected[at]
            )),
            None => Ok(()),
        }
    }

    fn expected(&self) -> Vec<u32> {
        let [queries, keys] = self.lengths.map(i64::from);
        let places = (0..queries).flat_map(|i| (0..keys).map(move |j| j - i));
        let offsets = places.map(|offset| offset - i64::from(self.query_offset));
        offsets
            .map(|offset| Oracle::bucket(&self.buckets, offset))
            .collect()
    }

    fn build(&self, context: &Context) -> Result<Vec<u32>, String> {
        let thresholds = self
            .buckets
            .thresholds()
            .map_err(|error| error.to_string())?;
        let index = context.bucket_index(&thresholds, self.lengths, self.query_offset, self.format);
        let words = usize::try_from(index.bytes() / 4).map_err(|error| error.to_string())?;
        let buffer = placed(context, &vec![POISON; words]);
        let binding = wgpu::BufferBinding {
            buffer: &buffer,
            offset: LEAD,
            size: wgpu::BufferSize::new(index.bytes()),
        };
        let bound = index.bind(&binding).map_err(|error| error.to_string())?;
        let mut encoder = context
            .device()
            .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        bound.encode(&mut encoder);
        let [found] = read(context, encoder, [&buffer]);
        let found = unguarded(&found, words)?;
        Ok(self.unpacked(found))
    }

    /// The indices of the words.
    fn unpacked(&self, words: &[u32]) -> Vec<u32> {
        let [queries, keys] = self.lengths;
        let bits = 32 / self.format.per_word();
        let indices = words.iter().flat_map(|word| {
            let shifts = (0..32).step_by(bits as usize);
            shifts.map(move |shift| word >> shift & (u32::MAX >> (32 - bits)))
        });
        indices.take((queries * keys) as usize).collect()
    }
}
