//! The buffer that a thread's connections read into, one after the other.

use std::cell::Cell;

use crate::limits;

/// Runs something with the thread's buffer for reading, [`READ_BYTES`](limits::READ_BYTES) longer
/// than the longest start of a frame that waits for its end.
pub(super) fn with_read_buffer<T>(run: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut buffer = READING.take();
    if buffer.is_empty() {
        buffer = vec![0; limits::READ_BYTES + FRAME_BYTES_MAX];
    }
    let result = run(&mut buffer);
    READING.set(buffer);
    result
}

thread_local! {
    static READING: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A head and the longest payload.
const FRAME_BYTES_MAX: usize = 9 + 16 * 1024;
