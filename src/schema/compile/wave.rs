//! Many files read and parsed at once, on all cores.

use std::{
    path::PathBuf,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use super::parse::{Parsed, parse};
use crate::schema::{
    diagnostic::{Diagnostic, SourceText},
    source,
};

/// A file to read and parse.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) shown: String,
    pub(super) input: Input,
}

/// Where its text is.
#[derive(Debug)]
pub(super) enum Input {
    Path(PathBuf),
    Text(&'static str),
}

/// A text and what it says, or why it cannot be read.
pub(super) type Outcome = Result<(SourceText, Parsed), Diagnostic>;

/// Does all jobs and gives their outcomes in the order of the jobs. `done` is called after each.
pub(super) fn run(jobs: &[Job], file_bytes_max: u64, mut done: impl FnMut()) -> Vec<Outcome> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let workers = workers.min(WORKERS_MAX).min(jobs.len() / JOBS_OF_A_WORKER);
    if workers < 2 {
        let each = jobs.iter().map(|job| {
            let outcome = job.run(file_bytes_max);
            done();
            outcome
        });
        return each.collect();
    }
    let next = AtomicUsize::new(0);
    let (sender, outcomes) = mpsc::channel();
    let mut ordered: Vec<Option<Outcome>> = jobs.iter().map(|_| None).collect();
    thread::scope(|scope| {
        for _ in 0..workers {
            let (sender, next) = (sender.clone(), &next);
            let work = move || {
                while let Some((index, job)) = taken(jobs, next) {
                    if sender.send((index, job.run(file_bytes_max))).is_err() {
                        return;
                    }
                }
            };
            let builder = thread::Builder::new().stack_size(STACK_BYTES);
            if builder.spawn_scoped(scope, work).is_err() {
                // Fewer workers take longer; with none at all, what is left is done below.
                break;
            }
        }
        drop(sender);
        for (index, outcome) in outcomes {
            ordered[index] = Some(outcome);
            done();
        }
    });
    let each = ordered.into_iter().zip(jobs);
    each.map(|(outcome, job)| outcome.unwrap_or_else(|| job.run(file_bytes_max)))
        .collect()
}

fn taken<'a>(jobs: &'a [Job], next: &AtomicUsize) -> Option<(usize, &'a Job)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    jobs.get(index).map(|job| (index, job))
}

impl Job {
    fn run(&self, file_bytes_max: u64) -> Outcome {
        let text = match &self.input {
            Input::Path(path) => source::text(&self.shown, path, file_bytes_max)?,
            Input::Text(text) => SourceText::new(self.shown.clone(), (*text).to_owned()),
        };
        let parsed = parse(&text);
        Ok((text, parsed))
    }
}

/// More do not help: what follows is done by one.
const WORKERS_MAX: usize = 8;

/// Fewer are done before a thread has started.
const JOBS_OF_A_WORKER: usize = 8;

/// The parser nests at most 31 messages deep.
const STACK_BYTES: usize = 16 * 1024 * 1024;
