//! PING (RFC 9113, 6.7).

use super::{ACK, Head, Kind};
use crate::http2::{Error, StreamId};

/// A PING frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ping {
    pub(crate) ack: bool,
    pub(crate) data: [u8; 8],
}

impl Ping {
    pub(crate) fn parse(head: Head, payload: &[u8]) -> Result<Self, Error> {
        if head.stream != StreamId::CONNECTION {
            return Err(Error::protocol("PING on a stream"));
        }
        let data = payload
            .try_into()
            .map_err(|_| Error::frame_size("PING has eight bytes"))?;
        Ok(Self {
            ack: head.has(ACK),
            data,
        })
    }

    pub(crate) fn write(self, out: &mut Vec<u8>) {
        Head {
            length: self.data.len(),
            kind: Kind::Ping,
            flags: if self.ack { ACK } else { 0 },
            stream: StreamId::CONNECTION,
        }
        .write(out);
        out.extend_from_slice(&self.data);
    }
}
