//! The demo: a layer of a real model and a long sequence on this machine, compared with the definition.

mod compare;
mod corner;
mod data;

use relattn::wgpu;
use serde::Serialize;

use crate::adapters::label;
use crate::args::{DemoArgs, DeviceChoice};
use crate::devices;
use crate::engine::Engine;
use crate::fault::Fault;
use crate::output;
use crate::tensors::TensorFile;

pub(crate) use data::{MPNET, MPNET_PATH};

use compare::Report;
use corner::Corner;
use data::Layer;

#[derive(Debug, Serialize)]
struct Summary {
    device: Option<String>,
    corner: Corner,
    layer: Report,
    long: Report,
}

pub(crate) fn run(args: &DemoArgs) -> Result<(), Fault> {
    let say = |text: String| {
        if !args.json {
            output::print(&text);
        }
    };
    if args.device.choice == DeviceChoice::Oracle {
        return Err(Fault::OracleRefused {
            reason: "the demo compares every device with it anyway",
        });
    }
    let path = std::path::Path::new(MPNET_PATH);
    let file = TensorFile::parse(path, MPNET)?;
    say(format!(
        "relattn {}: fused attention with T5's relative position bias\n",
        env!("CARGO_PKG_VERSION")
    ));
    let engine = Engine::choose(&args.device.choice)?;
    say(introduction(&engine, &args.device.choice));

    let layer = Layer::mpnet(&file)?;
    let corner = Corner::of(&engine, &layer.problem)?;
    say(corner.text());
    let layer_report = compare::recorded(&engine, &layer)?;
    say(layer_report.text(
        "A real layer: number 5 of all-mpnet-base-v2 on three sentences (weights: Apache-2.0)",
    ));
    let long = Layer::long(&layer, args.length)?;
    let long_report = compare::sampled(&engine, &long)?;
    say(long_report
        .text("A long sequence: random queries, keys and values, the bias of the same model"));
    if args.json {
        output::print_json(&Summary {
            device: engine.gpu().map(|gpu| label(gpu.info())),
            corner,
            layer: layer_report,
            long: long_report,
        });
    } else {
        output::print("More: relattn attend, relattn inspect, relattn devices; each has --help.");
    }
    Ok(())
}

fn introduction(engine: &Engine, choice: &DeviceChoice) -> String {
    match engine.gpu() {
        Some(gpu) => {
            let info = gpu.info();
            let note = if info.device_type == wgpu::DeviceType::Cpu {
                "\n        a software driver stands in: its times say nothing about a GPU"
            } else {
                ""
            };
            format!(
                "device  {}\n        {}; driver {}{note}\n",
                label(info),
                devices::kind(info.device_type),
                devices::driver(info)
            )
        }
        None if *choice == DeviceChoice::Auto => {
            "device  none: wgpu finds no adapter here, so the CPU computes everything (cpu::Tiled)\n"
                .into()
        }
        None => "device  the CPU, as asked for (cpu::Tiled)\n".into(),
    }
}
