//! Every limit with its default and the reason for it.

/// Largest `.proto` file that is read, in bytes.
///
/// The largest file in public API trees is under 5 MiB; a longer one is a mistake or an attack, and
/// the parser needs many times its size in memory.
pub const PROTO_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Largest sum of all `.proto` files of one schema, in bytes: four times the googleapis tree.
pub const PROTO_TOTAL_BYTES: u64 = 256 * 1024 * 1024;

/// Most `.proto` files of one schema: twice the googleapis tree.
pub const PROTO_FILES_MAX: usize = 20_000;

/// Deepest nesting of braces, brackets and parentheses in a `.proto` file.
///
/// The parser is recursive, and its stack is finite. Message nesting ends at 31 in any case.
pub const PROTO_NESTING_MAX: usize = 100;

/// Largest page of a scan, in bytes of keys and values; a page ends early rather than exceed it,
/// but has one row at least.
///
/// The same as a message's default limit: what does not fit into one reply need not be read at once.
pub const STORE_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Most changes a store keeps for those who watch: a watcher who falls further behind reads again.
pub const STORE_HISTORY_CHANGES_MAX: usize = 16_384;

/// Most bytes of keys and values in the changes a store keeps for those who watch.
pub const STORE_HISTORY_BYTES: usize = 16 * 1024 * 1024;

/// Most bytes of keys and values in one batch: far above any message, far below what breaks a store.
pub const STORE_BATCH_BYTES: usize = 256 * 1024 * 1024;

/// Most bytes that go into one commit to disk, so that those who come later do not wait for long.
pub const STORE_COMMIT_BYTES: usize = 16 * 1024 * 1024;

/// Pages the durable store keeps in its own memory, in bytes; the operating system caches the rest.
pub const STORE_CACHE_BYTES: usize = 64 * 1024 * 1024;
