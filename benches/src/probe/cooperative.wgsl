// Products of matrices in independent chains, by every subgroup the same. The host writes the types, and the chains where a
// comment stands.
struct Params {
    rounds: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> factors: array<f16, ELEMENTS>;
@group(0) @binding(2) var<storage, read_write> results: array<Number, ELEMENTS>;
@group(0) @binding(3) var<storage, read_write> subgroups: u32;

@compute @workgroup_size(64)
fn products(@builtin(num_subgroups) count: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let left = coopLoad<Left>(&factors[0]);
    let right = coopLoad<Right>(&factors[0]);
    // begin
    for (var round = 0u; round < params.rounds; round++) {
        // links
    }
    subgroups = count;
    // Never, which no compiler knows.
    if params.rounds == 0xffffffffu {
        // ends
    }
}
