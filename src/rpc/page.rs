//! Answers to requests that are not gRPC, for people and their tools.

use std::{collections::HashMap, fmt};

use bytes::Bytes;

use crate::{
    grpc::CallHead,
    http2::{Commands, StreamId},
};

/// Text in answer to a request that is not gRPC.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) http_status: u16,
    /// UTF-8.
    pub(crate) text: Bytes,
}

/// Which page answers a request; `None`: it is refused (415).
#[derive(Default)]
pub(crate) struct Pages(Option<Find>);

type Find = Box<dyn Fn(&CallHead) -> Option<Page> + Send + Sync>;

impl Pages {
    pub(crate) fn new(find: impl Fn(&CallHead) -> Option<Page> + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(find)))
    }

    pub(super) fn find(&self, head: &CallHead) -> Option<Page> {
        self.0.as_ref().and_then(|find| find(head))
    }
}

/// The pages that a connection owes: each is sent when its request has ended, so that a request that
/// turns out malformed is told that instead (RFC 9113, 8.1.1).
#[derive(Debug, Default)]
pub(super) struct DuePages {
    due: HashMap<StreamId, Due>,
}

#[derive(Debug)]
struct Due {
    page: Page,
    /// Whether it was due at the last [`DuePages::sweep`] already.
    swept: bool,
}

impl DuePages {
    /// A request came that a page answers.
    pub(super) fn start(
        &mut self,
        stream: StreamId,
        page: Page,
        end: bool,
        http2: &mut impl Commands,
    ) {
        let swept = false;
        self.due.insert(stream, Due { page, swept });
        if end {
            self.end(stream, http2);
        }
    }

    /// A request has ended; what it said does not matter.
    pub(super) fn end(&mut self, stream: StreamId, http2: &mut impl Commands) {
        if let Some(Due { page, .. }) = self.due.remove(&stream) {
            http2.plain_text(stream, page.http_status, page.text);
        }
    }

    /// A request was given up.
    pub(super) fn reset(&mut self, stream: StreamId) {
        self.due.remove(&stream);
    }

    /// Answers the requests that have not ended since the sweep before: they are not waited for.
    pub(super) fn sweep(&mut self, http2: &mut impl Commands) {
        let slow: Vec<_> = self
            .due
            .iter_mut()
            .filter_map(|(stream, due)| std::mem::replace(&mut due.swept, true).then_some(*stream))
            .collect();
        for stream in slow {
            self.end(stream, http2);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.due.is_empty()
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pages")
    }
}
