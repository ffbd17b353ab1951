//! The tiles of the matrix products.

const PRODUCT: &str = include_str!("product.wgsl");

/// The tile of a matrix product; rows and columns of a thread in fours.
#[derive(Clone, Copy, Debug)]
pub struct Tile {
    /// Threads across.
    pub tx: u32,
    /// Threads down.
    pub ty: u32,
    /// Fours of rows of a thread.
    pub rows4: u32,
    /// Fours of columns of a thread.
    pub columns4: u32,
    /// Of the inner dimension, staged at a time.
    pub chunk: u32,
}

/// The tiles of the products over the features and of those with a square matrix, and the most threads of a row of the softmax.
#[derive(Clone, Copy, Debug)]
pub struct Tiles {
    /// Over the features.
    pub scores: Tile,
    /// With a square matrix.
    pub values: Tile,
    /// The most threads of a row.
    pub softmax: u32,
}

/// The fastest on Mesa's software Vulkan of those tried; the README lists them.
pub const TILES: Tiles = Tiles {
    scores: Tile {
        tx: 8,
        ty: 8,
        rows4: 4,
        columns4: 2,
        chunk: 32,
    },
    values: Tile {
        tx: 4,
        ty: 8,
        rows4: 4,
        columns4: 4,
        chunk: 16,
    },
    softmax: 16,
};

impl Tile {
    pub(super) const fn rows(&self) -> u32 {
        4 * self.rows4 * self.ty
    }

    pub(super) const fn columns(&self) -> u32 {
        4 * self.columns4 * self.tx
    }

    pub(super) fn prelude(&self, head_dim: u32) -> String {
        let Self {
            tx,
            ty,
            rows4,
            columns4,
            chunk,
        } = self;
        format!(
            "const TX = {tx}u;\nconst TY = {ty}u;\nconst ROWS4 = {rows4}u;\nconst COLUMNS4 = {columns4}u;\n\
             const CHUNK = {chunk}u;\nconst HEAD_DIM = {head_dim}u;\n{PRODUCT}"
        )
    }
}
