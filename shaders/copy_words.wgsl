// Words from one buffer to another.
struct CopyParams {
    count: u32,
    groups: u32, // workgroups in a row
    padding: vec2<u32>,
}
@group(0) @binding(0) var<uniform> params: CopyParams;
@group(0) @binding(1) var<storage, read> source: array<u32>;            // [count]
@group(0) @binding(3) var<storage, read_write> destination: array<u32>; // [count]

@compute @workgroup_size(64)
fn copy_words(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let n = (group.y * params.groups + group.x) * 64u + local;
    if n < params.count {
        destination[n] = source[n];
    }
}
