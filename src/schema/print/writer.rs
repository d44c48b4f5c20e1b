//! Lines, their indent, and the comments before and behind them.

use std::collections::HashMap;

use prost_types::{SourceCodeInfo, source_code_info::Location};

/// The text that is being printed.
pub(super) struct Writer {
    text: String,
    indent: usize,
    comments: HashMap<Vec<i32>, Location>,
}

impl Writer {
    pub(super) fn new(comments: SourceCodeInfo) -> Self {
        let locations = comments.location.into_iter();
        Self {
            text: String::new(),
            indent: 0,
            comments: locations
                .map(|location| (location.path.clone(), location))
                .collect(),
        }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    pub(super) fn has_comments(&self, path: &[i32]) -> bool {
        self.comments.contains_key(path)
    }

    /// One statement, which may have several lines, with its comments.
    pub(super) fn statement(&mut self, path: &[i32], statement: &str) {
        self.leading(path);
        self.lines(statement);
        self.trailing(path);
    }

    /// `head {`; to be closed.
    pub(super) fn open(&mut self, path: &[i32], head: &str) {
        self.leading(path);
        self.lines(&format!("{head} {{"));
        self.indent += 1;
        self.trailing(path);
    }

    /// `}`, on the line of the `{` if there is nothing between them.
    pub(super) fn close(&mut self) {
        self.indent -= 1;
        if self.text.ends_with("{\n") {
            self.text.pop();
            self.text.push_str("}\n");
        } else {
            self.lines("}");
        }
    }

    /// An empty line, unless there is one or nothing above it.
    pub(super) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") && !self.text.ends_with("{\n") {
            self.text.push('\n');
        }
    }

    fn leading(&mut self, path: &[i32]) {
        let Some(location) = self.comments.get(path).cloned() else {
            return;
        };
        for detached in &location.leading_detached_comments {
            self.comment(detached);
            self.text.push('\n');
        }
        if let Some(comment) = &location.leading_comments {
            self.comment(comment);
        }
    }

    /// A comment of one line stands behind what it belongs to, a longer one below it and with an
    /// empty line behind it, or it would belong to what comes next.
    fn trailing(&mut self, path: &[i32]) {
        let location = self.comments.get(path);
        let Some(comment) = location.and_then(|location| location.trailing_comments.clone()) else {
            return;
        };
        if comment.trim_end().contains('\n') {
            self.comment(&comment);
            self.text.push('\n');
        } else {
            self.text.pop();
            self.text.push_str(&format!(" //{}\n", comment.trim_end()));
        }
    }

    fn comment(&mut self, comment: &str) {
        for line in comment.trim_end().split('\n') {
            self.lines(format!("//{line}").trim_end());
        }
    }

    fn lines(&mut self, statement: &str) {
        for line in statement.split('\n') {
            if !line.is_empty() {
                self.text.push_str(&"  ".repeat(self.indent));
            }
            self.text.push_str(line);
            self.text.push('\n');
        }
    }
}
