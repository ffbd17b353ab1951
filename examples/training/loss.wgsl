// The squared error of a head of a sequence, and what a pass backwards begins with: its gradient, divided by how many numbers the
// head has in all sequences.

struct Params {
    // Numbers of a head of a sequence.
    numbers: u32,
    // 2 / the numbers of a head in all sequences.
    factor: f32,
}

const WORKGROUP = 64u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> out: array<f32>;
@group(0) @binding(2) var<storage, read> goal: array<f32>;
@group(0) @binding(3) var<storage, read_write> dout: array<f32>;
@group(0) @binding(4) var<storage, read_write> errors: array<f32>;

var<workgroup> sums: array<f32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn squared_error(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first = group.x * params.numbers;
    var sum = 0.0;
    for (var n = lane; n < params.numbers; n += WORKGROUP) {
        let difference = out[first + n] - goal[first + n];
        dout[first + n] = params.factor * difference;
        sum += difference * difference;
    }
    sums[lane] = sum;
    for (var reach = WORKGROUP / 2u; reach > 0u; reach /= 2u) {
        workgroupBarrier();
        if lane < reach {
            sums[lane] += sums[lane + reach];
        }
    }
    if lane == 0u {
        errors[group.x] = sums[0];
    }
}
