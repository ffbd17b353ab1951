//! Many short inputs in one file: each behind its length, two bytes, the lower first.

/// The file of these inputs; none where one is too long for it.
#[must_use]
pub fn pack(inputs: &[Vec<u8>]) -> Option<Vec<u8>> {
    let mut file = Vec::new();
    for input in inputs {
        let length = u16::try_from(input.len()).ok()?;
        file.extend(length.to_le_bytes());
        file.extend(input);
    }
    Some(file)
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
        let file = pack(&inputs).expect("short inputs");
        assert_eq!(unpack(&file).expect("whole"), inputs);
        assert_eq!(unpack(&file[..file.len() - 1]), None);
        assert_eq!(unpack(&file[..1]), None);
    }

    #[test]
    fn what_is_too_long_is_refused() {
        assert!(pack(&[vec![0; 65_535]]).is_some());
        assert_eq!(pack(&[vec![0], vec![0; 65_536]]), None);
    }
}
