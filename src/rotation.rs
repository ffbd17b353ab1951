//! The rotation of a tensor, without its data: validated once, without a device.

use crate::{Dtype, Layout, Pairing, ProblemError, Rope, Shape, Tensor};

/// A validated rotation of the rows of a tensor `[batch, heads, rows, head_dim]`, into another tensor or in place. Row i has
/// position `first_position + i` in every head and sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct Rotation {
    rope: Rope,
    sizes: [u32; 3],
    head_dim: u32,
    dtype: Dtype,
    first_position: i32,
    input: Layout,
    output: Layout,
}

impl Rotation {
    /// Starts a rotation of `[batch, heads, rows, head_dim]`: f32, contiguous, row 0 at position 0.
    pub const fn builder(rope: Rope, [batch, heads, rows, head_dim]: [u32; 4]) -> RotationBuilder {
        RotationBuilder {
            rope,
            sizes: [batch, heads, rows],
            head_dim,
            dtype: Dtype::F32,
            first_position: 0,
            input: None,
            output: None,
        }
    }

    /// What turns, and how fast.
    #[must_use]
    pub const fn rope(&self) -> &Rope {
        &self.rope
    }

    /// Batch, heads and rows.
    #[must_use]
    pub const fn sizes(&self) -> [u32; 3] {
        self.sizes
    }

    /// Features of a row, rotated or not.
    #[must_use]
    pub const fn head_dim(&self) -> u32 {
        self.head_dim
    }

    /// How both tensors are stored on a device.
    #[must_use]
    pub const fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// The position of row 0.
    #[must_use]
    pub const fn first_position(&self) -> i32 {
        self.first_position
    }

    /// How the input lies in memory.
    #[must_use]
    pub const fn input(&self) -> Layout {
        self.input
    }

    /// How the output lies in memory.
    #[must_use]
    pub const fn output(&self) -> Layout {
        self.output
    }

    /// The elements that a tensor of this layout takes, gaps included.
    #[must_use]
    pub fn elements(&self, layout: Layout) -> u64 {
        layout.span(self.sizes, self.head_dim)
    }
}

/// Collects the choices that make a [`Rotation`].
#[derive(Clone, Debug)]
#[must_use]
pub struct RotationBuilder {
    rope: Rope,
    sizes: [u32; 3],
    head_dim: u32,
    dtype: Dtype,
    first_position: i32,
    input: Option<Layout>,
    output: Option<Layout>,
}

impl RotationBuilder {
    /// Sets how both tensors are stored on a device; f32 where this is not called. Host slices are f32 all the same.
    pub const fn dtype(mut self, dtype: Dtype) -> Self {
        self.dtype = dtype;
        self
    }

    /// Sets the position of row 0, which may be negative: for queries of a decoding step, or keys that join a cache, the
    /// number of rows before them.
    pub const fn first_position(mut self, first_position: i32) -> Self {
        self.first_position = first_position;
        self
    }

    /// Sets how the input lies in memory; a stride of 0 reads the same numbers again. Contiguous where this is not called.
    pub const fn input(mut self, layout: Layout) -> Self {
        self.input = Some(layout);
        self
    }

    /// Sets how the output lies in memory; contiguous where this is not called.
    pub const fn output(mut self, layout: Layout) -> Self {
        self.output = Some(layout);
        self
    }

    /// Checks everything.
    ///
    /// # Errors
    /// What [`Rope::validate`] refuses; rows of no or too many features; a last position past 32 signed bits; layouts past
    /// 32 bits, or of which rows of the output overlap; numbers of 16 bits whose rows begin in the middle of a word, or
    /// that are paired across halves of an odd length.
    pub fn build(self) -> Result<Rotation, ProblemError> {
        if !(1..=Shape::MAX_HEAD_DIM).contains(&self.head_dim) {
            return Err(ProblemError::HeadDim {
                tensor: Tensor::RopeInput,
                found: self.head_dim,
                maximum: Shape::MAX_HEAD_DIM,
            });
        }
        self.rope.validate(self.head_dim)?;
        self.validate_positions()?;
        let lay = |tensor, layout: Option<Layout>| match layout {
            Some(layout) => Ok(layout),
            None => Layout::contiguous(tensor, self.sizes, self.head_dim),
        };
        let input = lay(Tensor::RopeInput, self.input)?;
        let output = lay(Tensor::Out, self.output)?;
        input.validate_span(Tensor::RopeInput, self.sizes, self.head_dim)?;
        output.validate(Tensor::Out, self.sizes, self.head_dim)?;
        if self.dtype.bytes() == 2 {
            input.validate_words(Tensor::RopeInput, self.head_dim)?;
            output.validate_words(Tensor::Out, self.head_dim)?;
            // A word that held features of two pairs would have two owners.
            if self.rope.pairing == Pairing::HalfSplit {
                self.rope.validate_dimensions(4, 4, self.head_dim)?;
            }
        }
        Ok(Rotation {
            rope: self.rope,
            sizes: self.sizes,
            head_dim: self.head_dim,
            dtype: self.dtype,
            first_position: self.first_position,
            input,
            output,
        })
    }

    fn validate_positions(&self) -> Result<(), ProblemError> {
        let [.., rows] = self.sizes;
        let last = i64::from(self.first_position) + i64::from(rows) - 1;
        if last > i64::from(i32::MAX) {
            return Err(ProblemError::Position {
                found: last,
                maximum: i32::MAX.into(),
            });
        }
        Ok(())
    }
}
