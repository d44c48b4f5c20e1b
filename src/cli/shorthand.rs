//! `name=Ann age:=3 address.city=Rome tags[]=x` in place of JSON.

use std::error::Error;

use reflectd::{
    Message,
    message::{JsonError, JsonOptions},
    schema::{Field, Kind, MessageType},
};
use serde_json::{Map, Value, map::Entry};

/// The request that fields make.
///
/// # Errors
/// Which field is wrong and why: it has no value, is given twice, is a message here and a value
/// there, is none of the type's.
pub(super) fn message(
    of: &MessageType,
    fields: &[String],
    options: &JsonOptions,
) -> Result<Message, String> {
    let all = json(of, fields)?;
    let read = |json: &str| Message::from_json_with(of, json, options);
    read(&all).map_err(|error| {
        // Nobody has typed this JSON. Most often one field is wrong by itself.
        let alone = fields.iter().find_map(|field| {
            let error = read(&json(of, std::slice::from_ref(field)).ok()?).err()?;
            Some(format!("{field:?}: {}", why(&error)))
        });
        alone.unwrap_or_else(|| format!("the fields are no {}: {}", of.full_name(), why(&error)))
    })
}

/// What is wrong, without the place in the JSON.
fn why(error: &JsonError) -> String {
    let (Some(line), Some(column)) = (error.line(), error.column()) else {
        return error.to_string();
    };
    let why = error.source().unwrap_or(error).to_string();
    let place = format!(" at line {line} column {column}");
    why.strip_suffix(&place).unwrap_or(&why).to_owned()
}

fn json(of: &MessageType, fields: &[String]) -> Result<String, String> {
    let mut request = Value::Object(Map::new());
    for field in fields {
        let (path, value) = parse(of, field)?;
        put(&mut request, &path, value).map_err(|why| format!("{field:?}: {why}"))?;
    }
    Ok(request.to_string())
}

/// One name of a path; `[]` behind it: another element.
#[derive(Clone, Copy)]
struct Step<'a> {
    name: &'a str,
    appends: bool,
}

fn parse<'a>(of: &MessageType, field: &'a str) -> Result<(Vec<Step<'a>>, Value), String> {
    let Some((key, text)) = field.split_once('=') else {
        return Err(format!(
            "{field:?} has no value: a field is name=TEXT or name:=JSON, and JSON stands behind -d"
        ));
    };
    let (key, is_json) = match key.strip_suffix(':') {
        Some(key) => (key, true),
        None => (key, false),
    };
    let steps: Vec<Step<'_>> = key.split('.').map(step).collect();
    if steps.iter().any(|step| step.name.is_empty()) {
        return Err(format!("{field:?}: a name is missing before the value"));
    }
    let value = match is_json {
        true => serde_json::from_str(text)
            .map_err(|error| format!("{field:?}: {text:?} is no JSON: {error}"))?,
        false => typed(of, &steps, text),
    };
    Ok((steps, value))
}

fn step(name: &str) -> Step<'_> {
    match name.strip_suffix("[]") {
        Some(name) => Step {
            name,
            appends: true,
        },
        None => Step {
            name,
            appends: false,
        },
    }
}

/// JSON reads numbers, enums and bytes from strings, but no bool.
fn typed(of: &MessageType, path: &[Step<'_>], text: &str) -> Value {
    match (is_bool(of, path), text) {
        (true, "true") => Value::Bool(true),
        (true, "false") => Value::Bool(false),
        _ => Value::String(text.to_owned()),
    }
}

fn is_bool(of: &MessageType, path: &[Step<'_>]) -> bool {
    let Some((first, rest)) = path.split_first() else {
        return of.full_name() == "google.protobuf.BoolValue";
    };
    let named = |field: &Field| field.name() == first.name || field.json_name() == first.name;
    let Some(field) = of.fields().find(named) else {
        return false;
    };
    let is_map = field.is_map();
    match field.kind() {
        // The next name is a key; what it leads to is field 2 of the entry.
        Kind::Message(entry) if is_map => match (entry.field_by_number(2), rest.split_first()) {
            (Some(value), Some((_, rest))) => match value.kind() {
                Kind::Message(inner) => is_bool(&inner, rest),
                kind => matches!(kind, Kind::Bool),
            },
            _ => false,
        },
        Kind::Message(inner) => is_bool(&inner, rest),
        kind => matches!(kind, Kind::Bool),
    }
}

fn put(target: &mut Value, path: &[Step<'_>], value: Value) -> Result<(), String> {
    let Some((first, rest)) = path.split_first() else {
        *target = value;
        return Ok(());
    };
    let Value::Object(fields) = target else {
        return Err("what stands before the last dot has a value already".to_owned());
    };
    if first.appends {
        let list = fields.entry(first.name).or_insert(Value::Array(Vec::new()));
        let Value::Array(elements) = list else {
            return Err(format!(
                "{} has a value already, and is no list",
                first.name
            ));
        };
        let mut element = Value::Object(Map::new());
        put(&mut element, rest, value)?;
        elements.push(element);
        return Ok(());
    }
    match fields.entry(first.name) {
        Entry::Occupied(_) if rest.is_empty() => Err(format!(
            "{} is given twice; a list takes {}[]=…",
            first.name, first.name
        )),
        Entry::Occupied(mut there) => put(there.get_mut(), rest, value),
        Entry::Vacant(vacant) => {
            let inner = vacant.insert(Value::Object(Map::new()));
            put(inner, rest, value)
        }
    }
}

#[cfg(test)]
mod tests {
    use reflectd::Schema;

    use super::*;

    fn read(fields: &str) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.proto");
        std::fs::write(
            &path,
            "syntax = \"proto3\"; message A { bool b = 1; string s = 2; A a = 3; \
             map<string, bool> m = 4; map<string, A> n = 5; repeated bool l = 6; }",
        )
        .unwrap();
        let schema = Schema::compile([path], [folder.path()]).unwrap();
        let fields: Vec<String> = fields.split(' ').map(str::to_owned).collect();
        json(&schema.message("A").unwrap(), &fields)
    }

    #[test]
    fn fields_make_json() {
        for (fields, json) in [
            ("s=Ann b=true", r#"{"b":true,"s":"Ann"}"#),
            (
                "s=true a.s=3 a.b=false",
                r#"{"a":{"b":false,"s":"3"},"s":"true"}"#,
            ),
            ("x:=3 y:=[1,{}] z:=null", r#"{"x":3,"y":[1,{}],"z":null}"#),
            ("s=a=b:=c", r#"{"s":"a=b:=c"}"#),
            ("s=", r#"{"s":""}"#),
            (
                "l[]=true l[]=false x[]=1",
                r#"{"l":[true,false],"x":["1"]}"#,
            ),
            (
                "m.k=true n.k.b=true n.k.s=true",
                r#"{"m":{"k":true},"n":{"k":{"b":true,"s":"true"}}}"#,
            ),
            ("x[].y=1 x[].y=2", r#"{"x":[{"y":"1"},{"y":"2"}]}"#),
        ] {
            assert_eq!(read(fields).as_deref(), Ok(json), "{fields}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for fields in [
            "s",
            "=x",
            "a..b=1",
            "s=1 s=2",
            "s=1 s.t=2",
            "s=1 s[]=2",
            "x:=hello",
        ] {
            let error = read(fields).unwrap_err();
            assert!(error.contains('"'), "{error}");
        }
    }
}
