//! Memory that is read and written, or read alone.

use super::{WORKGROUP, best, fastest, workgroups};
use crate::rig::device::Rig;
use crate::step::{Step, encode};

const COPY: &str = include_str!("copy.wgsl");
const READ: &str = include_str!("read.wgsl");

/// Of each buffer where a binding may be as large: past any cache.
const BYTES: u64 = 64 << 20;
/// A word, its bytes, and how many of them one behind the other an invocation moves at a time: a GPU likes neighbours in neighbouring
/// invocations, a processor that plays one whole lines of its cache.
const WAYS: [(&str, u32, u32); 3] = [("f32", 4, 1), ("vec4<f32>", 16, 1), ("vec4<f32>", 16, 4)];

/// Bytes a second of a copy, and of reading.
pub(super) fn measure(rig: &Rig) -> [f64; 2] {
    let limits = rig.context.device().limits();
    let most = limits
        .max_storage_buffer_binding_size
        .min(limits.max_buffer_size);
    // Whole rounds of all invocations.
    let invocations = WORKGROUP * workgroups(rig);
    let round = u64::from(invocations) * 64;
    let bytes = BYTES.min(most) / round * round;
    let (source, copied) = (rig.output(bytes), rig.output(bytes));
    let rate = |text: &str, moved: u64| {
        let rates = WAYS.into_iter().map(|(word, size, block)| {
            let step = Step::new(
                rig.context.device(),
                "bandwidth",
                &self::text(text, (word, block), bytes / u64::from(size), invocations),
                &[(1, &source), (2, &copied)],
                [workgroups(rig), 1, 1],
            );
            #[expect(clippy::cast_precision_loss, reason = "some 100 million")]
            let moved = moved as f64;
            moved * fastest(|times| rig.time(|encoder| repeat(encoder, &step, times)))
        });
        best(rates)
    };
    [rate(COPY, 2 * bytes), rate(READ, bytes)]
}

fn repeat(encoder: &mut relattn::wgpu::CommandEncoder, step: &Step, times: u32) {
    for _ in 0..times {
        encode(encoder, std::slice::from_ref(step));
    }
}

fn text(text: &str, (word, block): (&str, u32), words: u64, invocations: u32) -> String {
    format!(
        "alias Word = {word};\nconst BLOCK = {block}u;\nconst WORDS = {words}u;\nconst INVOCATIONS = {invocations}u;\n{text}"
    )
}

#[cfg(test)]
mod tests {
    use super::{COPY, READ, WAYS, text};
    use crate::probe::valid;

    #[test]
    fn the_kernels_are_valid() {
        for kernel in [COPY, READ] {
            for (word, _, block) in WAYS {
                valid(&text(kernel, (word, block), 1 << 20, 1 << 16));
            }
        }
    }
}
