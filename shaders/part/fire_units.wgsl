// FIRE's units: relu(w1 x + b1) of x ≥ 0, which turn from idle to active or back at a breakpoint.
const NEVER = 3.0e38; // the breakpoint of a unit that has none among positive numbers

fn w1(unit: u32, head: u32) -> f32 {
    return parameter(2u + unit, head);
}

fn b1(unit: u32, head: u32) -> f32 {
    return parameter(2u + FIRE_WIDTH + unit, head);
}

fn w2(unit: u32, head: u32) -> f32 {
    return parameter(2u + 2u * FIRE_WIDTH + unit, head);
}

// Whether a unit changes from active to idle or back at a positive number.
fn turns(unit: u32, head: u32) -> bool {
    let slope = w1(unit, head);
    let shift = b1(unit, head);
    return (slope > 0.0 && shift < 0.0) || (slope < 0.0 && shift > 0.0);
}

fn breakpoint(unit: u32, head: u32) -> f32 {
    return select(NEVER, min(-b1(unit, head) / w1(unit, head), NEVER), turns(unit, head));
}

// Whether the breakpoint of unit `v` comes no later than that of unit `u`.
fn passed(v: u32, u: u32, head: u32) -> bool {
    let x = breakpoint(v, head);
    let y = breakpoint(u, head);
    return x < y || (x == y && v <= u);
}

// How many breakpoints come before that of a unit.
fn rank_of(unit: u32, head: u32) -> u32 {
    var rank = 0u;
    for (var v = 0u; v < FIRE_WIDTH; v++) {
        rank += select(0u, 1u, v != unit && passed(v, unit, head));
    }
    return rank;
}
