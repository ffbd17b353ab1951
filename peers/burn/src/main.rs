//! burn's side of `peers/compare.py`, on wgpu with kernels in WGSL: reads the tensors of a folder, writes an output there, and then computes it
//! once more for each line that it reads, with the milliseconds as an answer.
//!
//! ```text
//! burn-peer module|tensors|no-bias FOLDER N THREADS
//! ```

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use burn_tensor::activation::softmax;
use burn_tensor::module::attention;
use burn_tensor::ops::AttentionModuleOptions;
use burn_tensor::wgpu::{WgpuBackend, wgpu};
use burn_tensor::{Device, Tensor, TensorData};

const HEADS: usize = 8;
const HEAD_DIM: usize = 64;
const SCALE: f32 = 0.125;
/// The first calls tune kernels.
const WARM: usize = 2;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What all contenders read, on the device.
struct Tensors {
    folder: PathBuf,
    device: Device,
    adapter: wgpu::AdapterInfo,
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    bias: Tensor<4>,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, folder, n, _threads] = &arguments[..] else {
        return Err("burn-peer module|tensors|no-bias FOLDER N THREADS".into());
    };
    let compute: fn(&Tensors) -> Tensor<4> = match kind.as_str() {
        "module" => |on| on.module(Some(on.bias.clone())),
        "no-bias" => |on| on.module(None),
        "tensors" => Tensors::operations,
        _ => return Err(format!("{kind} is none of module, tensors and no-bias").into()),
    };
    Tensors::read(Path::new(folder), n.parse()?)?.serve(kind, compute)
}

impl Tensors {
    fn read(folder: &Path, n: usize) -> Result<Self> {
        let (device, setup) = Device::wgpu_options()
            .graphics_api(WgpuBackend::Vulkan)
            .init_with_setup()?;
        let read = |name: &str, columns: usize| -> Result<Tensor<4>> {
            let bytes = std::fs::read(folder.join(format!("{name}-{n}.f32")))?;
            let values: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
            let data = TensorData::new(values, [1, HEADS, n, columns]);
            Ok(Tensor::from_data(data, &device))
        };
        Ok(Self {
            folder: folder.to_owned(),
            q: read("q", HEAD_DIM)?,
            k: read("k", HEAD_DIM)?,
            v: read("v", HEAD_DIM)?,
            bias: read("bias", n)?,
            adapter: setup.adapter.get_info(),
            device,
        })
    }

    /// The scale is the default one. burn leaves its fused kernels where one is given, or a bias.
    fn module(&self, bias: Option<Tensor<4>>) -> Tensor<4> {
        attention(
            self.q.clone(),
            self.k.clone(),
            self.v.clone(),
            None,
            bias,
            AttentionModuleOptions::default(),
        )
    }

    fn operations(&self) -> Tensor<4> {
        let products = self.q.clone().matmul(self.k.clone().transpose());
        softmax(products * SCALE + self.bias.clone(), 3).matmul(self.v.clone())
    }

    /// Writes the output, says who is there, and times what is asked for: from the first operation until the device is idle.
    fn serve(&self, kind: &str, compute: fn(&Self) -> Tensor<4>) -> Result<()> {
        for _ in 0..WARM {
            self.time(compute)?;
        }
        let out: Vec<f32> = compute(self).into_data().try_to_vec()?;
        let path = self.folder.join(format!("out-{}.f32", std::process::id()));
        std::fs::write(path, bytemuck::cast_slice(&out))?;
        println!("ready {}", self.who(kind));
        for line in std::io::stdin().lock().lines() {
            line?;
            println!("{}", self.time(compute)?);
            std::io::stdout().flush()?;
        }
        Ok(())
    }

    fn time(&self, compute: fn(&Self) -> Tensor<4>) -> Result<f64> {
        self.device.sync()?;
        let start = Instant::now();
        let out = compute(self);
        self.device.sync()?;
        let elapsed = start.elapsed();
        drop(out);
        Ok(elapsed.as_secs_f64() * 1e3)
    }

    fn who(&self, kind: &str) -> String {
        let (name, driver) = (&self.adapter.name, &self.adapter.driver_info);
        format!("burn {}, {kind}, on {name}, {driver}", version())
    }
}

/// burn's, from the lock file.
fn version() -> &'static str {
    let lock = include_str!("../Cargo.lock");
    let from = lock.split("name = \"burn-tensor\"\nversion = \"").nth(1);
    from.and_then(|rest| rest.split('"').next())
        .expect("a version")
}
