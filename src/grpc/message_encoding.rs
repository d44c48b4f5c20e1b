//! Message-Encoding → `grpc-encoding` "identity" | "gzip" | "deflate" | … (grpc/grpc,
//! doc/compression.md).

use std::io::{self, Read};

use bytes::Bytes;

use super::{RawMessage, Status};

/// How messages are compressed, each one by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MessageEncoding {
    /// Not at all.
    #[default]
    Identity,
    /// gzip (RFC 1952).
    #[cfg(feature = "gzip")]
    Gzip,
    /// zlib (RFC 1950), which gRPC and HTTP call "deflate".
    #[cfg(feature = "gzip")]
    Deflate,
    /// Zstandard (RFC 8878).
    #[cfg(feature = "zstd")]
    Zstd,
}

impl MessageEncoding {
    /// Every encoding that this build can read and write.
    pub const ALL: &'static [Self] = &[
        Self::Identity,
        #[cfg(feature = "gzip")]
        Self::Gzip,
        #[cfg(feature = "gzip")]
        Self::Deflate,
        #[cfg(feature = "zstd")]
        Self::Zstd,
    ];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            #[cfg(feature = "gzip")]
            Self::Gzip => "gzip",
            #[cfg(feature = "gzip")]
            Self::Deflate => "deflate",
            #[cfg(feature = "zstd")]
            Self::Zstd => "zstd",
        }
    }

    /// Reads `grpc-encoding`.
    ///
    /// # Errors
    /// UNIMPLEMENTED for an encoding that is not served. The reply to it lists those that
    /// [are](Self::accepted).
    pub(crate) fn parse(value: Option<&[u8]>) -> Result<Self, Status> {
        let Some(value) = value else {
            return Ok(Self::Identity);
        };
        Self::ALL
            .iter()
            .find(|known| known.name().as_bytes() == value)
            .copied()
            .ok_or_else(|| {
                Status::unimplemented(format!(
                    "messages in the encoding {:?} cannot be read; use one of: {}",
                    String::from_utf8_lossy(value),
                    Self::accepted()
                ))
            })
    }

    /// The encodings that requests may have, for `grpc-accept-encoding`.
    pub(crate) fn accepted() -> &'static str {
        match (cfg!(feature = "gzip"), cfg!(feature = "zstd")) {
            (true, true) => "identity,gzip,deflate,zstd",
            (true, false) => "identity,gzip,deflate",
            (false, true) => "identity,zstd",
            (false, false) => "identity",
        }
    }

    /// The first of `preferred` that a peer reads; else identity, which every peer reads.
    pub(crate) fn choose(preferred: &[Self], accepted: AcceptedEncodings) -> Self {
        let mut preferred = preferred.iter();
        preferred
            .find(|encoding| accepted.has(**encoding))
            .copied()
            .unwrap_or_default()
    }

    /// The message as it was before it was compressed, at most `bytes_max` long: whatever it claims,
    /// no more than that is made of it. Its flag still tells how it travelled.
    ///
    /// # Errors
    /// INTERNAL if the Compressed-Flag is set where there is no encoding (the flag counts even where
    /// the message is empty), or if the bytes are not of the encoding; RESOURCE_EXHAUSTED beyond
    /// `bytes_max`.
    pub(crate) fn decompress(
        self,
        message: RawMessage,
        bytes_max: usize,
    ) -> Result<RawMessage, Status> {
        if !message.compressed {
            return Ok(message);
        }
        if self == Self::Identity {
            return Err(Status::internal(
                "a message has its compressed flag set, but the call names no grpc-encoding",
            ));
        }
        if message.bytes.is_empty() {
            return Ok(message);
        }
        let read = self
            .reader(&message.bytes)
            .and_then(|reader| read_up_to(reader, bytes_max));
        let bytes = read.map_err(|error| {
            Status::internal(format!("the message is not {}: {error}", self.name()))
        })?;
        let bytes = bytes.ok_or_else(|| {
            Status::resource_exhausted(format!(
                "the message has more than {bytes_max} bytes when it is decompressed"
            ))
        })?;
        Ok(RawMessage {
            bytes,
            compressed: true,
        })
    }

    /// Compresses a message; identity leaves it as it is.
    pub(crate) fn compress(self, bytes: Bytes) -> Result<RawMessage, Status> {
        if self == Self::Identity {
            return Ok(RawMessage::new(bytes));
        }
        let compressed = self.write(&bytes).map_err(|error| {
            Status::internal(format!("the message cannot be compressed: {error}"))
        })?;
        Ok(RawMessage {
            bytes: compressed.into(),
            compressed: true,
        })
    }

    #[cfg_attr(
        not(any(feature = "gzip", feature = "zstd")),
        expect(clippy::unnecessary_wraps)
    )]
    fn reader(self, bytes: &[u8]) -> io::Result<Box<dyn Read + '_>> {
        Ok(match self {
            Self::Identity => Box::new(bytes),
            #[cfg(feature = "gzip")]
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(bytes)),
            #[cfg(feature = "gzip")]
            Self::Deflate => Box::new(flate2::bufread::ZlibDecoder::new(bytes)),
            #[cfg(feature = "zstd")]
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes)?;
                // The window is memory that the message asks for before a byte of it is read.
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Box::new(decoder)
            }
        })
    }

    #[cfg_attr(
        not(any(feature = "gzip", feature = "zstd")),
        expect(clippy::unnecessary_wraps)
    )]
    fn write(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Identity => Ok(bytes.to_vec()),
            #[cfg(feature = "gzip")]
            Self::Gzip => {
                use flate2::{Compression, write::GzEncoder};
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                io::Write::write_all(&mut encoder, bytes)?;
                encoder.finish()
            }
            #[cfg(feature = "gzip")]
            Self::Deflate => {
                use flate2::{Compression, write::ZlibEncoder};
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
                io::Write::write_all(&mut encoder, bytes)?;
                encoder.finish()
            }
            #[cfg(feature = "zstd")]
            Self::Zstd => zstd::stream::encode_all(bytes, ZSTD_LEVEL),
        }
    }
}

/// What a peer can read: its `grpc-accept-encoding`, as far as it is known here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AcceptedEncodings {
    /// One bit for each of [`MessageEncoding::ALL`].
    bits: u8,
}

impl AcceptedEncodings {
    /// Reads a list of names; others are of no use.
    pub(crate) fn parse(value: &[u8]) -> Self {
        let mut bits = 0;
        for name in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            for encoding in MessageEncoding::ALL {
                if encoding.name().as_bytes() == name {
                    bits |= 1 << *encoding as u8;
                }
            }
        }
        Self { bits }
    }

    /// The header may be repeated; its lists then follow one another.
    pub(crate) fn add(&mut self, more: Self) {
        self.bits |= more.bits;
    }

    pub(crate) fn bits(self) -> u8 {
        self.bits
    }

    pub(crate) fn from_bits(bits: u8) -> Self {
        Self { bits }
    }

    fn has(self, encoding: MessageEncoding) -> bool {
        self.bits >> encoding as u8 & 1 == 1
    }
}

/// Reads to the end; `None` if that is beyond `bytes_max`.
///
/// In pieces, as bytes come: what they say of their length is not believed, and a vector that grows
/// would be copied, and so be there twice, when it is largest.
fn read_up_to(mut reader: impl Read, bytes_max: usize) -> io::Result<Option<Bytes>> {
    let mut pieces = Vec::new();
    let mut length = 0_usize;
    loop {
        let room = bytes_max.saturating_add(1).saturating_sub(length);
        let wanted = length.clamp(PIECE_BYTES_MIN, PIECE_BYTES_MAX).min(room);
        let mut piece = Vec::with_capacity(wanted);
        let read = reader
            .by_ref()
            .take(wanted as u64)
            .read_to_end(&mut piece)?;
        length += read;
        if length > bytes_max {
            return Ok(None);
        }
        pieces.push(piece);
        if read < wanted {
            break;
        }
    }
    let one = if pieces.len() == 1 {
        pieces.pop()
    } else {
        None
    };
    Ok(Some(one.unwrap_or_else(|| pieces.concat()).into()))
}

/// Most messages are shorter.
const PIECE_BYTES_MIN: usize = 4 * 1024;

/// What a message that is too long may cost beyond the limit.
const PIECE_BYTES_MAX: usize = 64 * 1024;

/// RFC 8878, 3.1.1.1.2: a window of 8 MiB is what every decoder should take, and no more is taken.
#[cfg(feature = "zstd")]
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Between calls the time counts more than the last percent.
#[cfg(feature = "zstd")]
const ZSTD_LEVEL: i32 = 1;

#[cfg(test)]
mod tests {
    use super::{AcceptedEncodings, MessageEncoding};
    use crate::grpc::{Code, RawMessage};
    use bytes::Bytes;

    #[test]
    fn every_encoding_gives_back_what_it_took() {
        for encoding in MessageEncoding::ALL {
            for length in [0, 1, 5000, 1 << 20] {
                let bytes: Bytes = (0..length).map(|i| (i % 251) as u8).collect();
                let message = encoding.compress(bytes.clone()).unwrap();
                assert_eq!(message.compressed, *encoding != MessageEncoding::Identity);
                assert_eq!(
                    encoding.decompress(message, length).unwrap().bytes,
                    bytes,
                    "{encoding:?}"
                );
            }
        }
    }

    #[test]
    fn a_bomb_is_refused_at_the_limit() {
        for encoding in &MessageEncoding::ALL[1..] {
            let bomb = encoding.compress(vec![0; 64 << 20].into()).unwrap();
            let error = encoding.decompress(bomb, 4 << 20).unwrap_err();
            assert_eq!(error.code(), Code::ResourceExhausted, "{encoding:?}");
        }
    }

    #[test]
    fn bytes_of_another_kind_are_internal() {
        for encoding in &MessageEncoding::ALL[1..] {
            let whole = encoding.compress(vec![7; 300].into()).unwrap().bytes;
            for bytes in [
                Bytes::from_static(b"not compressed"),
                whole.slice(..whole.len() - 1),
            ] {
                let message = RawMessage {
                    bytes,
                    compressed: true,
                };
                let error = encoding.decompress(message, 1000).unwrap_err();
                assert_eq!(error.code(), Code::Internal, "{encoding:?}");
            }
        }
    }

    #[test]
    fn the_flag_needs_an_encoding_and_an_empty_message_needs_none() {
        let empty = RawMessage {
            bytes: Bytes::new(),
            compressed: true,
        };
        let error = MessageEncoding::Identity
            .decompress(empty.clone(), 9)
            .unwrap_err();
        assert_eq!(error.code(), Code::Internal);
        for encoding in &MessageEncoding::ALL[1..] {
            assert_eq!(encoding.decompress(empty.clone(), 9).unwrap(), empty);
        }
    }

    #[test]
    fn the_first_preferred_encoding_that_the_peer_reads_is_chosen() {
        let all = MessageEncoding::ALL;
        let choose = |preferred: &[_], accept: &'static str| {
            let accepted = AcceptedEncodings::parse(accept.as_bytes());
            MessageEncoding::choose(preferred, accepted).name()
        };
        assert_eq!(choose(&all[1..], "identity, deflate ,gzip"), all[1].name());
        assert_eq!(choose(&all[1..], "br"), "identity");
        assert_eq!(choose(&[], "gzip"), "identity");
        assert_eq!(choose(&all[1..], ""), "identity");
    }
}
