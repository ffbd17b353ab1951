// The bias by head and clamped offset, from the learned table and the integer bucket thresholds.
//   for each head h and t in 0 ..= 2·radius:
//       offset = t − radius
//       out[h, t] = table[bucket(offset)][h] · log2(e),  bucket = base + #{thresholds ≤ distance}
struct TableParams {
    heads: u32,
    radius: u32,
    steps: u32,        // number of thresholds
    per_direction: u32, // buckets of one direction; 0 where later keys have none of their own
}
@group(0) @binding(0) var<uniform> params: TableParams;
@group(0) @binding(1) var<storage, read> thresholds: array<u32>;       // [steps]
@group(0) @binding(2) var<storage, read> table: array<f32>;            // [num_buckets, H]
@group(0) @binding(3) var<storage, read_write> offsets: array<f32>;    // [H, 2·radius + 1]

const LOG2_E = 1.4426950408889634;

fn bucket(offset: i32) -> u32 {
    let both = params.per_direction != 0u;
    let distance = select(u32(max(-offset, 0)), u32(abs(offset)), both);
    var passed = 0u;
    for (var s = 0u; s < params.steps; s++) {
        passed += select(0u, 1u, thresholds[s] <= distance);
    }
    return passed + select(0u, params.per_direction, offset > 0);
}

@compute @workgroup_size(64)
fn offset_table(@builtin(global_invocation_id) id: vec3<u32>) {
    let width = 2u * params.radius + 1u;
    if id.x >= width || id.y >= params.heads {
        return;
    }
    let row = bucket(i32(id.x) - i32(params.radius));
    offsets[id.y * width + id.x] = table[row * params.heads + id.y] * LOG2_E;
}
