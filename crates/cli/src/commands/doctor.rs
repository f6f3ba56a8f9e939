//! `mosa doctor`: what this machine offers, and the command that fixes what is missing.

use crate::args::DoctorArgs;
use crate::failure::Failure;
use crate::manifest::libtorch_version;
use crate::output;
use mosa_model::{DeviceChoice, Memory, all_threads, bf16_units, cuda_status, libtorch_folder};
use mosa_sandbox::{Limits, Sandbox};
use serde_json::{Map, Value, json};

pub(crate) fn run(args: &DoctorArgs) -> Result<(), Failure> {
    // CUDA has to be looked for before the first tensor is made.
    let cuda = cuda_status();
    let mut found = Map::new();
    let mut note = |key: &str, value: Value| {
        found.insert(key.to_owned(), value);
    };
    note("mosa", json!(env!("CARGO_PKG_VERSION")));
    note("system", json!(format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)));
    note("libtorch", json!(libtorch_version().unwrap_or_else(|| "2.11 (linked)".into())));
    note("libtorch_folder", json!(libtorch_folder().map_or("unknown".into(), |p| p.display().to_string())));
    note("cpu_threads", json!(all_threads()));
    note("onednn", json!(yes(tch::utils::has_mkldnn(), "f32 products fall back to the BLAS")));
    note("bf16_on_cpu", json!(bf16()));
    note("memory", json!(memory()));
    note("cuda", json!(cuda.as_ref().map_or_else(|why| format!("no: {why}"), |n| format!("{n} device(s)"))));
    note("mps", json!(yes(tch::utils::has_mps(), "not an Apple build")));
    note("default_device", json!(format!("{:?}", DeviceChoice::Auto.resolve()?)));
    let hub = mosa_hub::Settings::from_env();
    note("hub_cache", json!(hub.as_ref().map_or_else(|e| format!("none: {e}"), |s| s.cache.display().to_string())));
    let token = hub.is_ok_and(|s| s.token.is_some());
    note("hub_token", json!(yes(token, "gated models need one: run `hf auth login`")));
    note("sandbox", json!(sandbox()));
    if args.json {
        output::json(&found)?;
    } else {
        let rows: Vec<Vec<String>> = found
            .iter()
            .map(|(k, v)| vec![k.replace('_', " "), v.as_str().map_or_else(|| v.to_string(), str::to_owned)])
            .collect();
        output::line(&output::table(&rows))?;
    }
    Ok(())
}

fn yes(there: bool, otherwise: &str) -> String {
    if there { "yes".into() } else { format!("no: {otherwise}") }
}

/// Whether the processor multiplies bf16 in hardware, and what `--dtype auto` makes of it.
pub(super) fn bf16() -> String {
    match bf16_units() {
        Some(units) => format!("fast ({units}): --dtype auto computes bf16 checkpoints in bf16"),
        None => "no units for it: --dtype auto computes bf16 checkpoints in f32; their weights stay bf16 and are widened for \
                 every product"
            .into(),
    }
}

/// What programs of a model would run in (`mosa utility humaneval`).
fn sandbox() -> String {
    match Sandbox::open(None, Limits::default()) {
        Ok(sandbox) => {
            let said = sandbox.describe();
            let instead = said.instead_of_bubblewrap.map(|why| format!("; not bubblewrap: {why}")).unwrap_or_default();
            format!("{}, Python {}{instead}", said.backend, said.python)
        }
        Err(why) => format!("no: {why}"),
    }
}

fn memory() -> String {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kb =
        |key: &str| info.lines().find_map(|l| l.strip_prefix(key)?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    let free = Memory::available().map(|bytes| bytes / 1024);
    match (free, kb("MemTotal:")) {
        (Some(free), Some(all)) => format!("{:.1} of {:.1} GiB free", free as f64 / 1048576.0, all as f64 / 1048576.0),
        _ => "unknown".into(),
    }
}
