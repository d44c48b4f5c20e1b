//! How far a large tree is, for who waits at a terminal.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reflectd::schema::Progress;

/// A bar on standard error that shows itself when the work takes longer than a second.
#[derive(Debug)]
pub(super) struct Bar {
    started: Instant,
    shown: OnceLock<ProgressBar>,
}

impl Bar {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            shown: OnceLock::new(),
        }
    }

    pub(super) fn show(&self, progress: Progress) {
        if self.started.elapsed() < PATIENCE {
            return;
        }
        let bar = self.shown.get_or_init(visible);
        bar.set_length(progress.total() as u64);
        bar.set_position(progress.done() as u64);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = self.shown.get() {
            bar.finish_and_clear();
        }
    }
}

fn visible() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("compiling {wide_bar} {pos}/{len} files") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

const PATIENCE: Duration = Duration::from_secs(1);
