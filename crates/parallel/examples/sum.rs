//! How long a sum over ranks takes on this network: started by a launcher as `mosa align` is.
//!
//! ```sh
//! torchrun --no-python --nproc-per-node 4 cargo run --example sum -- 83886080 5
//! ```
//!
//! The numbers are those of a rank-32 adapter of LLaDA-8B, 336 MB, and how often they are summed.

// It is for people at a terminal.
#![allow(clippy::print_stdout)]

use mosa_parallel::{Addends, Alone, Exchange, Gloo, Launch};
use std::error::Error;
use std::time::{Duration, Instant};
use tch::{Device, Kind, Tensor};

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<i64>());
    let size = numbers.next().transpose()?.unwrap_or(83_886_080);
    let repeats = numbers.next().transpose()?.unwrap_or(5);
    let exchange: Box<dyn Exchange> = match Launch::read()? {
        Some(launch) => Box::new(Gloo::join(&launch, Duration::from_secs(300))?),
        None => Box::new(Alone),
    };
    let like = Tensor::zeros([size], (Kind::Float, Device::Cpu));
    for _ in 0..repeats {
        let mut own = Addends::new(exchange.as_ref());
        own.push(vec![Tensor::full([size], exchange.rank() as f64 + 1.0, (Kind::Float, Device::Cpu))])?;
        exchange.barrier()?;
        let began = Instant::now();
        let sum = exchange.sum(&[&like], own)?;
        let seconds = began.elapsed().as_secs_f64();
        let expected = (exchange.size() * (exchange.size() + 1) / 2) as f64;
        if sum[0].min().double_value(&[]) != expected || sum[0].max().double_value(&[]) != expected {
            return Err("the sum is wrong".into());
        }
        if exchange.rank() == 0 {
            println!("{} ranks, {size} numbers: {seconds:.3} s", exchange.size());
        }
    }
    exchange.finish()?;
    Ok(())
}
