//! Problems: valid ones hold what they promise and compute, others are refused with a reason.

use arbitrary::{Arbitrary, Unstructured};
use relattn::{Problem, Tensor};

use crate::choices::Choices;
use crate::run;

/// The tensors whose elements a problem counts.
pub(crate) const TENSORS: [Tensor; 24] = [
    Tensor::Q,
    Tensor::K,
    Tensor::V,
    Tensor::Table,
    Tensor::KeyMask,
    Tensor::KeyLengths,
    Tensor::QueryLengths,
    Tensor::QueryDocuments,
    Tensor::KeyDocuments,
    Tensor::MaskBits,
    Tensor::QueryStarts,
    Tensor::KeyStarts,
    Tensor::BlockTable,
    Tensor::Gate,
    Tensor::Out,
    Tensor::Lse,
    Tensor::Indices,
    Tensor::Bias,
    Tensor::OffsetTable,
    Tensor::FireTable,
    Tensor::DOut,
    Tensor::DTable,
    Tensor::DGate,
    Tensor::DBias,
];

/// What a builder is told ends in a problem or in a reason, and a problem that is small is computed alike by the fast form and the
/// definition, or refused alike where its inputs lie.
///
/// # Panics
/// Where that does not hold.
pub fn problem(bytes: &[u8]) {
    let mut unstructured = Unstructured::new(bytes);
    let Ok(choices) = Choices::arbitrary(&mut unstructured) else {
        return;
    };
    match choices.problem() {
        Ok(problem) => {
            check(&problem);
            if run::is_small(&problem) {
                run::check(&problem, &mut unstructured);
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Every tensor has indices of 32 bits, and the choices of a problem make it again.
fn check(problem: &Problem) {
    for tensor in TENSORS {
        let elements = problem.elements(tensor);
        assert!(elements <= u64::from(u32::MAX), "{tensor}: {elements}");
    }
    let shape = problem.shape();
    assert_eq!(shape.rows() as u64, problem.elements(Tensor::Lse));
    if problem.elements(Tensor::OffsetTable) > 0 {
        let width = 2 * u64::from(problem.bias_radius()) + 1;
        let numbers = u64::from(shape.heads) * width;
        assert_eq!(problem.elements(Tensor::OffsetTable), numbers);
    }
    assert!(problem.scale().is_finite());
    let _ = (problem.cost(), problem.thresholds(), problem.table_rows());
    let again = problem.to_builder().build();
    assert_eq!(again.as_ref(), Ok(problem));
}
