//! Timeout → `grpc-timeout` TimeoutValue TimeoutUnit.

use std::time::Duration;

/// Reads a `grpc-timeout`: one to eight digits and one of `H M S m u n`.
///
/// The longest, 99999999H, is some 11,000 years: a [`Duration`] holds it.
pub(crate) fn parse_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > DIGITS_MAX || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count = digits
        .iter()
        .fold(0_u64, |count, digit| count * 10 + u64::from(digit - b'0'));
    match unit {
        b'H' => Some(Duration::from_secs(count * 3600)),
        b'M' => Some(Duration::from_secs(count * 60)),
        b'S' => Some(Duration::from_secs(count)),
        b'm' => Some(Duration::from_millis(count)),
        b'u' => Some(Duration::from_micros(count)),
        b'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// Writes a `grpc-timeout` that is never longer than `timeout`, in the finest unit that holds it in
/// eight digits.
#[cfg(feature = "client")]
pub(crate) fn format_timeout(timeout: Duration) -> String {
    let units = [
        (timeout.as_nanos(), 'n'),
        (timeout.as_micros(), 'u'),
        (timeout.as_millis(), 'm'),
        (u128::from(timeout.as_secs()), 'S'),
        (u128::from(timeout.as_secs() / 60), 'M'),
        (u128::from(timeout.as_secs() / 3600), 'H'),
    ];
    let fitting = units.into_iter().find(|(count, _)| *count <= COUNT_MAX);
    let (count, unit) = fitting.unwrap_or((COUNT_MAX, 'H'));
    format!("{count}{unit}")
}

/// The largest number of eight digits.
#[cfg(feature = "client")]
const COUNT_MAX: u128 = 99_999_999;

/// TimeoutValue → "positive integer as ASCII string of at most 8 digits".
const DIGITS_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::{format_timeout, parse_timeout};
    use proptest::prelude::*;
    use std::time::Duration;

    proptest! {
        #[test]
        fn what_is_written_is_never_more_and_hardly_less(
            secs in 0u64..99_999_999 * 3600,
            nanos in 0u32..1_000_000_000,
            shift in 0u32..40,
        ) {
            let timeout = Duration::new(secs >> shift, nanos);
            let read = parse_timeout(format_timeout(timeout).as_bytes()).unwrap();
            prop_assert!(read <= timeout);
            // The coarsest step is that from 99,999,999 ms to seconds, or to hours.
            let step = (timeout / 10_000).max(Duration::from_nanos(1));
            prop_assert!(timeout - read <= step, "{timeout:?} {read:?}");
        }
    }

    #[test]
    fn every_unit_is_read() {
        let cases = [
            ("1H", Duration::from_secs(3600)),
            ("2M", Duration::from_secs(120)),
            ("3S", Duration::from_secs(3)),
            ("100m", Duration::from_millis(100)),
            ("5u", Duration::from_micros(5)),
            ("0n", Duration::ZERO),
            ("00000001n", Duration::from_nanos(1)),
            ("99999999H", Duration::from_secs(99_999_999 * 3600)),
        ];
        for (value, expected) in cases {
            assert_eq!(parse_timeout(value.as_bytes()), Some(expected), "{value}");
        }
    }

    #[test]
    fn anything_else_is_malformed() {
        for value in [
            "",
            "1",
            "S",
            "-1S",
            "+1S",
            "1s",
            "1.5S",
            "123456789S",
            " 1S",
            "1S ",
            "1 S",
            "x1S",
            "٣S",
        ] {
            assert_eq!(parse_timeout(value.as_bytes()), None, "{value:?}");
        }
    }
}
