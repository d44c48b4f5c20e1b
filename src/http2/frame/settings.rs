//! SETTINGS (RFC 9113, 6.5).

use super::{ACK, Head, Kind};
use crate::http2::{Error, StreamId};

/// A SETTINGS frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings<'a> {
    pub(crate) ack: bool,
    payload: &'a [u8],
}

impl<'a> Settings<'a> {
    pub(crate) fn parse(head: Head, payload: &'a [u8]) -> Result<Self, Error> {
        if head.stream != StreamId::CONNECTION {
            return Err(Error::protocol("SETTINGS on a stream"));
        }
        let ack = head.has(ACK);
        // "Receipt of a SETTINGS frame with the ACK flag set and a length field value other than 0
        // MUST be treated as a connection error of type FRAME_SIZE_ERROR."
        if ack && !payload.is_empty() {
            return Err(Error::frame_size("SETTINGS with ACK and a payload"));
        }
        if !payload.len().is_multiple_of(ENTRY_BYTES) {
            return Err(Error::frame_size("SETTINGS entries have six bytes"));
        }
        Ok(Self { ack, payload })
    }

    /// Identifiers and values, in order.
    pub(crate) fn entries(self) -> impl Iterator<Item = (u16, u32)> + use<'a> {
        let entries = self.payload.as_chunks::<ENTRY_BYTES>().0.iter();
        entries.map(|[i0, i1, v0, v1, v2, v3]| {
            let identifier = u16::from_be_bytes([*i0, *i1]);
            (identifier, u32::from_be_bytes([*v0, *v1, *v2, *v3]))
        })
    }

    pub(crate) fn write(entries: &[(u16, u32)], out: &mut Vec<u8>) {
        Head {
            length: entries.len() * ENTRY_BYTES,
            kind: Kind::Settings,
            flags: 0,
            stream: StreamId::CONNECTION,
        }
        .write(out);
        for (identifier, value) in entries {
            out.extend_from_slice(&identifier.to_be_bytes());
            out.extend_from_slice(&value.to_be_bytes());
        }
    }

    pub(crate) fn write_ack(out: &mut Vec<u8>) {
        Head {
            length: 0,
            kind: Kind::Settings,
            flags: ACK,
            stream: StreamId::CONNECTION,
        }
        .write(out);
    }
}

/// Identifier (16), Value (32).
const ENTRY_BYTES: usize = 6;
