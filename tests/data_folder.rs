//! `reflectd serve` while things happen to its data folder: it is removed, replaced, cut short, full,
//! read-only, or the process is killed. What was answered OK is there afterwards.
#![cfg(all(feature = "cli", feature = "store-redb", unix))]
#![allow(clippy::unwrap_used, reason = "a test may panic anywhere")]

#[path = "support/reflectd.rs"]
mod reflectd;
mod support;

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use prost::Message as _;
use reflectd::Running;
use support::{Client, Reply};

const OK: u32 = 0;
const NOT_FOUND: u32 = 5;
const RESOURCE_EXHAUSTED: u32 = 8;
const UNAVAILABLE: u32 = 14;
const DATA_LOSS: u32 = 15;

/// What a write is told that cannot be made durable: never OK.
const REFUSED: [u32; 3] = [RESOURCE_EXHAUSTED, UNAVAILABLE, DATA_LOSS];

#[tokio::test]
async fn a_folder_that_is_gone_is_noticed_by_the_next_write_and_taken_when_it_is_back() {
    let server = Server::start().await;
    let kept = server.add("kept").await.unwrap();
    let (data, away) = (server.data(), server.path("away"));
    fs::rename(&data, &away).unwrap();
    let told = server.add("lost").await.unwrap_err();
    assert_eq!(told.code(), UNAVAILABLE, "{told:?}");
    let message = told.status().message;
    assert!(!message.contains("nevertheless"), "{message}");
    assert!(
        server.log().contains("data.redb is gone"),
        "{}",
        server.log()
    );
    for _ in 0..3 {
        assert_eq!(server.add("lost").await.unwrap_err().code(), UNAVAILABLE);
    }

    fs::rename(&away, &data).unwrap();
    server.recovers().await;
    server.has(&kept, "kept").await;
    let server = server.killed_and_started().await;
    server.has(&kept, "kept").await;
}

#[tokio::test]
async fn a_folder_that_is_gone_is_noticed_even_if_nobody_writes() {
    let server = Server::start().await;
    let kept = server.add("kept").await.unwrap();
    let health = async || {
        let reply = server
            .client
            .unary("/grpc.health.v1.Health/Check", "")
            .await;
        reply.message().to_vec()
    };
    assert_eq!(health().await, SERVING);
    let (data, away) = (server.data(), server.path("away"));
    fs::rename(&data, &away).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while health().await == SERVING {
        assert!(Instant::now() < deadline, "nobody notices");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(
        server.log().contains("data.redb is gone"),
        "{}",
        server.log()
    );
    fs::rename(&away, &data).unwrap();
    server.recovers().await;
    server.has(&kept, "kept").await;
}

#[tokio::test]
async fn a_folder_that_was_removed_is_not_written_to() {
    let server = Server::start().await;
    let id = server.add("kept").await.unwrap();
    fs::remove_dir_all(server.data()).unwrap();
    for _ in 0..3 {
        assert_eq!(server.add("lost").await.unwrap_err().code(), UNAVAILABLE);
    }
    // Another server may have the place: this one leaves it alone, even when it looks again.
    let again = Running::start(reflectd::reflectd(server.folder.path(), ARGUMENTS));
    let other = Client::connect(again.address()).await;
    let added = other.unary(ADD_USER, user("other")).await;
    assert_eq!(added.code(), OK);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(server.add("lost").await.unwrap_err().code(), UNAVAILABLE);
    assert_ne!(server.get(&id).await.code(), NOT_FOUND);
}

#[tokio::test]
async fn what_is_put_in_the_place_of_the_data_file_is_served_if_it_has_all_that_was_answered() {
    let mut other = Server::start().await;
    other.add("another's").await.unwrap();
    other.end();
    let other = fs::read(other.data().join("data.redb")).unwrap();

    let mut server = Server::start().await;
    let kept = server.add("kept").await.unwrap();
    server.end();
    let older = fs::read(server.data().join("data.redb")).unwrap();
    let server = Server::start_in(server.folder, |command| command).await;
    let newer = server.add("newer").await.unwrap();
    let (data, away) = (server.data().join("data.redb"), server.path("away"));
    for (put, told) in [
        (other, "it is another store than the one that was served"),
        (older, "it is an older state of this store"),
    ] {
        let failures = || server.log().matches("store_unavailable").count();
        let before = failures();
        fs::rename(&data, &away).unwrap();
        assert_eq!(server.add("lost").await.unwrap_err().code(), UNAVAILABLE);
        // Once it was looked for again it is closed, and may be written to.
        let deadline = Instant::now() + PATIENCE;
        while failures() < before + 2 {
            assert!(Instant::now() < deadline, "{}", server.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let right = fs::read(&away).unwrap();
        // Under the device and number of the old one, as a file may be that is made when it is gone.
        fs::write(&away, put).unwrap();
        fs::rename(&away, &data).unwrap();
        let deadline = Instant::now() + PATIENCE;
        while !server.log().contains(told) {
            assert!(Instant::now() < deadline, "{}", server.log());
            let refused = server.add("lost").await.unwrap_err();
            assert_eq!(refused.code(), UNAVAILABLE, "{}", server.log());
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        assert_eq!(server.get(&newer).await.code(), UNAVAILABLE);

        // Under others, as the old one may be that is mounted again.
        fs::remove_file(&data).unwrap();
        fs::write(&away, right).unwrap();
        fs::rename(&away, &data).unwrap();
        server.recovers().await;
        server.has(&kept, "kept").await;
        server.has(&newer, "newer").await;
    }
}

#[tokio::test]
async fn a_data_file_that_was_emptied_or_cut_short_takes_no_writes() {
    type Damage = fn(&Path);
    let emptied: Damage = |data| drop(File::create(data).unwrap());
    let cut: Damage = |data| {
        let file = OpenOptions::new().write(true).open(data).unwrap();
        file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    };
    for (damage, logged) in [(emptied, "is empty"), (cut, "was cut short")] {
        let server = Server::start().await;
        server.add("kept").await.unwrap();
        damage(&server.data().join("data.redb"));
        for _ in 0..5 {
            let told = server.add("lost").await.unwrap_err();
            assert_eq!(told.code(), DATA_LOSS, "{told:?}");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        assert!(server.log().contains(logged), "{}", server.log());
    }
}

#[tokio::test]
async fn a_folder_that_has_lost_its_data_is_not_served_as_an_empty_one() {
    for damage in [
        |data: &Path| fs::remove_file(data).unwrap(),
        |data: &Path| drop(File::create(data).unwrap()),
    ] {
        let mut server = Server::start().await;
        server.add("kept").await.unwrap();
        server.end();
        damage(&server.data().join("data.redb"));
        let ran = reflectd::run(server.folder.path(), ARGUMENTS);
        let told = ran.failed(1);
        assert!(
            told.contains("data.redb") && told.contains("from a backup"),
            "{told}"
        );
        assert!(told.contains("--data"), "{told}");
        let names = fs::read_dir(server.data()).unwrap();
        let names = names.map(|name| name.unwrap().file_name());
        assert!(!names.into_iter().any(|name| name == "data.redb.new"));
    }
}

#[test]
fn a_folder_that_an_earlier_version_only_began_is_refused_with_what_to_do() {
    let folder = reflectd::folder();
    let data = folder.path().join("reflectd_data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("format"), "reflectd data format 1\n").unwrap();
    fs::write(data.join("lock"), "").unwrap();
    let ran = reflectd::run(folder.path(), ARGUMENTS);
    assert_eq!(
        ran.failed(1),
        "error: data folder ./reflectd_data has no data: it has a file `format`, but no `data.redb`; \
         if that was lost, restore it from a backup; if there never was any (a first start of an \
         earlier version that was killed leaves such a folder), remove the folder or choose another \
         with --data"
    );
}

#[tokio::test]
async fn a_limit_on_the_size_of_files_is_like_a_full_disk() {
    let server = Server::start_by(|command| {
        let mut shell = Command::new("sh");
        // Blocks of 512 bytes: 4 MiB. The log is a file, too.
        let script = "ulimit -f 8192; exec \"$0\" \"$@\"";
        shell.args(["-c", script]).arg(command.get_program());
        shell.args(command.get_args());
        shell.current_dir(command.get_current_dir().unwrap());
        shell
    })
    .await;
    let description = "d".repeat(100_000);
    let mut added = Vec::new();
    let refused = loop {
        match server.add(&description).await {
            Ok(id) => added.push(id),
            Err(refused) => break refused,
        }
        assert!(added.len() < 100, "the limit does not count");
    };
    assert_eq!(refused.code(), RESOURCE_EXHAUSTED, "{refused:?}");
    let message = refused.status().message;
    assert!(message.contains("`ulimit -f`"), "{message}");
    for _ in 0..5 {
        let again = server.add(&description).await;
        assert!(again.is_ok() || REFUSED.contains(&again.unwrap_err().code()));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for id in &added {
        server.still_has(id, &description).await;
    }
    // Without the limit it goes on where it was.
    let server = server.killed_and_started().await;
    for id in &added {
        server.has(id, &description).await;
    }
    server.add(&description).await.unwrap();
}

#[tokio::test]
async fn what_was_answered_before_kill_9_in_the_middle_of_group_commits_is_there_once() {
    let mut server = Server::start().await;
    let mut answered = BTreeMap::new();
    for round in 0..6 {
        let told = Arc::<Mutex<Vec<_>>>::default();
        let writers: Vec<_> = (0..32)
            .map(|writer| {
                let (client, told) = (server.client.clone(), Arc::clone(&told));
                tokio::spawn(async move {
                    for call in 0.. {
                        let text = format!("{round} {writer} {call}");
                        let reply = client.unary(ADD_USER, user(&text)).await;
                        if reply.broken.is_some() || reply.reset.is_some() {
                            return;
                        }
                        told.lock().unwrap().push((id_of(&reply), text));
                    }
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(40 + 35 * round)).await;
        server.running.signal("KILL");
        for writer in writers {
            // One that found the connection closed before its next call has panicked.
            let _ = writer.await;
        }
        server = server.killed_and_started().await;
        for (id, text) in std::mem::take(&mut *told.lock().unwrap()) {
            let before = answered.insert(id.clone(), text);
            assert_eq!(before, None, "the id {id} was given twice");
        }
        for (id, text) in &answered {
            server.has(id, text).await;
        }
    }
    assert!(
        answered.len() > 100,
        "{} calls were answered",
        answered.len()
    );
}

#[tokio::test]
async fn two_servers_do_not_share_a_folder_whose_lock_was_removed() {
    let server = Server::start().await;
    let id = server.add("kept").await.unwrap();
    fs::remove_file(server.data().join("lock")).unwrap();
    let ran = reflectd::run(server.folder.path(), ARGUMENTS);
    let told = ran.failed(1);
    assert!(told.contains("stop the other process"), "{told}");
    server.add("another").await.unwrap();
    server.has(&id, "kept").await;
}

#[test]
fn a_folder_that_may_not_be_written_to_is_refused_with_its_name() {
    let folder = reflectd::folder();
    // Nobody may, root neither.
    let arguments = [ARGUMENTS, &["--data", "/proc/reflectd_data"]].concat();
    let ran = reflectd::run(folder.path(), &arguments);
    let told = ran.failed(1);
    assert!(
        told.contains("data folder /proc/reflectd_data cannot be created"),
        "{told}"
    );
}

/// `reflectd serve user.proto` with its log in a file, and a client.
struct Server {
    running: Running,
    folder: tempfile::TempDir,
    client: Client,
}

impl Server {
    async fn start() -> Self {
        Self::start_by(|command| command).await
    }

    async fn start_by(run: impl FnOnce(Command) -> Command) -> Self {
        Self::start_in(reflectd::folder(), run).await
    }

    async fn start_in(folder: tempfile::TempDir, run: impl FnOnce(Command) -> Command) -> Self {
        let mut command = run(reflectd::reflectd(folder.path(), ARGUMENTS));
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.path().join("log"));
        command.stderr(log.unwrap());
        command.stdout(std::process::Stdio::piped());
        let running = Running::start(command);
        let client = Client::connect(running.address()).await;
        Self {
            running,
            folder,
            client,
        }
    }

    async fn killed_and_started(mut self) -> Self {
        self.end();
        Self::start_in(self.folder, |command| command).await
    }

    fn end(&mut self) {
        self.running.signal("KILL");
        let deadline = Instant::now() + PATIENCE;
        while self.running.is_running() {
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn data(&self) -> PathBuf {
        self.path("reflectd_data")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    /// The id of a user with this description, or what was answered instead.
    async fn add(&self, description: &str) -> Result<String, Reply> {
        let reply = self.client.unary(ADD_USER, user(description)).await;
        match reply.code() {
            OK => Ok(id_of(&reply)),
            _ => Err(reply),
        }
    }

    async fn get(&self, id: &str) -> Reply {
        let id = Id { value: id.into() };
        self.client.unary(GET_USER, id.encode_to_vec()).await
    }

    async fn has(&self, id: &str, description: &str) {
        is_user(&self.get(id).await, id, description);
    }

    /// The same, of a store that cannot write: each attempt to open it again takes the data from those
    /// who read, for a moment.
    async fn still_has(&self, id: &str, description: &str) {
        let deadline = Instant::now() + PATIENCE;
        let mut reply = self.get(id).await;
        while reply.code() == UNAVAILABLE && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
            reply = self.get(id).await;
        }
        is_user(&reply, id, description);
    }

    async fn recovers(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.add("again").await.is_err() {
            assert!(Instant::now() < deadline, "the store does not mend itself");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn is_user(reply: &Reply, id: &str, description: &str) {
    assert_eq!(reply.code(), OK, "{id} is lost: {:?}", reply.headers);
    let user = User::decode(reply.message()).unwrap();
    assert_eq!((&*user.id, &*user.description), (id, description));
}

fn user(description: &str) -> Vec<u8> {
    let user = User {
        description: description.into(),
        ..User::default()
    };
    user.encode_to_vec()
}

fn id_of(reply: &Reply) -> String {
    Id::decode(reply.message()).unwrap().value
}

/// `user.User` of user.proto, as far as it is used here.
#[derive(Clone, PartialEq, prost::Message)]
struct User {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "3")]
    description: String,
}

/// `user.UserId`.
#[derive(Clone, PartialEq, prost::Message)]
struct Id {
    #[prost(string, tag = "1")]
    value: String,
}

/// A `grpc.health.v1.HealthCheckResponse`.
const SERVING: [u8; 2] = [8, 1];
const ARGUMENTS: &[&str] = &["serve", "user.proto", "--listen", "0"];
const ADD_USER: &str = "/user.UserInfo/addUser";
const GET_USER: &str = "/user.UserInfo/getUser";
const PATIENCE: Duration = Duration::from_secs(20);
