//! As much of JSON Schema as `docs/bench.schema.json` uses. A keyword that this does not know is an
//! error, so that nothing in the schema goes unchecked.

#![allow(unreachable_pub, reason = "shared by test programs")]

use serde_json::Value;

/// Holds a value against a schema.
pub fn validate(schema: &Value, value: &Value, path: &str) -> Result<(), String> {
    for (keyword, wanted) in schema.as_object().ok_or("a schema is an object")? {
        let holds = match keyword.as_str() {
            "type" => is_of_type(value, wanted),
            "const" => value == wanted,
            "enum" => wanted.as_array().is_some_and(|all| all.contains(value)),
            "minimum" => value.as_f64() >= wanted.as_f64() || !value.is_number(),
            "maximum" => value.as_f64() <= wanted.as_f64() || !value.is_number(),
            "oneOf" => {
                let fits = |one: &&Value| validate(one, value, path).is_ok();
                wanted.as_array().into_iter().flatten().filter(fits).count() == 1
            }
            "required" => !value.is_object() || has_all(value, wanted),
            // Nothing to hold, and what parts() looks at.
            "$schema"
            | "title"
            | "description"
            | "properties"
            | "additionalProperties"
            | "items" => true,
            other => return Err(format!("{path}: the keyword {other:?} is not known here")),
        };
        if !holds {
            return Err(format!("{path}: {value} breaks {keyword} {wanted}"));
        }
    }
    parts(schema, value, path)
}

fn parts(schema: &Value, value: &Value, path: &str) -> Result<(), String> {
    for (name, member) in value.as_object().into_iter().flatten() {
        let path = format!("{path}/{name}");
        match (&schema["properties"][name], &schema["additionalProperties"]) {
            (Value::Null, Value::Bool(false)) => {
                return Err(format!("{path} is not in the schema"));
            }
            (Value::Null, Value::Null | Value::Bool(true)) => {}
            (Value::Null, others) => validate(others, member, &path)?,
            (property, _) => validate(property, member, &path)?,
        }
    }
    for (index, element) in value.as_array().into_iter().flatten().enumerate() {
        validate(&schema["items"], element, &format!("{path}/{index}"))?;
    }
    Ok(())
}

fn has_all(value: &Value, names: &Value) -> bool {
    let mut names = names.as_array().into_iter().flatten();
    names.all(|name| name.as_str().is_some_and(|name| value.get(name).is_some()))
}

fn is_of_type(value: &Value, wanted: &Value) -> bool {
    if let Some(any) = wanted.as_array() {
        return any.iter().any(|wanted| is_of_type(value, wanted));
    }
    match wanted.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some("number") => value.is_number(),
        Some("integer") => value.is_u64() || value.is_i64(),
        _ => false,
    }
}
