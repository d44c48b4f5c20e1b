//! Frames (RFC 9113, 4 and 6): one file each, read in place and written to the end of a buffer.

mod continuation;
mod data;
mod go_away;
mod head;
mod headers;
mod ping;
mod priority;
mod push_promise;
mod rst_stream;
mod settings;
mod window_update;

pub(super) use continuation::Continuation;
pub(super) use data::Data;
pub(super) use go_away::GoAway;
pub(super) use head::{Head, Kind};
pub(super) use headers::{Headers, write_block};
pub(super) use ping::Ping;
pub(super) use priority::Priority;
pub(super) use push_promise::refuse as refuse_push_promise;
pub(super) use rst_stream::RstStream;
pub(super) use settings::Settings;
pub(super) use window_update::WindowUpdate;

#[cfg(test)]
mod tests;

/// The longest payload that is sent and taken: the least that everybody must take
/// (SETTINGS_MAX_FRAME_SIZE; RFC 9113, 6.5.2). Longer frames would only hold up those behind them.
pub(super) const PAYLOAD_BYTES_MAX: usize = 16 * 1024;

/// END_STREAM of DATA and HEADERS.
const END_STREAM: u8 = 0x1;
/// ACK of SETTINGS and PING.
const ACK: u8 = 0x1;
/// END_HEADERS of HEADERS and CONTINUATION.
const END_HEADERS: u8 = 0x4;
/// PADDED of DATA and HEADERS.
const PADDED: u8 = 0x8;
/// PRIORITY of HEADERS.
const PRIORITY: u8 = 0x20;
