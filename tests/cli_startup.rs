//! How long it takes from exec until calls are answered.
//!
//! `cargo test --release --test cli_startup -- --nocapture` prints the figures.
#![cfg(feature = "cli")]

#[path = "support/reflectd.rs"]
mod support;

use std::time::{Duration, Instant};

use support::{Running, folder, reflectd};

#[test]
fn it_answers_at_once() {
    for store in ["redb", "memory"] {
        let mut times: Vec<Duration> = (0..RUNS).map(|_| start_time(store)).collect();
        times.sort();
        let (fastest, median) = (times[0], times[RUNS / 2]);
        println!("{store}: ready after {median:.1?} (median of {RUNS}; fastest {fastest:.1?})");
        // The fastest: what else the machine does is not what is asked here.
        let bound = if cfg!(debug_assertions) { 1000 } else { 50 };
        assert!(fastest < Duration::from_millis(bound), "{store}: {times:?}");
    }
}

/// From before the program is started until its first line is read, with a new data folder.
fn start_time(store: &str) -> Duration {
    let folder = folder();
    let command = reflectd(
        folder.path(),
        &["user.proto", "--listen", "0", "--store", store],
    );
    let start = Instant::now();
    let _server = Running::start(command);
    start.elapsed()
}

const RUNS: usize = 20;
