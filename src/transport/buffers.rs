//! Buffers that connections use in turn: each thread has a few, and an idle connection has none.

use std::cell::{Cell, RefCell};

use crate::{http2, limits};

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

/// Gives a connection a buffer for what it will send, if it has none.
pub(super) fn lend(http2: &mut http2::Connection) {
    if http2.has_buffer() {
        return;
    }
    let kept = WRITING.with_borrow_mut(Vec::pop);
    http2.lend(kept.unwrap_or_default());
}

/// Takes a connection's buffer back, if there is nothing in it.
pub(super) fn reclaim(http2: &mut http2::Connection) {
    let Some(buffer) = http2.reclaim() else {
        return;
    };
    WRITING.with_borrow_mut(|buffers| {
        if buffers.len() < limits::BUFFERS_KEPT && buffer.capacity() <= limits::OUTPUT_BYTES_MAX {
            buffers.push(buffer);
        }
    });
}

thread_local! {
    static READING: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static WRITING: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A head and the longest payload.
const FRAME_BYTES_MAX: usize = 9 + 16 * 1024;
