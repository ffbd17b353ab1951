//! Many short inputs in one file: each behind its length, two bytes, the lower first.

/// The file of these inputs; those that are too long for it are left out.
#[must_use]
pub fn pack(inputs: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for input in inputs {
        if let Ok(length) = u16::try_from(input.len()) {
            file.extend(length.to_le_bytes());
            file.extend(input);
        }
    }
    file
}

/// The inputs of a file; none of one that is cut short.
#[must_use]
pub fn unpack(mut file: &[u8]) -> Option<Vec<&[u8]>> {
    let mut inputs = Vec::new();
    while let Some((&length, rest)) = file.split_first_chunk() {
        let (input, behind) = rest.split_at_checked(u16::from_le_bytes(length).into())?;
        inputs.push(input);
        file = behind;
    }
    file.is_empty().then_some(inputs)
}

#[cfg(test)]
mod tests {
    use super::{pack, unpack};

    #[test]
    fn what_is_packed_is_unpacked() {
        let inputs = vec![vec![1, 2, 3], Vec::new(), vec![0; 300]];
        let file = pack(&inputs);
        assert_eq!(unpack(&file).expect("whole"), inputs);
        assert_eq!(unpack(&file[..file.len() - 1]), None);
        assert_eq!(unpack(&file[..1]), None);
    }
}
