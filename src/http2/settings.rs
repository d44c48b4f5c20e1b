//! SETTINGS, ours and the peer's (RFC 9113, 6.5.2).

use super::{Error, ErrorCode, frame};

/// What the peer has said, as far as it matters to who sends to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PeerSettings {
    /// SETTINGS_INITIAL_WINDOW_SIZE.
    pub(crate) initial_window_bytes: u32,
    /// SETTINGS_MAX_HEADER_LIST_SIZE; `None`: any.
    pub(crate) header_list_bytes_max: Option<u32>,
    /// The smallest SETTINGS_HEADER_TABLE_SIZE there was: "the smallest maximum table size that occurs
    /// … MUST be signaled" (RFC 7541, 4.2), also where it is larger again in the same frame.
    pub(crate) header_table_bytes: u32,
}

impl Default for PeerSettings {
    fn default() -> Self {
        Self {
            initial_window_bytes: INITIAL_WINDOW_BYTES,
            header_list_bytes_max: None,
            header_table_bytes: 4_096,
        }
    }
}

impl PeerSettings {
    /// Takes what a SETTINGS frame changes. "Values are processed in the order in which they appear"
    /// (6.5.3).
    pub(crate) fn apply(&mut self, settings: frame::Settings<'_>) -> Result<(), Error> {
        for (identifier, value) in settings.entries() {
            match identifier {
                HEADER_TABLE_SIZE => {
                    self.header_table_bytes = self.header_table_bytes.min(value);
                }
                // "Any value other than 0 or 1 MUST be treated as a connection error".
                ENABLE_PUSH if value > 1 => return Err(Error::protocol("SETTINGS_ENABLE_PUSH")),
                // "Values above the maximum flow-control window size of 2^31-1 MUST be treated as a
                // connection error of type FLOW_CONTROL_ERROR."
                INITIAL_WINDOW_SIZE if value > WINDOW_BYTES_MAX => {
                    let code = ErrorCode::FlowControlError;
                    return Err(Error::Connection(code, "SETTINGS_INITIAL_WINDOW_SIZE"));
                }
                INITIAL_WINDOW_SIZE => self.initial_window_bytes = value,
                MAX_FRAME_SIZE if !FRAME_BYTES.contains(&value) => {
                    return Err(Error::protocol("SETTINGS_MAX_FRAME_SIZE"));
                }
                MAX_HEADER_LIST_SIZE => self.header_list_bytes_max = Some(value),
                // "An endpoint that receives a SETTINGS frame with any unknown or unsupported
                // identifier MUST ignore that setting." A server opens no streams, and no frame that is
                // sent is longer than what everybody takes, so these maxima do not matter.
                _ => {}
            }
        }
        Ok(())
    }
}

/// The window that every stream begins with, and the connection for good.
pub(crate) const INITIAL_WINDOW_BYTES: u32 = 65_535;

pub(crate) const HEADER_TABLE_SIZE: u16 = 1;
pub(crate) const ENABLE_PUSH: u16 = 2;
pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;
pub(crate) const MAX_FRAME_SIZE: u16 = 5;
pub(crate) const MAX_HEADER_LIST_SIZE: u16 = 6;

const WINDOW_BYTES_MAX: u32 = (1 << 31) - 1;

/// "The value advertised by an endpoint MUST be between this initial value and the maximum allowed
/// frame size (2^24-1)".
const FRAME_BYTES: std::ops::RangeInclusive<u32> = 16_384..=(1 << 24) - 1;
