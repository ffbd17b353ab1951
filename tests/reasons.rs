//! The reasons for a choice are its reasons: where the fact in one is another, so is the choice.

#![cfg(feature = "gpu")]

use relattn::plan::{
    Algorithm, Reason, Variant, candidates, candidates_backward, choose, choose_backward, reasons,
    reasons_backward,
};
use relattn::{Bias, Capabilities, Dtype, Mask, MatrixSizes, Packed, Problem, Shape};

const GPU: Capabilities = Capabilities::WEBGPU_DEFAULT;
const PROCESSOR: Capabilities = Capabilities {
    cpu: true,
    subgroup_size: 8,
    largest_subgroup: 8,
    busy_workgroups: 4,
    ..GPU
};

fn problem(q_len: u32, k_len: u32, head_dim: u32) -> Problem {
    let shape = Shape {
        batch: 1,
        heads: 1,
        kv_heads: 1,
        q_len,
        k_len,
        head_dim,
    };
    Problem::builder(shape).build().expect("a valid problem")
}

fn chosen(problem: &Problem, capabilities: &Capabilities) -> (Variant, Vec<Reason>) {
    let variant = choose(problem, capabilities).expect("a kernel");
    (variant, reasons(problem, capabilities, &variant))
}

/// 2^27 bytes hold 524,288 rows of 64 numbers.
#[test]
fn keys_past_a_binding_are_decoded_in_ranges() {
    for capabilities in [GPU, PROCESSOR] {
        let (variant, _) = chosen(&problem(100, 524_288, 64), &capabilities);
        assert_ne!(variant.algorithm, Algorithm::Decode);
        let long = problem(100, 524_289, 64);
        let (variant, reasons) = chosen(&long, &capabilities);
        assert_eq!(variant.algorithm, Algorithm::Decode);
        assert_eq!(reasons[0], Reason::ManyKeys { ranges: 2 });
        let all = candidates(&long, &capabilities);
        assert!(!all.is_empty());
        assert!(all.iter().all(|one| one.algorithm == Algorithm::Decode));
    }
    let text = Reason::ManyKeys { ranges: 2 }.to_string();
    assert_eq!(
        text,
        "decode: keys of a head in 2 ranges, since a binding does not hold them all"
    );
}

#[test]
fn few_rows_are_the_reason_for_decode() {
    let (variant, reasons) = chosen(&problem(1, 8192, 64), &GPU);
    assert_eq!(variant.algorithm, Algorithm::Decode);
    let few = Reason::FewRows {
        q_len: 1,
        k_len: 8192,
    };
    let parts = Reason::Parts {
        splits: 16,
        busy: 512,
    };
    assert_eq!(reasons, [few, Reason::AllRows { rows: 1 }, parts]);
    let texts: Vec<_> = reasons.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "decode: 1 query rows, of at most 16, against 8192 keys",
            "rows 1: all that there are",
            "keys in 16 parts: 512 workgroups keep the device busy",
        ]
    );
    let (variant, _) = chosen(&problem(17, 8192, 64), &GPU);
    assert_ne!(variant.algorithm, Algorithm::Decode);
    // Fewer workgroups keep another device busy.
    let (_, reasons) = chosen(&problem(1, 8192, 64), &PROCESSOR);
    assert!(reasons.contains(&Reason::Parts { splits: 4, busy: 4 }));
}

#[test]
fn a_packed_batch_is_the_reason_against_decode() {
    let shape = *problem(8, 100, 16).shape();
    let mask = Mask {
        packed: Some(Packed { sequences: 2 }),
        ..Mask::NONE
    };
    let packed = Problem::builder(shape).mask(mask).build();
    let (variant, reasons) = chosen(&packed.expect("a valid problem"), &GPU);
    assert_ne!(variant.algorithm, Algorithm::Decode);
    assert!(reasons.contains(&Reason::Packed), "{reasons:?}");
    let (variant, reasons) = chosen(&problem(8, 100, 16), &GPU);
    assert_eq!(variant.algorithm, Algorithm::Decode);
    assert!(!reasons.contains(&Reason::Packed), "{reasons:?}");
}

/// Each pair differs in the fact of the reason alone.
#[test]
fn another_device_is_another_choice_for_another_reason() {
    let large = Capabilities {
        largest_subgroup: 64,
        ..PROCESSOR
    };
    let small = Capabilities {
        subgroup_size: 4,
        ..PROCESSOR
    };
    let none = Capabilities {
        subgroup_size: 0,
        largest_subgroup: 0,
        ..PROCESSOR
    };
    let gpu = Capabilities {
        cpu: false,
        ..PROCESSOR
    };
    let many = problem(100, 100, 64);
    let subgroup = [8, 8];
    let (variant, reasons) = chosen(&many, &PROCESSOR);
    assert_eq!(variant.algorithm, Algorithm::Broadcast);
    assert_eq!(reasons[0], Reason::Processor { subgroup });
    for (capabilities, reason) in [
        (large, Reason::Subgroups { found: [8, 64] }),
        (small, Reason::Subgroups { found: [4, 8] }),
        (none, Reason::NoSubgroups),
        (gpu, Reason::Gpu),
    ] {
        let (variant, reasons) = chosen(&many, &capabilities);
        assert_eq!(variant.algorithm, Algorithm::Fragments, "{reason}");
        assert_eq!(reasons[0], reason);
        let [queries, keys] = choose_backward(&many, &capabilities).expect("kernels");
        let backward = reasons_backward(&many, &capabilities, [&queries, &keys]);
        assert_eq!(backward[0], reason);
    }
}

#[test]
fn rows_follow_from_the_wider_of_both_heads() {
    for capabilities in [GPU, PROCESSOR] {
        let of = |builder: relattn::ProblemBuilder| {
            let problem = builder.build().expect("a valid problem");
            let (variant, reasons) = chosen(&problem, &capabilities);
            (variant.rows, reasons[1])
        };
        let narrow = Problem::builder(*problem(100, 100, 64).shape());
        let (rows, reason) = of(narrow.clone());
        let features = 64;
        assert_eq!(reason, Reason::Rows { rows, features });
        let (fewer, reason) = of(narrow.value_dim(256));
        // Fragments have four rows on a GPU, however wide a head is.
        assert_eq!(fewer < rows, capabilities == PROCESSOR);
        let (rows, features) = (fewer, 256);
        assert_eq!(reason, Reason::Rows { rows, features });
    }
}

#[test]
fn what_lies_in_the_workspace_is_a_reason_where_there_is_any() {
    let shape = *problem(100, 100, 64).shape();
    for (bias, has) in [(Bias::None, false), (Bias::Alibi, true)] {
        let problem = Problem::builder(shape).bias(bias).build();
        let problem = problem.expect("a valid problem");
        let [queries, keys] = choose_backward(&problem, &GPU).expect("kernels");
        let reasons = reasons_backward(&problem, &GPU, [&queries, &keys]);
        assert_eq!(reasons.contains(&Reason::InWorkspace), has, "{bias:?}");
    }
}

/// What the rules choose can be tuned, and what can be tuned fits the device.
#[test]
fn the_choice_is_one_of_the_candidates() {
    for capabilities in [GPU, PROCESSOR] {
        for q_len in [1, 3, 16, 17, 500] {
            for head_dim in [8, 64, 65, 128, 129, 256] {
                let problem = problem(q_len, 3000, head_dim);
                let variant = choose(&problem, &capabilities).expect("a kernel");
                let all = candidates(&problem, &capabilities);
                let pair = (variant.algorithm, variant.rows);
                let mut pairs = all.iter().map(|one| (one.algorithm, one.rows));
                assert!(pairs.any(|one| one == pair), "{variant}: {all:?}");
                let [queries, _] = choose_backward(&problem, &capabilities).expect("kernels");
                let pair = (queries.scores.algorithm, queries.scores.rows);
                let all = candidates_backward(&problem, &capabilities);
                let mut pairs = all.iter().map(|one| (one.algorithm, one.rows));
                assert!(pairs.any(|one| one == pair), "{queries}: {all:?}");
            }
        }
    }
}

#[test]
fn candidates_keep_to_what_is_right() {
    let algorithms = |problem: &Problem, capabilities: &Capabilities| {
        let mut found: Vec<_> = candidates(problem, capabilities)
            .iter()
            .map(|one| one.algorithm)
            .collect();
        found.dedup();
        found
    };
    use Algorithm::{Broadcast, Decode, Fragments};
    let (few, many) = (problem(16, 3000, 64), problem(17, 3000, 64));
    assert_eq!(algorithms(&few, &GPU), [Fragments, Decode]);
    assert_eq!(algorithms(&many, &GPU), [Fragments]);
    assert_eq!(algorithms(&many, &PROCESSOR), [Fragments, Broadcast]);
    // Less workgroup memory than tiles of 64 rows take; with one row an invocation they have 32.
    let tight = Capabilities {
        workgroup_storage: 12_000,
        ..GPU
    };
    let rows = |capabilities| -> Vec<_> {
        let all = candidates(&many, capabilities);
        all.iter().map(|one| one.rows).collect()
    };
    assert_eq!(rows(&GPU), [8, 4, 2, 1]);
    assert_eq!(rows(&tight), [1]);
}

/// f16 on a GPU whose subgroups multiply matrices, and whatever of that is another fact.
#[test]
fn matrices_are_the_reason_for_cooperative() {
    let halves = |head_dim| {
        let built = Problem::builder(*problem(100, 100, head_dim).shape()).dtype(Dtype::F16);
        built.build().expect("a valid problem")
    };
    let sixteen = MatrixSizes {
        sixteen: true,
        ..MatrixSizes::NONE
    };
    let both = MatrixSizes {
        eight: true,
        ..sixteen
    };
    let eight = MatrixSizes {
        sixteen: false,
        ..both
    };
    let gpu = |matrices, subgroup: [u32; 2]| Capabilities {
        matrices,
        subgroup_size: subgroup[0],
        largest_subgroup: subgroup[1],
        workgroup_storage: Algorithm::MATRIX_STORAGE,
        ..GPU
    };
    for (capabilities, size) in [
        (gpu(sixteen, [32, 64]), 16),
        (gpu(both, [32, 32]), 16),
        (gpu(eight, [4, 64]), 8),
        // An invocation has a row at least.
        (gpu(both, [8, 8]), 8),
        (gpu(both, [128, 128]), 16),
    ] {
        let (variant, reasons) = chosen(&halves(64), &capabilities);
        let pair = (variant.algorithm, variant.rows);
        assert_eq!(pair, (Algorithm::Cooperative, size), "{capabilities:?}");
        let subgroup = [capabilities.subgroup_size, capabilities.largest_subgroup];
        assert_eq!(reasons, [Reason::Matrices { size, subgroup }]);
        let candidate = candidates(&halves(64), &capabilities).into_iter();
        let mut pairs = candidate.map(|one| (one.algorithm, one.rows));
        assert!(pairs.any(|one| one == pair), "{capabilities:?}");
    }
    for capabilities in [
        gpu(MatrixSizes::NONE, [32, 64]),
        gpu(sixteen, [8, 8]),
        gpu(both, [4, 4]),
        gpu(both, [32, 256]),
    ] {
        let (variant, reasons) = chosen(&halves(64), &capabilities);
        assert_eq!(variant.algorithm, Algorithm::Fragments, "{capabilities:?}");
        assert!(reasons.contains(&Reason::NoMatrices), "{capabilities:?}");
    }
    let found = Algorithm::MATRIX_STORAGE - 1;
    let small = Capabilities {
        workgroup_storage: found,
        ..gpu(both, [32, 64])
    };
    let (variant, reasons) = chosen(&halves(64), &small);
    assert_eq!(variant.algorithm, Algorithm::Fragments);
    let needed = Algorithm::MATRIX_STORAGE;
    let memory = Reason::MemoryForMatrices { found, needed };
    assert!(reasons.contains(&memory), "{reasons:?}");
    // Where more memory would not help, it is not what is told.
    let (_, reasons) = chosen(&halves(130), &small);
    assert!(!reasons.contains(&memory), "{reasons:?}");
    let gated = halves(64).to_builder().bias(Bias::Alibi).gated(true);
    let gated = gated.build().expect("a valid problem");
    let [queries, keys] = choose_backward(&gated, &small).expect("kernels");
    let reasons = reasons_backward(&gated, &small, [&queries, &keys]);
    assert!(reasons.contains(&Reason::ScoresForMatrices), "{reasons:?}");
    let (variant, reasons) = chosen(&halves(130), &gpu(both, [32, 64]));
    assert_eq!(variant.algorithm, Algorithm::Fragments);
    let wide = |features, most| Reason::WideForMatrices { features, most };
    let (wide, wide_backward) = (wide(130, 128), wide(72, 64));
    assert!(reasons.contains(&wide), "{reasons:?}");
    let capabilities = gpu(both, [32, 64]);
    let backward = |problem: &Problem| {
        let [queries, keys] = choose_backward(problem, &capabilities).expect("kernels");
        let reasons = reasons_backward(problem, &capabilities, [&queries, &keys]);
        (queries.scores.algorithm, reasons)
    };
    let (algorithm, reasons) = backward(&halves(64));
    let subgroup = [32, 64];
    assert_eq!(algorithm, Algorithm::Cooperative);
    assert_eq!(reasons, [Reason::Matrices { size: 16, subgroup }]);
    let (algorithm, reasons) = backward(&halves(72));
    assert_eq!(algorithm, Algorithm::Fragments);
    assert!(reasons.contains(&wide_backward), "{reasons:?}");
    let found = candidates_backward(&halves(72), &capabilities).into_iter();
    let mut found = found.map(|one| one.algorithm);
    assert!(found.any(|one| one == Algorithm::Cooperative));
    // Whose gradient is summed from single scores.
    let gated = halves(64).to_builder().bias(Bias::Alibi).gated(true);
    let (algorithm, reasons) = backward(&gated.build().expect("a valid problem"));
    assert_eq!(algorithm, Algorithm::Fragments);
    assert!(reasons.contains(&Reason::ScoresForMatrices), "{reasons:?}");
    // f32 is never rounded to f16, and nobody is told that it is not.
    let capabilities = gpu(both, [32, 64]);
    let (variant, reasons) = chosen(&problem(100, 100, 64), &capabilities);
    assert_eq!(variant.algorithm, Algorithm::Fragments);
    assert!(!reasons.contains(&Reason::NoMatrices));
    let all = candidates(&problem(100, 100, 64), &capabilities);
    assert!(
        all.iter()
            .all(|one| one.algorithm != Algorithm::Cooperative)
    );
    // A processor that plays the GPU multiplies them no faster than it does anything else.
    let processor = Capabilities {
        matrices: both,
        ..PROCESSOR
    };
    let (variant, _) = chosen(&halves(64), &processor);
    assert_eq!(variant.algorithm, Algorithm::Broadcast);
    let text = Reason::Matrices {
        size: 16,
        subgroup: [32, 64],
    };
    assert_eq!(
        text.to_string(),
        "cooperative: f16, and subgroups of 32 to 64 multiply matrices of 16 × 16"
    );
}
