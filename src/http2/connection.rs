//! One connection, the server's end: what is received is in `receive.rs` (and there in `headers.rs` and
//! `body.rs`), what is sent in `send.rs`.

mod body;
mod header_block;
mod headers;
mod receive;
mod respond;
mod send;

use std::{collections::VecDeque, io::IoSlice, time::Duration};

use body::Body;
use header_block::HeaderBlock;
use receive::Phase;
use respond::PlainBlocks;

use super::{
    Error, ErrorCode, StreamId, StreamMap,
    calm::Calm,
    flow_control::{ReceiveWindow, SendWindow},
    frame::{GoAway, Ping, Settings, WindowUpdate},
    hpack::{Decoder, Encoder},
    output::Output,
    remembered::Remembered,
    settings::{self, INITIAL_WINDOW_BYTES, PeerSettings},
    stream::Stream,
};
use crate::limits;

/// What a connection allows its peer.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// SETTINGS_MAX_CONCURRENT_STREAMS.
    pub(crate) streams_max: u32,
    /// SETTINGS_MAX_HEADER_LIST_SIZE.
    pub(crate) header_list_bytes: u32,
    /// SETTINGS_INITIAL_WINDOW_SIZE.
    pub(crate) stream_window_bytes: u32,
    /// At least what every connection begins with.
    pub(crate) connection_window_bytes: u32,
    /// From one PING to the next, with calls open.
    pub(crate) ping_min: Duration,
}

/// One connection. It reads no bytes and writes none: see [`next`](Self::next) and
/// [`slices`](Self::slices).
#[derive(Debug)]
pub(crate) struct Connection {
    config: Config,
    phase: Phase,
    /// Of a DATA frame whose payload is not all there.
    body: Option<Body>,
    /// Of a request or its trailers, where END_HEADERS has not come.
    header_block: Option<HeaderBlock>,
    /// Whether part of a HEADERS or CONTINUATION frame is all that is left of the input.
    in_headers_frame: bool,
    decoder: Decoder,
    remembered: Remembered,
    encoder: Encoder,
    plain: Option<PlainBlocks>,
    peer: PeerSettings,
    /// Whether the peer has acknowledged our settings.
    settings_acknowledged: bool,
    streams: StreamMap<Stream>,
    /// The highest number of a stream that the peer has opened.
    last_stream: StreamId,
    /// Numbers below it that were passed over, from and to; the latest few.
    skipped: VecDeque<(StreamId, StreamId)>,
    /// Streams that were reset here, for which something may still be under way; the latest.
    reset: VecDeque<StreamId>,
    /// The highest number of those that are not among the latest any more.
    forgotten: StreamId,
    /// Streams above it were opened by what is being read now, and none of them has been looked at.
    looked_at: StreamId,
    receive_window: ReceiveWindow,
    send_window: SendWindow,
    /// Streams that have something to send and a window for it, in turn.
    sendable: VecDeque<StreamId>,
    /// Of all streams, without what is in `output`.
    unsent_bytes: usize,
    output: Output,
    /// Whether there was output at the last sweep, none of which has left since.
    output_rests: bool,
    /// Kept to be filled again.
    block: Vec<u8>,
    /// What has happened by the way.
    notices: VecDeque<Notice>,
    calm: Calm,
    going: Going,
    /// What the peer did for the connection to end.
    fault: Option<Error>,
}

/// What is told next, before more is read.
#[derive(Debug)]
enum Notice {
    Reset(StreamId),
    CutShort(StreamId),
    Writable(StreamId, usize),
}

/// How far the connection's end is (RFC 9113, 6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Going {
    /// It is not in sight.
    No,
    /// The peer was told to open no more streams; those that cross that word are taken.
    Told,
    /// Streams above this one are not taken any more.
    After(StreamId),
    /// Nothing is read or sent any more but what has been written.
    Gone,
}

impl Connection {
    /// A connection before its first byte. Our SETTINGS, which are the preface of a server (3.4), and
    /// the connection's window are ready to be sent.
    pub(crate) fn new(config: Config) -> Self {
        let connection_window = config.connection_window_bytes.max(INITIAL_WINDOW_BYTES);
        let mut connection = Self {
            phase: Phase::Preface,
            body: None,
            header_block: None,
            in_headers_frame: false,
            decoder: Decoder::default(),
            remembered: Remembered::default(),
            encoder: Encoder::default(),
            plain: None,
            peer: PeerSettings::default(),
            settings_acknowledged: false,
            streams: StreamMap::default(),
            last_stream: StreamId::CONNECTION,
            skipped: VecDeque::new(),
            reset: VecDeque::new(),
            forgotten: StreamId::CONNECTION,
            looked_at: StreamId::CONNECTION,
            receive_window: ReceiveWindow::new(connection_window, connection_window / 2),
            send_window: SendWindow::new(INITIAL_WINDOW_BYTES),
            sendable: VecDeque::new(),
            unsent_bytes: 0,
            output: Output::default(),
            output_rests: false,
            block: Vec::new(),
            notices: VecDeque::new(),
            calm: Calm::new(config.ping_min, config.streams_max),
            going: Going::No,
            fault: None,
            config,
        };
        connection.write_preface(connection_window);
        connection
    }

    fn write_preface(&mut self, connection_window: u32) {
        let entries = [
            (settings::MAX_CONCURRENT_STREAMS, self.config.streams_max),
            (
                settings::INITIAL_WINDOW_SIZE,
                self.config.stream_window_bytes,
            ),
            (
                settings::MAX_HEADER_LIST_SIZE,
                self.config.header_list_bytes,
            ),
        ];
        Settings::write(&entries, self.output.copied());
        // The connection's window is not a setting (6.9.2).
        let increment = connection_window - INITIAL_WINDOW_BYTES;
        if increment > 0 {
            let update = WindowUpdate { increment };
            update.write(StreamId::CONNECTION, self.output.copied());
        }
    }

    /// Whether the peer's preface is whole: its magic, and its SETTINGS (3.4).
    pub(crate) fn is_greeted(&self) -> bool {
        self.phase == Phase::Frames
    }

    /// Whether a header block has begun that is not whole.
    pub(crate) fn is_in_header_block(&self) -> bool {
        self.in_headers_frame || self.header_block.is_some()
    }

    /// The highest number of a stream that the peer has opened.
    pub(crate) fn last_stream(&self) -> StreamId {
        self.last_stream
    }

    /// Whether no stream is open, and all that was sent has been written.
    pub(crate) fn is_idle(&self) -> bool {
        self.streams.is_empty() && self.output.is_empty()
    }

    /// Whether nothing more is read, and all that there was to say has been written.
    pub(crate) fn is_over(&self) -> bool {
        let over = match self.going {
            Going::No | Going::Told => false,
            Going::After(_) => self.streams.is_empty(),
            Going::Gone => true,
        };
        over && self.output.is_empty()
    }

    /// What the peer did for the connection to end, if it was that.
    pub(crate) fn fault(&self) -> Option<Error> {
        self.fault
    }

    /// Whether the peer may be read: it is not while it does not read what it is sent.
    pub(crate) fn wants_input(&self) -> bool {
        self.going != Going::Gone && self.output.len() <= limits::OUTPUT_BYTES_MAX
    }

    /// Whether anything is to be written.
    pub(crate) fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// What is to be written, as many slices as there is place for; tell it by
    /// [`advance`](Self::advance).
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.output.slices(slices)
    }

    /// That many bytes have been written.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.output.advance(bytes);
        self.output_rests = false;
    }

    /// Takes a buffer of the thread to gather output in, if there is none.
    pub(crate) fn borrow_buffer(&mut self) {
        self.output.borrow_buffer();
    }

    /// Gives back the buffer, if there is nothing in it.
    pub(crate) fn return_buffer(&mut self) {
        self.output.return_buffer();
    }

    /// Gives back the memory that is not needed while no stream is open.
    pub(crate) fn shrink(&mut self) {
        if self.streams.is_empty() {
            self.streams.shrink();
            self.sendable = VecDeque::new();
            self.block = Vec::new();
            self.remembered.forget();
        }
        self.notices.shrink_to_fit();
        self.reset.shrink_to_fit();
    }

    /// Asks the peer whether it is there (6.7). Whatever it sends is an answer.
    pub(crate) fn ping(&mut self) {
        self.write_ping(KEEPALIVE);
    }

    /// Tells the peer to open no more streams, and why. "A server that is attempting to gracefully
    /// shut down a connection SHOULD send an initial GOAWAY frame with the last stream identifier set
    /// to 2^31-1"; the PING that follows is answered when the peer has seen it.
    pub(crate) fn goaway(&mut self, why: &str) {
        if self.going == Going::No {
            self.going = Going::Told;
            self.write_goaway(StreamId::MAX, ErrorCode::NoError, why);
            self.write_ping(SHUTDOWN);
        }
    }

    /// Takes no more streams: the peer has had its time. The connection [is over](Self::is_over) when
    /// those that are open have ended.
    pub(crate) fn take_no_more(&mut self) {
        if matches!(self.going, Going::No | Going::Told) {
            self.going = Going::After(self.last_stream);
            self.write_goaway(self.last_stream, ErrorCode::NoError, "");
        }
    }

    /// The peer sends no more, but may read: what it has asked for whole is answered, as far as windows
    /// are open; the rest is told as [cut short](super::Event::CutShort). Whether there is any of that, or
    /// anything is to be written yet; the GOAWAY is refused by a peer that is gone altogether.
    pub(crate) fn end_input(&mut self) -> bool {
        let streams = self.streams.iter_mut();
        let cut = streams.filter_map(|(id, stream)| stream.is_cut_short().then_some(id));
        self.notices.extend(cut.map(Notice::CutShort));
        // Nor does the rest of a header block come, and nobody is to wait for it.
        (self.header_block, self.in_headers_frame) = (None, false);
        let owed = !self.streams.is_empty() || !self.output.is_empty();
        self.take_no_more();
        self.going != Going::Gone && owed
    }

    /// Ends the connection at once, whatever its streams are doing.
    pub(crate) fn close(&mut self, code: ErrorCode, why: &str) {
        if self.going == Going::Gone {
            return;
        }
        self.write_goaway(self.last_stream, code, why);
        self.going = Going::Gone;
        self.sendable.clear();
        self.unsent_bytes = 0;
        for (stream, _) in self.streams.drain() {
            self.notices.push_back(Notice::Reset(stream));
        }
    }

    /// Ends the streams that had data to send at the last sweep already, and of which next to nothing
    /// has left since: the peer does not read. They are told as reset. `false`: it does not even take what is
    /// to be written, which is little, but may be parts of much; and nothing else can be told it.
    pub(crate) fn sweep(&mut self) -> bool {
        let rests = !self.output.is_empty();
        if std::mem::replace(&mut self.output_rests, rests) {
            return false;
        }
        let streams = self.streams.iter_mut();
        let stalled: Vec<_> = streams
            .filter_map(|(id, stream)| stream.is_stalled().then_some(id))
            .collect();
        for stream in stalled {
            self.reset_stream(stream, ErrorCode::Cancel);
            self.notices.push_back(Notice::Reset(stream));
        }
        true
    }

    fn write_goaway(&mut self, last: StreamId, code: ErrorCode, debug: &str) {
        let debug = debug.as_bytes();
        GoAway { last, code, debug }.write(self.output.copied());
    }

    fn write_ping(&mut self, data: [u8; 8]) {
        Ping { ack: false, data }.write(self.output.copied());
    }

    /// The peer has answered a PING.
    fn pong(&mut self, data: [u8; 8]) {
        if data == SHUTDOWN && self.going == Going::Told {
            self.take_no_more();
        }
    }

    /// How long a stream's window is when it begins. Until the peer has seen our settings, it counts
    /// on what everybody has.
    fn receive_window_bytes(&self) -> u32 {
        let bytes = self.config.stream_window_bytes;
        match self.settings_acknowledged {
            true => bytes,
            false => bytes.max(INITIAL_WINDOW_BYTES),
        }
    }

    fn calls_are_open(&self) -> bool {
        !self.streams.is_empty()
    }
}

/// What our PINGs carry.
const KEEPALIVE: [u8; 8] = *b"are you?";
const SHUTDOWN: [u8; 8] = *b"goodbye!";

#[cfg(test)]
mod tests;
