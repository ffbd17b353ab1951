// The piecewise linear form of FIRE's MLP, f(x) = Σ w2 · relu(w1 x + b1) + b2, for x ≥ 0; every head has an MLP of its own.
//   breakpoints t = −b1 / w1 where positive, sorted, and the change of the slope at each, w2 · |w1|
//   of segment s, past s breakpoints: A = Σ w2 w1 and C = b2 + Σ w2 b1 over the units that are active there
// In the table of the whole sum, from `first_row` on: c, L, w1 [W], b1 [W], w2 [W], b2, each for every head.
// Invocation 0 of a head writes segment 0, invocation u + 1 the breakpoint of unit u and the segment to its right.
struct FireParams {
    heads: u32,
    first_row: u32, // of the table
    padding: vec2<u32>,
}
@group(0) @binding(0) var<uniform> params: FireParams;
@group(0) @binding(3) var<storage, read_write> fire: array<f32>; // [H, 4·W + 4]: c, L, breakpoints, changes, A, C

const LOG2_E = 1.4426950408889634;

// Whether unit `v` is active to the right of the breakpoint of unit `u`, or from 0 on where `u` is none.
fn is_active(v: u32, u: u32, head: u32) -> bool {
    if !turns(v, head) {
        return w1(v, head) > 0.0 || (w1(v, head) == 0.0 && b1(v, head) > 0.0);
    }
    let right = u < FIRE_WIDTH && passed(v, u, head);
    return right == (w1(v, head) > 0.0);
}

fn write_segment(segment: u32, u: u32, head: u32) {
    let at = head * (4u * FIRE_WIDTH + 4u) + 2u + 2u * FIRE_WIDTH + segment;
    var slope = 0.0;
    var constant = parameter(2u + 3u * FIRE_WIDTH, head);
    for (var v = 0u; v < FIRE_WIDTH; v++) {
        if is_active(v, u, head) {
            slope = fma(w2(v, head), w1(v, head), slope);
            constant = fma(w2(v, head), b1(v, head), constant);
        }
    }
    fire[at] = slope * LOG2_E;
    fire[at + FIRE_WIDTH + 1u] = constant * LOG2_E;
}

@compute @workgroup_size(64)
fn fire_table(@builtin(global_invocation_id) id: vec3<u32>) {
    let head = id.y;
    if id.x > FIRE_WIDTH || head >= params.heads {
        return;
    }
    let first = head * (4u * FIRE_WIDTH + 4u);
    if id.x == 0u {
        fire[first] = abs(parameter(0u, head));
        fire[first + 1u] = abs(parameter(1u, head));
        write_segment(0u, FIRE_WIDTH, head);
        return;
    }
    let unit = id.x - 1u;
    let rank = rank_of(unit, head);
    fire[first + 2u + rank] = breakpoint(unit, head);
    fire[first + 2u + FIRE_WIDTH + rank] = select(0.0, w2(unit, head) * abs(w1(unit, head)) * LOG2_E, turns(unit, head));
    write_segment(rank + 1u, unit, head);
}
