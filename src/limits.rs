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
