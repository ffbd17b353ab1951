// The sums of a head over what workgroups left of them.
//   (sum, error)[h, n] += partials[b, h, tile, part, n], in order of b, tile and part
// One number after the other, with Neumaier's compensation, from where the last dispatch has left the sum: as exact as sums of blocks, and
// the same bits however the work is split into dispatches.
struct PartialParams {
    at_partials: u32, // of the workspace
    at_sums: u32,
    width: u32,
    tiles: u32,       // times parts, one behind the other
    heads: u32,       // of the dispatch that left them
    batch: u32,
    first_head: u32,
    adds: u32,        // 0 where sums begin
}
@group(0) @binding(0) var<uniform> params: PartialParams;

@compute @workgroup_size(64)
fn partial_sums(@builtin(global_invocation_id) id: vec3<u32>) {
    let n = id.x;
    if n >= params.width {
        return;
    }
    let at = params.at_sums + 2u * ((params.first_head + id.y) * params.width + n);
    let goes_on = params.adds != 0u;
    var sum = select(0.0, workspace_number(at), goes_on);
    var error = select(0.0, workspace_number(at + 1u), goes_on);
    let batch_rows = params.heads * params.tiles;
    for (var first = id.y * params.tiles; first < params.batch * batch_rows; first += batch_rows) {
        for (var row = first; row < first + params.tiles; row++) {
            let x = workspace_number(params.at_partials + row * params.width + n);
            let next = sum + x;
            error += select((x - next) + sum, (sum - next) + x, abs(sum) >= abs(x));
            sum = next;
        }
    }
    set_workspace(at, sum);
    set_workspace(at + 1u, error);
}
