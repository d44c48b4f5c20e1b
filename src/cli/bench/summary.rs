//! The summary that people read.

use std::{fmt::Write as _, io};

use indicatif::HumanCount;

use super::{Told, load::End, record::Record};
use crate::cli::console::{self, Style};

/// All of it, a newline at the end.
pub(super) fn text(told: &Told<'_>) -> String {
    let style = Style::of(&io::stdout());
    let record = &told.run.record;
    let parts = [
        head(told, style),
        counts(told),
        latency(record, style),
        statuses(record, style),
        messages(record, style),
        schedule(told, style),
        thresholds(told, style),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("\n")
}

/// Microseconds with the unit that suits them.
pub(super) fn time(micros: f64) -> String {
    match micros {
        m if m < 1_000.0 => format!("{m:.0} us"),
        m if m < 10_000.0 => format!("{:.2} ms", m / 1e3),
        m if m < 1_000_000.0 => format!("{:.1} ms", m / 1e3),
        m => format!("{:.2} s", m / 1e6),
    }
}

/// What was done.
fn head(told: &Told<'_>, style: Style) -> String {
    let plan = told.plan;
    let name = match &told.arguments.verdict.name {
        Some(name) => format!("{name}: "),
        None => String::new(),
    };
    let call = style.strong(&told.call());
    let rate = match plan.rps {
        Some(rps) => format!("{rps} calls a second, at most {} at once", plan.concurrency),
        None => format!("{} at once", console::counted(plan.concurrency, "call")),
    };
    let connections = console::counted(plan.connections, "connection");
    let threads = match plan.threads {
        1 => String::new(),
        more => format!(" of {more} threads"),
    };
    let broken_off = match told.run.end {
        End::Signal(_) => "broken off early\n",
        End::Total | End::Time => "",
    };
    let address = &told.arguments.address;
    format!("{name}{call} at {address}\n{rate} over {connections}{threads}\n{broken_off}")
}

fn counts(told: &Told<'_>) -> String {
    let record = &told.run.record;
    let seconds = record.took.as_secs_f64();
    let what = match record.errors() {
        0 => "",
        _ => " that ended with OK",
    };
    let mut text = format!(
        "  Calls      {}\n  Time       {seconds:.2} s\n  Calls/s    {}{what}\n",
        HumanCount(record.count()),
        grouped(record.rps()),
    );
    if told.method.kind().is_client_streaming() || told.method.kind().is_server_streaming() {
        let (sent, received) = (HumanCount(record.sent), HumanCount(record.received));
        let _ = writeln!(text, "  Messages   {sent} sent, {received} received");
    }
    if told.run.abandoned > 0 {
        let abandoned = HumanCount(told.run.abandoned);
        let _ = writeln!(text, "  Given up   {abandoned} calls under way");
    }
    text
}

/// Hundreds of thousands without a fraction, one a second with two digits of it.
fn grouped(rate: f64) -> String {
    match rate {
        rate if rate < 100.0 => format!("{rate:.2}"),
        rate => HumanCount(rate as u64).to_string(),
    }
}

fn latency(record: &Record, style: Style) -> String {
    let times = record.latency();
    if times.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "{}\n  fastest    {}\n  average    {}\n  slowest    {}\n\n",
        style.strong("Latency"),
        time(times.min() as f64),
        time(times.mean()),
        time(times.max() as f64),
    );
    let most = buckets(record).iter().map(|(_, _, count)| *count).max();
    for (_, until, count) in buckets(record) {
        let width = (count * BAR_CHARS).div_ceil(most.unwrap_or(1).max(1)) as usize;
        let (until, count) = (time(until as f64), HumanCount(count).to_string());
        let bar = "■".repeat(width);
        let _ = writeln!(text, "  {until:>9}  {count:>11} {bar}");
    }
    text.push('\n');
    for (name, quantile) in QUANTILES {
        let value = time(times.value_at_quantile(*quantile) as f64);
        let _ = writeln!(text, "  {name:<6} {value:>9}");
    }
    text
}

/// From, to (microseconds, inclusive) and how many calls were in between: about ten of a width that
/// suits those up to the 99th percentile, and one for the rest.
pub(super) fn buckets(record: &Record) -> Vec<(u64, u64, u64)> {
    let times = record.latency();
    let (low, high) = (times.min(), times.max());
    if times.is_empty() {
        return Vec::new();
    }
    let most = times.value_at_quantile(0.99).max(low);
    let width = ((most - low) / BUCKETS).max(1);
    let mut buckets = Vec::new();
    let mut from = low;
    while from <= most {
        let until = (from + width - 1).min(high);
        buckets.push((from, until, 0));
        from = until + 1;
    }
    if from <= high {
        buckets.push((from, high, 0));
    }
    for recorded in times.iter_recorded() {
        // The histogram's own steps are finer than a bucket; each value belongs to one.
        let value = recorded.value_iterated_to();
        let at = buckets.partition_point(|(_, until, _)| *until < value);
        let at = at.min(buckets.len() - 1);
        buckets[at].2 += recorded.count_at_value();
    }
    buckets
}

fn statuses(record: &Record, style: Style) -> String {
    let mut text = format!("{}\n", style.strong("Status"));
    for (code, count) in record.statuses() {
        let share = count as f64 * 100.0 / record.count().max(1) as f64;
        let (name, count) = (code.name(), HumanCount(count).to_string());
        let _ = writeln!(text, "  {name:<19} {count:>11}  {share:.2} %");
    }
    if record.count() == 0 {
        text += "  no call has ended\n";
    }
    text
}

fn messages(record: &Record, style: Style) -> String {
    let (messages, others) = record.messages();
    if messages.is_empty() {
        return String::new();
    }
    let mut text = format!("{}\n", style.strong("Errors"));
    for (code, message, count) in messages {
        // On one line.
        let message = console::printable(message).replace('\n', "\\n");
        let count = HumanCount(count);
        let _ = writeln!(text, "  {count} x {code}: {message}");
    }
    if others > 0 {
        let _ = writeln!(text, "  {} x something else", HumanCount(others));
    }
    text
}

/// Whether the schedule of an open loop was kept.
fn schedule(told: &Told<'_>, style: Style) -> String {
    let Some(rps) = told.plan.rps else {
        return String::new();
    };
    let late = told.run.record.late;
    let unsent = told.run.unsent;
    if late.calls == 0 && unsent == 0 {
        return format!("The schedule of {rps} calls a second was kept.\n");
    }
    let mut text = format!(
        "{} the schedule of {rps} calls a second was not kept:\n",
        style.alarming("warning:")
    );
    if late.calls > 0 {
        let (calls, max) = (HumanCount(late.calls), time(late.max.as_micros() as f64));
        let _ = writeln!(text, "  {calls} calls left late, by up to {max}");
    }
    if unsent > 0 {
        let _ = writeln!(
            text,
            "  {} calls were due and never left",
            HumanCount(unsent)
        );
    }
    text += "  That time is in the figures above. More calls at once (-c), or fewer a second.\n";
    text
}

fn thresholds(told: &Told<'_>, style: Style) -> String {
    let mut text = String::new();
    for judged in told.judged {
        let verdict = match judged.failed {
            true => style.bad("fails"),
            false => "ok".to_owned(),
        };
        let _ = writeln!(
            text,
            "  {}  {verdict} ({})",
            judged.threshold,
            judged.shown()
        );
    }
    match text.is_empty() {
        true => text,
        false => format!("{}\n{text}", style.strong("Fail if")),
    }
}

/// What is printed and written, by the name that the document has for it.
pub(super) const QUANTILES: &[(&str, f64)] = &[
    ("p50", 0.5),
    ("p75", 0.75),
    ("p90", 0.9),
    ("p95", 0.95),
    ("p99", 0.99),
    ("p999", 0.999),
    ("p9999", 0.9999),
];

const BUCKETS: u64 = 10;
const BAR_CHARS: u64 = 40;
