// Multiply-adds in independent chains. The host writes Number, and the chains where a comment stands.
struct Params {
    rounds: u32,
    factor: f32,
    addend: f32,
    never: f32, // a total that no invocation has, which no compiler knows
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> result: vec4<f32>;

@compute @workgroup_size(64)
fn multiply_adds(@builtin(global_invocation_id) id: vec3<u32>) {
    let factor = vec4<Number>(Number(params.factor));
    let addend = vec4<Number>(Number(params.addend));
    let start = Number(id.x % 64u);
    // begin
    for (var round = 0u; round < params.rounds; round++) {
        // links
    }
    let total = vec4<f32>(vec4<Number>()/* total */);
    if dot(total, vec4(1.0)) == params.never {
        result = total;
    }
}
