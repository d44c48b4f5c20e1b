//! Every limit with its default and the reason for it.

use std::time::Duration;

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

/// Longest message that is received, in bytes, its prefix not counted: what gRPC's own servers take.
pub const MESSAGE_RECEIVE_BYTES: usize = 4 * 1024 * 1024;

/// How much memory a message may take when it is decoded, as a multiple of the longest message that
/// is received: 96 MiB where that is 4 MiB. Its encoding is not counted.
///
/// Dynamic messages are large: 56 bytes an element of a list, some 700 more for one that is a message
/// with fields. A full message of 4 MiB that people send on purpose takes up to 20 times its length:
/// 3 times as strings of 40 bytes, 7 as a list of 8-byte numbers, 14 as one of 4-byte numbers, 20 as
/// rows of 40 bytes. What is sent to use up memory takes more: 28 times as empty sub-messages, 56 as
/// packed `bool`s, over 400 at the worst. The limit lies between the two, and grows with the length
/// that is received, so that whoever takes longer messages need not know of it.
pub const MESSAGE_DECODE_FACTOR: usize = 24;

/// Longest message that is sent, in bytes: what gRPC's own clients take unless told otherwise.
pub const MESSAGE_SEND_BYTES: usize = 4 * 1024 * 1024;

/// How much of a call's reply stream may wait to be sent before its handler has to wait.
///
/// One default HTTP/2 window: enough to keep a connection busy, little enough that a slow reader
/// costs little.
pub const REPLIES_UNSENT_BYTES: usize = 64 * 1024;

/// Most handlers at once on threads where they may block.
pub const BLOCKING_CALLS_MAX: usize = 128;

/// Calls at once on one connection (SETTINGS_MAX_CONCURRENT_STREAMS): RFC 9113, 6.5.2 advises no
/// fewer than 100, and what each may hold is multiplied by this.
pub const STREAMS_MAX: u32 = 100;

/// Longest header list, in bytes: the sum of names and values, and 32 for each (RFC 9113, 6.5.2).
pub const HEADER_LIST_BYTES: u32 = 16 * 1024;

/// What a client may send on one stream before its handler takes it.
pub const STREAM_WINDOW_BYTES: u32 = 64 * 1024;

/// What a client may send on all streams of a connection together: as much as on each of them, so
/// that streams whose handlers do not take their requests never hold up the others.
pub const CONNECTION_WINDOW_BYTES: u32 = STREAMS_MAX * STREAM_WINDOW_BYTES;

/// How much overhead small DATA frames may pile up before they are read: a frame counts as at least
/// 256 bytes. A client may fill all its windows with messages of ten bytes, each in a frame of its
/// own, and is not mistaken for an attack.
pub const DATA_FRAME_BUDGET_BYTES: usize = 26 * CONNECTION_WINDOW_BYTES as usize;

/// Streams that a client may reset before they were even looked at; more is the rapid-reset attack
/// (CVE-2023-44487). Clients that cancel a burst of calls stay well below it.
pub const RESETS_BEFORE_START_MAX: usize = 200;

/// How long a client may take for its HTTP/2 preface.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a shutdown waits for calls in flight.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection that is closed may take for its last bytes.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Longest `grpc-message` and `grpc-status-details-bin` together, in bytes: clients take header
/// lists of 8 KiB, and some of that is for other trailers.
pub const STATUS_BYTES: usize = 7 * 1024;

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

/// A handler that keeps its thread for longer in one go is told of in the log: every other call of
/// that thread waits for it.
pub const BLOCKED_WARNING: Duration = Duration::from_millis(100);

/// Deepest nesting of messages below the outermost one, and of brackets in JSON.
///
/// What every protobuf implementation accepts by default. It holds for each way into a message, so
/// that whatever was accepted once can be written and read again.
pub const MESSAGE_NESTING_MAX: usize = 100;

/// Most folders that are searched for `.proto` files below a folder that was named.
///
/// A whole monorepo has tens of thousands; a walk that meets more was most likely meant for another
/// folder (`/`, say).
pub const PROTO_FOLDERS_MAX: usize = 200_000;

/// Most errors that are told about one `.proto` file; what follows is counted.
///
/// Nobody reads more, and a hostile file has one in every byte.
pub const PROTO_ERRORS_PER_FILE_MAX: usize = 200;

/// Most bytes that are parsed again to find the syntax errors behind the first one of a file.
///
/// The parser gives up a whole message at its first error, so the statement at fault is blanked out
/// and the file parsed again, once an error: a large file gets fewer rounds than a small one.
pub const PROTO_REPARSE_BYTES: usize = 8 * 1024 * 1024;

/// Most comparisons spent on finding the lines of one file's type errors.
///
/// The pool looks each of them up by a walk over all locations of the file; beyond this product of
/// both, about a second of work, the errors are told without their lines.
pub const PROTO_LOCATE_COMPARISONS_MAX: usize = 200_000_000;

/// Most files that are added to the pool again because files with extensions failed.
///
/// Each such failure costs a new pool; with thousands of them in a large tree it would take hours.
pub const PROTO_POOL_REBUILDS_FILES: usize = 200_000;

/// Stack of the thread that compiles, in bytes.
///
/// The deepest recursion is that of nested option text, [`PROTO_NESTING_MAX`] levels: about a
/// thousandth of this in a release build, and a debug build's frames are far larger. Only pages that
/// are touched take memory.
pub const PROTO_COMPILE_STACK_BYTES: usize = 64 * 1024 * 1024;

/// Most services that the List of `grpc.health.v1.Health` tells, as many as grpc-go has. A server
/// with more should be asked with Check.
pub const HEALTH_LIST_SERVICES_MAX: usize = 100;

/// How long the files of one reflection answer may be together, in bytes. Clients take messages of
/// 4 MiB; the rest of it is for the request that is repeated, which can be long, too. A file that was
/// asked for is sent whatever its length, the others where there is room.
pub const REFLECTION_FILES_BYTES: usize = 3 * 1024 * 1024;

/// Longest key of a resource that is a string, in bytes: resource names of deep hierarchies have
/// some hundred.
pub const RESOURCE_KEY_BYTES: usize = 2048;

/// Most resources on one page of a list (google.aip.dev/158 advises a maximum).
pub const LIST_PAGE_ROWS_MAX: usize = 1000;

/// How often an update or a delete starts anew because another call was faster.
pub const UPDATE_ATTEMPTS_MAX: usize = 64;

/// How often the TLS files are looked at for a change.
pub const TLS_RELOAD_INTERVAL: Duration = Duration::from_secs(5);

/// How long a connection without calls may take to answer the PING of a shutdown (RFC 9113, 6.8).
pub const GOAWAY_TIMEOUT: Duration = Duration::from_secs(5);
