//! Schemas from `.proto` files and from descriptor sets.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process, thread,
};

use prost_reflect::prost::Message as _;

use crate::{Schema, schema::Diagnostics};

/// Two files, apart by a zero byte; the first may import the second as `b.proto`.
///
/// Whatever they say, they compile or every error is told with a place in one of them; no library
/// panics on them. A schema that compiles is printed, and what is printed compiles to files that
/// print the same.
pub fn schema_compile(input: &[u8]) {
    let mut parts = input.splitn(2, |byte| *byte == 0);
    let first = parts.next().unwrap_or_default();
    let folder = Folder::new();
    let folder = folder.path.as_path();
    write(folder, "a.proto", first);
    write(folder, "b.proto", parts.next().unwrap_or_default());
    let Some(schema) = compile(folder) else {
        return;
    };
    let printed = schema.describe("a.proto").expect("the file is there");
    for message in schema.messages() {
        let _ = schema.describe(message.full_name());
    }
    write(folder, "a.proto", printed.as_bytes());
    let again = compile(folder).unwrap_or_else(|| panic!("what was printed compiles:\n{printed}"));
    assert_eq!(again.describe("a.proto").as_ref(), Some(&printed));
}

/// A descriptor set, from a compiler that may be broken: it is refused, or every file in it can be
/// asked for and printed.
pub fn descriptor_set(input: &[u8]) {
    let read = Schema::from_descriptor_set(input.to_vec());
    let schema = match read {
        Ok(schema) => schema,
        Err(error) => return not_a_defect(error.diagnostics()),
    };
    for file in schema.files() {
        let bytes = file.descriptor_bytes();
        prost_types::FileDescriptorProto::decode(bytes).expect("a file is a descriptor");
        let _ = (schema.describe(file.name()), file.dependencies().count());
    }
    for method in schema.methods() {
        let _ = (method.input().full_name(), method.output().full_name());
    }
}

fn compile(folder: &Path) -> Option<Schema> {
    match Schema::compile([folder.join("a.proto")], [folder]) {
        Ok(schema) => Some(schema),
        Err(error) => {
            not_a_defect(error.diagnostics());
            None
        }
    }
}

/// A panic of a library becomes a diagnostic that says so.
fn not_a_defect(diagnostics: Option<&Diagnostics>) {
    for diagnostic in diagnostics.into_iter().flat_map(Diagnostics::iter) {
        let text = diagnostic.render(false);
        assert!(!text.contains("a defect"), "{text}");
    }
}

fn write(folder: &Path, name: &str, text: &[u8]) {
    fs::write(folder.join(name), text).expect("the folder for temporary files can be written");
}

/// One for each thread that fuzzes or tests, in memory where there is such a place. (Fuzzing has no
/// dev-dependencies, so that there is no crate for it.)
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn new() -> Self {
        let shared = PathBuf::from("/dev/shm");
        let base = match shared.is_dir() {
            true => shared,
            false => env::temp_dir(),
        };
        let thread = thread::current().id();
        let path = base.join(format!("reflectd-fuzz-{}-{thread:?}", process::id()));
        fs::create_dir_all(&path).expect("the folder for temporary files can be written");
        Self { path }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left over does no harm.
        let _ = fs::remove_dir_all(&self.path);
    }
}
