//! Multiply-adds that depend on nothing but the last of their own chain.

use relattn::wgpu;

use super::{WORKGROUP, best, fastest, workgroups};
use crate::rig::device::Rig;
use crate::step::{Step, encode};

const TEXT: &str = include_str!("arithmetic.wgsl");

/// Chains of an invocation, four numbers each: few hide no latency, and many spill registers.
const CHAINS: [u32; 4] = [1, 2, 4, 8];
/// Links of each chain in a round, so that the loop itself does not count.
const LINKS: u32 = 16;

/// Operations a second of a type.
pub(super) fn measure(rig: &Rig, number: &str) -> f64 {
    best(CHAINS.into_iter().map(|chains| rate(rig, number, chains)))
}

fn rate(rig: &Rig, number: &str, chains: u32) -> f64 {
    let params = params(rig);
    let step = Step::new(
        rig.context.device(),
        "multiply-adds",
        &text(number, chains),
        &[(0, &params), (1, &rig.output(64))],
        [workgroups(rig), 1, 1],
    );
    let rounds = fastest(|rounds| {
        set_rounds(rig, &params, rounds);
        rig.time(|encoder| encode(encoder, std::slice::from_ref(&step)))
    });
    rounds * f64::from(WORKGROUP * workgroups(rig)) * f64::from(LINKS * chains * 4 * 2)
}

/// The kernel, with its chains written out.
pub(super) fn text(number: &str, chains: u32) -> String {
    let enable = if number == "f16" { "enable f16;\n" } else { "" };
    let each = |link: fn(u32) -> String| (0..chains).map(link).collect::<String>();
    let begin = each(|n| format!("    var sum{n} = vec4<Number>(start + Number({n}.0));\n"));
    let links = each(|n| format!("        sum{n} = fma(sum{n}, factor, addend);\n"));
    let total = each(|n| format!(" + sum{n}"));
    let rest = TEXT
        .replace("    // begin\n", &begin)
        .replace("        // links\n", &links.repeat(LINKS as usize))
        .replace("/* total */", &total);
    format!("{enable}alias Number = {number};\n{rest}")
}

/// How many rounds, a factor and an addend that keep sums at 2, and a total that none has.
fn params(rig: &Rig) -> wgpu::Buffer {
    let buffer = rig.context.device().create_buffer(&wgpu::BufferDescriptor {
        label: Some("multiply-adds"),
        size: 16,
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let rest = [0.5_f32, 1.0, -1.0];
    let queue = rig.context.queue();
    queue.write_buffer(&buffer, 4, bytemuck::cast_slice(&rest));
    buffer
}

fn set_rounds(rig: &Rig, params: &wgpu::Buffer, rounds: u32) {
    let queue = rig.context.queue();
    queue.write_buffer(params, 0, &rounds.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::{CHAINS, text};
    use crate::probe::valid;

    #[test]
    fn the_kernels_are_valid() {
        for number in ["f32", "f16"] {
            for chains in CHAINS {
                valid(&text(number, chains));
            }
        }
    }

    #[test]
    fn every_chain_has_its_links() {
        let text = text("f32", 3);
        for chain in 0..3 {
            let link = format!("sum{chain} = fma(sum{chain}, factor, addend);");
            assert_eq!(text.matches(&link).count(), 16);
        }
    }
}
