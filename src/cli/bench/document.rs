//! The document that programs read. Its schema is docs/bench.schema.json.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    Told,
    load::End,
    record::Record,
    summary::{QUANTILES, buckets},
};
use crate::cli::{
    arguments::{BenchArguments, Verdict},
    failure::Failure,
};

/// All of it, on one line.
pub(super) fn json(told: &Told<'_>) -> String {
    let (run, plan) = (told.run, told.plan);
    let record = &run.record;
    let status: Map<String, Value> = record
        .statuses()
        .map(|(code, count)| (code.name().to_owned(), count.into()))
        .collect();
    let document = json!({
        "version": 1,
        "name": told.arguments.verdict.name,
        "tags": told.tags,
        "address": told.arguments.address,
        "call": told.call(),
        "options": {
            "concurrency": plan.concurrency,
            "connections": plan.connections,
            "threads": plan.threads,
            "total": plan.total,
            "duration_s": plan.time.map(|time| time.as_secs_f64()),
            "rps": plan.rps,
            "timeout_s": told.arguments.timeout.as_secs_f64(),
            "count_errors": told.arguments.verdict.count_errors,
        },
        "end": match run.end {
            End::Total => "total",
            End::Time => "duration",
            End::Signal(_) => "signal",
        },
        "count": record.count(),
        "errors": record.errors(),
        "error_rate": record.error_rate(),
        "given_up": run.abandoned,
        "duration_s": record.took.as_secs_f64(),
        "rps": record.rps(),
        "messages": { "sent": record.sent, "received": record.received },
        "status": status,
        "latency_us": latency(record),
        "histogram": histogram(record),
        "error_messages": messages(record),
        "schedule": schedule(told),
        "thresholds": thresholds(told),
    });
    format!("{document}\n")
}

/// What there is to tell where no run was made.
pub(super) fn without_run(arguments: &BenchArguments, failure: &Failure) -> String {
    let verdict = &arguments.verdict;
    let call = arguments.method_and_fields().map(|(call, _)| call).ok();
    let error = failure.message().unwrap_or(TOLD_OF_FILES);
    let document = json!({
        "version": 1,
        "name": verdict.name,
        "tags": tags(verdict).unwrap_or_default(),
        "address": arguments.address,
        "call": call,
        "error": error,
    });
    format!("{document}\n")
}

/// The tags that were typed.
///
/// # Errors
/// What is no object of strings.
pub(super) fn tags(verdict: &Verdict) -> Result<Map<String, Value>, String> {
    let Some(json) = &verdict.tags else {
        return Ok(Map::new());
    };
    let tags = strings(json)
        .map_err(|why| format!("--tags {why}, for example '{{\"branch\": \"main\"}}'"))?;
    let tags = tags.into_iter();
    Ok(tags.map(|(name, value)| (name, value.into())).collect())
}

/// The members of a JSON object whose values are strings.
///
/// # Errors
/// What is none.
pub(super) fn strings(json: &str) -> Result<Vec<(String, String)>, String> {
    let wrong = || "wants a JSON object of strings".to_owned();
    let object: Map<String, Value> = serde_json::from_str(json).map_err(|_| wrong())?;
    let pairs = object.into_iter().map(|(name, value)| match value {
        Value::String(text) => Ok((name, text)),
        _ => Err(wrong()),
    });
    pairs.collect()
}

/// Null where no call counts.
fn latency(record: &Record) -> Value {
    let times = record.latency();
    if times.is_empty() {
        return Value::Null;
    }
    let mut latency = Map::new();
    latency.insert("count".to_owned(), times.len().into());
    latency.insert("min".to_owned(), times.min().into());
    latency.insert("mean".to_owned(), times.mean().into());
    latency.insert("stdev".to_owned(), times.stdev().into());
    for (name, quantile) in QUANTILES {
        let value = times.value_at_quantile(*quantile);
        latency.insert((*name).to_owned(), value.into());
    }
    latency.insert("max".to_owned(), times.max().into());
    latency.into()
}

fn histogram(record: &Record) -> Vec<Value> {
    let buckets = buckets(record).into_iter();
    buckets
        .map(|(from, to, count)| json!({ "from_us": from, "to_us": to, "count": count }))
        .collect()
}

fn messages(record: &Record) -> Value {
    let (messages, others) = record.messages();
    let messages: Vec<Value> = messages
        .into_iter()
        .map(|(code, text, count)| json!({ "code": code.name(), "message": text, "count": count }))
        .collect();
    json!({ "most": messages, "others": others })
}

fn schedule(told: &Told<'_>) -> Value {
    let Some(rps) = told.plan.rps else {
        return Value::Null;
    };
    let late = told.run.record.late;
    json!({
        "rps": rps,
        "kept": late.calls == 0 && told.run.unsent == 0,
        "late": late.calls,
        "late_max_us": micros(late.max),
        "unsent": told.run.unsent,
    })
}

fn thresholds(told: &Told<'_>) -> Vec<Value> {
    let judged = told.judged.iter();
    judged
        .map(|judged| {
            json!({
                "fail_if": judged.threshold.typed(),
                "value": judged.value,
                "failed": judged.failed,
            })
        })
        .collect()
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Their errors are many, each with its place.
const TOLD_OF_FILES: &str = "the files have errors, which standard error tells";
