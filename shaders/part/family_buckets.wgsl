// Slot `family`: T5, table[bucket(offset)][head] with bucket = base + #{thresholds ≤ distance}.
@group(0) @binding(1) var<storage, read> thresholds: array<u32>; // [count], ascending

fn family(head: u32, offset: i32) -> vec2<f32> {
    let both = params.per_direction != 0u;
    let distance = select(u32(max(-offset, 0)), u32(abs(offset)), both);
    var bucket = select(0u, params.per_direction, offset > 0);
    for (var s = 0u; s < params.count; s++) {
        bucket += select(0u, 1u, thresholds[s] <= distance);
    }
    return vec2(parameter(bucket, head), 0.0);
}
