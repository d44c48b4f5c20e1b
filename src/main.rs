//! The `reflectd` command.

fn main() {}
