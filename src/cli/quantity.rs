//! Sizes and times as people type them.

use std::time::Duration;

use reflectd::limits;

/// A size in bytes: `4194304`, `4096KiB`, `4MiB`, `4M`. All units are powers of 1024.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => return Err(BYTES_FORM.to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| BYTES_FORM.to_owned())?;
    match number.checked_mul(factor) {
        Some(0) => Err("0 bytes would let nothing through".to_owned()),
        Some(bytes) => Ok(bytes),
        None => Err("more bytes than can be counted".to_owned()),
    }
}

/// The size of a gRPC message: what its 4-byte length can say (gRPC over HTTP/2, "Message-Length").
pub(super) fn message_bytes(text: &str) -> Result<usize, String> {
    let bytes = bytes(text)?;
    match u32::try_from(bytes).map(usize::try_from) {
        Ok(Ok(bytes)) => Ok(bytes),
        _ => Err("gRPC messages end at 4 GiB".to_owned()),
    }
}

/// A size that a 32-bit setting of HTTP/2 can say.
pub(super) fn bytes_u32(text: &str) -> Result<u32, String> {
    u32::try_from(bytes(text)?).map_err(|_| "less than 4 GiB".to_owned())
}

/// A size that memory can have.
pub(super) fn bytes_usize(text: &str) -> Result<usize, String> {
    usize::try_from(bytes(text)?).map_err(|_| "more than this machine can count".to_owned())
}

/// How many of something there are: one at least.
pub(super) fn count(text: &str, max: u64) -> Result<u64, String> {
    let counted = text.parse().ok().filter(|count| (1..=max).contains(count));
    counted.ok_or_else(|| match max {
        u64::MAX => "it wants a whole number, 1 or more".to_owned(),
        max => format!("it wants a whole number from 1 to {max}"),
    })
}

/// A time: `30s`, `500ms`, `2m`, or `2.5` for seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let seconds = match unit {
        "us" => 0.000_001,
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(DURATION_FORM.to_owned()),
    };
    let number: f64 = number.parse().map_err(|_| DURATION_FORM.to_owned())?;
    match Duration::try_from_secs_f64(number * seconds) {
        Ok(time) if time > limits::FLAG_TIME_MAX => Err(DURATION_LONG.to_owned()),
        Ok(time) => Ok(time),
        Err(_) => Err(DURATION_FORM.to_owned()),
    }
}

/// How long something goes on: a time that is not 0.
pub(super) fn period(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err(format!("0 is over at once; {DURATION_FORM}")),
        period => Ok(period),
    }
}

/// How long a call may take: a time that is not 0.
pub(super) fn timeout(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => {
            Err("0 would end every call at once; leave it out for no bound".to_owned())
        }
        timeout => Ok(timeout),
    }
}

/// So many a second.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.trim().parse().map_err(|_| RATE_FORM.to_owned())?;
    let possible = 0.001..=limits::BENCH_RPS_MAX;
    match possible.contains(&rate) {
        true => Ok(rate),
        false => Err(RATE_FORM.to_owned()),
    }
}

/// The number and the letters behind it.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let unit = text.find(|c: char| c.is_ascii_alphabetic());
    let (number, unit) = text.split_at(unit.unwrap_or(text.len()));
    (number.trim_end(), unit)
}

const BYTES_FORM: &str = "sizes are bytes or, for example, 512KiB, 16MiB, 1GiB";
const RATE_FORM: &str = "a rate is calls a second, 0.001 to 10000000; without one the next call is \
                         made when one ends";
const DURATION_LONG: &str = "times end at a hundred years";
const DURATION_FORM: &str = "times are seconds or, for example, 500ms, 30s, 2m";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(bytes("4194304"), Ok(4 << 20));
        assert_eq!(bytes("4MiB"), bytes("4096 k"));
        assert_eq!(bytes("1g"), Ok(1 << 30));
        for wrong in ["", "MiB", "4MB", "-1", "1.5M", "0", "99999999999G", "4 M B"] {
            assert!(bytes(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(message_bytes("4GiB").ok(), None);
    }

    #[test]
    fn times_are_seconds_unless_they_say_more() {
        assert_eq!(duration("2.5"), Ok(Duration::from_millis(2500)));
        assert_eq!(duration("1500ms"), duration("1.5s"));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(timeout("2m"), duration("2m"));
        assert!(timeout("0s").is_err());
        assert!(duration("876000h").is_ok());
        for wrong in ["", "s", "-1s", "1d", "NaN", "inf", "1e400", "876001h"] {
            assert!(duration(wrong).is_err(), "{wrong:?}");
        }
    }
}
