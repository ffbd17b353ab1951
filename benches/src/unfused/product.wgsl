// The matrix product that all products of the baseline share: sums += left · right, a CHUNK of the inner dimension at a time.
//   for each chunk:
//       stage left and right in workgroup memory, each with the inner dimension outermost
//       for c in chunk: sums += outer product of this thread's rows of left[c] and columns of right[c]
// Threads form a TX × TY grid. Thread (x, y) owns rows 4 · (y + TY·m) + 0..4 for m < ROWS4 and columns
// 4 · (x + TX·n) + 0..4 for n < COLUMNS4, so that neighbours read neighbours.
const THREADS = TX * TY;
const LEFT = ROWS4 * TY;      // rows of a tile, in vec4
const RIGHT = COLUMNS4 * TX;  // columns of a tile, in vec4
var<workgroup> left: array<vec4<f32>, CHUNK * LEFT>;
var<workgroup> right: array<vec4<f32>, CHUNK * RIGHT>;
var<private> sums: array<array<vec4<f32>, COLUMNS4>, 4u * ROWS4>;

struct Params {
    n: u32,     // rows of q, k and v; a multiple of every tile
    scale: f32, // of the product
}
@group(0) @binding(0) var<uniform> params: Params;

// Four rows of four inner elements, put into left or right as four inner elements of four rows.
fn put_left(inner: u32, row4: u32, block: mat4x4<f32>) {
    let t = transpose(block);
    left[inner * LEFT + row4] = t[0];
    left[(inner + 1u) * LEFT + row4] = t[1];
    left[(inner + 2u) * LEFT + row4] = t[2];
    left[(inner + 3u) * LEFT + row4] = t[3];
}

fn put_right(inner: u32, column4: u32, block: mat4x4<f32>) {
    let t = transpose(block);
    right[inner * RIGHT + column4] = t[0];
    right[(inner + 1u) * RIGHT + column4] = t[1];
    right[(inner + 2u) * RIGHT + column4] = t[2];
    right[(inner + 3u) * RIGHT + column4] = t[3];
}

fn add_chunk(x: u32, y: u32) {
    for (var c = 0u; c < CHUNK; c++) {
        var b: array<vec4<f32>, COLUMNS4>;
        for (var n = 0u; n < COLUMNS4; n++) {
            b[n] = right[c * RIGHT + x + TX * n];
        }
        for (var m = 0u; m < ROWS4; m++) {
            let a = left[c * LEFT + y + TY * m];
            for (var n = 0u; n < COLUMNS4; n++) {
                sums[4u * m][n] += a.x * b[n];
                sums[4u * m + 1u][n] += a.y * b[n];
                sums[4u * m + 2u][n] += a.z * b[n];
                sums[4u * m + 3u][n] += a.w * b[n];
            }
        }
    }
}
