//! `-H 'name: value'` to metadata.

use std::env;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use reflectd::Metadata;

use super::{arguments::Headers, failure::Failure};

impl Headers {
    /// What goes with the call.
    ///
    /// # Errors
    /// A header that cannot be sent, a variable that is not set.
    pub(super) fn of_call(&self) -> Result<Metadata, Failure> {
        self.metadata(&self.rpc_header, "REFLECTD_RPC_HEADER")
    }

    /// What goes with questions to the server's reflection.
    ///
    /// # Errors
    /// As for [`of_call`](Self::of_call).
    pub(super) fn of_reflection(&self) -> Result<Metadata, Failure> {
        self.metadata(&self.reflect_header, "REFLECTD_REFLECT_HEADER")
    }

    fn metadata(&self, more: &[String], variable: &str) -> Result<Metadata, Failure> {
        let mut metadata = Metadata::new();
        let common = separate(&self.header, "REFLECTD_HEADER");
        for header in common.into_iter().chain(separate(more, variable)) {
            let header = match self.expand_headers {
                true => expand(header, |name| env::var(name).ok()).map_err(Failure::usage)?,
                false => header.to_owned(),
            };
            append(&mut metadata, &header).map_err(Failure::usage)?;
        }
        Ok(metadata)
    }
}

/// The headers that were given: those of the variable stand a line each; one that was typed is one,
/// whatever is in it.
fn separate<'a>(given: &'a [String], variable: &str) -> Vec<&'a str> {
    match given {
        [only] if env::var(variable).is_ok_and(|value| value == *only) => {
            only.lines().filter(|line| !line.is_empty()).collect()
        }
        typed => typed.iter().map(String::as_str).collect(),
    }
}

/// Adds one. Names are lower-case in HTTP/2; a header without a colon has an empty value.
///
/// # Errors
/// A header that cannot be sent.
pub(super) fn append(metadata: &mut Metadata, header: &str) -> Result<(), String> {
    let (name, value) = header.split_once(':').unwrap_or((header, ""));
    let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
    let appended = match name.ends_with("-bin") {
        true => metadata.append_bytes(&name, &decode(&name, value)?),
        false => metadata.append(&name, value),
    };
    appended.map_err(|error| error.to_string())
}

/// Both alphabets, padded or not: people paste what they have.
fn decode(name: &str, value: &str) -> Result<Vec<u8>, String> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let alphabets = [alphabet::STANDARD, alphabet::URL_SAFE];
    let engines = alphabets.map(|alphabet| GeneralPurpose::new(&alphabet, config));
    engines
        .iter()
        .find_map(|engine| engine.decode(value).ok())
        .ok_or_else(|| format!("the value of {name} is no base64: a name in -bin carries bytes"))
}

/// Puts variables where `${NAME}` stands.
fn expand(header: &str, variable: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = header;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else {
            break;
        };
        let value = variable(name).ok_or_else(|| {
            let header = header.split(':').next().unwrap_or_default();
            format!("the header {header:?} wants the environment variable {name}, which is not set")
        })?;
        expanded += before;
        expanded += &value;
        rest = behind;
    }
    Ok(expanded + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_put_in() {
        let variable = |name: &str| (name == "TOKEN").then(|| "${x}".to_owned());
        for (header, expanded) in [
            ("a: Bearer ${TOKEN}.${TOKEN}", "a: Bearer ${x}.${x}"),
            ("a: $TOKEN ${TOKEN", "a: $TOKEN ${TOKEN"),
            ("a: {}", "a: {}"),
        ] {
            assert_eq!(expand(header, variable).as_deref(), Ok(expanded));
        }
        let error = expand("a: ${GONE}", variable).unwrap_err();
        assert!(error.contains("GONE, which is not set"), "{error}");
    }

    #[test]
    fn binary_values_are_base64_of_any_kind() {
        for value in ["+/8=", "+/8", "-_8", "-_8="] {
            let mut metadata = Metadata::new();
            append(&mut metadata, &format!("X-Bin:{value}")).unwrap();
            assert_eq!(metadata.bytes("x-bin").as_deref(), Some(&[0xfb, 0xff][..]));
        }
        let mut metadata = Metadata::new();
        assert!(append(&mut metadata, "x-bin: ?").is_err());
        assert!(append(&mut metadata, "grpc-timeout: 1S").is_err());
        append(&mut metadata, "X-Url: http://a:1").unwrap();
        assert_eq!(metadata.text("x-url"), Some("http://a:1"));
    }
}
