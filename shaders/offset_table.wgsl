// The bias by head and clamped offset, from the parameters of its family.
//   for each head h and t in 0 ..= 2·radius:
//       out[h, t] = family(h, t − radius) · log2(e), or that much more where another family is there already
//   family() gives a sum of two words, and so is log2(e): the product is rounded once.
struct TableParams {
    heads: u32,
    radius: u32,
    count: u32,         // thresholds of the buckets, or offsets on each side that have a row of their own
    per_direction: u32, // buckets of one direction; 0 where later keys have none of their own
    first_row: u32,     // of the family in the table of the whole sum
    adds: u32,          // not 0 where another family is there already
    padding: vec2<u32>,
}
@group(0) @binding(0) var<uniform> params: TableParams;
@group(0) @binding(3) var<storage, read_write> offsets: array<f32>; // [H, 2·radius + 1]

const LOG2_E = vec2(1.4426950216293335, 1.9259629911266174e-8);

@compute @workgroup_size(64)
fn offset_table(@builtin(global_invocation_id) id: vec3<u32>) {
    let width = 2u * params.radius + 1u;
    if id.x >= width || id.y >= params.heads {
        return;
    }
    let at = id.y * width + id.x;
    let bias = family(id.y, i32(id.x) - i32(params.radius));
    let in_log2 = scaled(bias, LOG2_E.x);
    let value = in_log2.x + (in_log2.y + bias.x * LOG2_E.y);
    offsets[at] = select(0.0, offsets[at], params.adds != 0u) + value;
}
