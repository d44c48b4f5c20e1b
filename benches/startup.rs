//! How long it takes from exec until calls are answered: `cargo bench --bench startup`.

#[path = "../tests/support/reflectd.rs"]
mod reflectd;

use std::time::{Duration, Instant};

use reflectd::{Running, folder, reflectd};

fn main() {
    for store in ["redb", "memory"] {
        let mut times: Vec<Duration> = (0..RUNS).map(|_| start_time(store)).collect();
        times.sort();
        let (fastest, median) = (times[0], times[RUNS / 2]);
        println!("{store}: ready after {median:.1?} (median of {RUNS}, fastest {fastest:.1?})");
    }
}

/// From before the program is started until its first line is read, with a new data folder.
fn start_time(store: &str) -> Duration {
    let folder = folder();
    let arguments = ["user.proto", "--listen", "127.0.0.1:0", "--store", store];
    let command = reflectd(folder.path(), &arguments);
    let start = Instant::now();
    let _server = Running::start(command);
    start.elapsed()
}

const RUNS: usize = 21;
