//! Ranks as threads that meet in a file or at a port.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod failures;
mod launch;
mod sums;

use mosa_parallel::{Gloo, Launch, Meeting};
use std::path::Path;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(60);

fn launch(rank: usize, size: usize, meeting: Meeting) -> Launch {
    Launch { rank, size, local: Some(rank), local_size: Some(size), meeting, attempt: "0".into(), by: "torchrun" }
}

/// Does the same on every rank of `size`, each on a thread of its own; what they came to, in order.
fn ranks<T: Send>(size: usize, work: impl Fn(&Gloo) -> T + Sync) -> Vec<T> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store");
    let one = |rank: usize, file: &Path| {
        let gloo = Gloo::join(&launch(rank, size, Meeting::File(file.to_owned())), TIMEOUT).unwrap();
        work(&gloo)
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..size)
            .map(|rank| {
                scope.spawn({
                    let (one, file) = (&one, &file);
                    move || one(rank, file)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}
