//! What is seen of a connection's bytes on their way to HTTP/2.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::limits;

/// A socket that notes what is read from it.
pub(super) struct Watched<Io> {
    io: Io,
    frames: FrameTracker,
    watch: Arc<Watch>,
}

/// What was noted, for whoever drives the connection. (HTTP/2 owns the socket.)
#[derive(Debug, Default)]
pub(super) struct Watch {
    heard: AtomicBool,
    in_header_block: AtomicBool,
    greeted: AtomicBool,
    /// What was read in this turn.
    read_bytes: AtomicUsize,
}

impl Watch {
    /// From here on a turn's worth may be read, [`limits::READ_BYTES_PER_TURN`].
    pub(super) fn begin_turn(&self) {
        self.read_bytes.store(0, Ordering::Relaxed);
    }

    /// Whether anything was read since this was asked last.
    pub(super) fn take_heard(&self) -> bool {
        self.heard.swap(false, Ordering::Relaxed)
    }

    /// Whether a header block has begun whose end has not been read.
    pub(super) fn is_in_header_block(&self) -> bool {
        self.in_header_block.load(Ordering::Relaxed)
    }

    /// Whether the preface is whole, and the frame that belongs to it: SETTINGS (RFC 9113, 3.4).
    pub(super) fn is_greeted(&self) -> bool {
        self.greeted.load(Ordering::Relaxed)
    }
}

impl<Io> Watched<Io> {
    /// `io` is before its first byte, the HTTP/2 preface.
    pub(super) fn new(io: Io) -> (Self, Arc<Watch>) {
        let watch = Arc::<Watch>::default();
        let watched = Self {
            io,
            frames: FrameTracker::default(),
            watch: Arc::clone(&watch),
        };
        (watched, watch)
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Watched<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.watch.read_bytes.load(Ordering::Relaxed) >= limits::READ_BYTES_PER_TURN {
            // What was read is looked at before there is more of it.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        let read = &buf.filled()[before..];
        if !read.is_empty() {
            self.frames.read(read);
            let watch = &self.watch;
            watch.read_bytes.fetch_add(read.len(), Ordering::Relaxed);
            watch.heard.store(true, Ordering::Relaxed);
            watch
                .in_header_block
                .store(self.frames.in_header_block, Ordering::Relaxed);
            let greeted = self.frames.frame_ended;
            watch.greeted.store(greeted, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Watched<Io> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Knows frames by their heads (RFC 9113, 4.1), and nothing of what is in them.
#[derive(Debug)]
struct FrameTracker {
    head: [u8; FRAME_HEAD_BYTES],
    head_read: usize,
    /// Of the preface, and then of the current frame.
    payload_left: usize,
    /// From the head of a HEADERS frame to the end of the one with END_HEADERS.
    in_header_block: bool,
    ends_header_block: bool,
    /// Whether a frame has begun, and one ended.
    frame_started: bool,
    frame_ended: bool,
}

impl Default for FrameTracker {
    fn default() -> Self {
        Self {
            head: [0; FRAME_HEAD_BYTES],
            head_read: 0,
            payload_left: super::first_bytes::PREFACE.len(),
            in_header_block: false,
            ends_header_block: false,
            frame_started: false,
            frame_ended: false,
        }
    }
}

impl FrameTracker {
    fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let payload = self.payload_left.min(bytes.len());
            self.payload_left -= payload;
            bytes = &bytes[payload..];
            self.end_frame();
            let head = (FRAME_HEAD_BYTES - self.head_read).min(bytes.len());
            if self.payload_left == 0 && head > 0 {
                self.head[self.head_read..][..head].copy_from_slice(&bytes[..head]);
                self.head_read += head;
                bytes = &bytes[head..];
            }
            if self.head_read == FRAME_HEAD_BYTES {
                self.start_frame();
            }
            self.end_frame();
        }
    }

    fn end_frame(&mut self) {
        self.frame_ended |= self.frame_started && self.payload_left == 0;
        if self.payload_left == 0 && self.ends_header_block {
            (self.in_header_block, self.ends_header_block) = (false, false);
        }
    }

    fn start_frame(&mut self) {
        let [high, middle, low, kind, flags, ..] = self.head;
        self.head_read = 0;
        self.frame_started = true;
        self.payload_left = u32::from_be_bytes([0, high, middle, low]) as usize;
        if matches!(kind, HEADERS | CONTINUATION) {
            self.in_header_block = true;
            self.ends_header_block = flags & END_HEADERS != 0;
        }
    }
}

const FRAME_HEAD_BYTES: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
        frame.extend(std::iter::repeat_n(1, usize::from(length)));
        frame
    }

    #[test]
    fn a_header_block_ends_with_the_last_byte_of_its_last_frame() {
        let mut bytes = super::super::first_bytes::PREFACE.to_vec();
        bytes.extend(frame(4, 0, 0));
        let before = bytes.len() + FRAME_HEAD_BYTES - 1;
        bytes.extend(frame(HEADERS, 1, 20));
        bytes.extend(frame(CONTINUATION, END_HEADERS, 7));
        let end = bytes.len();
        bytes.extend(frame(0, 1, 50));
        bytes.extend(frame(HEADERS, END_HEADERS, 0));
        for cut in 0..bytes.len() {
            let mut tracker = FrameTracker::default();
            tracker.read(&bytes[..cut]);
            let inside = cut > before && cut < end;
            assert_eq!(
                tracker.frame_ended,
                cut > before - FRAME_HEAD_BYTES,
                "after {cut} bytes"
            );
            assert_eq!(tracker.in_header_block, inside, "after {cut} bytes");
            tracker.read(&bytes[cut..]);
            assert!(!tracker.in_header_block, "cut at {cut}");
        }
    }
}
