// Of both entries by products of matrices: what they make of numbers of 16 bits, and where rows begin.

// Four features from `d` on, of which those past the head are 0.
fn half_within(d: u32, values: vec4<f16>, dim: u32, padded: bool) -> vec4<f16> {
    if padded {
        return select(vec4<f16>(), values, vec4(d, d + 1u, d + 2u, d + 3u) < vec4(dim));
    }
    return values;
}

// As `without_infinity`.
fn half_without_infinity(values: vec4<f16>, hides: bool) -> vec4<f16> {
    var counted = values;
    if hides || DROPOUT {
        counted = vec4<f16>(finite_or_zero(vec4<f32>(values)));
    }
    return counted;
}

fn read_q(row: u32, d: u32) -> vec4<f32> {
    return vec4<f32>(half_q(row, d));
}

fn read_k(row: u32, d: u32) -> vec4<f32> {
    return vec4<f32>(half_k(row, d));
}

fn read_v(row: u32, d: u32) -> vec4<f32> {
    return vec4<f32>(half_v(row, d));
}

// Rows of a head that follow each other in a tensor.
struct Rows {
    start: u32,  // where the row would begin that is asked for, were its tile the first
    stride: u32,
    tile: u32,   // the first row of the tile
    last: u32,   // where the last row begins that there is
}

// Where it begins. Past the last it is that, or where a sum wraps some place before, which are read and hidden alike. On AMD's GPUs a product of
// integers takes as long as four sums, but one of what all invocations have alike takes no time of theirs.
fn row_at(rows: Rows) -> u32 {
    return min(rows.start + rows.tile * rows.stride, rows.last);
}

// The same of that row and the three behind it.
fn four_rows_at(rows: Rows) -> vec4<u32> {
    let a = row_at(rows);
    let b = min(a + rows.stride, rows.last);
    let c = min(b + rows.stride, rows.last);
    return vec4(a, b, c, min(c + rows.stride, rows.last));
}

// Four features of four rows into `halves`, by feature.
fn put_transposed(at: u32, stride: u32, a: vec4<f16>, b: vec4<f16>, c: vec4<f16>, d: vec4<f16>) {
    halves[at] = vec4(a.x, b.x, c.x, d.x);
    halves[at + stride] = vec4(a.y, b.y, c.y, d.y);
    halves[at + 2u * stride] = vec4(a.z, b.z, c.z, d.z);
    halves[at + 3u * stride] = vec4(a.w, b.w, c.w, d.w);
}
