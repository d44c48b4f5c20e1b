//! What `serve` says on standard output: a banner for people, JSON lines for programs.

use std::{io, time::Duration};

use reflectd::binding::Plan;
use serde::Serialize;

use super::{
    arguments::LogFormat,
    banner,
    console::{self, Style},
    plan::{self, MethodEntry},
    signals::Received,
};

/// Says what happens, in the format that was asked for.
///
/// Nobody needs to listen: a server whose standard output is closed goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Events {
    format: LogFormat,
}

/// All there is to know of a server that has started.
#[derive(Debug, Serialize)]
pub(super) struct Started<'a> {
    pub(super) listen: Vec<String>,
    pub(super) workers: usize,
    pub(super) services: Vec<&'a str>,
    pub(super) methods: Vec<MethodEntry<'a>>,
    /// `redb`, `memory`; none if no method needs one.
    pub(super) store: Option<&'static str>,
    /// The data folder, where there is one.
    pub(super) data: Option<String>,
    pub(super) version: &'static str,
    pub(super) pid: u32,
    /// A line to copy; programs know what they want to call.
    #[serde(skip)]
    pub(super) example: Option<String>,
}

impl Events {
    pub(super) fn new(format: LogFormat) -> Self {
        Self { format }
    }

    /// Calls are answered from now on.
    pub(super) fn ready(self, started: &Started<'_>, plan: &Plan) {
        self.say(&Event::Ready(started), || {
            let (table, summary) = (plan::table(plan), plan::summary(plan));
            banner::banner(started, &table, &summary, Style::of(&io::stdout()))
        });
    }

    /// No more calls are taken; those in flight go on.
    pub(super) fn draining(self, signal: Received, timeout: Duration) {
        let event = Event::Draining {
            signal: signal.name(),
            timeout_seconds: timeout.as_secs_f64(),
        };
        self.say(&event, || {
            let name = signal.name();
            format!(
                "\n{name}: waiting up to {timeout:?} for calls in flight; once more ends at once\n"
            )
        });
    }

    /// The last call has ended.
    pub(super) fn stopped(self) {
        self.say(&Event::Stopped, || "stopped\n".to_owned());
    }

    fn say(self, event: &Event<'_>, text: impl FnOnce() -> String) {
        let text = match self.format {
            LogFormat::Text => text(),
            LogFormat::Json => {
                let json = serde_json::to_string(event);
                json.expect("strings, numbers and nulls can always be written as JSON") + "\n"
            }
        };
        if let Err(error) = console::print(&text) {
            console::warn(&format!("standard output cannot be written to: {error}"));
        }
    }
}

/// One line of JSON.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    Ready(&'a Started<'a>),
    Draining {
        signal: &'static str,
        timeout_seconds: f64,
    },
    Stopped,
}
