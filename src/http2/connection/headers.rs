//! HEADERS and CONTINUATION: requests that begin, and trailers that end them.

use std::time::Instant;

use super::{
    Connection,
    header_block::{HeaderBlock, Opening},
};
use crate::{
    grpc::ResponseHead,
    http2::{
        Commands, Error, ErrorCode, Event, Paths, StreamId,
        flow_control::{ReceiveWindow, SendWindow},
        frame::{Continuation, Head, Headers, PAYLOAD_BYTES_MAX},
        hpack::Field,
        request::{Request, RequestReader, TrailersReader, Unusable},
        stream::{State, Stream},
    },
    limits,
};

impl Connection {
    pub(super) fn headers_frame<'a>(
        &mut self,
        head: Head,
        payload: &'a [u8],
        now: Instant,
        paths: &impl Paths,
    ) -> Result<Option<Event<'a>>, Error> {
        let headers = Headers::parse(head, payload)?;
        if !head.stream.is_clients() {
            return Err(Error::protocol("a client's streams have odd numbers"));
        }
        let depends = headers.priority.map(|priority| priority.on(head.stream));
        let opening = Opening {
            stream: head.stream,
            end_stream: headers.end_stream,
            malformed: matches!(depends, Some(Err(_))),
        };
        if !headers.end_headers {
            self.header_block = Some(HeaderBlock::new(opening, headers.fragment));
            return Ok(None);
        }
        self.whole_block(opening, headers.fragment, now, paths)
    }

    pub(super) fn continuation_frame<'a>(
        &mut self,
        head: Head,
        payload: &[u8],
        now: Instant,
        paths: &impl Paths,
    ) -> Result<Option<Event<'a>>, Error> {
        let Some(mut block) = self.header_block.take() else {
            return Ok(None);
        };
        let continuation = Continuation::parse(head, payload);
        let bytes_max = self.config.header_list_bytes as usize * limits::HEADER_BLOCK_FACTOR;
        block.add(continuation, bytes_max.max(2 * PAYLOAD_BYTES_MAX))?;
        if !continuation.end_headers {
            self.header_block = Some(block);
            return Ok(None);
        }
        self.whole_block(block.opening, block.fragments(), now, paths)
    }

    /// A header block: of a new stream, or the trailers of one. Whatever becomes of it, it is decoded,
    /// because later ones may refer to what is in it (4.3).
    fn whole_block<'a>(
        &mut self,
        opening: Opening,
        block: &[u8],
        now: Instant,
        paths: &impl Paths,
    ) -> Result<Option<Event<'a>>, Error> {
        self.calm.received();
        let id = opening.stream;
        if id > self.last_stream {
            return self.open(opening, block, paths);
        }
        let mut reader = TrailersReader::new(self.config.header_list_bytes);
        self.decode(block, |field| reader.field(field))?;
        let Some(stream) = self.streams.get_mut(id) else {
            // "The identifier of a newly established stream MUST be numerically greater than all
            // streams that the initiating endpoint has opened" (5.1.1).
            if self
                .skipped
                .iter()
                .any(|(from, to)| (*from..=*to).contains(&id))
            {
                return Err(Error::protocol(
                    "a stream's number is lower than one before",
                ));
            }
            self.ignored(id)?;
            // What cannot be answered costs as much as what can.
            self.calm.stream_error(now)?;
            return Ok(None);
        };
        if !stream.state.is_receiving() {
            return Err(Error::Stream(id, ErrorCode::StreamClosed));
        }
        // Trailers end a request (8.1), and what they say means nothing to gRPC.
        if !opening.end_stream
            || opening.malformed
            || !reader.in_order()
            || !stream.content_is_whole()
        {
            return Err(Error::Stream(id, ErrorCode::ProtocolError));
        }
        stream.state.end_remote();
        Ok(Some(Event::Data {
            stream: id,
            bytes: &[],
            end: true,
        }))
    }

    fn open<'a>(
        &mut self,
        opening: Opening,
        block: &[u8],
        paths: &impl Paths,
    ) -> Result<Option<Event<'a>>, Error> {
        let Opening {
            stream: id,
            end_stream,
            malformed,
        } = opening;
        let request = self.read_request(block, paths)?;
        if self.is_beyond_the_end(id) {
            return Ok(None);
        }
        self.note_skipped(id);
        self.last_stream = id;
        if self.streams.len() >= self.config.streams_max as usize {
            // "An endpoint that receives a HEADERS frame that causes its advertised concurrent stream
            // limit to be exceeded MUST treat this as a stream error" (5.1.2).
            self.reset_stream(id, ErrorCode::RefusedStream);
            return Ok(None);
        }
        let content = |request: &Request| request.content_length.unwrap_or(0) > 0;
        let request = match request {
            Ok(request) if malformed || (end_stream && content(&request)) => {
                Err(Unusable::Malformed)
            }
            read => read,
        };
        if let Err(Unusable::Malformed) = request {
            return Err(Error::Stream(id, ErrorCode::ProtocolError));
        }
        let mut stream = self.new_stream(request.as_ref().map_or(None, |r| r.content_length));
        if end_stream {
            stream.state.end_remote();
        }
        self.streams.insert(id, stream);
        let Ok(request) = request else {
            // Request Header Fields Too Large (RFC 6585, 5).
            self.headers_only(id, &ResponseHead::http(431), None);
            return Ok(None);
        };
        Ok(Some(Event::CallStarted {
            stream: id,
            head: request.head,
            end: end_stream,
        }))
    }

    /// Reads the block of a request, unless it is known what it says.
    fn read_request(
        &mut self,
        block: &[u8],
        paths: &impl Paths,
    ) -> Result<Result<Request, Unusable>, Error> {
        let before = self.decoder.table_changes();
        if let Some(request) = self.remembered.find(block, before) {
            return Ok(Ok(request));
        }
        let mut reader = RequestReader::new(paths, self.config.header_list_bytes);
        self.decode(block, |field| reader.field(field))?;
        let read = reader.finish();
        if let Ok(request) = &read {
            let now = self.decoder.table_changes();
            self.remembered.add(block, now, request);
        }
        Ok(read)
    }

    fn new_stream(&self, content_length: Option<u64>) -> Stream {
        let bytes = self.receive_window_bytes();
        Stream {
            state: State::Open,
            receive_window: ReceiveWindow::new(bytes, self.config.stream_window_bytes / 2),
            send_window: SendWindow::new(self.peer.initial_window_bytes),
            content_length,
            unsent: Default::default(),
            cut: false,
            due_bytes: 0,
            moved_bytes: 0,
            end: None,
            queued: false,
        }
    }

    fn decode(&mut self, block: &[u8], each: impl FnMut(Field<'_>)) -> Result<(), Error> {
        let decoded = self.decoder.decode(block, each);
        decoded.map_err(|error| Error::Connection(ErrorCode::CompressionError, error.0))
    }

    fn note_skipped(&mut self, opened: StreamId) {
        let first = StreamId(self.last_stream.0 + 1);
        if opened.0 > first.0 + 1 {
            if self.skipped.len() == SKIPPED_MAX {
                self.skipped.pop_front();
            }
            self.skipped.push_back((first, StreamId(opened.0 - 1)));
        }
    }
}

/// Clients that pass numbers over do so once, if ever.
const SKIPPED_MAX: usize = 16;
