//! DATA: the bodies of requests, taken as they come.

use super::{Connection, receive::Step};
use crate::http2::{
    Commands, Error, ErrorCode, Event, StreamId,
    frame::{Data, Head, WindowUpdate},
};

/// The rest of a DATA frame's payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body {
    /// `None`: nobody wants it.
    stream: Option<StreamId>,
    data_bytes: usize,
    padding_bytes: usize,
    end: bool,
}

impl Connection {
    pub(super) fn data_frame<'a>(
        &mut self,
        head: Head,
        payload: &'a [u8],
        input: &mut &'a [u8],
    ) -> Result<Step<'a>, Error> {
        let Some(data) = Data::parse(head, payload.first().copied())? else {
            return Ok(Step::Short);
        };
        *input = payload.get(data.pad_length_bytes..).unwrap_or_default();
        // "The entire DATA frame payload is included in flow control" (6.1).
        let overflow = |code| Error::Connection(code, "more DATA than the connection's window");
        self.receive_window.receive(head.length).map_err(overflow)?;
        if let Some(increment) = self.receive_window.take(head.length) {
            let update = WindowUpdate { increment };
            update.write(StreamId::CONNECTION, self.output.copied());
        }
        let wanted = self.receive_data(head, data);
        // Wanted or not, it is taken from the input.
        let body = Body {
            stream: matches!(wanted, Ok(true)).then_some(head.stream),
            data_bytes: data.data_bytes,
            padding_bytes: data.padding_bytes,
            end: data.end_stream,
        };
        wanted.inspect_err(|_| self.body = Some(body))?;
        self.body(body, input)
    }

    /// Counts a DATA frame on its stream. `false`: nobody wants it.
    fn receive_data(&mut self, head: Head, data: Data) -> Result<bool, Error> {
        if data.data_bytes == 0 && !data.end_stream {
            self.calm.empty_data()?;
        } else {
            self.calm.received();
        }
        let id = head.stream;
        let Some(stream) = self.streams.get_mut(id) else {
            return self.ignored(id).map(|()| false);
        };
        if !stream.state.is_receiving() {
            return Err(Error::Stream(id, ErrorCode::StreamClosed));
        }
        let received = stream.receive_window.receive(head.length);
        received.map_err(|code| Error::Stream(id, code))?;
        let fits = stream.receive_content(data.data_bytes);
        if !fits || (data.end_stream && !stream.content_is_whole()) {
            return Err(Error::Stream(id, ErrorCode::ProtocolError));
        }
        let padding = data.pad_length_bytes + data.padding_bytes;
        if padding > 0 {
            self.consumed(id, padding);
        }
        Ok(true)
    }

    /// Part of a DATA frame's payload.
    pub(super) fn body<'a>(
        &mut self,
        mut body: Body,
        input: &mut &'a [u8],
    ) -> Result<Step<'a>, Error> {
        let (bytes, rest) = input.split_at(body.data_bytes.min(input.len()));
        body.data_bytes -= bytes.len();
        let padding_bytes = body.padding_bytes.min(rest.len());
        body.padding_bytes -= padding_bytes;
        *input = rest.get(padding_bytes..).unwrap_or_default();
        let whole = body.data_bytes + body.padding_bytes == 0;
        let end = body.end && body.data_bytes == 0;
        let short = bytes.is_empty() && !whole;
        // What ends with its padding must not end again.
        body.end &= !end;
        if !whole {
            self.body = Some(body);
        }
        let told = body.stream.filter(|_| end || !bytes.is_empty());
        if let Some(stream) = told
            && let Some(open) = self.streams.get_mut(stream)
        {
            // Not sooner: the connection may be closed in the middle of the frame.
            if end {
                open.state.end_remote();
            }
            return Ok(Step::Event(Event::Data { stream, bytes, end }));
        }
        Ok(match short {
            true => Step::Short,
            false => Step::On,
        })
    }
}
