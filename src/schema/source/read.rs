//! Reading one file: regular files only, capped, UTF-8.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use crate::schema::diagnostic::{Diagnostic, SourceText};

/// The size of a file that may be read, in bytes.
///
/// Devices, pipes and sockets are refused before they are opened: opening a pipe that nobody writes
/// to would wait for ever.
pub(in crate::schema) fn size(shown: &str, path: &Path, bytes_max: u64) -> Result<u64, Diagnostic> {
    let metadata = fs::metadata(path).map_err(|error| unreadable(shown, &error))?;
    if !metadata.is_file() {
        let message = "is not a regular file: folders can be named, pipes and devices cannot";
        return Err(Diagnostic::error(shown, message));
    }
    if metadata.len() > bytes_max {
        return Err(too_large(shown, metadata.len(), bytes_max));
    }
    Ok(metadata.len())
}

/// The bytes of a file whose [`size`] was found to be allowed.
pub(in crate::schema) fn bytes(
    shown: &str,
    path: &Path,
    bytes_max: u64,
) -> Result<Vec<u8>, Diagnostic> {
    let expected = size(shown, path, bytes_max)?;
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(0));
    File::open(path)
        .and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes))
        .map_err(|error| unreadable(shown, &error))?;
    let read = bytes.len() as u64;
    if read > bytes_max {
        return Err(too_large(shown, read, bytes_max));
    }
    Ok(bytes)
}

/// The text of a file. A byte order mark at its begin is left out, as protoc does.
pub(in crate::schema) fn text(
    shown: &str,
    path: &Path,
    bytes_max: u64,
) -> Result<SourceText, Diagnostic> {
    let text = String::from_utf8(bytes(shown, path, bytes_max)?).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        let byte = error.as_bytes()[valid];
        SourceText::new(shown.to_owned(), text)
            .error(valid..valid + 1, format!("byte 0x{byte:02x} is not UTF-8"))
            .with_help("save the file as UTF-8")
    })?;
    let text = match text.strip_prefix('\u{feff}') {
        Some(text) => text.to_owned(),
        None => text,
    };
    Ok(SourceText::new(shown.to_owned(), text))
}

fn unreadable(shown: &str, error: &io::Error) -> Diagnostic {
    Diagnostic::error(shown, format!("cannot be read: {error}"))
}

fn too_large(shown: &str, bytes: u64, bytes_max: u64) -> Diagnostic {
    let message = format!("has {bytes} bytes, and at most {bytes_max} are read of one file");
    Diagnostic::error(shown, message).with_help("raise the limit if the file is meant")
}
