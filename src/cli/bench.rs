//! `reflectd bench`: many calls of a method, and how fast they were.

mod document;
mod live;
mod load;
mod pace;
mod plan;
mod record;
mod summary;
mod target;
mod thread;
mod threshold;
mod turns;

use reflectd::{Code, limits, schema::Method};
use serde_json::{Map, Value};
use tokio::time::timeout_at;

pub(super) use self::threshold::Threshold;
use self::{
    load::{End, Run},
    plan::Plan,
    target::Target,
    threshold::Judged,
};
use super::{
    arguments::{BenchArguments, Dialing, Format},
    console, dial,
    failure::{Exit, Failure},
    headers,
    requests::{Data, Requests},
    wanted::Wanted,
};

/// A run that was made.
struct Made {
    method: Method,
    plan: Plan,
    run: Run,
    tags: Map<String, Value>,
}

/// What is told of a run.
struct Told<'a> {
    arguments: &'a BenchArguments,
    method: &'a Method,
    plan: &'a Plan,
    run: &'a Run,
    tags: &'a Map<String, Value>,
    judged: &'a [Judged<'a>],
}

impl Told<'_> {
    /// `package.Service/Method`, as it is typed.
    fn call(&self) -> String {
        format!("{}/{}", self.method.service(), self.method.name())
    }
}

pub(super) fn run(arguments: &BenchArguments) -> Result<(), Failure> {
    let verdict = &arguments.verdict;
    let made = make(arguments).inspect_err(|failure| {
        if verdict.json {
            // Why there was no run counts more than why that cannot be written.
            let _ = console::offer(&document::without_run(arguments, failure));
        }
    })?;
    let Made {
        method,
        plan,
        run,
        tags,
    } = &made;
    let judged: Vec<Judged<'_>> = verdict
        .fail_if
        .iter()
        .map(|threshold| threshold.judge(&run.record))
        .collect();
    let told = Told {
        arguments,
        method,
        plan,
        run,
        tags,
        judged: &judged,
    };
    let text = match verdict.json {
        true => document::json(&told),
        false => summary::text(&told),
    };
    // Whether the run was good does not depend on who reads what it was like.
    console::offer(&text)?;
    judge(run, &judged)
}

/// Makes the calls.
fn make(arguments: &BenchArguments) -> Result<Made, Failure> {
    let plan = Plan::new(&arguments.load).map_err(Failure::usage)?;
    let dialing = dialing(arguments)?;
    let tags = document::tags(&arguments.verdict).map_err(Failure::usage)?;
    let (target, plan) = dial::run(prepare(arguments, &dialing, plan))?;
    let method = target.method.clone();
    let counts_errors = arguments.verdict.count_errors;
    let run = load::run(plan.clone(), target, counts_errors, || {
        dialing.builder(&arguments.address)
    })?;
    Ok(Made {
        method,
        plan,
        run,
        tags,
    })
}

/// With what the command ends.
fn judge(run: &Run, judged: &[Judged<'_>]) -> Result<(), Failure> {
    let broken: Vec<String> = judged
        .iter()
        .filter(|judged| judged.failed)
        .map(|judged| format!("{}, it was {}", judged.threshold, judged.shown()))
        .collect();
    if !broken.is_empty() {
        return Err(Failure::with(
            Exit::Threshold,
            format!("the run fails: {}", broken.join("; ")),
        ));
    }
    let is_tolerant = judged
        .iter()
        .any(|judged| judged.threshold.is_about_errors());
    let record = &run.record;
    if let (Some(code), false) = (record.worst(), is_tolerant) {
        let message = format!(
            "{} of {} failed, most of them with {code}; --fail-if 'errors>COUNT' says how many may",
            record.errors(),
            console::counted(record.count() as usize, "call"),
        );
        return Err(Failure::with(Exit::Call(code), message));
    }
    match run.end {
        End::Signal(code) => Err(Failure::silent(Exit::Signal(code))),
        End::Total | End::Time if record.count() == 0 && !is_tolerant => Err(Failure::with(
            Exit::Call(Code::Unavailable),
            "no call has ended",
        )),
        End::Total | End::Time => Ok(()),
    }
}

/// Looks at the server once: whether it is there, and what the method is.
async fn prepare(
    arguments: &BenchArguments,
    dialing: &Dialing,
    mut plan: Plan,
) -> Result<(Target, Plan), Failure> {
    let (typed, fields) = arguments.method_and_fields().map_err(Failure::usage)?;
    let wanted = Wanted::parse(typed)?;
    let metadata = metadata(arguments)?;
    let sources = &arguments.sources;
    let from_files = match sources.name_files() {
        true => Some(sources.load(&[], &arguments.input_limits)?.schema),
        false => None,
    };
    let server = dialing.connect(&arguments.address).await?;
    let schema = match from_files {
        Some(schema) => schema,
        None => server.schema(&arguments.headers, &wanted.service).await?,
    };
    let method = wanted.find(&schema)?.clone();
    let requests = requests(arguments, fields, &method);
    let requests = match server.deadline() {
        None => requests.await?,
        Some(deadline) => timeout_at(deadline, requests).await.map_err(|_| {
            let exit = Exit::Call(Code::DeadlineExceeded);
            Failure::with(
                exit,
                "the time was over before the data was there (--max-time)",
            )
        })??,
    };
    if let Some(left) = server.time_left() {
        plan.shorten(left);
    }
    let timeout = Some(arguments.timeout).filter(|timeout| !timeout.is_zero());
    let target = Target {
        schema,
        method,
        metadata,
        timeout,
        requests,
    };
    Ok((target, plan))
}

/// The requests, encoded.
async fn requests(
    arguments: &BenchArguments,
    fields: &[String],
    method: &Method,
) -> Result<Vec<bytes::Bytes>, Failure> {
    let data = arguments.data();
    if data.is_some() && !fields.is_empty() {
        return Err(Failure::usage(format!(
            "--data and the field {:?} do not go together",
            fields[0]
        )));
    }
    let is_template = |data: &String| data.contains("{{") && data.contains("}}");
    if arguments.data.as_ref().is_some_and(is_template) {
        console::write_stderr(
            "notice: templates are not filled in: {{…}} is sent as it stands, unlike in ghz; several \
             values are sent in turn\n",
        );
    }
    let data = Data {
        fields,
        data: data.as_deref(),
        format: Format::Json,
        ignore_unknown: false,
        splits_arrays: true,
    };
    let mut requests = kept(Requests::of(&data, method)?, limits::BENCH_DATA_BYTES).await?;
    if requests.is_empty() && data.data.is_some_and(|data| !data.is_empty()) {
        return Err(Failure::usage(
            "the data has no request; one without fields is {}",
        ));
    }
    if requests.is_empty() {
        requests.push(bytes::Bytes::new());
    }
    Ok(requests)
}

/// All requests, which may take so many bytes together.
async fn kept(mut typed: Requests, bytes_max: usize) -> Result<Vec<bytes::Bytes>, Failure> {
    let (mut requests, mut bytes) = (Vec::new(), 0);
    while let Some(request) = typed.next().await? {
        let request = request.encode_to_bytes();
        bytes += request.len();
        if bytes > bytes_max {
            return Err(Failure::new(format!(
                "the data is more than {bytes_max} bytes of requests, which are kept in memory"
            )));
        }
        requests.push(request);
    }
    Ok(requests)
}

fn metadata(arguments: &BenchArguments) -> Result<reflectd::Metadata, Failure> {
    let mut metadata = arguments.headers.of_call()?;
    let Some(json) = &arguments.metadata else {
        return Ok(metadata);
    };
    let pairs = document::strings(json).map_err(|why| {
        Failure::usage(format!(
            "--metadata {why}, for example '{{\"name\": \"value\"}}'"
        ))
    })?;
    for (name, value) in pairs {
        headers::append(&mut metadata, &format!("{name}:{value}")).map_err(Failure::usage)?;
    }
    Ok(metadata)
}

/// How the server is reached: `--insecure` is ghz's here.
fn dialing(arguments: &BenchArguments) -> Result<Dialing, Failure> {
    let mut dialing = arguments.dialing.clone();
    let without_tls = dialing.plaintext || dialing.insecure;
    if arguments.skip_tls && (without_tls || arguments.address.starts_with("http://")) {
        return Err(Failure::usage(
            "--skip-tls means with TLS, and --insecure, --plaintext and http:// without: leave one out",
        ));
    }
    if dialing.insecure {
        console::write_stderr(
            "notice: --insecure means without TLS here, as in ghz; --skip-tls takes any certificate\n",
        );
        dialing.plaintext = true;
    }
    dialing.insecure = arguments.skip_tls;
    Ok(dialing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_bytes_of_requests_are_kept_and_no_more() {
        let schema = reflectd::Schema::built_in();
        let method = schema.method("/grpc.health.v1.Health/Check").unwrap();
        // Three bytes each.
        let data = Data {
            fields: &[],
            data: Some(r#"{"service":"a"} {"service":"b"} {"service":"c"}"#),
            format: Format::Json,
            ignore_unknown: false,
            splits_arrays: true,
        };
        let read = |bytes_max| {
            let typed = Requests::of(&data, method).unwrap();
            dial::run(kept(typed, bytes_max))
        };
        assert_eq!(read(9).unwrap().len(), 3);
        let failure = read(8).unwrap_err();
        let message = failure.message().unwrap();
        assert!(message.starts_with("the data is more than 8 bytes"));
    }
}
