//! Where in a message something is.

use std::fmt;

use super::MapKeyRef;

/// The way from a message to a value inside it. An error grows it while it travels outwards, so that
/// it costs nothing as long as all is well: the innermost step comes first.
#[derive(Debug, Default)]
pub(super) struct Path(Vec<Segment>);

#[derive(Debug)]
pub(super) enum Segment {
    Field(String),
    Index(usize),
    /// As it is printed, with its brackets.
    Key(String),
}

impl Segment {
    pub(super) fn field(name: &str) -> Self {
        Self::Field(name.to_owned())
    }

    pub(super) fn key(key: MapKeyRef<'_>) -> Self {
        Self::Key(key.in_path())
    }
}

impl Path {
    /// Whether it leads nowhere but to the message itself.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same inside of something.
    pub(super) fn push(&mut self, segment: Segment) {
        self.0.push(segment);
    }
}

/// Of a path that is longer, nobody reads the middle.
const SHOWN_AT_EACH_END: usize = 12;

/// `user.groups[3].labels["a"]`
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        for (at, segment) in self.0.iter().rev().enumerate() {
            if (SHOWN_AT_EACH_END..count.saturating_sub(SHOWN_AT_EACH_END)).contains(&at) {
                if at == SHOWN_AT_EACH_END {
                    f.write_str("…")?;
                }
                continue;
            }
            match segment {
                Segment::Field(name) if at == 0 => f.write_str(name)?,
                Segment::Field(name) => write!(f, ".{name}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) => f.write_str(key)?,
            }
        }
        Ok(())
    }
}
