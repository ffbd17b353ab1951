// The gradients of FIRE's parameters from the moments of dS in each segment of its piecewise linear function.
//   dw2 = Σ over segments where the unit is active of w1 M1 + b1 M0,  dw1 = w2 Σ M1,  db1 = w2 Σ M0,  db2 = Σ M0 over all
// Rows of the table as in `fire_table.wgsl`. Invocation u of a head has unit u, and the last one c, L and b2.
struct FireGradientParams {
    heads: u32,
    first_row: u32,    // in the table of the whole sum
    adds: u32,         // not 0 where a gradient is there already
    at_sums: u32,      // of the workspace
    sums_width: u32,   // of the sums of a head
    first_moment: u32, // among them
}
@group(0) @binding(0) var<uniform> params: FireGradientParams;
@group(0) @binding(3) var<storage, read_write> dtable: array<f32>; // [rows, H]

fn moment(head: u32, n: u32) -> f32 {
    return sum_number(params.at_sums, head * params.sums_width + params.first_moment + n);
}

fn write(row: u32, head: u32, value: f32) {
    let at = (params.first_row + row) * params.heads + head;
    dtable[at] = select(0.0, dtable[at], params.adds != 0u) + value;
}

// The moments of the segments where a unit is active.
fn active_moments(unit: u32, head: u32) -> vec2<f32> {
    let rank = rank_of(unit, head);
    let rises = w1(unit, head) > 0.0;
    let always = rises || (w1(unit, head) == 0.0 && b1(unit, head) > 0.0);
    let turning = turns(unit, head);
    var total = vec2(0.0);
    for (var s = 0u; s <= FIRE_WIDTH; s++) {
        let now = select(always, (rank < s) == rises, turning);
        total += select(vec2(0.0), vec2(moment(head, 2u * s), moment(head, 2u * s + 1u)), now);
    }
    // Active from 0 on, but not at 0.
    let at_zero = moment(head, 2u * FIRE_WIDTH + 4u);
    total.x -= select(0.0, at_zero, rises && b1(unit, head) == 0.0);
    return total;
}

fn write_unit(unit: u32, head: u32) {
    let total = active_moments(unit, head);
    let outer = w2(unit, head);
    write(2u + unit, head, outer * total.y);
    write(2u + FIRE_WIDTH + unit, head, outer * total.x);
    write(2u + 2u * FIRE_WIDTH + unit, head, w1(unit, head) * total.y + b1(unit, head) * total.x);
}

@compute @workgroup_size(64)
fn fire_gradient(@builtin(global_invocation_id) id: vec3<u32>) {
    let head = id.y;
    if id.x > FIRE_WIDTH || head >= params.heads {
        return;
    }
    if id.x < FIRE_WIDTH {
        write_unit(id.x, head);
        return;
    }
    let after_segments = 2u * (FIRE_WIDTH + 1u);
    for (var n = 0u; n < 2u; n++) {
        write(n, head, sign(parameter(n, head)) * moment(head, after_segments + n));
    }
    var total = 0.0;
    for (var s = 0u; s <= FIRE_WIDTH; s++) {
        total += moment(head, 2u * s);
    }
    write(2u + 3u * FIRE_WIDTH, head, total);
}
