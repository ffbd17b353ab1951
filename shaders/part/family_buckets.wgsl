// Slot `family`: T5, table[bucket(offset)][head] with bucket = base + #{thresholds ≤ distance}.
@group(0) @binding(1) var<storage, read> thresholds: array<u32>; // [count], ascending

fn family(head: u32, offset: i32) -> vec2<f32> {
    let both = params.per_direction != 0u;
    let distance = select(u32(max(-offset, 0)), u32(abs(offset)), both);
    var low = 0u;
    var high = params.count;
    while low < high {
        let middle = (low + high) / 2u;
        if thresholds[middle] <= distance {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    return vec2(parameter(low + select(0u, params.per_direction, offset > 0), head), 0.0);
}
