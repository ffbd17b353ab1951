// The gradients of the parameters of a bias by offset that is a formula, from the sums of dS at each clamped offset.
//   dtable[first_row + row][h] = Σ over offsets o of derivative(row, h, o) · sums[h, o + radius], or that much more
// A workgroup adds up one number, 64 offsets at a time.
struct OffsetGradientParams {
    heads: u32,
    radius: u32,
    first_row: u32, // of the family in the table of the whole sum
    adds: u32,      // not 0 where a gradient is there already
    at_sums: u32,   // of the workspace
}
@group(0) @binding(0) var<uniform> params: OffsetGradientParams;
@group(0) @binding(3) var<storage, read_write> dtable: array<f32>; // [rows, H]

var<workgroup> parts: array<f32, 64>;

@compute @workgroup_size(64)
fn offset_gradient(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let row = group.x;
    let head = group.y;
    let radius = i32(params.radius);
    let sums = head * (2u * params.radius + 1u);
    var total = 0.0;
    for (var o = i32(local) - radius; o <= radius; o += 64) {
        total += derivative(row, head, o) * sum_number(params.at_sums, sums + u32(o + radius));
    }
    parts[local] = total;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if local < half {
            parts[local] += parts[local + half];
        }
    }
    if local == 0u {
        let at = (params.first_row + row) * params.heads + head;
        dtable[at] = select(0.0, dtable[at], params.adds != 0u) + parts[0];
    }
}
