//! What is worse than the table that is kept, or than no version of the driver should make it.

use crate::table::{Row, Table};

/// Points of the share of the hot loop that it may fall by; the compiler's schedule moves it a little with any change.
const MARGIN: u32 = 2;

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Worse, or not comparable.
    pub(crate) failures: Vec<String>,
    /// Different on another version of the driver than the table's.
    pub(crate) differences: Vec<String>,
}

/// Compares what was found with what is kept. Another version of the driver may be better or worse in anything but spilled registers.
pub(crate) fn judge(found: &Table, kept: Option<&Table>) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.failures.extend(found.rows.iter().flat_map(spills));
    let Some(kept) = kept else {
        verdict.differences.push("no table to compare with".into());
        return verdict;
    };
    let mut changes: Vec<String> = found
        .rows
        .iter()
        .flat_map(|new| match kept.row(&new.kernel) {
            Some(old) => worse(old, new),
            None => vec![format!("{}: not in the table", new.kernel)],
        })
        .collect();
    let gone = kept
        .rows
        .iter()
        .filter(|old| found.row(&old.kernel).is_none());
    changes
        .extend(gone.map(|old| format!("{}: in the table, but no longer a default", old.kernel)));
    if kept.version == found.version {
        verdict.failures.extend(changes);
    } else {
        verdict.differences.extend(changes);
    }
    verdict
}

fn spills(row: &Row) -> Vec<String> {
    [
        ("spilled registers", row.spilled),
        ("bytes of scratch", row.scratch),
    ]
    .into_iter()
    .filter(|&(_, number)| number > 0)
    .map(|(what, number)| format!("{}: {number} {what}; allowed: 0", row.kernel))
    .collect()
}

fn worse(old: &Row, new: &Row) -> Vec<String> {
    let mut found = Vec::new();
    if new.waves < old.waves {
        found.push(format!(
            "{}: {} waves, were {}",
            new.kernel, new.waves, old.waves
        ));
    }
    let [before, now] = [old, new].map(|row| row.hot.useful_percent());
    if now + MARGIN < before {
        found.push(format!(
            "{}: {now} % of the hot loop is multiply-adds or products of matrices, were {before} %",
            new.kernel
        ));
    }
    if new.hot.matrix_products == 0 && old.hot.matrix_products > 0 {
        found.push(format!(
            "{}: no product of matrices, were {}",
            new.kernel, old.hot.matrix_products
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hot_loop::Mix;

    fn table(edit: impl Fn(&mut Row)) -> Table {
        let hot = Mix {
            vector: 100,
            multiply_adds: 90,
            ..Mix::default()
        };
        let mut row = Row {
            kernel: "a".into(),
            vgprs: 96,
            spilled: 0,
            scratch: 0,
            workgroup_bytes: 0,
            waves: 8,
            code_bytes: 0,
            hot,
        };
        edit(&mut row);
        Table {
            version: "1.0".into(),
            rows: vec![row],
        }
    }

    fn failures(edit: impl Fn(&mut Row)) -> Vec<String> {
        judge(&table(edit), Some(&table(|_| ()))).failures
    }

    #[test]
    fn what_is_no_worse_passes() {
        assert_eq!(failures(|_| ()), [""; 0]);
        assert_eq!(failures(|row| row.waves = 9), [""; 0]);
        assert_eq!(failures(|row| row.hot.multiply_adds = 88), [""; 0]);
    }

    #[test]
    fn what_is_worse_is_named_with_both_numbers() {
        assert_eq!(failures(|row| row.waves = 7), ["a: 7 waves, were 8"]);
        let share = failures(|row| row.hot.multiply_adds = 87);
        assert!(
            share[0].starts_with("a: 87 % ") && share[0].ends_with(" were 90 %"),
            "{share:?}"
        );
        assert_eq!(
            failures(|row| row.spilled = 3),
            ["a: 3 spilled registers; allowed: 0"]
        );
        assert_eq!(
            failures(|row| row.scratch = 16),
            ["a: 16 bytes of scratch; allowed: 0"]
        );
    }

    #[test]
    fn lost_matrix_products_fail() {
        let kept = table(|row| row.hot.matrix_products = 4);
        let found = |edit: fn(&mut Row)| judge(&table(edit), Some(&kept)).failures;
        assert_eq!(found(|_| ()), ["a: no product of matrices, were 4"]);
        // 128 of 128 + 2 · 96 clocks, and of 128 + 2 · 116.
        assert_eq!(
            found(|row| (row.hot.matrix_products, row.hot.vector) = (4, 120)),
            ["a: 35 % of the hot loop is multiply-adds or products of matrices, were 40 %"]
        );
    }

    #[test]
    fn a_kernel_that_comes_or_goes_fails() {
        let other = failures(|row| row.kernel = "b".into());
        assert_eq!(
            other,
            [
                "b: not in the table",
                "a: in the table, but no longer a default"
            ]
        );
    }

    #[test]
    fn another_version_fails_for_spilled_registers_alone() {
        let mut found = table(|row| (row.waves, row.spilled) = (1, 1));
        found.version = "2.0".into();
        let verdict = judge(&found, Some(&table(|_| ())));
        assert_eq!(verdict.failures, ["a: 1 spilled registers; allowed: 0"]);
        assert_eq!(verdict.differences, ["a: 1 waves, were 8"]);
    }
}
