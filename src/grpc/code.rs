//! The status codes (grpc/grpc, doc/statuscodes.md).

use std::fmt;

/// The codes a call can end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Code {
    /// The call succeeded.
    Ok = 0,
    /// It was cancelled, usually by the caller.
    Cancelled = 1,
    /// No other code fits; a handler that panicked.
    Unknown = 2,
    /// The request is wrong whatever the state of the system.
    InvalidArgument = 3,
    /// The deadline passed first.
    DeadlineExceeded = 4,
    /// What was asked for does not exist.
    NotFound = 5,
    /// What was to be created exists.
    AlreadyExists = 6,
    /// The caller may not do this.
    PermissionDenied = 7,
    /// A quota, a limit or space is used up.
    ResourceExhausted = 8,
    /// The system is not in the state this needs.
    FailedPrecondition = 9,
    /// A conflict between concurrent calls.
    Aborted = 10,
    /// Past the valid range.
    OutOfRange = 11,
    /// There is no such method, or it is not supported.
    Unimplemented = 12,
    /// Something that must hold does not.
    Internal = 13,
    /// Not reachable now; trying again may help.
    Unavailable = 14,
    /// Data is lost or corrupt for good.
    DataLoss = 15,
    /// The caller did not prove who it is.
    Unauthenticated = 16,
}

impl Code {
    /// The number on the wire.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The name in the specification, `NOT_FOUND`.
    pub fn name(self) -> &'static str {
        NAMES
            .get(usize::from(self.number()))
            .map_or("UNKNOWN", |(_, name)| name)
    }

    /// The code of a number; UNKNOWN for one that is not assigned.
    pub fn from_number(number: u32) -> Self {
        usize::try_from(number)
            .ok()
            .and_then(|number| NAMES.get(number))
            .map_or(Self::Unknown, |(code, _)| *code)
    }

    /// `grpc-status` as it is sent: decimal, without leading zeros.
    pub(crate) fn decimal(self) -> &'static str {
        DECIMALS
            .get(usize::from(self.number()))
            .copied()
            .unwrap_or("2")
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

const NAMES: [(Code, &str); 17] = [
    (Code::Ok, "OK"),
    (Code::Cancelled, "CANCELLED"),
    (Code::Unknown, "UNKNOWN"),
    (Code::InvalidArgument, "INVALID_ARGUMENT"),
    (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"),
    (Code::NotFound, "NOT_FOUND"),
    (Code::AlreadyExists, "ALREADY_EXISTS"),
    (Code::PermissionDenied, "PERMISSION_DENIED"),
    (Code::ResourceExhausted, "RESOURCE_EXHAUSTED"),
    (Code::FailedPrecondition, "FAILED_PRECONDITION"),
    (Code::Aborted, "ABORTED"),
    (Code::OutOfRange, "OUT_OF_RANGE"),
    (Code::Unimplemented, "UNIMPLEMENTED"),
    (Code::Internal, "INTERNAL"),
    (Code::Unavailable, "UNAVAILABLE"),
    (Code::DataLoss, "DATA_LOSS"),
    (Code::Unauthenticated, "UNAUTHENTICATED"),
];

const DECIMALS: [&str; 17] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_numbered_as_the_specification_has_them() {
        for (number, (code, name)) in NAMES.iter().enumerate() {
            assert_eq!(usize::from(code.number()), number);
            assert_eq!(Code::from_number(number as u32), *code);
            assert_eq!(code.name(), *name);
            assert_eq!(code.decimal(), number.to_string());
        }
        assert_eq!(Code::from_number(17), Code::Unknown);
        assert_eq!(Code::from_number(u32::MAX), Code::Unknown);
    }
}
