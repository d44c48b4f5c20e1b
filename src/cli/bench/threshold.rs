//! `--fail-if 'p99>5ms'`: what a run must not be like.

use std::{fmt, str::FromStr, time::Duration};

use super::record::Record;
use crate::cli::quantity;

/// A condition under which the run has failed.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cli) struct Threshold {
    typed: String,
    metric: Metric,
    operator: Operator,
    /// Microseconds for times.
    bound: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Metric {
    /// 0 to 100.
    Percentile(f64),
    Mean,
    Min,
    Max,
    Rps,
    Count,
    Errors,
    /// 0 to 1.
    ErrorRate,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operator {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// A threshold, and what was measured.
#[derive(Debug)]
pub(super) struct Judged<'a> {
    pub(super) threshold: &'a Threshold,
    /// `None`: nothing was measured, because no call counts.
    pub(super) value: Option<f64>,
    pub(super) failed: bool,
}

impl Threshold {
    /// Whether it says how many calls may fail.
    pub(super) fn is_about_errors(&self) -> bool {
        matches!(self.metric, Metric::Errors | Metric::ErrorRate)
    }

    /// Holds it against a run. What cannot be told has failed.
    pub(super) fn judge(&self, record: &Record) -> Judged<'_> {
        let value = self.metric.of(record);
        let failed = value.is_none_or(|value| self.operator.holds(value, self.bound));
        Judged {
            threshold: self,
            value,
            failed,
        }
    }

    pub(super) fn typed(&self) -> &str {
        &self.typed
    }
}

impl Judged<'_> {
    /// The value as people read it.
    pub(super) fn shown(&self) -> String {
        let Some(value) = self.value else {
            return "not known, no call counts".to_owned();
        };
        match self.threshold.metric {
            metric if metric.is_time() => super::summary::time(value),
            Metric::ErrorRate => format!("{:.2} %", value * 100.0),
            Metric::Rps => format!("{value:.1}"),
            _ => format!("{value}"),
        }
    }
}

impl Metric {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "mean" | "average" | "avg" => Self::Mean,
            "min" | "fastest" => Self::Min,
            "max" | "slowest" => Self::Max,
            "rps" => Self::Rps,
            "count" => Self::Count,
            "errors" => Self::Errors,
            "error_rate" => Self::ErrorRate,
            _ => Self::Percentile(percentile(name.strip_prefix('p')?)?),
        })
    }

    fn is_time(self) -> bool {
        matches!(
            self,
            Self::Percentile(_) | Self::Mean | Self::Min | Self::Max
        )
    }

    fn of(self, record: &Record) -> Option<f64> {
        let times = record.latency();
        match self {
            Self::Rps => return Some(record.rps()),
            Self::Count => return Some(record.count() as f64),
            Self::Errors => return Some(record.errors() as f64),
            Self::ErrorRate if record.count() == 0 => return None,
            Self::ErrorRate => return Some(record.error_rate()),
            _ if times.is_empty() => return None,
            _ => {}
        }
        Some(match self {
            Self::Percentile(percentile) => times.value_at_quantile(percentile / 100.0) as f64,
            Self::Mean => times.mean(),
            Self::Min => times.min() as f64,
            _ => times.max() as f64,
        })
    }
}

/// `50`, `99`, `99.9`; `999` is 99.9 and `9999` is 99.99, as people say them.
fn percentile(digits: &str) -> Option<f64> {
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let number: f64 = match digits.split_at_checked(2) {
        Some((whole, part)) if whole > "90" && part.bytes().all(|b| b.is_ascii_digit()) => {
            format!("{whole}.{part}").parse().ok()?
        }
        _ => digits.parse().ok()?,
    };
    (0.0..=100.0).contains(&number).then_some(number)
}

impl Operator {
    fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Greater => value > bound,
            Self::GreaterOrEqual => value >= bound,
            Self::Less => value < bound,
            Self::LessOrEqual => value <= bound,
        }
    }
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, String> {
        let at = typed.find(['<', '>']).ok_or(FORM)?;
        let (name, rest) = typed.split_at(at);
        let (operator, bound) = [
            (">=", Operator::GreaterOrEqual),
            ("<=", Operator::LessOrEqual),
            (">", Operator::Greater),
            ("<", Operator::Less),
        ]
        .into_iter()
        .find_map(|(text, operator)| Some((operator, rest.strip_prefix(text)?.trim())))
        .ok_or(FORM)?;
        let name = name.trim();
        let metric = Metric::parse(name)
            .ok_or_else(|| format!("there is no {name:?} to look at; {METRICS}"))?;
        let (metric, bound) = bound_of(metric, bound)
            .ok_or_else(|| format!("{bound:?} is nothing to compare {name} with; {BOUNDS}"))?;
        Ok(Self {
            typed: typed.trim().to_owned(),
            metric,
            operator,
            bound,
        })
    }
}

/// The bound as a number; errors that are compared with percents are their rate.
fn bound_of(metric: Metric, text: &str) -> Option<(Metric, f64)> {
    if metric.is_time() {
        return microseconds(text).map(|bound| (metric, bound));
    }
    let number = |text: &str| {
        let number: f64 = text.trim().parse().ok()?;
        (number.is_finite() && number >= 0.0).then_some(number)
    };
    match (metric, text.strip_suffix('%')) {
        (Metric::Errors | Metric::ErrorRate, Some(percent)) => {
            let rate = number(percent)? / 100.0;
            (rate <= 1.0).then_some((Metric::ErrorRate, rate))
        }
        (_, Some(_)) => None,
        (Metric::ErrorRate, None) => number(text)
            .filter(|rate| *rate <= 1.0)
            .map(|rate| (metric, rate)),
        (_, None) => number(text).map(|number| (metric, number)),
    }
}

/// A time with its unit: of a bare number nobody knows what was meant.
fn microseconds(text: &str) -> Option<f64> {
    let has_unit = text.ends_with(|c: char| c.is_ascii_alphabetic());
    let time: Duration = quantity::duration(text).ok().filter(|_| has_unit)?;
    Some(time.as_nanos() as f64 / 1000.0)
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.typed)
    }
}

const FORM: &str = "a condition is, for example, p99>5ms, mean>=800us, rps<1000, errors>0, \
                    error_rate>1%; it compares by >, >=, < or <=";
const METRICS: &str = "there are p50 to p999 (any percentile), mean, min, max, rps, count, errors \
                       and error_rate";
const BOUNDS: &str = "times want a unit (800us, 5ms, 1.5s), error_rate 0 to 1 or percents, the \
                      others a number";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read() {
        use Metric::*;
        use Operator::*;
        for (typed, metric, operator, bound) in [
            ("p99>5ms", Percentile(99.0), Greater, 5_000.0),
            ("p50 >= 800us", Percentile(50.0), GreaterOrEqual, 800.0),
            ("p999<1.5s", Percentile(99.9), Less, 1_500_000.0),
            ("p9999<=1m", Percentile(99.99), LessOrEqual, 60_000_000.0),
            ("p99.9>1ms", Percentile(99.9), Greater, 1_000.0),
            ("p5>1ms", Percentile(5.0), Greater, 1_000.0),
            ("p100>1ms", Percentile(100.0), Greater, 1_000.0),
            ("mean>1ms", Mean, Greater, 1_000.0),
            ("max>1ms", Max, Greater, 1_000.0),
            ("rps<1000", Rps, Less, 1_000.0),
            ("count<10", Count, Less, 10.0),
            ("errors>0", Errors, Greater, 0.0),
            ("errors>1%", ErrorRate, Greater, 0.01),
            ("error_rate>=0.5", ErrorRate, GreaterOrEqual, 0.5),
        ] {
            let threshold: Threshold = typed.parse().unwrap();
            assert_eq!(threshold.metric, metric, "{typed}");
            assert_eq!(threshold.operator, operator, "{typed}");
            assert!((threshold.bound - bound).abs() < 1e-9, "{typed}");
        }
        for typed in [
            "",
            "p99",
            "p99=5ms",
            "p99>",
            "p99>5",
            "p99>5%",
            "p101>1ms",
            "p>1ms",
            "pNaN>1ms",
            "q>1",
            "rps>1%",
            "rps<-1",
            "rps<inf",
            "errors>101%",
            "error_rate>2",
            "mean>1d",
            ">5ms",
            "p99><5ms",
        ] {
            assert!(typed.parse::<Threshold>().is_err(), "{typed}");
        }
    }
}
