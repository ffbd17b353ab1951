//! What a backward pass keeps between its dispatches, one behind the other in the caller's workspace.

use std::ops::Range;

use super::GradientSlots;
use crate::Problem;

/// Numbers between which every device can bind.
const ALIGNMENT: u64 = 64;
/// Bytes that workgroups of one dispatch leave behind; more of them are further dispatches.
const PARTIALS: u64 = 8 << 20;

/// Where each of them lies, in numbers of 32 bits.
#[derive(Clone, Debug)]
pub(super) struct Sections {
    /// `[B, H, Nq, 2]`.
    pub(super) statistics: Range<u64>,
    /// `[H, 2·radius + 1]`.
    pub(super) offset_table: Range<u64>,
    /// `[H, 4·width + 4]`.
    pub(super) fire_table: Range<u64>,
    /// The sums of dS, `[H, 2·radius + 1]`.
    pub(super) offset_sums: Range<u64>,
    /// What workgroups leave behind.
    pub(super) offset_partials: Range<u64>,
    /// Workgroups that the partials have room for.
    pub(super) workgroups: u64,
}

impl Sections {
    /// For a kernel that leaves this many rows of sums a workgroup, of so many in all.
    pub(super) fn new(
        problem: &Problem,
        gradients: GradientSlots,
        offset_parts: u32,
        workgroups: u64,
    ) -> Self {
        let offsets = problem.offset_table_bytes() / 4;
        let heads = u64::from(problem.shape().heads).max(1);
        let (sums, each) = if gradients.offset {
            (offsets, offsets / heads * u64::from(offset_parts))
        } else {
            (0, 0)
        };
        let room = (PARTIALS / 4).checked_div(each).unwrap_or(u64::MAX);
        let workgroups = workgroups.min(room.max(1));
        let mut end = 0;
        let mut section = |length: u64| {
            let first = end;
            end = (first + length).next_multiple_of(ALIGNMENT);
            first..first + length
        };
        Self {
            statistics: section(2 * problem.shape().rows() as u64),
            offset_table: section(offsets),
            fire_table: section(problem.fire_table_bytes() / 4),
            offset_sums: section(sums),
            offset_partials: section(workgroups * each),
            workgroups,
        }
    }

    /// Bytes of all.
    pub(super) const fn bytes(&self) -> u64 {
        4 * self.offset_partials.end
    }
}
