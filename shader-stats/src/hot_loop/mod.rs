//! What a kernel's hottest loop consists of, from the compiler's listing.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Instructions of a stretch of code, by the unit that runs them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mix {
    /// Vector arithmetic, multiply-adds and matrix products among it. The halves of a dual-issued pair count apart.
    pub(crate) vector: u32,
    /// Multiply-adds, packed ones among them.
    pub(crate) multiply_adds: u32,
    /// Products of matrices (`v_wmma`, `v_mfma`).
    pub(crate) matrix_products: u32,
    /// Accesses to workgroup memory.
    pub(crate) workgroup_memory: u32,
    /// Accesses to buffers and scratch.
    pub(crate) memory: u32,
}

impl Mix {
    /// Multiply-adds and matrix products in a hundred vector instructions, rounded down.
    pub(crate) const fn useful_percent(&self) -> u32 {
        match (100 * (self.multiply_adds + self.matrix_products)).checked_div(self.vector) {
            Some(percent) => percent,
            None => 0,
        }
    }

    fn add(&mut self, opcode: &str) {
        let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| opcode.starts_with(prefix));
        if starts(&["v_wmma", "v_swmmac", "v_mfma"]) {
            self.matrix_products += 1;
        }
        if starts(&[
            "v_fma",
            "v_dual_fma",
            "v_pk_fma",
            "v_mad_f",
            "v_mac_f",
            "v_dot2",
        ]) {
            self.multiply_adds += 1;
        }
        if starts(&["v_"]) {
            self.vector += 1;
        } else if starts(&["ds_", "lds_"]) {
            self.workgroup_memory += 1;
        } else if starts(&["buffer_", "global_", "flat_", "scratch_"]) {
            self.memory += 1;
        }
    }
}

/// The mix of the loop with the most multiply-adds of its own, those of loops within it left aside; of all the code, where nothing
/// loops. A product of matrices counts as 256 multiply-adds, since every lane does as many.
pub(crate) fn mix(listing: &str) -> Mix {
    let lines: Vec<&str> = listing.lines().collect();
    let loops = loops(&lines);
    loops
        .iter()
        .map(|one| own_mix(&lines, one, &loops))
        .max_by_key(|mix| mix.multiply_adds + 256 * mix.matrix_products)
        .unwrap_or_else(|| count(&lines))
}

/// Of the lines of a loop that lie in no loop within it.
fn own_mix(lines: &[&str], one: &RangeInclusive<usize>, loops: &[RangeInclusive<usize>]) -> Mix {
    let within = |other: &&RangeInclusive<usize>| {
        one != *other && one.contains(other.start()) && one.contains(other.end())
    };
    let inner: Vec<_> = loops.iter().filter(within).collect();
    let own = one
        .clone()
        .filter(|at| !inner.iter().any(|other| other.contains(at)));
    let own: Vec<&str> = own.map(|at| lines[at]).collect();
    count(&own)
}

/// First and last line of each loop: from a label to the last branch back to it.
fn loops(lines: &[&str]) -> Vec<RangeInclusive<usize>> {
    let labels = lines
        .iter()
        .enumerate()
        .filter_map(|(at, line)| Some((label(line)?, at)));
    let labels: BTreeMap<&str, usize> = labels.collect();
    let mut ends = BTreeMap::new();
    for (at, line) in lines.iter().enumerate() {
        let target = branch(line).and_then(|name| labels.get(name).copied());
        if let Some(first) = target.filter(|&first| first <= at) {
            ends.insert(first, at);
        }
    }
    ends.into_iter().map(|(first, last)| first..=last).collect()
}

/// `BB4:` as LLVM writes a label, `BB4` as ACO does.
fn label(line: &str) -> Option<&str> {
    let name = line.trim_end_matches(':');
    let number = name.strip_prefix("BB")?;
    number
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(name)
}

/// `s_branch BB4`, or `s_branch block:BB4`.
fn branch(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let opcode = words.next()?;
    (opcode.starts_with("s_branch") || opcode.starts_with("s_cbranch"))
        .then(|| words.next())
        .flatten()
        .map(|target| target.trim_start_matches("block:"))
}

fn count(lines: &[&str]) -> Mix {
    let mut mix = Mix::default();
    for line in lines {
        let code = line.split(';').next().unwrap_or_default();
        code.split("::")
            .filter_map(opcode)
            .for_each(|opcode| mix.add(opcode));
    }
    mix
}

/// The first word, behind the results where the listing is ACO's: `v1: %5:v[0] = v_add_u32 …`.
fn opcode(instruction: &str) -> Option<&str> {
    let behind = instruction
        .rsplit_once(" = ")
        .map_or(instruction, |(_, behind)| behind);
    behind.split_whitespace().next()
}
