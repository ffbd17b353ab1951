// What the gradients of a row's scores are measured from.
//   delta[h, i] = Σ_d out[h, i, d] · dout[h, i, d]
// An invocation sums a row.
@group(0) @binding(1) var<storage, read> out: array<vec4<f32>>;    // [H, N, D / 4]
@group(0) @binding(2) var<storage, read> dout: array<vec4<f32>>;   // [H, N, D / 4]
@group(0) @binding(3) var<storage, read_write> delta: array<f32>;  // [H, N]

const D4 = HEAD_DIM / 4u;

@compute @workgroup_size(64)
fn delta_pass(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= HEADS * N {
        return;
    }
    var total = vec4(0.0);
    for (var d = 0u; d < D4; d++) {
        total += out[id.x * D4 + d] * dout[id.x * D4 + d];
    }
    delta[id.x] = total.x + total.y + total.z + total.w;
}
