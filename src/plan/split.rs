//! Work that one dispatch cannot do, as several.

use std::ops::Range;

use super::params::{bits_strides, index_strides};
use super::ranges::KeyRanges;
use super::{Budget, Side};
use crate::{Dtype, Error, Layout, Packed, Problem, Tensor};

/// A box of workgroups: sequences, heads and tiles of rows of the side that they own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) batch: Range<u32>,
    pub(super) heads: Range<u32>,
    pub(super) tiles: Range<u32>,
}

/// What a dispatch may not exceed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Workgroups of a dimension.
    pub(super) workgroups: u32,
    /// Bytes of a binding.
    pub(super) binding: u64,
    /// What the offset of a binding must be a multiple of, in bytes.
    pub(super) alignment: u64,
    pub(super) budget: Budget,
    /// Workgroups of a dispatch, for what each leaves behind.
    pub(super) total: u64,
}

/// Elements of a tensor that a chunk reads or writes, from a multiple of the alignment on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) elements: Range<u64>,
    /// Bytes of the range.
    pub(super) bytes: Range<u64>,
}

/// The tensors of which a chunk binds a part; the others are small enough to be bound whole.
#[derive(Clone, Debug, Default)]
pub(super) struct Ranges {
    pub(super) q: Extent,
    pub(super) k: Extent,
    pub(super) v: Extent,
    pub(super) out: Extent,
    pub(super) bias: Extent,
    pub(super) bits: Extent,
    pub(super) indices: Extent,
    /// Of the gradient of a dense bias, which is f32.
    pub(super) dbias: Extent,
}

/// Work as the planner sees it.
pub(super) struct Work<'a> {
    pub(super) problem: &'a Problem,
    /// Whose rows workgroups own.
    pub(super) side: Side,
    /// Rows of a workgroup.
    pub(super) tile: u32,
    pub(super) splits: u32,
    /// Parts of all keys that are left behind for a merge; 0 where none are.
    pub(super) parts: u32,
    /// The keys in ranges, each in a dispatch of its own; all in one but for [`super::Algorithm::Decode`] and [`super::Algorithm::Broadcast`].
    pub(super) key_ranges: KeyRanges,
    /// Whether a dispatch binds the keys of its range alone.
    pub(super) binds_ranges: bool,
    /// Multiply-adds of a pair of query and key.
    pub(super) products: u64,
    /// Whether the gradient of a dense bias is written; what shares a number then has dispatches of its own, one after the other.
    pub(super) dbias: bool,
    /// Whether tiles keep to the sequences of a packed batch, where there is one.
    pub(super) packed: bool,
    pub(super) bounds: Bounds,
}

impl Extent {
    /// `Problem::build` keeps every tensor within 32 bits of elements.
    #[expect(clippy::cast_possible_truncation, reason = "32 bits by validation")]
    pub(super) const fn base(&self) -> u32 {
        self.elements.start as u32
    }

    const fn length(&self) -> u64 {
        self.bytes.end - self.bytes.start
    }
}

impl Ranges {
    pub(super) fn of(&self, tensor: Tensor) -> Option<&Extent> {
        match tensor {
            Tensor::Q | Tensor::DQ => Some(&self.q),
            Tensor::K | Tensor::DK => Some(&self.k),
            Tensor::V | Tensor::DV => Some(&self.v),
            Tensor::Out | Tensor::DOut => Some(&self.out),
            Tensor::Bias => Some(&self.bias),
            Tensor::MaskBits => Some(&self.bits),
            Tensor::Indices => Some(&self.indices),
            Tensor::DBias => Some(&self.dbias),
            _ => None,
        }
    }
}

impl Chunk {
    pub(super) const fn workgroups(&self, splits: u32) -> [u32; 3] {
        [
            (self.tiles.end - self.tiles.start).saturating_mul(splits),
            self.heads.end - self.heads.start,
            self.batch.end - self.batch.start,
        ]
    }

    /// The chunk as two, by the longer part of a dimension first; none where it has one workgroup there.
    fn halves(&self, dimension: usize) -> Option<[Self; 2]> {
        let range = [&self.tiles, &self.heads, &self.batch][dimension];
        if range.len() < 2 {
            return None;
        }
        let middle = range.start + (range.end - range.start).div_ceil(2);
        let with = |range: Range<u32>| {
            let mut half = self.clone();
            *[&mut half.tiles, &mut half.heads, &mut half.batch][dimension] = range;
            half
        };
        Some([with(range.start..middle), with(middle..range.end)])
    }
}

impl Work<'_> {
    /// Rows and heads of the side that workgroups own, and rows of the other.
    const fn own(&self) -> (u32, u32) {
        let shape = self.problem.shape();
        match self.side {
            Side::Queries => (shape.q_len, shape.heads),
            Side::Keys => (shape.k_len, shape.kv_heads),
        }
    }

    fn sequences(&self) -> Option<Packed> {
        self.problem.mask().packed.filter(|_| self.packed)
    }

    /// All the work as one chunk.
    fn whole(&self) -> Chunk {
        let shape = self.problem.shape();
        let (rows, heads) = self.own();
        // Of a packed batch each sequence may begin a tile of its own.
        let tiles = match self.sequences() {
            Some(packed) => (rows / self.tile).saturating_add(packed.sequences),
            None => rows.div_ceil(self.tile),
        };
        Chunk {
            batch: 0..shape.batch,
            heads: 0..heads,
            tiles: 0..if rows == 0 { 0 } else { tiles },
        }
    }

    /// The work as chunks that keep to the bounds; none where there is nothing to do.
    ///
    /// # Errors
    /// A tensor of which even one workgroup needs more than a binding holds.
    pub(super) fn chunks(&self) -> Result<Vec<Chunk>, Error> {
        let whole = self.whole();
        let mut chunks = Vec::new();
        if whole.workgroups(1).contains(&0) {
            return Ok(chunks);
        }
        let mut rest = vec![whole];
        while let Some(chunk) = rest.pop() {
            match self.halve(&chunk)? {
                Some([first, second]) => rest.extend([second, first]),
                None => chunks.push(chunk),
            }
        }
        Ok(chunks)
    }

    /// Two halves of a chunk that exceeds a bound, or nothing.
    fn halve(&self, chunk: &Chunk) -> Result<Option<[Chunk; 2]>, Error> {
        let workgroups = chunk.workgroups(self.splits);
        let wide = workgroups
            .iter()
            .position(|&count| count > self.bounds.workgroups);
        if let Some(dimension) = wide {
            return match chunk.halves(dimension) {
                None => Err(Error::DispatchTooLarge {
                    found: workgroups[dimension],
                    maximum: self.bounds.workgroups,
                }),
                halves => Ok(halves),
            };
        }
        let mut shared = self.shared().into_iter();
        if let Some(halves) = shared.find_map(|dimension| chunk.halves(dimension)) {
            return Ok(Some(halves));
        }
        if let Some((tensor, needed)) = self.too_large(chunk) {
            return self.shrink(chunk, tensor, needed).map(Some);
        }
        if let Some(needed) = self.parts_too_large(chunk) {
            let halves = first_halves(chunk).map(Some);
            return halves.ok_or(Error::BindingTooLarge {
                tensor: Tensor::PartOut,
                needed,
                maximum: self.bounds.binding,
            });
        }
        let count = workgroups
            .map(u64::from)
            .into_iter()
            .fold(1, u64::saturating_mul);
        if self.flops(chunk) <= self.bounds.budget.flops && count <= self.bounds.total {
            return Ok(None);
        }
        // A single workgroup cannot be interrupted, however long it takes.
        Ok(first_halves(chunk))
    }

    /// Bytes of the outputs and of the log-sum-exps that the parts of a chunk leave behind.
    pub(super) fn part_bytes(&self, chunk: &Chunk) -> [u64; 2] {
        let workgroups = chunk.workgroups(1).map(u64::from);
        let rows = workgroups
            .into_iter()
            .fold(self.tile.into(), u64::saturating_mul);
        let numbers = rows.saturating_mul(self.parts.into());
        [self.problem.value_dim(), 1]
            .map(|features| numbers.saturating_mul(4 * u64::from(features)))
    }

    /// What the parts of a chunk take where that is more than a binding holds.
    fn parts_too_large(&self, chunk: &Chunk) -> Option<u64> {
        let largest = self.part_bytes(chunk).into_iter().max();
        largest.filter(|&needed| needed > self.bounds.binding)
    }

    /// The dimensions along which workgroups would write the same numbers.
    fn shared(&self) -> Vec<usize> {
        let layout = self.problem.dense().filter(|_| self.dbias);
        let strides = layout.map_or([1, 1], |layout| [layout.head, layout.batch]);
        let dimensions = [1, 2].into_iter().zip(strides);
        dimensions
            .filter_map(|(dimension, stride)| (stride == 0).then_some(dimension))
            .collect()
    }

    /// The halves whose larger one needs least of a tensor.
    fn shrink(&self, chunk: &Chunk, tensor: Tensor, needed: u64) -> Result<[Chunk; 2], Error> {
        let size = |chunk: &Chunk| {
            let ranges = self.key_ranges.iter().map(|keys| self.ranges(chunk, &keys));
            let sizes = ranges.map(|ranges| ranges.of(tensor).map_or(needed, Extent::length));
            sizes.max().unwrap_or(needed)
        };
        let halves = (0..3).filter_map(|dimension| chunk.halves(dimension));
        let best = halves.min_by_key(|halves| halves.each_ref().map(&size).into_iter().max());
        match best {
            Some(halves)
                if halves
                    .each_ref()
                    .map(&size)
                    .iter()
                    .all(|&size| size < needed) =>
            {
                Ok(halves)
            }
            _ => Err(Error::BindingTooLarge {
                tensor,
                needed,
                maximum: self.bounds.binding,
            }),
        }
    }

    /// A tensor of which the chunk needs more than a binding holds.
    fn too_large(&self, chunk: &Chunk) -> Option<(Tensor, u64)> {
        let tensors = [
            Tensor::Q,
            Tensor::K,
            Tensor::V,
            Tensor::Out,
            Tensor::Bias,
            Tensor::MaskBits,
            Tensor::Indices,
            Tensor::DBias,
        ];
        let mut ranges = self.key_ranges.iter().map(|keys| self.ranges(chunk, &keys));
        ranges.find_map(|ranges| {
            let lengths =
                tensors.map(|tensor| (tensor, ranges.of(tensor).map_or(0, Extent::length)));
            lengths
                .into_iter()
                .find(|&(_, length)| length > self.bounds.binding)
        })
    }

    /// Multiplications and additions, the mask left aside but for a window.
    fn flops(&self, chunk: &Chunk) -> u64 {
        let shape = self.problem.shape();
        let (others, shared) = match self.side {
            Side::Queries => (self.key_ranges.longest(), 1),
            Side::Keys => (shape.q_len, shape.heads / shape.kv_heads.max(1)),
        };
        let met = self.problem.mask().window.map_or(others, |window| {
            let width = window.left.saturating_add(window.right);
            width.saturating_add(self.tile).min(others)
        });
        let pairs = u64::from(self.tile) * u64::from(met) * u64::from(shared);
        let workgroups = chunk.workgroups(1).map(u64::from);
        workgroups
            .into_iter()
            .fold(pairs.saturating_mul(2 * self.products), u64::saturating_mul)
    }

    /// What a chunk reads and writes of the large tensors, with a range of the keys.
    pub(super) fn ranges(&self, chunk: &Chunk, keys: &Range<u32>) -> Ranges {
        let problem = self.problem;
        let shape = problem.shape();
        let all = 0..shape.k_len;
        let keys = if self.binds_ranges { keys } else { &all };
        let [queries, keys] = self.boxes(chunk, keys);
        let [q, k, v, out] = problem.layouts();
        let dtype = problem.dtype();
        let (d, dv) = (shape.head_dim, problem.value_dim());
        let strided = |layout: Layout, sizes: &[Range<u32>; 3], features: u32| {
            self.extent(
                span([layout.batch, layout.head, layout.row], sizes, features),
                per_word(dtype),
            )
        };
        let [batch, head, row, _] = bits_strides(problem);
        let bits = span([batch, head, row], &queries, row);
        Ranges {
            q: strided(q, &queries, d),
            k: strided(k, &keys, d),
            v: strided(v, &keys, dv),
            out: strided(out, &queries, dv),
            bias: problem.dense().map_or_else(Extent::default, |layout| {
                strided(layout, &queries, shape.k_len)
            }),
            bits: if problem.mask().bits.is_some() {
                self.extent(bits, 1)
            } else {
                Extent::default()
            },
            indices: self.index_extent(&queries),
            dbias: match problem.dense() {
                Some(layout) if self.dbias => {
                    let strides = [layout.batch, layout.head, layout.row];
                    self.extent(span(strides, &queries, shape.k_len), 1)
                }
                _ => Extent::default(),
            },
        }
    }

    /// The sequences, heads and rows of queries and of keys that a chunk meets.
    fn boxes(&self, chunk: &Chunk, keys: &Range<u32>) -> [[Range<u32>; 3]; 2] {
        let problem = self.problem;
        let shape = problem.shape();
        let tiles = |length: u32| match self.sequences() {
            Some(_) => 0..length,
            None => {
                let end = chunk.tiles.end.saturating_mul(self.tile).min(length);
                (chunk.tiles.start * self.tile).min(end)..end
            }
        };
        let group = (shape.heads / shape.kv_heads.max(1)).max(1);
        let own = chunk.heads.clone();
        let (rows, heads, key_rows, kv_heads) = match self.side {
            Side::Queries => (
                tiles(shape.q_len),
                own.clone(),
                keys.clone(),
                own.start / group..own.end.div_ceil(group),
            ),
            Side::Keys => (
                0..shape.q_len,
                own.start * group..own.end * group,
                tiles(shape.k_len),
                own,
            ),
        };
        let keys = match problem.paged() {
            Some(paged) => [0..paged.blocks, kv_heads, 0..paged.block_size],
            None => [chunk.batch.clone(), kv_heads, key_rows],
        };
        [[chunk.batch.clone(), heads, rows], keys]
    }

    fn index_extent(&self, [batch, _, rows]: &[Range<u32>; 3]) -> Extent {
        let Some(indexed) = self.problem.indexed() else {
            return Extent::default();
        };
        let [sequence, matrix, row, _] = index_strides(self.problem);
        let matrices = 0..indexed.matrices;
        let sizes = [batch.clone(), matrices, rows.clone()];
        let elements = span([sequence, matrix, row], &sizes, self.problem.shape().k_len);
        self.extent(elements, indexed.format.per_word().into())
    }

    /// A range of elements, so many to a word, extended to bytes that can be bound.
    fn extent(&self, elements: Range<u64>, per_word: u64) -> Extent {
        let words = self.bounds.alignment / 4;
        let first = elements.start / (words * per_word) * words;
        Extent {
            elements: first * per_word..elements.end,
            bytes: 4 * first..4 * elements.end.div_ceil(per_word),
        }
    }
}

/// Two halves of a chunk, by sequences if there are several, else by heads, else by tiles.
fn first_halves(chunk: &Chunk) -> Option<[Chunk; 2]> {
    [2, 1, 0]
        .into_iter()
        .find_map(|dimension| chunk.halves(dimension))
}

const fn per_word(dtype: Dtype) -> u64 {
    match dtype {
        Dtype::F32 => 1,
        Dtype::F16 | Dtype::Bf16 => 2,
    }
}

/// The elements from the first to the last of a box of rows.
fn span(strides: [u32; 3], sizes: &[Range<u32>; 3], features: u32) -> Range<u64> {
    if features == 0 || sizes.iter().any(Range::is_empty) {
        return 0..0;
    }
    let at = |index: fn(&Range<u32>) -> u32| -> u64 {
        let places = strides.iter().zip(sizes);
        places
            .map(|(&stride, range)| u64::from(stride) * u64::from(index(range)))
            .sum()
    };
    at(|range| range.start)..at(|range| range.end - 1) + u64::from(features)
}
