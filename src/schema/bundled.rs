//! The `.proto` files that always resolve, whatever the import roots hold.
//!
//! Their text is our own, what it compiles to is the originals' (`tests/bundled_protos.rs`).

/// The text of a bundled file, by its import name (`google/protobuf/empty.proto`).
pub(super) fn source(name: &str) -> Option<&'static str> {
    let index = FILES.binary_search_by_key(&name, |(name, _)| *name).ok()?;
    FILES.get(index).map(|(_, source)| *source)
}

/// The import names of all bundled files, sorted.
pub(super) fn names() -> impl ExactSizeIterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// Import names and texts of the files below `proto/`.
macro_rules! bundle {
    ($($name:literal,)*) => {
        &[$(($name, include_str!(concat!("../../proto/", $name)))),*]
    };
}

/// Sorted by name.
static FILES: &[(&str, &str)] = bundle![
    "google/api/annotations.proto",
    "google/api/client.proto",
    "google/api/field_behavior.proto",
    "google/api/http.proto",
    "google/api/launch_stage.proto",
    "google/api/resource.proto",
    "google/protobuf/any.proto",
    "google/protobuf/api.proto",
    "google/protobuf/compiler/plugin.proto",
    "google/protobuf/descriptor.proto",
    "google/protobuf/duration.proto",
    "google/protobuf/empty.proto",
    "google/protobuf/field_mask.proto",
    "google/protobuf/source_context.proto",
    "google/protobuf/struct.proto",
    "google/protobuf/timestamp.proto",
    "google/protobuf/type.proto",
    "google/protobuf/wrappers.proto",
    "google/rpc/code.proto",
    "google/rpc/error_details.proto",
    "google/rpc/status.proto",
    "google/type/calendar_period.proto",
    "google/type/color.proto",
    "google/type/date.proto",
    "google/type/datetime.proto",
    "google/type/dayofweek.proto",
    "google/type/decimal.proto",
    "google/type/expr.proto",
    "google/type/fraction.proto",
    "google/type/interval.proto",
    "google/type/latlng.proto",
    "google/type/localized_text.proto",
    "google/type/money.proto",
    "google/type/month.proto",
    "google/type/phone_number.proto",
    "google/type/postal_address.proto",
    "google/type/quaternion.proto",
    "google/type/timeofday.proto",
    "grpc/health/v1/health.proto",
    "grpc/reflection/v1/reflection.proto",
    "grpc/reflection/v1alpha/reflection.proto",
];

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_every_name_is_found() {
        assert!(names().is_sorted_by(|a, b| a < b));
        for (name, text) in FILES {
            assert_eq!(source(name), Some(*text));
        }
        assert_eq!(source("google/protobuf"), None);
        assert_eq!(source("user.proto"), None);
    }

    #[test]
    fn every_file_has_an_original_that_it_is_compared_with() {
        let originals = include_bytes!("../../tests/fixtures/bundled/originals.pb");
        let originals = prost_types::FileDescriptorSet::decode(originals.as_slice()).unwrap();
        let originals = originals.file.iter().map(|file| file.name());
        let originals = originals.filter(|name| *name != "custom_options.proto");
        assert!(names().eq(originals));
    }

    #[test]
    fn the_files_import_each_other_only() {
        for (name, text) in FILES {
            for import in text.lines().filter_map(|line| line.strip_prefix("import ")) {
                let import = import.trim_end_matches(';').trim_matches('"');
                assert!(source(import).is_some(), "{name} imports {import}");
            }
        }
    }
}
