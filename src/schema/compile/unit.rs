//! One file on its way into the pool.

use std::{collections::BTreeSet, path::PathBuf};

use bytes::Bytes;
use prost_types::FileDescriptorProto;

use crate::schema::{
    diagnostic::{Diagnostic, SourceText},
    source::{Home, ImportStatement},
};

/// The index of a unit.
pub(super) type UnitId = usize;

/// One file: where it is from, what it imports, and its descriptor before names are resolved.
#[derive(Debug)]
pub(super) struct Unit {
    /// The name under which others import it: given for a bundled file and one of a descriptor set,
    /// found for a file on disk once all imports are known.
    pub(super) name: String,
    pub(super) origin: Origin,
    /// Whether it is one of those that were asked for.
    pub(super) named: bool,
    /// The file as the user would open it.
    pub(super) shown: String,
    pub(super) home: Home,
    /// The folder that was named and that it was found in.
    pub(super) folder: Option<PathBuf>,
    /// The text of a bundled file.
    pub(super) bundled_text: &'static str,
    pub(super) text: Option<SourceText>,
    pub(super) package: String,
    pub(super) imports: Vec<ImportStatement>,
    /// What each of `imports` turned out to be; none where it is not there.
    pub(super) targets: Vec<Option<UnitId>>,
    /// All names by which others import it.
    pub(super) wishes: BTreeSet<String>,
    /// None if it has errors.
    pub(super) body: Option<Body>,
    /// The locations of it that have comments: an encoded `SourceCodeInfo`.
    pub(super) comments: Bytes,
    /// Its descriptor as it was read from a descriptor set.
    pub(super) original: Option<Bytes>,
    /// The unit that takes its place.
    pub(super) stand_in: Option<UnitId>,
}

/// Where a file is from. Of two files with one name the earlier kind is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Origin {
    DescriptorSet,
    Disk,
    Bundled,
}

/// What the pool is given.
#[derive(Debug)]
pub(super) enum Body {
    /// A parsed file.
    Parsed(Box<FileDescriptorProto>),
    /// A file of a descriptor set, as bytes, so that its custom options survive.
    Encoded {
        /// What was read, without source code info.
        stripped: Bytes,
        symbols: Vec<Symbol>,
        /// Which of its imports are public, by their indices.
        public: Vec<i32>,
        /// Whether it extends messages.
        extends: bool,
    },
}

impl Unit {
    pub(super) fn new(origin: Origin, shown: impl Into<String>) -> Self {
        Self {
            name: String::new(),
            origin,
            named: false,
            shown: shown.into(),
            home: Home::default(),
            folder: None,
            bundled_text: "",
            text: None,
            package: String::new(),
            imports: Vec::new(),
            targets: Vec::new(),
            wishes: BTreeSet::new(),
            body: None,
            comments: Bytes::new(),
            original: None,
            stand_in: None,
        }
    }

    /// What it defines at its top level: two files cannot have one of these names in common.
    pub(super) fn symbols(&self) -> Vec<Symbol> {
        match &self.body {
            Some(Body::Parsed(file)) => symbols(file),
            Some(Body::Encoded { symbols, .. }) => symbols.clone(),
            None => Vec::new(),
        }
    }

    /// Whether it is one of the bundled google/protobuf/*, which nothing replaces.
    pub(super) fn is_bundled_protobuf(&self) -> bool {
        self.origin == Origin::Bundled && self.name.starts_with("google/protobuf/")
    }

    /// An error at one of its imports.
    pub(super) fn import_error(&self, index: usize, message: String) -> Diagnostic {
        let error = Diagnostic::error(&self.shown, message);
        match (&self.text, self.imports.get(index)) {
            (Some(text), Some(import)) if !import.span.is_empty() => {
                error.at(text.place(import.span.clone()))
            }
            _ => error,
        }
    }
}

/// A name that a file defines at its top level, and its place as a `SourceCodeInfo` path.
#[derive(Clone, Debug)]
pub(super) struct Symbol {
    pub(super) full_name: String,
    pub(super) path: SymbolPath,
}

/// The path of a name: `[4, 0, 1]`, or one longer for the value of an enum.
#[derive(Clone, Copy, Debug)]
pub(super) enum SymbolPath {
    Item([i32; 3]),
    EnumValue([i32; 5]),
}

impl SymbolPath {
    pub(super) fn as_slice(&self) -> &[i32] {
        match self {
            Self::Item(path) => path,
            Self::EnumValue(path) => path,
        }
    }
}

/// Messages, enums and their values, services and extensions at the top level of a file.
pub(super) fn symbols(file: &FileDescriptorProto) -> Vec<Symbol> {
    let mut symbols = Vec::new();
    let mut add = |name: &str, path| {
        let full_name = match file.package() {
            "" => name.to_owned(),
            package => format!("{package}.{name}"),
        };
        symbols.push(Symbol { full_name, path });
    };
    let item = |tag, index| SymbolPath::Item([tag, index, NAME]);
    for (index, message) in (0..).zip(&file.message_type) {
        add(message.name(), item(MESSAGE_TYPE, index));
    }
    for (index, kind) in (0..).zip(&file.enum_type) {
        add(kind.name(), item(ENUM_TYPE, index));
        for (value_index, value) in (0..).zip(&kind.value) {
            let path = [ENUM_TYPE, index, ENUM_VALUE, value_index, NAME];
            add(value.name(), SymbolPath::EnumValue(path));
        }
    }
    for (index, service) in (0..).zip(&file.service) {
        add(service.name(), item(SERVICE, index));
    }
    for (index, extension) in (0..).zip(&file.extension) {
        add(extension.name(), item(EXTENSION, index));
    }
    symbols
}

// Field numbers of descriptor.proto.
const NAME: i32 = 1;
const ENUM_VALUE: i32 = 2;
const MESSAGE_TYPE: i32 = 4;
const ENUM_TYPE: i32 = 5;
const SERVICE: i32 = 6;
const EXTENSION: i32 = 7;
