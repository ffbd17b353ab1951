//! What a kernel's hottest loop consists of, from the compiler's listing.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Clocks that a product of matrices takes a wave of 64 of a SIMD of RDNA3, by the 122.8 TFLOP/s of f16 at 2.5 GHz that AMD gives for the
/// 192 SIMDs of navi31.
const MATRIX_CLOCKS: u32 = 32;
/// Those of a product of 32-bit integers, by ACO's model.
const INTEGER_CLOCKS: u32 = 8;
/// Those of any other instruction, by the same.
const VECTOR_CLOCKS: u32 = 2;

/// Instructions of a stretch of code, by the unit that runs them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mix {
    /// Vector arithmetic, multiply-adds and matrix products among it. The halves of a dual-issued pair count apart.
    pub(crate) vector: u32,
    /// Products of 32-bit integers, which take four times as long as a sum.
    pub(crate) integer_products: u32,
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
    /// Of a hundred vector instructions those that are multiply-adds; where there are products of matrices, of a hundred clocks of the vector
    /// unit those that they take. Rounded down.
    pub(crate) const fn useful_percent(&self) -> u32 {
        let (useful, all) = match self.matrix_products {
            0 => (self.multiply_adds, self.vector),
            products => (MATRIX_CLOCKS * products, self.vector_clocks()),
        };
        match (100 * useful).checked_div(all) {
            Some(percent) => percent,
            None => 0,
        }
    }

    const fn vector_clocks(&self) -> u32 {
        let others = self.vector - self.matrix_products - self.integer_products;
        MATRIX_CLOCKS * self.matrix_products
            + INTEGER_CLOCKS * self.integer_products
            + VECTOR_CLOCKS * others
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
        if starts(&[
            "v_mul_lo_u32",
            "v_mul_hi_u32",
            "v_mul_hi_i32",
            "v_mad_u64",
            "v_mad_i64",
        ]) {
            self.integer_products += 1;
        }
        // LLVM 15 calls so what it does not know of RDNA3: moves of 16 bits.
        if starts(&["v_", "(invalid"]) {
            self.vector += 1;
        } else if starts(&["ds_", "lds_"]) {
            self.workgroup_memory += 1;
        } else if starts(&["buffer_", "global_", "flat_", "scratch_"]) {
            self.memory += 1;
        }
    }
}

/// The mix of the loop with the most products of matrices of its own, or, where there are none, multiply-adds: those of loops within it
/// left aside, and the inner one of two loops with as many. Of all the code, where nothing loops.
pub(crate) fn mix(listing: &str) -> Mix {
    let lines: Vec<&str> = listing.lines().collect();
    let loops = loops(&lines);
    loops
        .iter()
        .map(|one| own_mix(&lines, one, &loops))
        .max_by_key(|mix| match mix.matrix_products {
            0 => (0, mix.multiply_adds),
            products => (products, 0),
        })
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
