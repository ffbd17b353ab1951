//! The kernels of both directions for given sizes.

use relattn::wgpu;
use wgpu::util::DeviceExt;

use super::Sizes;
use super::tile::{Tile, Tiles};
use crate::step::Step;

const FEATURES: &str = include_str!("features.wgsl");
const VALUES: &str = include_str!("values.wgsl");
const STRAIGHT: &str = include_str!("straight.wgsl");
const TRANSPOSED: &str = include_str!("transposed.wgsl");

/// Which way round a product with a square matrix takes it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Square {
    Straight,
    Transposed,
}

/// Compiles and binds; submits nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kernels<'a> {
    pub(super) device: &'a wgpu::Device,
    pub(super) sizes: Sizes,
    pub(super) tiles: &'a Tiles,
}

impl Kernels<'_> {
    /// A product over the features; `text` says what becomes of it, in `[H, N, N]`.
    pub(super) fn features(
        &self,
        label: &str,
        text: &str,
        scale: f32,
        buffers: &[(u32, &wgpu::Buffer)],
    ) -> Step {
        let tile = &self.tiles.scores;
        let text = format!("{}{FEATURES}{text}", self.prelude(tile));
        self.product(label, &text, scale, buffers, tile, self.sizes.n)
    }

    /// A product of a square matrix and rows.
    pub(super) fn values(
        &self,
        label: &str,
        way: Square,
        scale: f32,
        [square, rows, out]: [&wgpu::Buffer; 3],
    ) -> Step {
        let tile = &self.tiles.values;
        let left = match way {
            Square::Straight => STRAIGHT,
            Square::Transposed => TRANSPOSED,
        };
        let text = format!("{}{left}{VALUES}", self.prelude(tile));
        let buffers = [(1, square), (2, rows), (3, out)];
        self.product(label, &text, scale, &buffers, tile, self.sizes.head_dim)
    }

    /// A kernel that is no product.
    pub(super) fn plain(
        &self,
        label: &str,
        text: &str,
        buffers: &[(u32, &wgpu::Buffer)],
        workgroups: [u32; 3],
    ) -> Step {
        let Sizes {
            heads, n, head_dim, ..
        } = self.sizes;
        let sizes =
            format!("const N = {n}u;\nconst HEADS = {heads}u;\nconst HEAD_DIM = {head_dim}u;\n");
        Step::new(self.device, label, &(sizes + text), buffers, workgroups)
    }

    /// A matrix `[H, N, N]`.
    pub(super) fn square(&self) -> wgpu::Buffer {
        let n = u64::from(self.sizes.n);
        self.floats(u64::from(self.sizes.heads) * n * n)
    }

    /// So many numbers that stay on the device.
    pub(super) fn floats(&self, count: u64) -> wgpu::Buffer {
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("unfused"),
            size: 4 * count,
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        })
    }

    fn prelude(&self, tile: &Tile) -> String {
        tile.prelude(self.sizes.head_dim)
    }

    /// A kernel with a workgroup for each tile of `N` rows and so many columns.
    fn product(
        &self,
        label: &str,
        text: &str,
        scale: f32,
        buffers: &[(u32, &wgpu::Buffer)],
        tile: &Tile,
        columns: u32,
    ) -> Step {
        let Sizes { heads, n, .. } = self.sizes;
        for (size, tile) in [(n, tile.rows()), (columns, tile.columns())] {
            assert!(size.is_multiple_of(tile), "{size} is no multiple of {tile}");
        }
        let params = self
            .device
            .create_buffer_init(&wgpu::util::BufferInitDescriptor {
                label: Some("unfused params"),
                contents: bytemuck::cast_slice(&[n, scale.to_bits(), 0, 0]),
                usage: wgpu::BufferUsages::UNIFORM,
            });
        let buffers = [&[(0, &params)], buffers].concat();
        let workgroups = [columns / tile.columns(), n / tile.rows(), heads];
        Step::new(self.device, label, text, &buffers, workgroups)
    }
}
