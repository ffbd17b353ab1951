//! Integers as files have them.

use safetensors::Dtype;

/// The types of integers, of all widths that programs write without being asked.
pub(crate) static TYPES: &[Dtype] = &[
    Dtype::U8,
    Dtype::I8,
    Dtype::U16,
    Dtype::I16,
    Dtype::U32,
    Dtype::I32,
    Dtype::U64,
    Dtype::I64,
];

/// The numbers of a tensor of one of [`TYPES`], or the first that 32 bits without a sign do not hold.
pub(crate) fn decoded(dtype: Dtype, data: &[u8]) -> Result<Vec<u32>, i128> {
    match dtype {
        Dtype::U8 => read(data, u8::from_le_bytes),
        Dtype::I8 => read(data, i8::from_le_bytes),
        Dtype::U16 => read(data, u16::from_le_bytes),
        Dtype::I16 => read(data, i16::from_le_bytes),
        Dtype::U32 => read(data, u32::from_le_bytes),
        Dtype::I32 => read(data, i32::from_le_bytes),
        Dtype::U64 => read(data, u64::from_le_bytes),
        _ => read(data, i64::from_le_bytes),
    }
}

fn read<const BYTES: usize, T: Into<i128>>(
    data: &[u8],
    number: fn([u8; BYTES]) -> T,
) -> Result<Vec<u32>, i128> {
    let (numbers, _) = data.as_chunks();
    let numbers = numbers.iter().map(|&bytes| {
        let number = number(bytes).into();
        u32::try_from(number).map_err(|_| number)
    });
    numbers.collect()
}
