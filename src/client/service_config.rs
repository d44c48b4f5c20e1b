//! Retries, hedging, timeouts and wait-for-ready for each method (grpc/grpc, doc/service_config.md;
//! gRFC A6).

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde::{Deserialize, Deserializer, de};

use crate::{Error, grpc::Code};

/// A service config, by method.
#[derive(Debug, Default)]
pub(super) struct ServiceConfig {
    /// By `service/method`, `service/` and `/`.
    methods: HashMap<String, MethodConfig>,
    pub(super) throttling: Option<RetryThrottling>,
}

/// What holds for one method.
#[derive(Clone, Debug, Default)]
pub(super) struct MethodConfig {
    pub(super) wait_for_ready: Option<bool>,
    pub(super) timeout: Option<Duration>,
    pub(super) request_bytes_max: Option<usize>,
    pub(super) response_bytes_max: Option<usize>,
    pub(super) retry: Option<Arc<RetryPolicy>>,
    pub(super) hedging: Option<HedgingPolicy>,
}

/// When a call that failed is made again.
#[derive(Clone, Debug)]
pub(super) struct RetryPolicy {
    /// The first one included.
    pub(super) attempts_max: u32,
    pub(super) initial_backoff: Duration,
    pub(super) max_backoff: Duration,
    pub(super) multiplier: f64,
    pub(super) codes: Vec<Code>,
}

/// When a call is made again before it has failed.
#[derive(Clone, Debug)]
pub(super) struct HedgingPolicy {
    /// The first one included.
    pub(super) attempts_max: u32,
    pub(super) delay: Duration,
    /// With these the other attempts go on.
    pub(super) non_fatal: Vec<Code>,
}

/// When a channel stops retrying.
#[derive(Clone, Copy, Debug)]
pub(super) struct RetryThrottling {
    pub(super) tokens_max: f64,
    pub(super) token_ratio: f64,
}

impl ServiceConfig {
    /// Reads the JSON form; fields that are for load balancers and name resolvers are not looked at.
    pub(super) fn parse(json: &str) -> Result<Self, Error> {
        let wrong = |why: String| Error::configuration(format!("the service config: {why}"));
        let raw: RawConfig =
            serde_json::from_str(json).map_err(|error| wrong(error.to_string()))?;
        let mut methods = HashMap::new();
        for raw in raw.method_config {
            let names = raw.name.clone();
            let config = raw.check().map_err(wrong)?;
            for name in names {
                if name.service.is_empty() && !name.method.is_empty() {
                    return Err(wrong(format!("method {:?} has no service", name.method)));
                }
                let key = format!("{}/{}", name.service, name.method);
                if methods.insert(key.clone(), config.clone()).is_some() {
                    return Err(wrong(format!("{key:?} is there twice")));
                }
            }
        }
        let throttling = raw.retry_throttling.map(RawThrottling::check);
        Ok(Self {
            methods,
            throttling: throttling.transpose().map_err(wrong)?,
        })
    }

    /// What holds for a path: what is said of the method, else of its service, else of all.
    pub(super) fn method(&self, path: &str) -> Option<&MethodConfig> {
        if self.methods.is_empty() {
            return None;
        }
        let name = path.strip_prefix('/').unwrap_or(path);
        let service = name.rfind('/').map_or("", |slash| &name[..=slash]);
        self.methods
            .get(name)
            .or_else(|| self.methods.get(service))
            .or_else(|| self.methods.get("/"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawConfig {
    #[serde(default)]
    method_config: Vec<RawMethod>,
    retry_throttling: Option<RawThrottling>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawMethod {
    #[serde(default)]
    name: Vec<RawName>,
    wait_for_ready: Option<bool>,
    #[serde(default, deserialize_with = "duration")]
    timeout: Option<Duration>,
    #[serde(default, deserialize_with = "count")]
    max_request_message_bytes: Option<usize>,
    #[serde(default, deserialize_with = "count")]
    max_response_message_bytes: Option<usize>,
    retry_policy: Option<RawRetry>,
    hedging_policy: Option<RawHedging>,
}

#[derive(Clone, Deserialize)]
struct RawName {
    #[serde(default)]
    service: String,
    #[serde(default)]
    method: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawRetry {
    max_attempts: u32,
    #[serde(default, deserialize_with = "duration")]
    initial_backoff: Option<Duration>,
    #[serde(default, deserialize_with = "duration")]
    max_backoff: Option<Duration>,
    backoff_multiplier: f64,
    retryable_status_codes: Vec<RawCode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawHedging {
    max_attempts: u32,
    #[serde(default, deserialize_with = "duration")]
    hedging_delay: Option<Duration>,
    #[serde(default)]
    non_fatal_status_codes: Vec<RawCode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawThrottling {
    max_tokens: f64,
    token_ratio: f64,
}

/// `"UNAVAILABLE"` or 14.
struct RawCode(Code);

impl RawMethod {
    fn check(self) -> Result<MethodConfig, String> {
        if self.retry_policy.is_some() && self.hedging_policy.is_some() {
            return Err(
                "a method has a retryPolicy and a hedgingPolicy; it may have one".to_owned(),
            );
        }
        Ok(MethodConfig {
            wait_for_ready: self.wait_for_ready,
            timeout: self.timeout,
            request_bytes_max: self.max_request_message_bytes,
            response_bytes_max: self.max_response_message_bytes,
            retry: self
                .retry_policy
                .map(RawRetry::check)
                .transpose()?
                .map(Arc::new),
            hedging: self.hedging_policy.map(RawHedging::check).transpose()?,
        })
    }
}

impl RawRetry {
    fn check(self) -> Result<RetryPolicy, String> {
        let positive = |time: Option<Duration>, name: &str| {
            time.filter(|time| !time.is_zero())
                .ok_or_else(|| format!("{name} must be longer than 0s"))
        };
        if self.backoff_multiplier.is_nan() || self.backoff_multiplier <= 0.0 {
            return Err("backoffMultiplier must be greater than 0".to_owned());
        }
        if self.retryable_status_codes.is_empty() {
            return Err("retryableStatusCodes must not be empty".to_owned());
        }
        Ok(RetryPolicy {
            attempts_max: attempts(self.max_attempts)?,
            initial_backoff: positive(self.initial_backoff, "initialBackoff")?,
            max_backoff: positive(self.max_backoff, "maxBackoff")?,
            multiplier: self.backoff_multiplier,
            codes: codes(self.retryable_status_codes),
        })
    }
}

impl RawHedging {
    fn check(self) -> Result<HedgingPolicy, String> {
        Ok(HedgingPolicy {
            attempts_max: attempts(self.max_attempts)?,
            delay: self.hedging_delay.unwrap_or_default(),
            non_fatal: codes(self.non_fatal_status_codes),
        })
    }
}

impl RawThrottling {
    fn check(self) -> Result<RetryThrottling, String> {
        let tokens = self.max_tokens > 0.0 && self.max_tokens <= 1000.0;
        if !tokens || self.token_ratio.is_nan() || self.token_ratio <= 0.0 {
            return Err("maxTokens must be from 1 to 1000, and tokenRatio more than 0".to_owned());
        }
        Ok(RetryThrottling {
            tokens_max: self.max_tokens,
            token_ratio: self.token_ratio,
        })
    }
}

fn codes(codes: Vec<RawCode>) -> Vec<Code> {
    codes.into_iter().map(|RawCode(code)| code).collect()
}

/// "maxAttempts … values greater than 5 are treated as 5" (gRFC A6).
fn attempts(attempts_max: u32) -> Result<u32, String> {
    match attempts_max {
        0 | 1 => Err("maxAttempts must be greater than 1".to_owned()),
        attempts => Ok(attempts.min(5)),
    }
}

impl<'de> Deserialize<'de> for RawCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Number(u32),
            Name(String),
        }
        let named = |name: &str| {
            let codes = (0..=16).map(Code::from_number);
            codes
                .into_iter()
                .find(|code| code.name().eq_ignore_ascii_case(name))
        };
        let code = match Form::deserialize(deserializer)? {
            Form::Number(number) if number <= 16 => Some(Code::from_number(number)),
            Form::Number(_) => None,
            Form::Name(name) => named(&name),
        };
        code.map(Self)
            .ok_or_else(|| de::Error::custom("no such status code"))
    }
}

/// `google.protobuf.Duration` in JSON: `"1.5s"`.
fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    let Some(text) = text else {
        return Ok(None);
    };
    let seconds = text
        .strip_suffix('s')
        .and_then(|seconds| seconds.parse().ok());
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match duration {
        Some(duration) => Ok(Some(duration)),
        None => Err(de::Error::custom(format!(
            "{text:?} is no duration; one is \"1.5s\""
        ))),
    }
}

/// A number, or one in quotes, as JSON has 64-bit integers.
fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Number(usize),
        Text(String),
    }
    match Option::deserialize(deserializer)? {
        None => Ok(None),
        Some(Form::Number(count)) => Ok(Some(count)),
        Some(Form::Text(text)) => text.parse().map(Some).map_err(de::Error::custom),
    }
}
