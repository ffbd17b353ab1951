// The bucket of an offset, from integer thresholds: base + #{thresholds ≤ distance}.
@group(0) @binding(1) var<storage, read> thresholds: array<u32>; // [count], ascending

// `per_direction`: the buckets of one direction; 0 where later keys have none of their own.
fn bucket_of(offset: i32, count: u32, per_direction: u32) -> u32 {
    let distance = select(u32(max(-offset, 0)), u32(abs(offset)), per_direction != 0u);
    var low = 0u;
    var high = count;
    while low < high {
        let middle = (low + high) / 2u;
        if thresholds[middle] <= distance {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    return low + select(0u, per_direction, offset > 0);
}
