//! What a person sees when the server has started.

use super::{console::Style, events::Started};

/// Address, how each method is answered, where the data is, and a line to copy.
///
/// `table` is that of the plan; it is left out where it would scroll the address away.
pub(super) fn banner(started: &Started<'_>, table: &str, summary: &str, style: Style) -> String {
    let version = started.version;
    let addresses = style.strong(&started.listen.join(", "));
    let workers = match started.workers {
        1 => "one worker".to_owned(),
        several => format!("{several} workers"),
    };
    let mut text = format!("reflectd {version} answers on {addresses}, {workers}\n\n");
    text += &match table.lines().count() {
        0..=TABLE_LINES_MAX => table.to_owned(),
        _ => format!("{summary}; `reflectd check` tells how\n"),
    };
    text += &format!("\ndata  {}\n", data(started));
    if let Some(example) = &started.example {
        text += &format!("try   {}\n", style.strong(example));
    }
    text += "stop  Ctrl-C\n\n";
    text
}

fn data(started: &Started<'_>) -> String {
    match (started.store, &started.data) {
        (Some(store), Some(folder)) => format!("{folder} ({store})"),
        (Some(_), None) => "in memory, gone when the server stops".to_owned(),
        (None, _) => "none: no method is answered from a store".to_owned(),
    }
}

/// A banner is to be read at a glance.
const TABLE_LINES_MAX: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn started() -> Started<'static> {
        Started {
            listen: vec!["127.0.0.1:10010".to_owned()],
            workers: 2,
            services: vec!["user.UserInfo"],
            methods: Vec::new(),
            store: Some("redb"),
            data: Some("./reflectd_data".to_owned()),
            version: "0.1.0",
            pid: 1,
            example: Some("grpcurl -plaintext 127.0.0.1:10010 list".to_owned()),
        }
    }

    #[test]
    fn a_banner_tells_all_that_is_needed() {
        let table = "user.UserInfo\n  addUser  create User by id  because\n";
        let expected = "\
reflectd 0.1.0 answers on 127.0.0.1:10010, 2 workers

user.UserInfo
  addUser  create User by id  because

data  ./reflectd_data (redb)
try   grpcurl -plaintext 127.0.0.1:10010 list
stop  Ctrl-C

";
        assert_eq!(banner(&started(), table, "", Style::PLAIN), expected);
    }

    #[test]
    fn a_large_tree_does_not_scroll_the_address_away() {
        let text = banner(
            &started(),
            &"row\n".repeat(3000),
            "3000 methods",
            Style::PLAIN,
        );
        assert!(
            text.contains("3000 methods; `reflectd check` tells how"),
            "{text}"
        );
        assert!(text.lines().count() < 10, "{text}");
    }
}
