// The sums of a head over what workgroups left of them.
//   sums[h, n] = Σ over sequences, tiles and parts of partials[b, h, tile, part, n], or that much more
// In blocks of 32, so that rounding errors grow with the root of what there is, and in one order on every run.
struct PartialParams {
    at_partials: u32, // of the workspace
    at_sums: u32,
    width: u32,
    tiles: u32,       // times parts, one behind the other
    heads: u32,       // of the dispatch that left them
    batch: u32,
    first_head: u32,
    adds: u32,        // not 0 where sums of other dispatches are there already
}
@group(0) @binding(0) var<uniform> params: PartialParams;

const BLOCK = 32u;

fn partial_of(head: u32, n: u32, part: u32) -> f32 {
    let batch = part / params.tiles;
    let row = (batch * params.heads + head) * params.tiles + part % params.tiles;
    return workspace_number(params.at_partials + row * params.width + n);
}

@compute @workgroup_size(64)
fn partial_sums(@builtin(global_invocation_id) id: vec3<u32>) {
    let n = id.x;
    if n >= params.width {
        return;
    }
    let count = params.batch * params.tiles;
    var total = 0.0;
    for (var first = 0u; first < count; first += BLOCK) {
        var sum = 0.0;
        for (var part = first; part < min(first + BLOCK, count); part++) {
            sum += partial_of(id.y, n, part);
        }
        total += sum;
    }
    let at = params.at_sums + (params.first_head + id.y) * params.width + n;
    set_workspace(at, select(0.0, workspace_number(at), params.adds != 0u) + total);
}
