//! `relattn`: attention with relative position bias on this machine's adapter, on a real model's data.

mod demo;

fn main() -> anyhow::Result<()> {
    demo::run()
}
