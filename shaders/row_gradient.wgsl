// The gradient of a table whose rows have sums of their own.
//   dtable[first_row + row][h] = sums[h, row], or that much more
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

@compute @workgroup_size(64)
fn row_gradient(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let n = (group.y * params.groups + group.x) * 64u + local;
    let row = n / params.heads;
    let head = n % params.heads;
    if row < params.rows {
        let at = params.first_row * params.heads + n;
        let sum = sum_number(params.at_sums, head * params.width + row);
        dtable[at] = select(0.0, dtable[at], params.adds != 0u) + sum;
    }
}
