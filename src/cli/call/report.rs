//! What a call writes to standard output: the words are grpcurl's.

use std::{fmt::Write as _, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName};
use reflectd::{Message, Metadata, Schema, message::JsonOptions, schema::Method};

use super::{exchange::End, status};
use crate::cli::{
    arguments::{CallArguments, Format},
    console,
    failure::{Exit, Failure},
    requests::SEPARATOR,
};

pub(super) struct Report<'a> {
    schema: &'a Schema,
    style: Style,
    format_error: bool,
    verbose: u8,
    replies: usize,
}

/// How messages are written.
#[derive(Clone, Copy)]
pub(super) struct Style {
    format: Format,
    json: JsonOptions,
}

/// How long the steps took.
#[derive(Clone, Copy)]
pub(super) struct Timing {
    pub(super) dial: Duration,
    pub(super) describe: Duration,
    pub(super) call: Duration,
}

impl Style {
    /// A message as text, without a newline behind it.
    pub(super) fn write(self, message: &Message) -> Result<String, String> {
        match self.format {
            Format::Json => message
                .to_json_with(&self.json)
                .map_err(|error| error.to_string()),
            Format::Text => Ok(message.to_text().trim_end_matches('\n').to_owned()),
        }
    }

    pub(super) fn is_json(self) -> bool {
        self.format == Format::Json
    }
}

impl<'a> Report<'a> {
    pub(super) fn new(arguments: &CallArguments, schema: &'a Schema) -> Self {
        let json = JsonOptions::new().pretty(true);
        Self {
            schema,
            style: Style {
                format: arguments.format,
                json: json.defaults(arguments.emit_defaults),
            },
            format_error: arguments.format_error,
            verbose: arguments.verbose,
            replies: 0,
        }
    }

    pub(super) fn method(&self, method: &Method, metadata: &Metadata) -> Result<(), Failure> {
        let name = format!("{}.{}", method.service(), method.name());
        let source = self.schema.describe(&name).unwrap_or_default();
        let source = source.trim_end();
        self.verbosely(&format!("\nResolved method descriptor:\n{source}\n"))?;
        let metadata = pairs(metadata);
        self.verbosely(&format!("\nRequest metadata to send:\n{metadata}"))
    }

    /// The metadata, and what is gRPC's own in the head, which says how the replies are sent.
    pub(super) fn headers(&self, metadata: &Metadata, head: &HeaderMap) -> Result<(), Failure> {
        let metadata = lines(metadata, head);
        self.verbosely(&format!("\nResponse headers received:\n{metadata}"))
    }

    /// A reply. Who goes away before the last one has what they wanted; else the status counts.
    pub(super) fn reply(&mut self, reply: &Message, is_last: bool) -> Result<(), Failure> {
        let text = self.style.write(reply).map_err(|error| {
            Failure::new(format!(
                "reply {} cannot be shown: {error}",
                self.replies + 1
            ))
        })?;
        let before = match (self.verbose, self.style.format) {
            (0, Format::Text) if self.replies > 0 => char::from(SEPARATOR).to_string(),
            (0, _) => String::new(),
            (1, _) => "\nResponse contents:\n".to_owned(),
            (_, _) => format!(
                "\nEstimated response size: {} bytes\n\nResponse contents:\n",
                reply.encoded_len()
            ),
        };
        self.replies += 1;
        let text = format!("{before}{text}\n");
        match is_last {
            true => console::offer(&text)?,
            false => console::print(&text)?,
        }
        Ok(())
    }

    pub(super) fn trailers(&self, metadata: &Metadata) -> Result<(), Failure> {
        let metadata = pairs(metadata);
        self.verbosely(&format!("\nResponse trailers received:\n{metadata}"))
    }

    /// The end; a status that is not OK makes the command fail.
    pub(super) fn end(&self, end: &End, timing: Timing) -> Result<(), Failure> {
        self.verbosely(&format!(
            "Sent {} and received {}\n",
            console::counted(end.sent, "request"),
            console::counted(self.replies, "response"),
        ))?;
        if self.verbose > 1 {
            let Timing {
                dial,
                describe,
                call,
            } = timing;
            let all = dial + describe + call;
            self.verbosely(&format!(
                "Timing Data: {all:.3?}\n  Dial: {dial:.3?}\n  Describe: {describe:.3?}\n  \
                 Invoke RPC: {call:.3?}\n"
            ))?;
        }
        let Some(status) = &end.status else {
            return Ok(());
        };
        let text = match self.format_error {
            true => status::formatted(status, self.schema, self.style),
            false => status::block(status, self.schema, self.style),
        };
        console::write_stderr(&console::printable(&text));
        Err(Failure::silent(Exit::Call(status.code())))
    }

    fn verbosely(&self, text: &str) -> Result<(), Failure> {
        match self.verbose {
            0 => Ok(()),
            _ => Ok(console::offer(&console::printable(text))?),
        }
    }
}

/// Metadata a pair a line, sorted by name.
fn pairs(metadata: &Metadata) -> String {
    lines(metadata, &HeaderMap::new())
}

/// The same, and the headers that are no metadata.
fn lines(metadata: &Metadata, head: &HeaderMap) -> String {
    let names = metadata.iter().map(|(name, _)| name).chain(head.keys());
    let mut names: Vec<&str> = names.map(HeaderName::as_str).collect();
    if names.is_empty() {
        return "(empty)\n".to_owned();
    }
    names.sort_unstable();
    names.dedup();
    let mut text = String::new();
    for name in names {
        let is_metadata = metadata.as_header_map().contains_key(name);
        let values: Vec<String> = match name.ends_with("-bin") {
            true => metadata
                .all_bytes(name)
                .map(|bytes| BASE64_STANDARD.encode(bytes))
                .collect(),
            false if is_metadata => metadata.texts(name).map(str::to_owned).collect(),
            false => {
                let values = head.get_all(name).iter();
                values
                    .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
                    .collect()
            }
        };
        for value in values {
            // Writing to a String does not fail.
            let _ = writeln!(text, "{name}: {value}");
        }
    }
    text
}
