// Slot `uniformity`: what all invocations of a workgroup have alike, for compilers that allow a barrier only where they can prove that all
// come to it. They believe nothing of private variables, so that all get what one invocation has.
var<workgroup> agreed: u32;

fn uniform_number(number: u32, local: u32) -> u32 {
    if local == 0u {
        agreed = number;
    }
    return workgroupUniformLoad(&agreed);
}

fn uniform_condition(condition: bool, local: u32) -> bool {
    return uniform_number(u32(condition), local) != 0u;
}
