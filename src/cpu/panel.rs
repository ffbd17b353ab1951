//! Queries side by side in the lanes of vectors, and what attention does to them with a tile of keys and values.
//!
//! ```text
//! S[j][i] = scale · Σ_x K[j][x] · Q[x][i] + bias        P = 2^(S − top[i])        O[x][i] = corr[i] · O[x][i] + Σ_j V[j][x] · P[j][i]
//! ```
//!
//! With queries in lanes, numbers of K and V are read where they lie and spread over a vector, nothing but Q is transposed, and a softmax
//! needs no sum across lanes. Sums of either product stay in registers, several keys or features at a time.

use std::f32::consts::LN_2;

use bytemuck::cast_slice;
use pulp::{Simd, as_arrays, as_arrays_mut};

use super::exp2::exp2;
use super::product::Matrix;
use super::tiled::MASKED;

/// Numbers of the widest vector. Vectors that begin at multiples of it do not straddle cache lines.
const LINE: usize = 16;

/// Memory for a panel, kept from one to the next.
#[derive(Debug, Default)]
pub(super) struct Memory {
    numbers: Vec<f32>,
}

/// `NR` vectors of queries.
pub(super) struct Panel<'a, S: Simd, const NR: usize> {
    simd: S,
    /// `[D, queries]`.
    q: &'a mut [f32],
    /// `[Dv, queries]`.
    out: &'a mut [f32],
    /// `[keys, queries]`, scores and then weights.
    scores: &'a mut [f32],
    /// The greatest score so far, `MASKED` where there is none.
    top: [S::f32s; NR],
    sum: [S::f32s; NR],
    /// What the output has to be multiplied by before the weights of a tile are added.
    correction: [S::f32s; NR],
}

/// What is added to the scores of a tile.
pub(super) enum Addend<'a, S: Simd, const NR: usize> {
    /// For each query one number.
    Constant([S::f32s; NR]),
    /// A bias by offset, from that of the first query and the last key on downwards, and a factor for each query.
    Descending {
        values: &'a [f32],
        gate: [S::f32s; NR],
    },
}

impl<S: Simd, const NR: usize> Addend<'_, S, NR> {
    #[inline(always)]
    fn at(&self, simd: S, keys_after: usize, r: usize) -> S::f32s {
        match self {
            Self::Constant(values) => values[r],
            Self::Descending { values, gate } => {
                let first = keys_after + r * S::F32_LANES;
                let (vectors, _) = S::as_simd_f32s(&values[first..][..S::F32_LANES]);
                simd.mul_f32s(vectors[0], gate[r])
            }
        }
    }
}

impl<'a, S: Simd, const NR: usize> Panel<'a, S, NR> {
    pub(super) const WIDTH: usize = NR * S::F32_LANES;

    /// Queries without any key so far; lanes past the last of them are 0.
    #[inline(always)]
    pub(super) fn new(
        simd: S,
        memory: &'a mut Memory,
        q: Matrix<'_>,
        value_dim: usize,
        keys: usize,
    ) -> Self {
        let sizes = [q.columns, value_dim, keys].map(|rows| rows * Self::WIDTH);
        let [q_numbers, out, scores] = memory.parts(sizes);
        q_numbers.fill(0.0);
        out.fill(0.0);
        for (i, row) in q.values.chunks(q.stride).take(q.rows).enumerate() {
            for (lanes, &value) in q_numbers.chunks_exact_mut(Self::WIDTH).zip(row) {
                lanes[i] = value;
            }
        }
        let zero = [simd.splat_f32s(0.0); NR];
        Self {
            simd,
            q: q_numbers,
            out,
            scores,
            top: [simd.splat_f32s(MASKED); NR],
            sum: zero,
            correction: zero,
        }
    }

    /// A number for each lane; lanes past the end are never read.
    #[inline(always)]
    pub(super) fn lanes(simd: S, values: &[f32]) -> [S::f32s; NR] {
        let mut vectors = [simd.splat_f32s(0.0); NR];
        for (vector, values) in vectors.iter_mut().zip(values.chunks(S::F32_LANES)) {
            *vector = simd.partial_load_f32s(values);
        }
        vectors
    }

    /// Computes the scores with some keys; returns the greatest of each query so far.
    #[inline(always)]
    pub(super) fn score(
        &mut self,
        k: Matrix<'_>,
        scale: f32,
        addend: &Addend<'_, S, NR>,
    ) -> [S::f32s; NR] {
        let mut product = ScoreProduct {
            simd: self.simd,
            k,
            q: vectors::<S, NR>(self.q),
            scores: vectors_mut::<S, NR>(self.scores),
            scale,
            addend,
            top: self.top,
        };
        in_blocks::<S>(k.rows, &mut product);
        product.top
    }

    /// The greatest score of each query so far, with those of a tile as they are now.
    #[inline(always)]
    pub(super) fn highest(&self, keys: usize) -> [S::f32s; NR] {
        let mut top = self.top;
        for scores in &vectors::<S, NR>(self.scores)[..keys] {
            for (top, &score) in top.iter_mut().zip(scores) {
                *top = self.simd.max_f32s(score, *top);
            }
        }
        top
    }

    /// Calls `each` with each query and its scores, or weights, which may be changed there.
    pub(super) fn for_each_query(
        &mut self,
        queries: usize,
        row: &mut [f32],
        mut each: impl FnMut(usize, &mut [f32]),
    ) {
        for i in 0..queries {
            let columns = || (i..).step_by(Self::WIDTH);
            for (number, at) in row.iter_mut().zip(columns()) {
                *number = self.scores[at];
            }
            each(i, row);
            for (&number, at) in row.iter().zip(columns()) {
                self.scores[at] = number;
            }
        }
    }

    /// Turns the scores of a tile into weights, whose greatest score is known, and adds them up.
    #[inline(always)]
    pub(super) fn weigh(&mut self, keys: usize, top: [S::f32s; NR]) {
        let simd = self.simd;
        let zero = simd.splat_f32s(0.0);
        let (mut base, mut part) = ([zero; NR], [zero; NR]);
        for r in 0..NR {
            // Where nothing is seen yet, the weight of what is hidden would be 2^0.
            let unseen = simd.equal_f32s(top[r], simd.splat_f32s(MASKED));
            base[r] = simd.select_f32s(unseen, zero, top[r]);
            self.correction[r] = exp2(simd, simd.sub_f32s(self.top[r], top[r]));
        }
        for scores in &mut vectors_mut::<S, NR>(self.scores)[..keys] {
            for (r, (weight, part)) in scores.iter_mut().zip(&mut part).enumerate() {
                *weight = exp2(simd, simd.sub_f32s(*weight, base[r]));
                *part = simd.add_f32s(*part, *weight);
            }
        }
        for (r, part) in part.into_iter().enumerate() {
            self.sum[r] = simd.mul_add_e_f32s(self.sum[r], self.correction[r], part);
        }
        self.top = top;
    }

    /// Adds the values of a tile by their weights.
    #[inline(always)]
    pub(super) fn add(&mut self, v: Matrix<'_>) {
        let mut product = OutputProduct {
            simd: self.simd,
            v,
            weights: &vectors::<S, NR>(self.scores)[..v.rows],
            out: vectors_mut::<S, NR>(self.out),
            correction: self.correction,
        };
        in_blocks::<S>(v.columns, &mut product);
    }

    /// Adds the values of non-zero weight alone, so that an infinity behind a mask, or left out, stays there.
    #[inline(always)]
    pub(super) fn add_visible(&mut self, v: Matrix<'_>) {
        for out in vectors_mut::<S, NR>(self.out) {
            for (out, &correction) in out.iter_mut().zip(&self.correction) {
                *out = self.simd.mul_f32s(*out, correction);
            }
        }
        let rows = v.values.chunks(v.stride).take(v.rows);
        for (values, weights) in rows.zip(self.scores.chunks_exact(Self::WIDTH)) {
            let visible = weights.iter().enumerate();
            for (i, &weight) in visible.filter(|&(_, &weight)| weight != 0.0) {
                for (out, &value) in self.out.chunks_exact_mut(Self::WIDTH).zip(values) {
                    out[i] += weight * value;
                }
            }
        }
    }

    /// Writes the rows of queries that have seen a key, and their log-sum-exps.
    #[inline(always)]
    pub(super) fn finish(self, out: &mut [f32], lse: &mut [f32]) {
        for lanes in vectors_mut::<S, NR>(self.out) {
            for (lanes, &sum) in lanes.iter_mut().zip(&self.sum) {
                *lanes = self.simd.div_f32s(*lanes, sum);
            }
        }
        let [tops, sums]: [&[f32]; 2] = [cast_slice(&self.top), cast_slice(&self.sum)];
        let columns = out.len() / lse.len();
        let rows = out.chunks_exact_mut(columns).zip(lse);
        for (i, (row, lse)) in rows.enumerate() {
            // Not by the greatest score, which skips what is not a number.
            if sums[i] == 0.0 {
                continue;
            }
            *lse = (tops[i] + sums[i].log2()) * LN_2;
            for (value, lanes) in row.iter_mut().zip(self.out.chunks_exact(Self::WIDTH)) {
                *value = lanes[i];
            }
        }
    }
}

impl Memory {
    /// Parts of these sizes, each beginning at a cache line. What they hold is left from earlier.
    fn parts<const N: usize>(&mut self, sizes: [usize; N]) -> [&mut [f32]; N] {
        let sizes = sizes.map(|size| size.next_multiple_of(LINE));
        let total = sizes.iter().sum::<usize>() + LINE;
        if self.numbers.len() < total {
            self.numbers.resize(total, 0.0);
        }
        let skipped = self
            .numbers
            .as_ptr()
            .align_offset(LINE * size_of::<f32>())
            .min(LINE);
        let mut rest = &mut self.numbers[skipped..];
        sizes.map(|size| {
            let (part, others) = std::mem::take(&mut rest).split_at_mut(size);
            rest = others;
            part
        })
    }
}

#[inline(always)]
fn vectors<S: Simd, const NR: usize>(numbers: &[f32]) -> &[[S::f32s; NR]] {
    as_arrays(S::as_simd_f32s(numbers).0).0
}

#[inline(always)]
fn vectors_mut<S: Simd, const NR: usize>(numbers: &mut [f32]) -> &mut [[S::f32s; NR]] {
    as_arrays_mut(S::as_mut_simd_f32s(numbers).0).0
}

/// A product that is computed some rows at a time.
trait Blocks {
    /// Computes the `MR` rows from `first` on.
    fn block<const MR: usize>(&mut self, first: usize);
}

/// All rows of a product, in blocks whose sums just fit the registers beside what is read.
#[inline(always)]
fn in_blocks<S: Simd>(rows: usize, product: &mut impl Blocks) {
    let mut first = 0;
    if S::REGISTER_COUNT >= 32 {
        while first + 8 <= rows {
            product.block::<8>(first);
            first += 8;
        }
    } else {
        while first + 6 <= rows {
            product.block::<6>(first);
            first += 6;
        }
    }
    while first + 4 <= rows {
        product.block::<4>(first);
        first += 4;
    }
    while first < rows {
        product.block::<1>(first);
        first += 1;
    }
}

struct ScoreProduct<'a, S: Simd, const NR: usize> {
    simd: S,
    k: Matrix<'a>,
    q: &'a [[S::f32s; NR]],
    scores: &'a mut [[S::f32s; NR]],
    scale: f32,
    addend: &'a Addend<'a, S, NR>,
    top: [S::f32s; NR],
}

impl<S: Simd, const NR: usize> Blocks for ScoreProduct<'_, S, NR> {
    #[inline(always)]
    fn block<const MR: usize>(&mut self, first: usize) {
        let (simd, features) = (self.simd, self.k.columns);
        // Slices of one length, so that no index is checked in the loop.
        let keys: [&[f32]; MR] =
            std::array::from_fn(|m| &self.k.values[(first + m) * self.k.stride..][..features]);
        let q = &self.q[..features];
        let mut sums = [[simd.splat_f32s(0.0); NR]; MR];
        for x in 0..features {
            for m in 0..MR {
                let key = simd.splat_f32s(keys[m][x]);
                for r in 0..NR {
                    sums[m][r] = simd.mul_add_e_f32s(key, q[x][r], sums[m][r]);
                }
            }
        }
        let scale = simd.splat_f32s(self.scale);
        for (m, scores) in self.scores[first..][..MR].iter_mut().enumerate() {
            for r in 0..NR {
                let addend = self.addend.at(simd, self.k.rows - 1 - first - m, r);
                scores[r] = simd.mul_add_e_f32s(sums[m][r], scale, addend);
                self.top[r] = simd.max_f32s(scores[r], self.top[r]);
            }
        }
    }
}

struct OutputProduct<'a, S: Simd, const NR: usize> {
    simd: S,
    v: Matrix<'a>,
    weights: &'a [[S::f32s; NR]],
    out: &'a mut [[S::f32s; NR]],
    correction: [S::f32s; NR],
}

impl<S: Simd, const NR: usize> Blocks for OutputProduct<'_, S, NR> {
    #[inline(always)]
    fn block<const MR: usize>(&mut self, first: usize) {
        let simd = self.simd;
        let out: &mut [[S::f32s; NR]; MR] =
            (&mut self.out[first..][..MR]).try_into().expect("MR rows");
        // The tile is summed by itself: a long sum of sums loses less than one chain.
        let mut sums = [[simd.splat_f32s(0.0); NR]; MR];
        let rows = self.v.values[first..].chunks(self.v.stride);
        for (row, weights) in rows.zip(self.weights) {
            let values: &[f32; MR] = row.first_chunk().expect("MR features");
            for m in 0..MR {
                let value = simd.splat_f32s(values[m]);
                for r in 0..NR {
                    sums[m][r] = simd.mul_add_e_f32s(value, weights[r], sums[m][r]);
                }
            }
        }
        for (out, sums) in out.iter_mut().zip(sums) {
            for r in 0..NR {
                out[r] = simd.mul_add_e_f32s(out[r], self.correction[r], sums[r]);
            }
        }
    }
}
