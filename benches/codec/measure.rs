//! Times and allocations of the same work done by several, in turns.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use alloc_counter::count_alloc;

/// Who does it, and how.
pub(crate) type Way<'a> = (&'static str, Box<dyn FnMut() -> u64 + 'a>);

/// What one operation costs.
pub(crate) struct Cost {
    pub(crate) who: &'static str,
    pub(crate) ns: f64,
    pub(crate) allocations: u64,
}

/// The median of some batches each, of about the same time, in turns, so that what else the machine
/// does hits all of them. A reallocation counts as an allocation.
pub(crate) fn measure(ways: &mut [Way<'_>]) -> Vec<Cost> {
    let sizes: Vec<u32> = ways.iter_mut().map(|(_, way)| batch_size(way)).collect();
    let mut times = vec![Vec::new(); ways.len()];
    for _ in 0..BATCHES {
        for (((_, way), size), times) in ways.iter_mut().zip(&sizes).zip(&mut times) {
            times.push(batch(way, *size).as_secs_f64() * 1e9 / f64::from(*size));
        }
    }
    let costs = ways.iter_mut().zip(times).map(|((who, way), mut times)| {
        times.sort_unstable_by(f64::total_cmp);
        let ((allocated, reallocated, _), _) = count_alloc(|| black_box(way()));
        Cost {
            who,
            ns: times[BATCHES / 2],
            allocations: (allocated + reallocated) as u64,
        }
    });
    costs.collect()
}

fn batch_size(way: &mut dyn FnMut() -> u64) -> u32 {
    let mut size = 1;
    loop {
        let took = batch(way, size);
        if took >= BATCH / 4 {
            let fits = BATCH.as_secs_f64() / took.as_secs_f64() * f64::from(size);
            return (fits as u32).max(1);
        }
        size *= 2;
    }
}

fn batch(way: &mut dyn FnMut() -> u64, size: u32) -> Duration {
    let started = Instant::now();
    for _ in 0..size {
        black_box(way());
    }
    started.elapsed()
}

const BATCHES: usize = 9;
const BATCH: Duration = Duration::from_millis(30);
