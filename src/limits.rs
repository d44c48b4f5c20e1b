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

/// How much memory a message may take as prost-reflect's `DynamicMessage`, as a multiple of the longest
/// message that is received: 96 MiB where that is 4 MiB.
///
/// These are large: 56 bytes an element of a list, some 700 more for one that is a message
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

/// How many bytes of a call's requests may wait for its handler, and how many of them: the last of them
/// may be as long as a message can be. Short ones are handed over together; what goes beyond it stays
/// charged to the client's window.
pub const REQUESTS_WAITING_BYTES: usize = 16 * 1024;

/// Most of a call's requests that wait for its handler: those without a byte take memory, too.
pub const REQUESTS_WAITING_MAX: usize = 128;

/// Most threads that serve connections. One a core is of use; there are few machines with more cores.
pub const WORKERS_MAX: usize = 1024;

/// Files that a worker's runtime has open: what epoll, wake-ups and signals need. Connections leave
/// room for them.
pub const FILES_OF_A_WORKER: usize = 4;

/// Most handlers at once on threads where they may block.
pub const BLOCKING_CALLS_MAX: usize = 128;

/// Calls at once on one connection (SETTINGS_MAX_CONCURRENT_STREAMS): RFC 9113, 6.5.2 advises no
/// fewer than 100, and what each may hold is multiplied by this.
pub const STREAMS_MAX: u32 = 100;

/// Longest header list, in bytes: the sum of names and values, and 32 for each (RFC 9113, 6.5.2).
pub const HEADER_LIST_BYTES: u32 = 16 * 1024;

/// What a client may send on one stream before its handler takes it.
pub const STREAM_WINDOW_BYTES: u32 = 64 * 1024;

/// Streams that a client may reset before they were even looked at, within [`RATE_PERIOD`]; more is
/// the rapid-reset attack (CVE-2023-44487). Clients that cancel a burst of calls stay well below it.
pub const RESETS_BEFORE_START_MAX: usize = 200;

/// Streams of one connection that a client may make the server reset by what it sends on them, within
/// [`RATE_PERIOD`] (CVE-2025-8671, MadeYouReset). Those that are refused because there are too many
/// do not count: a client that does not know [`STREAMS_MAX`] yet may well open a thousand at once.
pub const ERROR_RESETS_MAX: usize = 256;

/// For how long such things are counted: what a client does now and then is no attack.
pub const RATE_PERIOD: Duration = Duration::from_secs(30);

/// SETTINGS, PING, PRIORITY and WINDOW_UPDATE frames since the last DATA or HEADERS in either
/// direction, within [`RATE_PERIOD`]; more is a flood (CVE-2019-9512 and 9515). With calls there may
/// be any number: grpc-go sends a PING and a WINDOW_UPDATE with every call.
pub const CONTROL_FRAMES_MAX: usize = 1000;

/// How many of them there may be for each call that a connection may have at once, where that is more:
/// a client that gives all its calls up at a deadline sends RST_STREAM for each, also for those that the
/// server has just ended.
pub const CONTROL_FRAMES_OF_A_STREAM: usize = 2;

/// DATA frames without data, one after the other (CVE-2019-9518).
pub const EMPTY_DATA_FRAMES_MAX: u32 = 100;

/// CONTINUATION frames of one header block (CVE-2024-27316): 16 KiB each would be ample, and those
/// who write one field a frame have some tens.
pub const CONTINUATION_FRAMES_MAX: usize = 64;

/// How much longer a header block may be than the longest header list, before the connection ends: a
/// list that is too long is answered with 431, and for that the block must be read to its end.
pub const HEADER_BLOCK_FACTOR: usize = 2;

/// How often a client may ask whether the server is there, while calls are open. gRPC's clients do
/// not go below 10 seconds.
pub const PING_MIN: Duration = Duration::from_secs(10);

/// The same while there are no calls (gRFC A8).
pub const PING_MIN_WITHOUT_CALLS: Duration = Duration::from_secs(2 * 60 * 60);

/// How many PINGs may come too early before the connection ends, as in gRPC's own servers. What was
/// counted is forgotten with the next DATA or HEADERS that the server sends.
pub const PING_STRIKES_MAX: u32 = 2;

/// Streams that the server has reset and whose client may not know yet: what still comes for them is
/// left aside. More than are under way from a client that does not know [`STREAMS_MAX`] yet; they are
/// looked through for every frame that has no stream.
pub const RESET_STREAMS_KEPT: usize = 1024;

/// How much of a connection's replies is gathered to be written, in bytes; what goes beyond it stays
/// with its stream. All that a call may have waiting ([`REPLIES_UNSENT_BYTES`]) leaves in one write, with
/// its frames and the end of its last message.
pub const OUTPUT_BYTES: usize = 80 * 1024;

/// With more than that to be written, nothing more is read from a connection, and what was read is
/// not looked at: its client does not read, and each of its frames could ask for an answer.
pub const OUTPUT_BYTES_MAX: usize = 256 * 1024;

/// How long a connection has had no calls when it gives back the memory that it had for them; one
/// that makes a call now and then need not do so each time.
pub const SHRINK_AFTER: Duration = Duration::from_secs(1);

/// How often a connection reads and writes in one go, before others on its thread get their turn.
pub const ROUNDS_PER_TURN: usize = 8;

/// How many buffers a thread keeps for the connections, and the calls with many replies, that need one
/// next.
pub const BUFFERS_KEPT: usize = 16;

/// How long a client may take for its TLS handshake, and then for its HTTP/2 preface, and for the
/// SETTINGS that belong to it.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client may take from the first byte of a header block to its last.
///
/// Until then nothing else of the connection can be read (RFC 9113, 6.10), so nobody honest is slow.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections at once. What an idle one costs times this is what a server must have to spare; a
/// server whose limit of open files is lower takes four fifths of that.
pub const CONNECTIONS_MAX: usize = 20_000;

/// After that long without a byte from a client, it is asked whether it is there (PING).
///
/// Most proxies and NAT tables forget a connection after four to six minutes of silence.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(120);

/// How long a client may take to answer that PING, as in gRPC's own servers.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// How soon a client that has closed its side of the connection is sent something to see whether it is
/// gone altogether: its system refuses that. Until then its calls go on.
pub const HALF_CLOSED_FIRST_PROBE: Duration = Duration::from_millis(100);

/// How often after that, while its calls are answered.
pub const HALF_CLOSED_PROBE: Duration = Duration::from_secs(1);

/// How long a connection may be without calls before its client is asked to close it.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// How long calls may go on when their connection has reached its age (gRFC A9).
pub const AGE_GRACE: Duration = Duration::from_secs(30);

/// How far a connection's age is spread, so that those made together do not end together (gRFC A9).
pub const AGE_JITTER: f64 = 0.1;

/// How long a client may keep a call waiting in the middle of things: replies that it does not
/// read, or a message that it does not go on to send.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How much of a message must come in that time for it not to count as stalled: slower than any
/// modem, and more than what those send who want to keep many messages half-way.
pub const STALL_PROGRESS_BYTES: u64 = 1024;

/// What part of the replies that wait must leave in that time for their call not to count as stalled:
/// 64 KiB of a full message of 4 MiB, 1 KiB of what a stream of replies keeps. Who takes a byte now
/// and then could else keep all that [`IN_FLIGHT_BYTES`] has room for.
pub const STALL_PROGRESS_SHARE: usize = 64;

/// How much is read from a connection in one go, in bytes. All of it is parsed before a handler runs.
pub const READ_BYTES: usize = 32 * 1024;

/// What the calls of a server may hold at once in requests and unsent replies, in bytes.
///
/// 64 calls with the longest request, or 4,096 with 64 KiB; a call that needs more fails at once.
pub const IN_FLIGHT_BYTES: usize = 256 * 1024 * 1024;

/// One connection may hold that part of [`IN_FLIGHT_BYTES`], so that it takes eight to use it up.
pub const IN_FLIGHT_CONNECTION_SHARE: usize = 8;

/// What a connection's calls may hold before it is counted: most never do more, and then no
/// connection touches what another one does.
pub const IN_FLIGHT_UNCOUNTED_BYTES: usize = 16 * 1024;

/// In what portions a connection takes from [`IN_FLIGHT_BYTES`].
pub const IN_FLIGHT_LEASE_BYTES: usize = 64 * 1024;

/// Most headers of an HTTP/1.1 request.
pub const HTTP1_HEADERS_MAX: usize = 100;

/// Longest head of an HTTP/1.1 request, in bytes.
pub const HTTP1_HEAD_BYTES: usize = 64 * 1024;

/// How long a shutdown waits for calls in flight.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a unary call may take at most; `None`: as long as its client allows.
///
/// Who calls knows best how long an answer is worth waiting for, so there is no bound unless set.
pub const CALL_TIMEOUT_MAX: Option<Duration> = None;

/// How long a unary call may take whose client does not say; `None`: without end, as in gRPC.
pub const CALL_TIMEOUT_DEFAULT: Option<Duration> = None;

/// Longest text from outside that is written to the log in one piece, in bytes: a path can have as
/// many as a header list, and each call could add that to the log.
pub const LOGGED_TEXT_BYTES: usize = 1024;

/// Longest name of a service or method that a status message repeats, in bytes: longer than those
/// that people give, and no way to make long answers of an index to a long path.
pub const TOLD_BACK_BYTES: usize = 128;

/// How long a connection that is closed may take for its last bytes, and how long its client may be
/// silent meanwhile.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long at the most a connection that has ended in order is there for a client that goes on reading
/// slowly, and says so by what it sends: closed before its time, the system would drop what is under way.
pub const CLOSE_TIMEOUT_MAX: Duration = Duration::from_secs(30);

/// How much is still read from a connection that is closed, in bytes: more than a client may have
/// under way (a window of [`STREAM_WINDOW_BYTES`] for each of [`STREAMS_MAX`] streams), and no flood.
pub const CLOSE_READ_BYTES: usize = 8 * 1024 * 1024;

/// Longest header list of a response that is filled with `grpc-message` and
/// `grpc-status-details-bin`, in bytes: what every client takes, unless it says less
/// (SETTINGS_MAX_HEADER_LIST_SIZE). What trailing metadata takes is subtracted.
pub const RESPONSE_LIST_BYTES: usize = 8 * 1024;

/// What of that is for the other fields of a response.
pub const RESPONSE_FIELDS_BYTES: usize = 512;

/// What the two may have however long the trailing metadata is: the start of a sentence.
pub const STATUS_BYTES_MIN: usize = 256;

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

/// How long a handler may send replies without waiting for anything before others on its thread have a
/// turn: no longer than what a call may wait for unnoticed.
pub(crate) const SENDS_TURN: Duration = Duration::from_millis(1);

/// After how many sends the clock is asked for that: 25 ns each time.
pub(crate) const SENDS_PER_LOOK: u32 = 16;

/// How many polls of its tasks a worker makes before it looks at its sockets again. The runtime's own 61
/// would be a tenth of a second where handlers send all the time.
pub(crate) const POLLS_PER_LOOK_AT_SOCKETS: u32 = 16;

/// A handler that keeps its thread for longer in one go, alone or with up to seven others of the same
/// read, is told of in the log: every other call of that thread waits for it.
pub const BLOCKED_WARNING: Duration = Duration::from_millis(100);

/// Deepest nesting of messages below the outermost one, and of brackets in JSON.
///
/// What every protobuf implementation accepts by default. It holds for each way into a message, so
/// that whatever was accepted once can be written and read again. An entry of a map is not counted, its
/// value is; some implementations count both, and take maps in maps 50 levels deep.
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

/// Most paths of a field mask: each may copy the message that it leads into.
pub const FIELD_MASK_PATHS_MAX: usize = 1000;

/// How many numbers in a row may be taken as keys of their own before a create without a key gives up;
/// the next one goes on behind them.
pub const CREATE_ATTEMPTS_MAX: usize = 1000;

/// Most resources whose names a delete may speak of for its types to tell which of them is meant. Each is
/// looked at for each such method, and where there are more the name says nothing.
pub const INFERENCE_RESOURCES_MAX: usize = 100;

/// How often an update or a delete starts anew because another call was faster.
pub const UPDATE_ATTEMPTS_MAX: usize = 64;

/// How often the TLS files are looked at for a change.
pub const TLS_RELOAD_INTERVAL: Duration = Duration::from_secs(5);

/// How long a connection without calls may take to answer the PING of a shutdown (RFC 9113, 6.8).
pub const GOAWAY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an attempt to connect may take: what gRPC's own clients give it.
pub const CLIENT_CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a channel without calls goes on trying to connect: gRPC's `IDLE_TIMEOUT`
/// (grpc/grpc, doc/connectivity-semantics-and-api.md), which is half an hour in its clients.
pub const CLIENT_IDLE_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// How long one address of a name may not answer before the next one is tried, too (RFC 8305, 8:
/// "Connection Attempt Delay … 250 milliseconds").
pub const CLIENT_CONNECT_DELAY: Duration = Duration::from_millis(250);

/// Buffers of each kind that a thread keeps for the next messages it decodes.
pub const MESSAGE_POOL_BUFFERS_MAX: usize = 64;

/// Longest buffer that a thread keeps, in bytes: with all of them, 2 MiB a thread.
pub const MESSAGE_POOL_BUFFER_BYTES_MAX: usize = 16 * 1024;

/// How long a connection of a pool that is not needed may stay.
pub const CLIENT_POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Most often that a client asks a server whether it is there (gRFC A8).
pub const CLIENT_KEEPALIVE_MIN: Duration = Duration::from_secs(10);

/// Longest message a client sends, in bytes: what a length of four bytes can say. The server knows
/// best what it takes.
pub const CLIENT_MESSAGE_SEND_BYTES: usize = u32::MAX as usize;

/// Longest header list a client takes, in bytes: what gRPC's own clients take.
pub const CLIENT_HEADER_LIST_BYTES: u32 = 8 * 1024;

/// What a server may send on one stream before the client's code takes it.
pub const CLIENT_STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// What a server may send on all streams of a connection together.
pub const CLIENT_CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;

/// What is kept of a stream's requests until the server answers, so that they can be sent again to
/// another one, what keeps each of them included; with more, the call cannot be made anew (gRFC A6 asks for 256 KiB).
pub const CLIENT_REPLAY_BYTES: usize = 256 * 1024;

/// How long a server's reflection service may take to answer one question. It has all at hand, and
/// answers in milliseconds; the slowest have to look for extensions first.
pub const CLIENT_REFLECTION_ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client waits for a server to end the call of its reflection service when all is told:
/// most do so at once, and nobody is to wait for the others.
pub const CLIENT_REFLECTION_END_TIMEOUT: Duration = Duration::from_secs(1);

/// Most bytes of files that a client takes from a server's reflection service: the whole googleapis
/// tree has 12 MiB of descriptors, and memory takes many times that.
pub const CLIENT_REFLECTION_BYTES: usize = 64 * 1024 * 1024;

/// Most files that a client takes from a server's reflection service: more than the googleapis tree.
pub const CLIENT_REFLECTION_FILES_MAX: usize = 10_000;

/// How many times a client asks for the imports of imports: trees that people write are a tenth of
/// it deep, and a server that makes names up would lead on for ever.
pub const CLIENT_REFLECTION_DEPTH_MAX: usize = 100;

/// Most questions that a client asks a server's reflection service: two for each file. A server can
/// list more services, and numbers of extensions, than anybody wants to wait for.
pub const CLIENT_REFLECTION_QUESTIONS_MAX: usize = 20_000;

/// How long a server that is shut down still accepts those who are connecting: far longer than it
/// takes to empty the backlog, and too short to be noticed.
pub const BACKLOG_TIMEOUT: Duration = Duration::from_millis(50);

/// So many calls in a row that fail with UNAVAILABLE or meet their deadline, and an endpoint is left
/// out: as many as Envoy takes for it.
pub const CLIENT_EJECTION_FAILURES: u32 = 5;

/// How long an endpoint is left out, the first time (gRFC A50: `baseEjectionTime`).
pub const CLIENT_EJECTION: Duration = Duration::from_secs(30);

/// How long an endpoint is left out at the most (gRFC A50: `maxEjectionTime`).
pub const CLIENT_EJECTION_MAX: Duration = Duration::from_secs(300);

/// How long a client's connection may be silent before the system asks the other end whether it is
/// there (TCP keepalive).
pub const CLIENT_TCP_KEEPALIVE: Duration = Duration::from_secs(30);

/// How long what a client has sent may stay unacknowledged by the other end's system before the
/// connection is given up (TCP_USER_TIMEOUT). Without it that takes a quarter of an hour, in which
/// every call to a machine that has gone meets its deadline.
pub const CLIENT_TCP_USER_TIMEOUT: Duration = Duration::from_secs(60);

/// Most calls that `reflectd bench` has under way at once: each holds some kilobytes.
pub const BENCH_CONCURRENCY_MAX: u64 = 100_000;

/// Most connections that `reflectd bench` makes: a machine has fewer ports for one address.
pub const BENCH_CONNECTIONS_MAX: u64 = 50_000;

/// Most threads of `reflectd bench`.
pub const BENCH_THREADS_MAX: u64 = 1024;

/// Most calls a second that `reflectd bench` may be asked for: more than it can make on any machine
/// there is, and few enough for their times to be told apart.
pub const BENCH_RPS_MAX: f64 = 10_000_000.0;

/// Most bytes of encoded requests that `reflectd bench` reads before it begins: they are kept.
pub const BENCH_DATA_BYTES: usize = 256 * 1024 * 1024;

/// How many different messages of failures `reflectd bench` tells apart. Some servers put a number
/// into each.
pub const BENCH_ERROR_MESSAGES_MAX: usize = 20;

/// How much later than it was due a call of `reflectd bench` may leave before its schedule counts as
/// not kept: more than a machine that is busy takes to wake a thread.
pub const BENCH_LATE: Duration = Duration::from_millis(10);

/// Longest text of one request that `call` and `bench` read: its message takes several times that in
/// memory, and few servers take messages of more than 4 MiB.
pub const REQUEST_TEXT_BYTES: usize = 256 * 1024 * 1024;

/// Longest time that a flag takes: a hundred years are as good as no end, and clocks can count them.
pub const FLAG_TIME_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
