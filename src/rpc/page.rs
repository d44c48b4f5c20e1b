//! Answers to requests that are not gRPC, for people and their tools.

use std::fmt;

use bytes::Bytes;

use crate::grpc::CallHead;

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

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pages")
    }
}
