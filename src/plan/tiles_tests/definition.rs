//! What may be decided about a tile, from its scores one by one.

use super::classify::{KeyTile, QueryTile, Unit};
use crate::cpu::Oracle;
use crate::plan::Algorithm;
use crate::{Mask, RelativeBuckets};

/// Numbers of each row and key that pairs are hidden by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pairs<'a> {
    pub(super) query_documents: &'a [u32],
    pub(super) key_documents: &'a [u32],
    /// A row of words for each query.
    pub(super) bits: &'a [u32],
    /// A byte for each key.
    pub(super) key_mask: &'a [u8],
}

/// One sequence: its rows and keys, and what hides scores of it.
#[derive(Clone, Debug)]
pub(super) struct Sequence<'a> {
    pub(super) unit: Unit,
    pub(super) mask: Mask,
    pub(super) buckets: RelativeBuckets,
    pub(super) radius: i64,
    pub(super) rows: [i64; 2],
    pub(super) keys: [i64; 2],
    /// Rows from here on see nothing.
    pub(super) query_limit: i64,
    pub(super) shift: i64,
    pub(super) pairs: Option<Pairs<'a>>,
}

impl Sequence<'_> {
    fn sees(&self, i: i64, j: i64) -> bool {
        let offset = j - i - self.shift;
        let window = self.mask.window.is_none_or(|window| {
            offset >= -i64::from(window.left) && offset <= i64::from(window.right)
        });
        (self.keys[0]..self.keys[1]).contains(&j)
            && i < self.query_limit
            && window
            && (!self.mask.causal || offset <= 0)
            && self.pairs.is_none_or(|pairs| pairs.see(self, i, j))
    }

    /// Whether only what arithmetic tells hides scores.
    const fn by_bounds(&self) -> bool {
        self.pairs.is_none()
    }

    /// Checks what was decided about the tiles of some rows.
    pub(super) fn check(&self, found: &QueryTile, key_end: i64) {
        let first = i64::from(found.q_first);
        assert_eq!(i64::from(found.shift), self.shift, "{found:?}");
        assert_eq!(i64::from(found.row_limit), self.rows[1], "{found:?}");
        assert_eq!(found.keys.map(i64::from), self.keys, "{found:?}");
        let k_tile = i64::from(self.unit.variant.k_tile());
        let mut met = found.met.iter().peekable();
        let mut k_first = self.keys[0];
        while k_first < key_end {
            let decided = met.next_if(|&&(first, _)| i64::from(first) == k_first);
            match decided {
                None => assert!(
                    !self.visible([first, k_first], true),
                    "{k_first} is skipped: {self:?}, {found:?}"
                ),
                Some((_, tile)) => self.check_tile([first, k_first], tile),
            }
            k_first += k_tile;
        }
        assert!(
            met.next().is_none(),
            "a tile that is none: {self:?}, {found:?}"
        );
    }

    fn check_tile(&self, tile: [i64; 2], found: &KeyTile) {
        let bounds = Sequence {
            pairs: None,
            ..self.clone()
        };
        assert!(
            bounds.visible(tile, true) || self.cut(tile),
            "{tile:?} is met in vain: {self:?}"
        );
        let hidden = self.scores(tile).any(|[i, j]| !bounds.sees(i, j));
        assert_eq!(
            found.hides,
            hidden || !self.by_bounds(),
            "{tile:?}: {self:?}"
        );
        self.check_constant(tile, found.constant);
        self.check_seen(tile, found);
    }

    /// Whether the keys end in the tile in which the window begins, before it does: bounds on both sides of a tile that
    /// exclude each other are the one thing that the loop over tiles does not see.
    fn cut(&self, [first, k_first]: [i64; 2]) -> bool {
        self.mask.window.is_some_and(|window| {
            let begin = first + self.shift - i64::from(window.left);
            let tile = k_first..k_first + i64::from(self.unit.variant.k_tile());
            tile.contains(&begin) && self.keys[1] <= begin
        })
    }

    fn check_constant(&self, tile: [i64; 2], constant: bool) {
        let offsets: Vec<i64> = self.scores(tile).map(|[i, j]| j - i - self.shift).collect();
        let later = offsets.iter().all(|&offset| offset >= self.radius);
        let one = later || offsets.iter().all(|&offset| offset <= -self.radius);
        assert_eq!(constant, one, "{tile:?}: {self:?}");
        // The rows that there are; past them the radius of a short problem need not reach.
        let bucket = |offset: i64| Oracle::bucket(&self.buckets, offset);
        let mut existing = self.existing(tile).map(|[i, j]| bucket(j - i - self.shift));
        if let (true, Some(first)) = (constant, existing.next()) {
            assert!(existing.all(|other| other == first), "{tile:?}: {self:?}");
        }
    }

    fn check_seen(&self, tile: [i64; 2], found: &KeyTile) {
        let every = found.seen.iter().all(|&seen| seen);
        if !found.hides {
            assert!(every, "{tile:?}: {self:?}");
            return;
        }
        for score in self.existing(tile).filter(|&[i, j]| self.sees(i, j)) {
            let seen = match self.owner(tile, score) {
                Some(invocation) => found.seen[invocation],
                None => every,
            };
            assert!(seen, "{score:?} is skipped in {tile:?}: {self:?}");
        }
        let owned = matches!(
            self.unit.variant.algorithm,
            Algorithm::Broadcast | Algorithm::Decode
        );
        let looks = owned || !self.by_bounds();
        if looks && !self.visible(tile, false) {
            let any = found.seen.iter().any(|&seen| seen);
            assert!(!any, "nobody sees {tile:?}: {self:?}");
        }
    }

    /// The invocation that computes a score; none where all must agree.
    fn owner(&self, [first, k_first]: [i64; 2], [i, j]: [i64; 2]) -> Option<usize> {
        let owner = match self.unit.variant.algorithm {
            Algorithm::Fragments | Algorithm::Cooperative => return None,
            Algorithm::Broadcast => {
                let (row, lanes) = (i - first, i64::from(Algorithm::LANES));
                row / (lanes * i64::from(self.unit.variant.rows)) * lanes + row % lanes
            }
            Algorithm::Decode => j - k_first,
        };
        usize::try_from(owner).ok()
    }

    fn visible(&self, tile: [i64; 2], existing: bool) -> bool {
        let sees = |[i, j]: [i64; 2]| self.sees(i, j);
        if existing {
            self.existing(tile).any(sees)
        } else {
            self.scores(tile).any(sees)
        }
    }

    /// Every score of a tile, and those of rows and keys past the last.
    fn scores(&self, [first, k_first]: [i64; 2]) -> impl Iterator<Item = [i64; 2]> + use<> {
        let keys = k_first..k_first + i64::from(self.unit.variant.k_tile());
        let rows = first..first + i64::from(self.unit.rows);
        rows.flat_map(move |i| keys.clone().map(move |j| [i, j]))
    }

    fn existing(&self, tile: [i64; 2]) -> impl Iterator<Item = [i64; 2]> + use<> {
        let (rows, keys) = (self.rows[1], self.keys[1]);
        self.scores(tile)
            .filter(move |&[i, j]| i < rows && j < keys)
    }
}

impl Pairs<'_> {
    /// Rows past the last stand for it.
    fn see(&self, sequence: &Sequence<'_>, i: i64, j: i64) -> bool {
        let place = |n: i64| usize::try_from(n).expect("not negative");
        let (mask, i, j) = (sequence.mask, place(i.min(sequence.rows[1] - 1)), place(j));
        let documents = !mask.documents || self.query_documents[i] == self.key_documents[j];
        let words = self.key_documents.len().div_ceil(32);
        let bit = mask.bits.is_none() || self.bits[i * words + j / 32] >> (j % 32) & 1 != 0;
        documents && bit && (!mask.keys || self.key_mask[j] != 0)
    }
}
