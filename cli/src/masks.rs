//! The masks that a file holds; each is optional.

use relattn::cpu::Inputs;
use relattn::{Bits, Mask, Packed, Shape};

use crate::fault::Fault;
use crate::planes::Planes;
use crate::tensors::TensorFile;
use crate::wanted::{
    KEY_DOCUMENTS, KEY_LENGTHS, KEY_MASK, KEY_STARTS, MASK, QUERY_DOCUMENTS, QUERY_LENGTHS,
    QUERY_STARTS, Wanted,
};

/// Which masks a file holds; only sizes are read.
pub(crate) fn held(file: &TensorFile<'_>, shape: &Shape) -> Result<Mask, Fault> {
    let either = |wanted: [Wanted; 2]| wanted.iter().any(|&wanted| file.has(wanted));
    let bits = file.has(MASK).then(|| Planes::of(file, MASK, shape));
    let packed = either([QUERY_STARTS, KEY_STARTS]).then(|| file.sizes(QUERY_STARTS));
    Ok(Mask {
        keys: file.has(KEY_MASK),
        key_lengths: file.has(KEY_LENGTHS),
        query_lengths: file.has(QUERY_LENGTHS),
        documents: either([QUERY_DOCUMENTS, KEY_DOCUMENTS]),
        bits: bits.transpose()?.map(|planes| Bits {
            each_sequence: planes.each_sequence,
            each_head: planes.each_head,
        }),
        packed: packed.transpose()?.map(|[starts]| Packed {
            sequences: starts.saturating_sub(1),
        }),
        ..Mask::NONE
    })
}

/// The masks of a file.
#[derive(Debug)]
pub(crate) struct Masks {
    pub(crate) key_mask: Option<Vec<u8>>,
    key_lengths: Option<Vec<u32>>,
    query_lengths: Option<Vec<u32>>,
    /// Of the queries and of the keys.
    documents: Option<[Vec<u32>; 2]>,
    bits: Option<Vec<u32>>,
    starts: Option<[Vec<u32>; 2]>,
}

impl Masks {
    pub(crate) fn load(file: &TensorFile<'_>, shape: &Shape) -> Result<Self, Fault> {
        let (batch, q_len, k_len) = (shape.batch, shape.q_len, shape.k_len);
        let key_mask = file
            .has(KEY_MASK)
            .then(|| file.flags(KEY_MASK, &[batch, k_len]))
            .transpose()?
            .map(|flags| flags.into_iter().map(u8::from).collect());
        let lengths = |wanted| {
            let lengths = file.has(wanted).then(|| file.indices(wanted, &[batch]));
            lengths.transpose()
        };
        let documents = pair(
            file,
            [QUERY_DOCUMENTS, KEY_DOCUMENTS],
            [&[batch, q_len], &[batch, k_len]],
        )?;
        Ok(Self {
            key_mask,
            key_lengths: lengths(KEY_LENGTHS)?,
            query_lengths: lengths(QUERY_LENGTHS)?,
            documents,
            bits: bits(file, shape)?,
            starts: starts(file)?,
        })
    }

    /// These inputs with the masks.
    pub(crate) fn add_to<'a>(&'a self, inputs: Inputs<'a>) -> Inputs<'a> {
        let [query_documents, key_documents] = slices(self.documents.as_ref());
        let [query_starts, key_starts] = slices(self.starts.as_ref());
        Inputs {
            key_mask: self.key_mask.as_deref(),
            key_lengths: self.key_lengths.as_deref(),
            query_lengths: self.query_lengths.as_deref(),
            query_documents,
            key_documents,
            mask_bits: self.bits.as_deref(),
            query_starts,
            key_starts,
            ..inputs
        }
    }

    /// The first row of each sequence of the queries and of the keys, and their ends.
    pub(crate) const fn starts(&self) -> Option<&[Vec<u32>; 2]> {
        self.starts.as_ref()
    }
}

fn slices(pair: Option<&[Vec<u32>; 2]>) -> [Option<&[u32]>; 2] {
    [0, 1].map(|n| pair.map(|pair| pair[n].as_slice()))
}

/// Two tensors of which a file has both or neither.
fn pair(
    file: &TensorFile<'_>,
    wanted: [Wanted; 2],
    sizes: [&[u32]; 2],
) -> Result<Option<[Vec<u32>; 2]>, Fault> {
    if !wanted.iter().any(|&wanted| file.has(wanted)) {
        return Ok(None);
    }
    let [first, second] = [0, 1].map(|n| file.indices(wanted[n], sizes[n]));
    Ok(Some([first?, second?]))
}

fn starts(file: &TensorFile<'_>) -> Result<Option<[Vec<u32>; 2]>, Fault> {
    if !file.has(QUERY_STARTS) && !file.has(KEY_STARTS) {
        return Ok(None);
    }
    let [count] = file.sizes(QUERY_STARTS)?;
    pair(file, [QUERY_STARTS, KEY_STARTS], [&[count], &[count]])
}

/// The mask of each score, as bits: that of key j is bit `j mod 32` of word `j / 32` of its row.
fn bits(file: &TensorFile<'_>, shape: &Shape) -> Result<Option<Vec<u32>>, Fault> {
    if !file.has(MASK) {
        return Ok(None);
    }
    let planes = Planes::of(file, MASK, shape)?;
    let flags = file.flags(MASK, &planes.sizes)?;
    let word = |flags: &[bool]| {
        let set = flags.iter().enumerate().filter(|&(_, &flag)| flag);
        set.fold(0, |word, (n, _)| word | 1 << n)
    };
    let words = flags
        .chunks((shape.k_len as usize).max(1))
        .flat_map(|row| row.chunks(32).map(word));
    Ok(Some(words.collect()))
}
