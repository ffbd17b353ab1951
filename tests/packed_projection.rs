//! q, k and v in one tensor `[B, N, 3, H, D]`, as one projection writes them and each bound at its own offset, give the bits that
//! tensors of their own give.

#![cfg(feature = "gpu")]

mod harness;

use harness::adapters::contexts;
use harness::backward::{PlacedBackward, all_bits, dout};
use harness::data::Data;
use harness::device::{LEAD, POISON, bits, placed};
use harness::elements;
use relattn::cpu::{Gradients, Outputs};
use relattn::plan::{BackwardOperands, ForwardOperands, Operand};
use relattn::{Bias, Context, Error, Layout, Problem, RelativeBuckets, Shape, Tensor, wgpu};

/// A part of a row, `H · D` numbers, is as long as the alignment of WebGPU's default limits.
const SHAPE: Shape = Shape {
    batch: 2,
    heads: 2,
    kv_heads: 2,
    q_len: 70,
    k_len: 70,
    head_dim: 32,
};
const QKV: [Tensor; 3] = [Tensor::Q, Tensor::K, Tensor::V];

/// q, k and v in tensors of their own.
fn separate(shape: Shape) -> Problem {
    let builder = Problem::builder(shape).bias(Bias::Relative(RelativeBuckets::t5_encoder()));
    builder.build().expect("a valid problem")
}

/// q, k and v in one tensor; a gradient is laid out as what it is the gradient of.
fn together(shape: Shape) -> Problem {
    let row = 3 * shape.heads * shape.head_dim;
    let layout = Layout {
        batch: shape.q_len * row,
        head: shape.head_dim,
        row,
    };
    let builder = Problem::builder(shape).bias(Bias::Relative(RelativeBuckets::t5_encoder()));
    let built = QKV.into_iter().fold(builder, |builder, tensor| {
        let placed = builder.layout(tensor, layout);
        placed.expect("a tensor with a layout")
    });
    built.build().expect("a valid problem")
}

/// The first number of each row of `[B, H, N, D]` in `[B, N, 3, H, D]`, in the order of the former.
fn row_starts(part: usize) -> impl Iterator<Item = usize> {
    let [batch, heads, rows, features] =
        [SHAPE.batch, SHAPE.heads, SHAPE.q_len, SHAPE.head_dim].map(|size| size as usize);
    (0..batch * heads * rows).map(move |row| {
        let (b, head, i) = (row / rows / heads, row / rows % heads, row % rows);
        (((b * rows + i) * 3 + part) * heads + head) * features
    })
}

/// Puts the rows of `[B, H, N, D]` where a packed tensor has them.
fn scatter(rows: &[f32], part: usize, packed: &mut [f32]) {
    let features = SHAPE.head_dim as usize;
    for (start, row) in row_starts(part).zip(rows.chunks_exact(features)) {
        packed[start..start + features].copy_from_slice(row);
    }
}

/// Both passes over a packed tensor; the problem's own q, k and v are NaN.
fn packed_passes(context: &Context, data: &Data, gradient: &[f32]) -> (Outputs, Gradients) {
    let problem = together(SHAPE);
    let nan = |tensor| vec![f32::NAN; elements(&problem, tensor)];
    let unread = Data {
        q: nan(Tensor::Q),
        k: nan(Tensor::K),
        v: nan(Tensor::V),
        ..data.clone()
    };
    let forward = context.forward(&problem).expect("a kernel");
    let backward = context.backward(&problem).expect("kernels");
    let tensors = PlacedBackward::new(context, &backward, &problem, &unread, gradient);
    let mut packed = vec![f32::NAN; 3 * data.q.len()];
    for (part, rows) in [&data.q, &data.k, &data.v].into_iter().enumerate() {
        scatter(rows, part, &mut packed);
    }
    let buffer = placed(context, &bits(&packed));
    let operands = with_packed(tensors.operands(false), &buffer, LEAD, SHAPE);
    let first = forward.bind(&operands.forward).expect("aligned parts");
    let second = backward.bind(&operands).expect("aligned parts");
    let outputs = tensors.forward.run(context, &first).expect("a result");
    let gradients = tensors.run(context, &first, &second).expect("a result");
    (outputs, gradients)
}

/// The operands with q, k and v in one buffer, a part of a row behind the other.
fn with_packed<'a>(
    operands: BackwardOperands<'a>,
    buffer: &'a wgpu::Buffer,
    first: u64,
    shape: Shape,
) -> BackwardOperands<'a> {
    let part = |part: u64| Operand {
        buffer,
        offset: first + part * u64::from(4 * shape.heads * shape.head_dim),
        size: None,
    };
    let forward = ForwardOperands {
        q: part(0),
        k: part(1),
        v: part(2),
        ..operands.forward
    };
    BackwardOperands {
        forward,
        ..operands
    }
}

#[test]
fn has_the_bits_of_tensors_of_their_own() {
    let problem = separate(SHAPE);
    let (data, gradient) = (Data::generate(&problem, 7), dout(&problem, 17));
    for (adapter, context) in contexts() {
        let forward = context.forward(&problem).expect("a kernel");
        let backward = context.backward(&problem).expect("kernels");
        let tensors = PlacedBackward::new(&context, &backward, &problem, &data, &gradient);
        let first = tensors.forward.bind(&forward).expect("buffers that fit");
        let second = tensors.bind(&backward).expect("buffers that fit");
        let outputs = tensors.forward.run(&context, &first).expect("a result");
        let mut gradients = tensors.run(&context, &first, &second).expect("a result");
        // What lies between the rows of a gradient is left alone.
        let span = elements(&together(SHAPE), Tensor::Q);
        for rows in [&mut gradients.dq, &mut gradients.dk, &mut gradients.dv] {
            let mut strided = vec![f32::from_bits(POISON); span];
            scatter(rows, 0, &mut strided);
            *rows = strided;
        }
        let (found, found_gradients) = packed_passes(&context, &data, &gradient);
        let same = [&found.out, &found.lse].map(|tensor| bits(tensor))
            == [&outputs.out, &outputs.lse].map(|tensor| bits(tensor));
        assert!(same, "{adapter}: the outputs differ");
        let same = all_bits(&found_gradients) == all_bits(&gradients);
        assert!(same, "{adapter}: the gradients differ");
    }
}

/// A row of 128 bytes for each of q, k and v, where 256 is asked for.
#[test]
fn parts_that_are_no_multiple_of_the_alignment_are_refused() {
    let (device, queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
    let context = Context::new(&device, &queue);
    let shape = Shape {
        heads: 1,
        kv_heads: 1,
        ..SHAPE
    };
    let problem = together(shape);
    let (data, gradient) = (Data::generate(&problem, 7), dout(&problem, 17));
    let forward = context.forward(&problem).expect("a kernel");
    let backward = context.backward(&problem).expect("kernels");
    let tensors = PlacedBackward::new(&context, &backward, &problem, &data, &gradient);
    let buffer = placed(&context, &vec![0; 3 * 2 * 70 * 32]);
    let operands = with_packed(tensors.operands(false), &buffer, 0, shape);
    let misaligned = Err(Error::Misaligned {
        tensor: Tensor::K,
        offset: 128,
        alignment: 256,
    });
    assert_eq!(forward.bind(&operands.forward).map(|_| ()), misaligned);
    assert_eq!(backward.bind(&operands).map(|_| ()), misaligned);
}
