//! Numbers that are mostly small, and sometimes at the ends of their types.

use arbitrary::{Arbitrary, Result, Unstructured};

/// Below 8 most of the time; else any, or near a power of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number(pub(crate) u32);

/// Of either sign, a [`Number`] away from 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed(pub(crate) i32);

/// There once in eight times, so that most of what is drawn is valid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rare<T>(pub(crate) Option<T>);

impl<'a> Arbitrary<'a> for Number {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let kind: u8 = u.arbitrary()?;
        Ok(Self(match kind {
            0..=199 => u32::from(kind % 8),
            200..=231 => u32::from(u8::arbitrary(u)?),
            232..=239 => u32::from(u16::arbitrary(u)?),
            240..=247 => {
                let [shift, past] = <[u8; 2]>::arbitrary(u)?;
                (1_u32 << (shift % 32))
                    .wrapping_add(u32::from(past % 5))
                    .wrapping_sub(2)
            }
            _ => u32::arbitrary(u)?,
        }))
    }
}

impl<'a> Arbitrary<'a> for Signed {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let Number(magnitude) = Number::arbitrary(u)?;
        let magnitude = magnitude.cast_signed();
        Ok(Self(if u.arbitrary()? {
            magnitude.wrapping_neg()
        } else {
            magnitude
        }))
    }
}

impl<'a, T: Arbitrary<'a>> Arbitrary<'a> for Rare<T> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let there = u8::arbitrary(u)? % 8 == 7;
        Ok(Self(there.then(|| T::arbitrary(u)).transpose()?))
    }
}
