//! Safetensors files by chance: any bytes, or tensors that fit one another but for a few.

use arbitrary::Arbitrary;

use crate::numbers::{Number, Rare};

#[derive(Arbitrary, Debug)]
pub(crate) enum FileChoice<'a> {
    Made(Made),
    Any(&'a [u8]),
}

/// A file of tensors in the shapes that `relattn attend` asks for.
#[derive(Arbitrary, Debug)]
pub(crate) struct Made {
    batch: Number,
    kv_heads: Number,
    group: Number,
    q_len: Number,
    k_len: Number,
    head_dim: Number,
    value_dim: Rare<Number>,
    /// Of tables, matrices, units and starts.
    others: [Number; 3],
    rows: Rare<Number>,
    absent: Rare<u8>,
    held: Vec<(u8, Change)>,
    values: Rare<[f32; 2]>,
    integers: [Number; 3],
    header: Rare<HeaderChange>,
}

/// What is otherwise about a tensor than its form says.
#[derive(Arbitrary, Clone, Copy, Debug)]
struct Change {
    size: Rare<(u8, Number)>,
    rank: Rare<bool>,
    dtype: Rare<u8>,
    end: Rare<Number>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum HeaderChange {
    Length(u8),
    CutShort(u8),
    Byte(u8, u8),
}

#[derive(Clone, Copy, Debug)]
enum Size {
    Batch,
    Heads,
    KvHeads,
    Queries,
    Keys,
    HeadDim,
    ValueDim,
    One,
    Rows,
    Matrices,
    Units,
    Starts,
}

use Size::{
    Batch, HeadDim, Heads, Keys, KvHeads, Matrices, One, Queries, Rows, Starts, Units, ValueDim,
};

/// What every problem has; then the gradient that `--backward` reads, and what else a file may hold.
const TENSORS: [(&str, &str, &[Size]); 34] = [
    ("q", "F32", &[Batch, Heads, Queries, HeadDim]),
    ("k", "F32", &[Batch, KvHeads, Keys, HeadDim]),
    ("v", "F32", &[Batch, KvHeads, Keys, ValueDim]),
    ("dctx", "F32", &[Batch, Heads, Queries, ValueDim]),
    ("table", "F32", &[Rows, Heads]),
    ("t5_table", "F32", &[Rows, Heads]),
    ("offset_table", "F32", &[Rows, Heads]),
    ("index_table", "F32", &[Units, Heads]),
    ("slopes", "F32", &[Heads]),
    ("p", "F32", &[Heads]),
    ("a", "F32", &[Heads]),
    ("kerple_log_p", "F32", &[Heads]),
    ("kerple_log_a", "F32", &[Heads]),
    ("kerple_power_p", "F32", &[Heads]),
    ("kerple_power_a", "F32", &[Heads]),
    ("index", "U8", &[Queries, Keys]),
    ("index", "I32", &[Batch, Queries, Keys]),
    ("index", "U32", &[Matrices, One, Queries, Keys]),
    ("bias", "F32", &[Batch, Heads, Queries, Keys]),
    ("bias", "F32", &[One, Heads, Queries, Keys]),
    ("gate", "F32", &[Batch, Heads, Queries]),
    ("mlp.0.weight", "F32", &[Units, One]),
    ("mlp.0.bias", "F32", &[Units]),
    ("mlp.2.weight", "F32", &[Heads, Units]),
    ("mlp.2.bias", "F32", &[Heads]),
    ("c", "F32", &[]),
    ("init_L", "F32", &[One]),
    ("key_mask", "U8", &[Batch, Keys]),
    ("key_lengths", "U32", &[Batch]),
    ("query_lengths", "I32", &[Batch]),
    ("query_documents", "U8", &[Batch, Queries]),
    ("key_documents", "U32", &[Batch, Keys]),
    ("mask", "BOOL", &[Batch, One, Queries, Keys]),
    ("query_starts", "U32", &[Starts]),
];
const KEY_STARTS: (&str, &str, &[Size]) = ("key_starts", "U32", &[Starts]);

const DTYPES: [(&str, u64); 6] = [
    ("F32", 4),
    ("U8", 1),
    ("BOOL", 1),
    ("U32", 4),
    ("I32", 4),
    ("F16", 2),
];

/// Tensors past this many bytes are named, and the file ends before them.
const MOST: u64 = 1 << 14;

impl FileChoice<'_> {
    /// The bytes of the file; the rows of a table by the options where it does not say them.
    pub(crate) fn bytes(&self, rows: u32) -> Vec<u8> {
        match self {
            Self::Made(made) => made.bytes(rows),
            Self::Any(bytes) => bytes.to_vec(),
        }
    }
}

impl Made {
    fn bytes(&self, rows: u32) -> Vec<u8> {
        let absent = self.absent.0.map_or(usize::MAX, |n| usize::from(n % 4));
        let mut held: Vec<(usize, Option<Change>)> =
            (0..4).filter(|&n| n != absent).map(|n| (n, None)).collect();
        for &(n, change) in &self.held {
            held.push((usize::from(n) % (TENSORS.len() + 1), Some(change)));
        }
        let mut entries = Vec::new();
        let mut data = Vec::new();
        for (n, change) in held {
            let tensor = *TENSORS.get(n).unwrap_or(&KEY_STARTS);
            entries.push(self.entry(tensor, change, rows, &mut data));
        }
        self.file(&format!("{{{}}}", entries.join(",")), &data)
    }

    /// What the header says of a tensor, whose numbers are added to the data.
    fn entry(
        &self,
        (name, dtype, form): (&str, &str, &[Size]),
        change: Option<Change>,
        rows: u32,
        data: &mut Vec<u8>,
    ) -> String {
        let mut sizes: Vec<u32> = form.iter().map(|&size| self.size(size, rows)).collect();
        let mut dtype = DTYPES
            .iter()
            .find(|(known, _)| *known == dtype)
            .expect("a known type");
        let mut past = 0;
        if let Some(change) = change {
            if let (Some((n, size)), false) = (change.size.0, sizes.is_empty()) {
                let n = usize::from(n) % sizes.len();
                sizes[n] = size.0;
            }
            match change.rank.0 {
                Some(true) => sizes.push(1),
                Some(false) => drop(sizes.pop()),
                None => {}
            }
            dtype = change
                .dtype
                .0
                .map_or(dtype, |n| &DTYPES[usize::from(n) % DTYPES.len()]);
            past = change.end.0.map_or(0, |end| end.0);
        }
        let elements = sizes
            .iter()
            .fold(1_u64, |all, &size| all.saturating_mul(size.into()));
        let length = elements.saturating_mul(dtype.1);
        let start = data.len() as u64;
        if length <= MOST {
            self.fill(dtype.0, elements, data);
        }
        let end = start.saturating_add(length).saturating_add(past.into());
        format!(
            "\"{name}\":{{\"dtype\":\"{}\",\"shape\":{sizes:?},\"data_offsets\":[{start},{end}]}}",
            dtype.0
        )
    }

    fn size(&self, size: Size, rows: u32) -> u32 {
        match size {
            Batch => self.batch.0,
            Heads => self.kv_heads.0.wrapping_mul(self.group.0),
            KvHeads => self.kv_heads.0,
            Queries => self.q_len.0,
            Keys => self.k_len.0,
            HeadDim => self.head_dim.0,
            ValueDim => self.value_dim.0.unwrap_or(self.head_dim).0,
            One => 1,
            Rows => self.rows.0.map_or(rows, |rows| rows.0),
            Matrices => self.others[0].0,
            Units => self.others[1].0,
            Starts => self.others[2].0,
        }
    }

    fn fill(&self, dtype: &str, elements: u64, data: &mut Vec<u8>) {
        for n in 0..elements {
            match dtype {
                "F32" => data.extend(self.number(n).to_le_bytes()),
                "U32" | "I32" => data.extend(self.integer(n).to_le_bytes()),
                "F16" => data.extend([0, 0x3c]),
                _ => data.push(self.integer(n).to_le_bytes()[0]),
            }
        }
    }

    /// Within ±1, but for the first two where they are given.
    fn number(&self, n: u64) -> f32 {
        let given = self
            .values
            .0
            .and_then(|values| values.get(usize::try_from(n).ok()?).copied());
        given.unwrap_or_else(|| {
            let step = u8::try_from(n * 37 % 65).expect("below 65");
            (f32::from(step) - 31.5) / 32.0
        })
    }

    /// Rising, as starts do, through the given numbers.
    fn integer(&self, n: u64) -> u32 {
        let given = usize::try_from(n).ok().and_then(|n| self.integers.get(n));
        given.map_or(1, |number| number.0)
    }

    fn file(&self, header: &str, data: &[u8]) -> Vec<u8> {
        let length = header.len() as u64;
        let length = match self.header.0 {
            Some(HeaderChange::Length(less)) => length.wrapping_sub(less.into()),
            _ => length,
        };
        let mut file = [&length.to_le_bytes(), header.as_bytes(), data].concat();
        match self.header.0 {
            Some(HeaderChange::CutShort(less)) => {
                file.truncate(file.len().saturating_sub(less.into()));
            }
            Some(HeaderChange::Byte(place, byte)) => {
                let place = usize::from(place) % file.len();
                file[place] = byte;
            }
            _ => {}
        }
        file
    }
}
