//! What a driver says of kernels, as a table that is kept with the code.

use std::fmt::Write as _;

use crate::hot_loop::Mix;

/// What a driver says of one kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Its label.
    pub(crate) kernel: String,
    /// Vector registers of an invocation.
    pub(crate) vgprs: u32,
    /// Vector and scalar registers that found no room.
    pub(crate) spilled: u32,
    /// Bytes of memory of a wave for what found no register.
    pub(crate) scratch: u32,
    /// Bytes of workgroup memory.
    pub(crate) workgroup_bytes: u32,
    /// Waves that fit an execution unit at a time, by registers and workgroup memory. On RDNA the driver counts 32 lanes each, so that one of
    /// 64 counts as two.
    pub(crate) waves: u32,
    /// Bytes of code.
    pub(crate) code_bytes: u32,
    /// Of the hottest loop.
    pub(crate) hot: Mix,
}

/// All kernels, by one version of the driver for one family of GPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    /// Of Mesa.
    pub(crate) version: String,
    /// One for each kernel.
    pub(crate) rows: Vec<Row>,
}

const COLUMNS: &str = "kernel,vgprs,spilled,scratch,workgroup_bytes,waves,code_bytes,\
                       vector,integer_products,multiply_adds,matrix_products,workgroup_memory,memory";

impl Row {
    const fn numbers(&self) -> [u32; 12] {
        let hot = &self.hot;
        [
            self.vgprs,
            self.spilled,
            self.scratch,
            self.workgroup_bytes,
            self.waves,
            self.code_bytes,
            hot.vector,
            hot.integer_products,
            hot.multiply_adds,
            hot.matrix_products,
            hot.workgroup_memory,
            hot.memory,
        ]
    }

    fn parse(line: &str) -> Option<Self> {
        // Labels may have commas, so that columns count from the end.
        let mut cells = line.rsplitn(13, ',');
        let numbers: Vec<u32> = cells
            .by_ref()
            .take(12)
            .map(|cell| cell.parse().ok())
            .collect::<Option<_>>()?;
        let kernel = cells.next()?.to_owned();
        let &[
            memory,
            workgroup_memory,
            matrix_products,
            multiply_adds,
            integer_products,
            vector,
            code_bytes,
            waves,
            workgroup_bytes,
            scratch,
            spilled,
            vgprs,
        ] = numbers.as_slice()
        else {
            return None;
        };
        Some(Self {
            kernel,
            vgprs,
            spilled,
            scratch,
            workgroup_bytes,
            waves,
            code_bytes,
            hot: Mix {
                vector,
                integer_products,
                multiply_adds,
                matrix_products,
                workgroup_memory,
                memory,
            },
        })
    }
}

impl Table {
    /// The row of a kernel.
    pub(crate) fn row(&self, kernel: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.kernel == kernel)
    }

    /// Comma-separated, with the version in a line of its own before the names of the columns.
    pub(crate) fn to_csv(&self) -> String {
        let mut text = format!("# Mesa {}\n{COLUMNS}\n", self.version);
        for row in &self.rows {
            text += &row.kernel;
            for number in row.numbers() {
                _ = write!(text, ",{number}");
            }
            text.push('\n');
        }
        text
    }

    /// What [`Self::to_csv`] wrote.
    pub(crate) fn parse(csv: &str) -> Result<Self, String> {
        let mut lines = csv.lines();
        let version = lines.next().and_then(|line| line.strip_prefix("# Mesa "));
        let version = version
            .ok_or("line 1 does not name the version of Mesa")?
            .to_owned();
        if lines.next() != Some(COLUMNS) {
            return Err(format!("line 2 is not {COLUMNS}"));
        }
        let rows = lines.map(|line| Row::parse(line).ok_or_else(|| format!("not a row: {line}")));
        Ok(Self {
            version,
            rows: rows.collect::<Result<_, _>>()?,
        })
    }

    /// The kernels whose name contains a word.
    pub(crate) fn only(mut self, word: &str) -> Self {
        self.rows.retain(|row| row.kernel.contains(word));
        self
    }

    /// For people.
    pub(crate) fn to_text(&self) -> String {
        let widest = self
            .rows
            .iter()
            .map(|row| row.kernel.len())
            .max()
            .unwrap_or(0);
        let mut text = format!(
            "{:widest$} {:>5} {:>7} {:>7} {:>6} {:>5} {:>7} {:>6} {:>5} {:>4} {:>6}\n",
            "kernel",
            "VGPRs",
            "spilled",
            "scratch",
            "LDS",
            "waves",
            "fma",
            "vector",
            "share",
            "wmma",
            "code",
        );
        for row in &self.rows {
            let hot = &row.hot;
            _ = writeln!(
                text,
                "{:widest$} {:>5} {:>7} {:>7} {:>6} {:>5} {:>7} {:>6} {:>4}% {:>4} {:>6}",
                row.kernel,
                row.vgprs,
                row.spilled,
                row.scratch,
                row.workgroup_bytes,
                row.waves,
                hot.multiply_adds,
                hot.vector,
                hot.useful_percent(),
                hot.matrix_products,
                row.code_bytes,
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let hot = Mix {
            vector: 9,
            integer_products: 1,
            multiply_adds: 8,
            matrix_products: 7,
            workgroup_memory: 6,
            memory: 5,
        };
        let row = Row {
            kernel: "rope { dtype: F32, in_place: false }".into(),
            vgprs: 1,
            spilled: 2,
            scratch: 3,
            workgroup_bytes: 4,
            waves: 10,
            code_bytes: 11,
            hot,
        };
        Table {
            version: "25.0.7".into(),
            rows: vec![row],
        }
    }

    #[test]
    fn a_written_table_reads_the_same() {
        assert_eq!(Table::parse(&table().to_csv()), Ok(table()));
    }

    #[test]
    fn what_is_not_a_table_is_refused() {
        let csv = table().to_csv();
        for (what, broken) in [
            ("version", csv.replace("# Mesa", "#")),
            ("columns", csv.replace("waves", "weaves")),
            ("a column too few", csv.replace(",11,", ",")),
            ("a word", csv.replace(",11,", ",eleven,")),
        ] {
            assert!(Table::parse(&broken).is_err(), "{what}");
        }
    }
}
