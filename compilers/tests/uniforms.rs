//! No branch, and no loop that begins at a constant, depends on uniforms alone.

use std::collections::BTreeMap;

use relattn_compilers::{kernels, uniforms};

#[test]
fn no_kernel_branches_on_uniforms_alone() {
    let mut kernels = kernels::all().expect("the kernels of the suite");
    let by_matrices = kernels::by_matrices().expect("the kernels of the suite");
    assert!(!kernels.is_empty() && by_matrices.len() > 20);
    kernels.extend(by_matrices);
    let mut found = BTreeMap::new();
    for kernel in kernels {
        for line in uniforms::branches(&kernel.wgsl).expect("WGSL") {
            found.insert(line, kernel.name.clone());
        }
    }
    assert_eq!(found, BTreeMap::new());
}
