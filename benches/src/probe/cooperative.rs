//! Products of matrices that a subgroup holds together.

use relattn::wgpu;
use wgpu::{CooperativeMatrixProperties, CooperativeScalarType as Scalar, Features};

use super::{Cooperative, best, fastest, has, workgroups};
use crate::rig::device::Rig;
use crate::step::{Step, encode};

const TEXT: &str = include_str!("cooperative.wgsl");

/// Products in flight in a subgroup.
const CHAINS: [u32; 3] = [1, 2, 4];
const LINKS: u32 = 4;

/// The fastest of the products that kernels make use of: square, of f16, summed in f32; of others, summed in f16, where there are none.
pub(super) fn measure(rig: &Rig, offered: &[CooperativeMatrixProperties]) -> Option<Cooperative> {
    let needed =
        Features::EXPERIMENTAL_COOPERATIVE_MATRIX | Features::SHADER_F16 | Features::SUBGROUP;
    if !has(rig, needed) {
        return None;
    }
    let measured = offered.iter().filter_map(kind).map(|(size, sums)| {
        let rates = CHAINS
            .into_iter()
            .map(|chains| rate(rig, size, sums, chains));
        Cooperative {
            size,
            sums,
            flops: best(rates),
        }
    });
    let used = |one: &Cooperative| one.sums == "f32";
    measured.max_by(|a, b| {
        let of_use = used(a).cmp(&used(b));
        of_use.then(a.flops.total_cmp(&b.flops))
    })
}

fn kind(offered: &CooperativeMatrixProperties) -> Option<(u32, &'static str)> {
    let size = offered.m_size;
    let square = offered.n_size == size && offered.k_size == size && [8, 16].contains(&size);
    let sums = match offered.cr_type {
        Scalar::F32 => "f32",
        Scalar::F16 => "f16",
        _ => return None,
    };
    (square && offered.ab_type == Scalar::F16).then_some((size, sums))
}

fn rate(rig: &Rig, size: u32, sums: &str, chains: u32) -> f64 {
    let device = rig.context.device();
    let rounds = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("cooperative matrices"),
        size: 16,
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let matrix = u64::from(size * size);
    let (factors, results) = (rig.output(2 * matrix), rig.output(4 * matrix));
    let subgroups = rig.output(4);
    let step = Step::new(
        device,
        "cooperative matrices",
        &text(size, sums, chains),
        &[(0, &rounds), (1, &factors), (2, &results), (3, &subgroups)],
        [workgroups(rig), 1, 1],
    );
    let rate = fastest(|number| {
        let queue = rig.context.queue();
        queue.write_buffer(&rounds, 0, &number.to_le_bytes());
        rig.time(|encoder| encode(encoder, std::slice::from_ref(&step)))
    });
    // A compiler may choose the size of subgroups.
    let subgroups: u32 = rig.read(&subgroups)[0];
    let products = f64::from(workgroups(rig) * subgroups) * f64::from(chains * LINKS);
    rate * products * f64::from(2 * size * size * size)
}

fn text(size: u32, sums: &str, chains: u32) -> String {
    let each = |link: fn(u32) -> String| (0..chains).map(link).collect::<String>();
    let begin = each(|n| format!("    var sum{n} = coopLoad<Sum>(&results[0]);\n"));
    let links = each(|n| format!("        sum{n} = coopMultiplyAdd(left, right, sum{n});\n"));
    let ends = each(|n| format!("        coopStore(sum{n}, &results[0]);\n"));
    let rest = TEXT
        .replace("    // begin\n", &begin)
        .replace("        // links\n", &links.repeat(LINKS as usize))
        .replace("        // ends\n", &ends);
    let matrix = |number: &str, role| format!("coop_mat{size}x{size}<{number}, {role}>");
    format!(
        "enable f16;\nenable wgpu_cooperative_matrix;\nalias Left = {};\nalias Right = {};\nalias Sum = {};\n\
         alias Number = {sums};\nconst ELEMENTS = {}u;\n{rest}",
        matrix("f16", "A"),
        matrix("f16", "B"),
        matrix(sums, "C"),
        size * size,
    )
}

#[cfg(test)]
mod tests {
    use super::{CHAINS, text};
    use crate::probe::valid;

    #[test]
    fn the_kernels_are_valid() {
        for size in [8, 16] {
            for sums in ["f32", "f16"] {
                for chains in CHAINS {
                    valid(&text(size, sums, chains));
                }
            }
        }
    }
}
