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

/// Deepest nesting of messages below the outermost one, and of brackets in JSON.
///
/// What every protobuf implementation accepts by default. It holds for each way into a message, so
/// that whatever was accepted once can be written and read again.
pub const MESSAGE_NESTING_MAX: usize = 100;
