//! What a backward pass refuses, by name and before anything is recorded.

#![cfg(feature = "gpu")]

mod harness;

use harness::adapters::{contexts, limited};
use harness::backward::{PlacedBackward, dout};
use harness::data::Data;
use relattn::cpu::{Attention, AttentionGradient, Outputs};
use relattn::plan::{Backward, BackwardOperands, Wanted};
use relattn::run::OnDevice;
use relattn::{
    Bias, Context, Error, InputError, Layout, Paged, Problem, ProblemError, RelativeBuckets, Shape,
    Tensor,
};

const T5: Bias = Bias::Relative(RelativeBuckets::t5_encoder());
const SHAPE: Shape = Shape {
    batch: 1,
    heads: 2,
    kv_heads: 2,
    q_len: 9,
    k_len: 12,
    head_dim: 4,
};

fn first() -> Context {
    let (_, context) = contexts().pop().expect("an adapter");
    context
}

/// What becomes of the operands of a T5 problem after a change.
fn refused(change: impl for<'a> Fn(&mut BackwardOperands<'a>, &'a PlacedBackward)) -> Error {
    let context = first();
    let problem = Problem::builder(SHAPE).bias(T5).build().expect("valid");
    let backward = context.backward(&problem).expect("kernels");
    let placed = placed(&context, &backward, &problem);
    let mut operands = placed.operands(false);
    change(&mut operands, &placed);
    backward
        .bind(&operands)
        .expect_err("operands that are wrong")
}

fn placed(context: &Context, backward: &Backward, problem: &Problem) -> PlacedBackward {
    let (data, dout) = (Data::generate(problem, 1), dout(problem, 2));
    PlacedBackward::new(context, backward, problem, &data, &dout)
}

#[test]
fn no_log_sum_exp() {
    let found = refused(|operands, _| operands.forward.lse = None);
    let tensor = Tensor::Lse;
    assert_eq!(found, Error::Input(InputError::Missing { tensor }));
}

#[test]
fn a_workspace_that_is_too_small() {
    let found = refused(|operands, _| {
        operands.workspace.size = std::num::NonZeroU64::new(64);
    });
    let Error::BufferTooSmall {
        tensor: Tensor::Workspace,
        found: 64,
        needed,
    } = found
    else {
        panic!("{found:?}");
    };
    assert!(found.to_string().contains(&needed.to_string()));
}

/// Before anybody makes a buffer of that size.
#[test]
fn a_workspace_that_no_binding_holds() {
    let shape = Shape {
        heads: 8,
        kv_heads: 8,
        q_len: 1024,
        k_len: 1024,
        ..SHAPE
    };
    let problem = Problem::builder(shape).bias(Bias::Alibi).build();
    let problem = problem.expect("valid");
    for (name, context) in limited(|limits| limits.max_storage_buffer_binding_size = 1 << 20) {
        let backward = context.backward(&problem).expect("kernels");
        let found = backward.check_limits().expect_err("more than a binding");
        let needed = backward.workspace_bytes();
        let expected = Error::BindingTooLarge {
            tensor: Tensor::Workspace,
            needed,
            maximum: 1 << 20,
        };
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn gradients_that_lie_in_the_buffer_of_an_input() {
    let found = refused(|operands, _| operands.dk = operands.forward.k.clone());
    assert!(
        matches!(
            found,
            Error::SharedBuffer {
                read: Tensor::K,
                written: Tensor::DK
            }
        ),
        "{found:?}"
    );
    let found = refused(|operands, _| operands.dq = operands.forward.out.clone());
    assert!(
        matches!(
            found,
            Error::SharedBuffer {
                read: Tensor::Out,
                written: Tensor::DQ
            }
        ),
        "{found:?}"
    );
}

#[test]
fn gradients_that_overlap_each_other_or_the_workspace() {
    let found = refused(|operands, _| operands.dv = operands.dk.clone());
    assert!(
        matches!(
            found,
            Error::Aliased {
                first: Tensor::DK,
                second: Tensor::DV
            }
        ),
        "{found:?}"
    );
    let found = refused(|operands, _| operands.dtable = Some(operands.workspace.clone()));
    assert!(matches!(found, Error::Aliased { .. }), "{found:?}");
}

#[test]
fn a_gradient_that_is_wanted_and_has_no_place() {
    let found = refused(|operands, _| operands.dtable = None);
    let tensor = Tensor::DTable;
    assert_eq!(found, Error::Input(InputError::Missing { tensor }));
}

#[test]
fn a_gradient_that_the_problem_does_not_have() {
    let found = refused(|operands, _| operands.dgate = Some(operands.dv.clone()));
    let tensor = Tensor::DGate;
    assert_eq!(found, Error::Input(InputError::Unused { tensor }));
    let sandwich = Bias::Sandwich { dimensions: 4 };
    let problem = Problem::builder(SHAPE).bias(sandwich).build();
    let problem = problem.expect("valid");
    let table = Wanted {
        table: true,
        ..Wanted::default()
    };
    let found = first().backward_of(&problem, table).expect_err("no table");
    let tensor = Tensor::DTable;
    assert_eq!(found, Error::Input(InputError::Unused { tensor }));
}

#[test]
fn a_gradient_that_is_too_short() {
    let found = refused(|operands, _| operands.dq.size = std::num::NonZeroU64::new(16));
    assert!(
        matches!(
            found,
            Error::BufferTooSmall {
                tensor: Tensor::DQ,
                found: 16,
                needed: 288
            }
        ),
        "{found:?}"
    );
}

#[test]
fn a_paged_cache() {
    let paged = Paged {
        block_size: 4,
        blocks: 3,
    };
    let problem = Problem::builder(SHAPE).paged(paged).build().expect("valid");
    let found = first().backward(&problem).expect_err("shared blocks");
    assert!(
        matches!(found, Error::Input(InputError::NoBackward { .. })),
        "{found:?}"
    );
    assert!(found.to_string().contains("tensors of their own"));
}

#[test]
fn a_dense_bias_whose_rows_overlap() {
    let layout = Layout {
        batch: 0,
        head: 0,
        row: 1,
    };
    let problem = Problem::builder(SHAPE).bias(Bias::Dense(layout)).build();
    let problem = problem.expect("a bias that is only read");
    let found = first().backward(&problem).expect_err("rows that overlap");
    assert!(
        matches!(
            found,
            Error::Problem(ProblemError::Overlap {
                tensor: Tensor::DBias,
                stride: 1,
                minimum: 12
            })
        ),
        "{found:?}"
    );
    // Without its gradient there is nothing to refuse.
    first()
        .backward_of(&problem, Wanted::default())
        .expect("kernels");
}

#[test]
fn results_of_another_problem() {
    let problem = Problem::builder(SHAPE).bias(T5).build().expect("valid");
    let data = Data::generate(&problem, 1);
    let device = OnDevice::new(first());
    let outputs = device.forward(&problem, &data.inputs()).expect("a result");
    let dout = dout(&problem, 2);
    let short = Outputs {
        lse: outputs.lse[1..].to_vec(),
        out: outputs.out.clone(),
    };
    for (outputs, dout, tensor) in [
        (&short, &dout[..], Tensor::Lse),
        (&outputs, &dout[1..], Tensor::DOut),
    ] {
        let found = device.backward(&problem, &data.inputs(), outputs, dout);
        let Err(Error::Input(InputError::Length { tensor: found, .. })) = found else {
            panic!("{found:?}");
        };
        assert_eq!(found, tensor);
    }
}
