//! Header compression (RFC 7541): field blocks to fields, and back.

mod decoder;
mod dynamic_table;
mod encoder;
mod huffman;
mod integer;
mod static_table;

pub(crate) use decoder::{Decoder, Field};
pub(crate) use dynamic_table::Entry;
pub(crate) use encoder::Encoder;

#[cfg(test)]
mod tests;

/// SETTINGS_HEADER_TABLE_SIZE, in both directions: what everybody begins with (RFC 9113, 6.5.2).
const TABLE_BYTES: usize = 4096;

/// "The size of an entry is the sum of its name's length in octets, its value's length in octets, and
/// 32" (RFC 7541, 4.1).
const ENTRY_OVERHEAD_BYTES: usize = 32;

/// A field block that is no HPACK: COMPRESSION_ERROR of the connection (RFC 9113, 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(super) &'static str);
