//! The linker: of what is chosen for a problem on a device naga makes a module; of other variants and texts nothing makes it panic.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex};

use arbitrary::{Arbitrary, Unstructured};
use relattn::plan::{
    Algorithm, BackwardVariant, BiasSlots, GradientSlots, IndexSlot, KernelText, Lengths,
    MaskSlots, Side, Variant, candidates, candidates_backward, choose, choose_backward, reasons,
    reasons_backward,
};
use relattn::shader::{Dialect, link, link_backward};
use relattn::{Capabilities, Dtype, IndexFormat, MatrixSizes, Problem};

use crate::choices::Choices;
use crate::numbers::{Number, Rare};
use crate::text;

/// One text in so many is compiled, which takes naga as long as linking thousands.
const COMPILED: u64 = 16;

#[derive(Arbitrary, Debug)]
enum Case<'a> {
    Chosen(Box<Choices>, CapabilitiesChoice),
    Any(VariantChoice, [bool; 6]),
    Text(&'a str, bool),
}

#[derive(Arbitrary, Debug)]
struct CapabilitiesChoice {
    small: Rare<[Number; 3]>,
    subgroups: Option<[Number; 2]>,
    busy_workgroups: Number,
    binding: Number,
    cpu: bool,
    matrices: (bool, bool),
}

#[derive(Arbitrary, Debug)]
struct VariantChoice {
    algorithm: u8,
    dtype: u8,
    numbers: [Number; 4],
    vec4: bool,
    bias: (bool, bool, bool),
    index: Option<[Number; 2]>,
    fire_width: Option<Number>,
    mask: [bool; 5],
    lengths: u8,
    dropout: bool,
    block_size: Option<Number>,
}

/// Texts that are linked for a problem are whole modules of one entry point; whatever a variant says, linking ends.
///
/// # Panics
/// Where that does not hold.
pub fn linker(bytes: &[u8]) {
    match Case::arbitrary(&mut Unstructured::new(bytes)) {
        Ok(Case::Chosen(choices, capabilities)) => {
            if let Ok(problem) = choices.problem() {
                check_chosen(&problem, &capabilities.capabilities());
            }
        }
        Ok(Case::Any(choice, gradients)) => check_any(&choice, gradients),
        Ok(Case::Text(wgsl, subgroups)) => check_text(wgsl, subgroups),
        Err(_) => {}
    }
}

fn check_chosen(problem: &Problem, capabilities: &Capabilities) {
    for candidate in candidates(problem, capabilities) {
        assert!(candidate.splits >= 1 && !candidate.to_string().is_empty());
    }
    let _ = candidates_backward(problem, capabilities);
    match choose(problem, capabilities) {
        Ok(variant) => {
            assert!(variant.workgroup() <= capabilities.invocations);
            assert!(variant.workgroup_bytes() <= capabilities.workgroup_storage);
            assert!(!reasons(problem, capabilities, &variant).is_empty());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Ok([queries, keys]) = choose_backward(problem, capabilities) {
        let reasons = reasons_backward(problem, capabilities, [&queries, &keys]);
        assert!(!reasons.is_empty());
    }
    for kernels in [
        KernelText::of_forward(problem, capabilities),
        KernelText::of_backward(problem, capabilities),
    ] {
        for kernel in kernels.into_iter().flatten() {
            check_kernel(&kernel);
        }
    }
}

fn check_kernel(kernel: &KernelText) {
    text::check(&kernel.wgsl);
    for dialect in [Dialect::Browser, Dialect::Fxc] {
        text::check(&kernel.in_dialect(dialect));
    }
    assert_eq!(kernel.in_dialect(Dialect::Native), kernel.wgsl);
    if is_sampled(&kernel.wgsl) {
        compile(&kernel.name, &kernel.wgsl);
        if !kernel.subgroups {
            compile(&kernel.name, &kernel.in_dialect(Dialect::Browser));
        }
    }
}

/// Whether a text is among those that are compiled, and has not been.
fn is_sampled(wgsl: &str) -> bool {
    static SEEN: LazyLock<Mutex<HashSet<u64>>> = LazyLock::new(Mutex::default);
    // FNV-1a, the same in every run.
    let hash = wgsl.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let sampled = (hash >> 32).is_multiple_of(COMPILED);
    sampled && SEEN.lock().expect("no panic before").insert(hash)
}

fn compile(name: &str, wgsl: &str) {
    let module = naga::front::wgsl::parse_str(wgsl);
    let module = module.unwrap_or_else(|error| panic!("{name}: {}", error.emit_to_string(wgsl)));
    let mut validator = naga::valid::Validator::new(
        naga::valid::ValidationFlags::all(),
        naga::valid::Capabilities::all(),
    );
    validator
        .subgroup_stages(naga::valid::ShaderStages::COMPUTE)
        .subgroup_operations(naga::valid::SubgroupOperationSet::all());
    let validated = validator.validate(&module);
    validated.unwrap_or_else(|error| panic!("{name}: {error:?}"));
}

/// A variant that no choice need have made.
fn check_any(choice: &VariantChoice, [keys, gradients @ ..]: [bool; 6]) {
    let scores = choice.variant();
    text::check(&link(&scores));
    let [offset, gate, index, fire, dense] = gradients;
    let backward = BackwardVariant {
        side: if keys { Side::Keys } else { Side::Queries },
        scores,
        gradients: GradientSlots {
            offset,
            gate,
            index,
            fire,
            dense,
        },
    };
    text::check(&link_backward(&backward));
    assert!(!scores.to_string().is_empty());
}

/// A text of anybody's: only what browsers want is put before it.
fn check_text(wgsl: &str, subgroups: bool) {
    let kernel = KernelText {
        name: "any".into(),
        wgsl: wgsl.into(),
        subgroups,
    };
    assert_eq!(kernel.in_dialect(Dialect::Native), wgsl);
    let browser = kernel.in_dialect(Dialect::Browser);
    if subgroups {
        assert!(browser.starts_with("enable subgroups;") && browser.ends_with(wgsl));
    }
}

impl CapabilitiesChoice {
    fn capabilities(&self) -> Capabilities {
        let plain = Capabilities::WEBGPU_DEFAULT;
        let default = Capabilities {
            storage_buffers: 16,
            workgroup_storage: match self.matrices {
                (false, false) => plain.workgroup_storage,
                _ => Algorithm::MATRIX_STORAGE,
            },
            ..plain
        };
        let [storage, invocations, buffers] = self.small.0.map_or(
            [
                default.workgroup_storage,
                default.invocations,
                default.storage_buffers,
            ],
            |small| small.map(|number| number.0),
        );
        // Powers of two, or nothing that a device has.
        let size = |number: Number| match number.0 {
            exponent @ 0..8 => 1 << exponent,
            any => any,
        };
        let [least, most] = self.subgroups.map_or([0, 0], |sizes| sizes.map(size));
        Capabilities {
            workgroup_storage: storage,
            invocations,
            storage_buffers: buffers,
            subgroup_size: least,
            largest_subgroup: most,
            busy_workgroups: self.busy_workgroups.0,
            binding: self.binding.0.into(),
            cpu: self.cpu,
            matrices: MatrixSizes {
                eight: self.matrices.0,
                sixteen: self.matrices.1,
            },
        }
    }
}

impl VariantChoice {
    fn variant(&self) -> Variant {
        let [head_dim, value_dim, rows, lanes] = self.numbers.map(|number| number.0);
        let (offset, gate, dense) = self.bias;
        let [causal, window, keys, documents, bits] = self.mask;
        Variant {
            algorithm: [
                Algorithm::Fragments,
                Algorithm::Broadcast,
                Algorithm::Cooperative,
                Algorithm::Decode,
            ][usize::from(self.algorithm % 4)],
            dtype: [Dtype::F32, Dtype::F16, Dtype::Bf16][usize::from(self.dtype % 3)],
            head_dim,
            value_dim,
            rows,
            vec4: self.vec4,
            lanes,
            bias: BiasSlots {
                offset,
                gate,
                index: self.index.map(|[rows, matrices]| IndexSlot {
                    rows: rows.0,
                    matrices: matrices.0,
                    format: IndexFormat::U16,
                }),
                dense,
                fire_width: self.fire_width.map(|width| width.0),
            },
            mask: MaskSlots {
                causal,
                window,
                keys,
                lengths: [
                    Lengths::Full,
                    Lengths::Keys,
                    Lengths::Queries,
                    Lengths::Both,
                    Lengths::Packed,
                ][usize::from(self.lengths % 5)],
                documents,
                bits,
            },
            dropout: self.dropout,
            block_size: self.block_size.map(|size| size.0),
        }
    }
}
