// What both passes by fragments have: the grid of threads, and how they stage and multiply.
const COLUMNS = 8u;
const WORKGROUP = min(COLUMNS * (64u / ROWS), 256u);
const HALF = 4u * COLUMNS; // rows of half a tile of the side that is met

// Features are staged for products in slices of 4 vec4, with one vec4 of padding, so that rows start in different banks.
const SLICE = 4u;
const SLICE_STRIDE = SLICE + 1u;
const LINES = WORKGROUP / SLICE; // rows that are staged at once

var<private> column: u32; // of this thread in the grid
var<private> line: u32;   // its row there

// sum + a · b, by an instruction for each product.
fn add_product(a: vec4<f32>, b: vec4<f32>, sum: f32) -> f32 {
    return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

// Where row r of this thread begins, of rows so far apart.
fn own_at(r: u32, stride: u32) -> u32 {
    return (line * ROWS + r) * stride;
}
