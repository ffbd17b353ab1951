// The gradient of a table whose rows are the bias itself, where they are: buckets, numbers by offset, index tables.
//   dtable[first_row + row][h] = Σ of sums[h, n] over the n of a row, or that much more
// One number after the other, with Neumaier's compensation: the farthest bucket may have many.
struct RowGradientParams {
    heads: u32,
    width: u32,     // of the sums of a head
    first_row: u32, // in the table of the whole sum
    rows: u32,
    adds: u32,      // not 0 where a gradient is there already
    at_sums: u32,   // of the workspace
    groups: u32,    // workgroups in a row
}
@group(0) @binding(0) var<uniform> params: RowGradientParams;
@group(0) @binding(3) var<storage, read_write> dtable: array<f32>; // [rows, H]

fn sum_of(range: vec2<u32>, first: u32) -> f32 {
    var sum = 0.0;
    var error = 0.0;
    for (var n = range.x; n < range.y; n++) {
        let x = sum_number(params.at_sums, first + n);
        let next = sum + x;
        error += select((x - next) + sum, (sum - next) + x, abs(sum) >= abs(x));
        sum = next;
    }
    return sum + error;
}

@compute @workgroup_size(64)
fn row_gradient(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let n = (group.y * params.groups + group.x) * 64u + local;
    let row = n / params.heads;
    if row < params.rows {
        let at = params.first_row * params.heads + n;
        let sum = sum_of(range_of(row), n % params.heads * params.width);
        dtable[at] = select(0.0, dtable[at], params.adds != 0u) + sum;
    }
}
