//! What is received: bytes to frames, frames to events.

use std::time::Instant;

use super::{Connection, Going, Notice};
use crate::http2::{
    Error, ErrorCode, Event, Paths, StreamId,
    frame::{
        self, GoAway, Head, Kind, PAYLOAD_BYTES_MAX, Ping, Priority, RstStream, Settings,
        WindowUpdate,
    },
    settings::INITIAL_WINDOW_BYTES,
};

/// What is to come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The magic of the client's preface (RFC 9113, 3.4).
    Preface,
    /// The SETTINGS frame that is the rest of it.
    Settings,
    Frames,
}

impl Connection {
    /// From here on, input comes that is read in one go.
    pub(crate) fn begin_input(&mut self) {
        self.looked_at = self.last_stream;
    }

    /// The next thing that has happened; what it took of `input` is gone from there. `None`: what is
    /// left is not a whole frame, and is to be given again with what follows it; or it is held back
    /// because input [is not wanted](Self::wants_input), and is to be given again when it is.
    ///
    /// Ask until it is `None`, also with no input after commands were given.
    pub(crate) fn next<'a>(
        &mut self,
        input: &mut &'a [u8],
        now: Instant,
        paths: &impl Paths,
    ) -> Option<Event<'a>> {
        loop {
            if let Some(notice) = self.notices.pop_front() {
                return Some(match notice {
                    Notice::Reset(stream) => Event::Reset { stream },
                    Notice::CutShort(stream) => Event::CutShort { stream },
                    Notice::Writable(stream, sent) => Event::Writable { stream, sent },
                });
            }
            match self.step(input, now, paths) {
                Ok(Step::Event(event)) => return Some(event),
                Ok(Step::On) => {}
                Ok(Step::Short) => return None,
                Err(error) => self.suffer(error, now),
            }
        }
    }

    fn suffer(&mut self, error: Error, now: Instant) {
        match error {
            Error::Connection(code, why) => {
                self.fault = Some(error);
                self.close(code, why);
            }
            Error::Stream(stream, code) => {
                let known = self.streams.contains(stream);
                if !known && self.is_idle_stream(stream) {
                    // RST_STREAM "MUST NOT be sent for a stream in the "idle" state" (6.4).
                    return self.close(code, "an error on a stream that was not opened");
                }
                self.reset_stream(stream, code);
                if known {
                    self.notices.push_back(Notice::Reset(stream));
                }
                if let Err(error) = self.calm.stream_error(now) {
                    self.suffer(error, now);
                }
            }
        }
    }

    fn step<'a>(
        &mut self,
        input: &mut &'a [u8],
        now: Instant,
        paths: &impl Paths,
    ) -> Result<Step<'a>, Error> {
        if self.going == Going::Gone {
            *input = &[];
            return Ok(Step::Short);
        }
        // Also in the middle of what was read: each frame of a few bytes may ask for a long answer.
        if !self.wants_input() {
            return Ok(Step::Short);
        }
        if self.phase == Phase::Preface {
            return self.preface(input);
        }
        if let Some(body) = self.body.take() {
            return self.body(body, input);
        }
        if input.is_empty() {
            // What has begun goes on.
            return Ok(Step::Short);
        }
        self.in_headers_frame = false;
        let Some(head) = Head::parse(input) else {
            return Ok(Step::Short);
        };
        self.check_head(head)?;
        let after_head = input.get(Head::BYTES..).unwrap_or_default();
        if head.kind == Kind::Data {
            return self.data_frame(head, after_head, input);
        }
        let Some((payload, rest)) = after_head.split_at_checked(head.length) else {
            self.in_headers_frame = matches!(head.kind, Kind::Headers | Kind::Continuation);
            return Ok(Step::Short);
        };
        *input = rest;
        let event = self.frame(head, payload, now, paths)?;
        Ok(event.map_or(Step::On, Step::Event))
    }

    fn preface<'a>(&mut self, input: &mut &'a [u8]) -> Result<Step<'a>, Error> {
        match input.strip_prefix(PREFACE) {
            Some(rest) => {
                *input = rest;
                self.phase = Phase::Settings;
                Ok(Step::On)
            }
            None if PREFACE.starts_with(input) => Ok(Step::Short),
            // "Clients and servers MUST treat an invalid connection preface as a connection error of
            // type PROTOCOL_ERROR."
            None => Err(Error::protocol("no preface")),
        }
    }

    /// What can be said of a frame before its payload is there.
    fn check_head(&self, head: Head) -> Result<(), Error> {
        if head.length > PAYLOAD_BYTES_MAX {
            return Err(Error::frame_size("a frame is longer than 16,384 bytes"));
        }
        // "This sequence MUST be followed by a SETTINGS frame" (3.4).
        if self.phase == Phase::Settings && head.kind != Kind::Settings {
            return Err(Error::protocol("the first frame is not SETTINGS"));
        }
        // "Any number of CONTINUATION frames can be sent, as long as the preceding frame is on the
        // same stream and is a HEADERS, PUSH_PROMISE, or CONTINUATION frame without the END_HEADERS
        // flag set" (6.10), and nothing else may come between (4.3).
        let expected = self.header_block.as_ref().map(|block| block.opening.stream);
        match (expected, head.kind) {
            (Some(stream), Kind::Continuation) if stream == head.stream => Ok(()),
            (Some(_), _) => Err(Error::protocol("a header block is interrupted")),
            (None, Kind::Continuation) => Err(Error::protocol("CONTINUATION of nothing")),
            (None, _) => Ok(()),
        }
    }

    /// A frame that is all there.
    fn frame<'a>(
        &mut self,
        head: Head,
        payload: &'a [u8],
        now: Instant,
        paths: &impl Paths,
    ) -> Result<Option<Event<'a>>, Error> {
        match head.kind {
            Kind::Headers => return self.headers_frame(head, payload, now, paths),
            Kind::Continuation => return self.continuation_frame(head, payload, now, paths),
            Kind::RstStream => {
                // Whatever its code, nobody waits for an answer any more.
                RstStream::parse(head, payload)?;
                return self.rst_stream(head.stream, now);
            }
            Kind::PushPromise => return Err(frame::refuse_push_promise()),
            Kind::Priority => {
                self.calm.control_frame(now)?;
                Priority::parse(head, payload)?;
            }
            Kind::Settings => self.settings(Settings::parse(head, payload)?, now)?,
            Kind::Ping => self.ping_frame(Ping::parse(head, payload)?, now)?,
            // The client opens no more streams; those that are open go on.
            Kind::GoAway => {
                GoAway::parse(head, payload)?;
                self.calm.control_frame(now)?;
            }
            Kind::WindowUpdate => {
                self.calm.control_frame(now)?;
                self.window_update(head.stream, WindowUpdate::parse(head, payload)?)?;
            }
            // Never here: its payload is taken as it comes.
            Kind::Data => {}
            Kind::Unknown(_) => self.calm.control_frame(now)?,
        }
        Ok(None)
    }

    fn settings(&mut self, settings: Settings<'_>, now: Instant) -> Result<(), Error> {
        self.calm.control_frame(now)?;
        if settings.ack {
            if !std::mem::replace(&mut self.settings_acknowledged, true) {
                self.shrink_windows();
            }
            return Ok(());
        }
        self.phase = Phase::Frames;
        let before = self.peer.initial_window_bytes;
        self.peer.apply(settings)?;
        self.encoder.resize(self.peer.header_table_bytes);
        // "When the value of SETTINGS_INITIAL_WINDOW_SIZE changes, a receiver MUST adjust the size of
        // all stream flow-control windows that it maintains by the difference" (6.9.2).
        let by = i64::from(self.peer.initial_window_bytes) - i64::from(before);
        if by != 0 {
            self.change_send_windows(by)?;
        }
        Settings::write_ack(self.output.copied());
        Ok(())
    }

    /// The peer has learned of windows that are smaller than those it began with.
    fn shrink_windows(&mut self) {
        let ours = i64::from(self.config.stream_window_bytes);
        let by = ours - i64::from(INITIAL_WINDOW_BYTES);
        if by < 0 {
            for (_, stream) in self.streams.iter_mut() {
                stream.receive_window.grow(by);
            }
        }
    }

    fn ping_frame(&mut self, ping: Ping, now: Instant) -> Result<(), Error> {
        self.calm.control_frame(now)?;
        if ping.ack {
            self.pong(ping.data);
            return Ok(());
        }
        self.calm.ping(self.calls_are_open(), now)?;
        // "A PING frame … in response, with an identical frame payload" (6.7).
        Ping { ack: true, ..ping }.write(self.output.copied());
        Ok(())
    }

    fn rst_stream<'a>(
        &mut self,
        stream: StreamId,
        now: Instant,
    ) -> Result<Option<Event<'a>>, Error> {
        // "If a RST_STREAM frame identifying an idle stream is received, the recipient MUST treat this
        // as a connection error of type PROTOCOL_ERROR" (6.4).
        if self.is_idle_stream(stream) {
            return Err(Error::protocol("RST_STREAM on an idle stream"));
        }
        if self.remove(stream).is_none() {
            self.calm.control_frame(now)?;
            return Ok(None);
        }
        if stream > self.looked_at {
            self.calm.reset_before_start(now)?;
        }
        Ok(Some(Event::Reset { stream }))
    }

    /// Whether a stream has not been opened, and not been passed over.
    pub(super) fn is_idle_stream(&self, stream: StreamId) -> bool {
        !stream.is_clients() || stream > self.last_stream && !self.is_beyond_the_end(stream)
    }

    /// Whether a stream comes after the last that is taken.
    pub(super) fn is_beyond_the_end(&self, stream: StreamId) -> bool {
        matches!(self.going, Going::After(last) if stream > last)
    }

    /// A frame for a stream that is not open: left aside where the peer may not know that it was
    /// reset, an error where it must know.
    pub(super) fn ignored(&self, stream: StreamId) -> Result<(), Error> {
        // "Receiving any frame other than HEADERS or PRIORITY on a stream in this state MUST be
        // treated as a connection error of type PROTOCOL_ERROR" (5.1, "idle").
        if self.is_idle_stream(stream) {
            return Err(Error::protocol("a frame on an idle stream"));
        }
        let may_be_reset = stream <= self.forgotten || self.reset.contains(&stream);
        if may_be_reset || self.is_beyond_the_end(stream) {
            return Ok(());
        }
        let code = ErrorCode::StreamClosed;
        Err(Error::Connection(code, "a frame on a closed stream"))
    }
}

/// What became of the input.
pub(super) enum Step<'a> {
    Event(Event<'a>),
    /// Something was taken that nobody need know of.
    On,
    /// It takes more, or less that is to be written.
    Short,
}

/// RFC 9113, 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
