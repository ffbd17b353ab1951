// Slot `uniformity`: what all invocations of a workgroup have alike, for compilers that take our word for it.
fn uniform_number(number: u32, local: u32) -> u32 {
    return number;
}

fn uniform_condition(condition: bool, local: u32) -> bool {
    return condition;
}
