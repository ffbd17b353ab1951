//! Tensors that are larger than any buffer.

use relattn::cpu::{Attention, AttentionGradient, Inputs, Outputs};
use relattn::run::OnDevice;
use relattn::{Error, Problem, Shape, Tensor};

use super::small::noop;

/// An output of 300 MB, from inputs of a few: no buffer of a device with default limits holds it.
fn past_any_buffer() -> Problem {
    let shape = Shape {
        batch: 1,
        heads: 1,
        kv_heads: 1,
        q_len: 300_000,
        k_len: 1,
        head_dim: 1,
    };
    let builder = Problem::builder(shape).value_dim(256);
    builder.build().expect("a valid problem")
}

/// On a device that validates everything and executes nothing: what is refused has to be so before anything is computed.
#[test]
fn tensors_past_any_buffer_are_named() {
    let context = noop();
    let problem = past_any_buffer();
    let (q, k, v) = (vec![0.0; 300_000], [0.0], [0.0; 256]);
    let inputs = Inputs::new(&q, &k, &v);
    let on_device = OnDevice::new(context.clone());
    let limits = context.device().limits();
    let (tensor, needed) = (Tensor::Out, 4 * 300_000 * 256);
    let too_large = Err(Error::BufferTooLarge {
        tensor,
        needed,
        maximum: limits.max_buffer_size,
    });
    assert_eq!(on_device.forward(&problem, &inputs).map(drop), too_large);
    assert_eq!(context.tune(&problem).map(drop), too_large);
    // All rows of a head are bound at once there, of which a binding holds even less.
    let too_large = Err(Error::BindingTooLarge {
        tensor,
        needed,
        maximum: limits.max_storage_buffer_binding_size,
    });
    assert_eq!(context.tune_backward(&problem).map(drop), too_large);
    let outputs = Outputs {
        out: vec![0.0; 300_000 * 256],
        lse: vec![0.0; 300_000],
    };
    let gradients = on_device.backward(&problem, &inputs, &outputs, &outputs.out);
    assert_eq!(gradients.map(drop), too_large);
}
