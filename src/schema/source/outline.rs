//! What a cheap look at the tokens of a file tells before the parser sees it.
//!
//! The parser gives nothing of a file that has an error, knows no editions, and its option text is
//! parsed recursively later on. The outline has the imports of a broken file too, finds `edition`,
//! and measures how deep the file nests.

use std::ops::Range;

use crate::limits::PROTO_NESTING_MAX;

/// The statements of a file that say how it has to be treated.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::schema) struct Outline {
    /// The value of `edition = "…";` and where the statement is.
    pub(in crate::schema) edition: Option<(String, Range<usize>)>,
    /// `package …;`, empty where there is none.
    pub(in crate::schema) package: String,
    /// The imports in the order of the file.
    pub(in crate::schema) imports: Vec<ImportStatement>,
    /// Where the file first nests deeper than [`PROTO_NESTING_MAX`].
    pub(in crate::schema) too_deep: Option<Range<usize>>,
}

/// `import "name";`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::schema) struct ImportStatement {
    pub(in crate::schema) name: String,
    /// Where the name is, with its quotes; empty where that is not known.
    pub(in crate::schema) span: Range<usize>,
}

impl Outline {
    /// Exact for a file without lexical errors; for others it is what they look like.
    pub(in crate::schema) fn of(text: &str) -> Self {
        let mut outline = Self::default();
        let mut statement = Vec::new();
        for token in Tokens::new(text) {
            if token.depth > PROTO_NESTING_MAX {
                outline.too_deep = Some(token.span);
                break;
            }
            match token.kind {
                TokenKind::Symbol(b';' | b'}') if token.depth == 0 => {
                    outline.read(text, &statement);
                    statement.clear();
                }
                _ if token.depth == 0 && statement.len() < STATEMENT_TOKENS => {
                    statement.push(token);
                }
                _ => {}
            }
        }
        outline
    }

    fn read(&mut self, text: &str, statement: &[Token]) {
        let words: Vec<&str> = statement
            .iter()
            .map(|token| &text[token.span.clone()])
            .collect();
        let Some(last) = statement.last() else {
            return;
        };
        match words[..] {
            ["edition", "=", _] => {
                let span = statement[0].span.start..last.span.end;
                self.edition = Some((unquoted(words[2]), span));
            }
            ["package", name] => self.package = name.to_owned(),
            ["import", _] | ["import", "public" | "weak", _] if last.kind == TokenKind::Literal => {
                self.imports.push(ImportStatement {
                    name: unquoted(&text[last.span.clone()]),
                    span: last.span.clone(),
                });
            }
            _ => {}
        }
    }
}

/// The statement around a byte offset: what has to be left out for the parser to see the rest.
///
/// It begins behind the `;`, `{` or `}` before it and ends with its own `;` or block, or before the
/// `}` of the block that it stands in.
pub(in crate::schema) fn statement_around(text: &str, offset: usize) -> Range<usize> {
    let mut start = 0;
    // The blocks that are open, from the outermost; those that open behind the fault.
    let mut around: Vec<Block> = Vec::new();
    let mut behind: Vec<Block> = Vec::new();
    let mut before = None;
    let mut tokens = Tokens::new(text).peekable();
    while let Some(Token { kind, span, .. }) = tokens.next() {
        let is_before_fault = span.end <= offset;
        let next = tokens.peek().map(|next| next.kind);
        match kind {
            TokenKind::Symbol(b'{') => {
                let is_value = matches!(before, Some(TokenKind::Symbol(b'=' | b':' | b'[' | b',')));
                let blocks = if is_before_fault {
                    &mut around
                } else {
                    &mut behind
                };
                blocks.push(Block { start, is_value });
                start = if is_before_fault { span.end } else { start };
            }
            TokenKind::Symbol(b'}') if is_before_fault => {
                let block = around.pop().unwrap_or_default();
                start = if block.goes_on(next) {
                    block.start
                } else {
                    span.end
                };
            }
            TokenKind::Symbol(b'}') => {
                let Some(block) = behind.pop() else {
                    let alone = text[start..span.start].trim().is_empty();
                    return if alone { span } else { start..span.start };
                };
                if behind.is_empty() && !block.goes_on(next) {
                    return start..span.end;
                }
            }
            TokenKind::Symbol(b';') if is_before_fault => start = span.end,
            TokenKind::Symbol(b';') if behind.is_empty() => return start..span.end,
            _ => {}
        }
        before = Some(kind);
    }
    start..text.len()
}

/// A `{ … }` and where the statement that it is in begins.
#[derive(Default)]
struct Block {
    start: usize,
    /// Whether it is the value of an option, not the body of a declaration.
    is_value: bool,
}

impl Block {
    /// Whether what follows the `}` belongs to the statement that the block is in.
    fn goes_on(&self, next: Option<TokenKind>) -> bool {
        self.is_value || matches!(next, Some(TokenKind::Symbol(b']' | b',' | b';')))
    }
}

fn unquoted(literal: &str) -> String {
    literal
        .trim_matches(|quote| quote == '"' || quote == '\'')
        .to_owned()
}

/// Longest top-level statement that is looked at, in tokens.
const STATEMENT_TOKENS: usize = 4;

#[derive(Clone, Debug)]
struct Token {
    kind: TokenKind,
    span: Range<usize>,
    /// How many brackets of all kinds are open behind it.
    depth: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenKind {
    /// Letters, digits, `_` and `.`: names and numbers.
    Word,
    /// A quoted string.
    Literal,
    /// Any other single byte.
    Symbol(u8),
}

/// The tokens of a file, comments left out.
struct Tokens<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            bytes: text.as_bytes(),
            at: 0,
            depth: 0,
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&wanted) {
            self.at += 1;
        }
    }

    fn skip_blanks_and_comments(&mut self) {
        loop {
            self.skip_while(|byte| byte.is_ascii_whitespace() || byte == b'\x0b');
            match (self.peek(0), self.peek(1)) {
                // `#` begins a comment in option text (text format specification, "Whitespace and
                // Comments"), and is an error elsewhere.
                (Some(b'/'), Some(b'/')) | (Some(b'#'), _) => {
                    self.skip_while(|byte| byte != b'\n');
                }
                (Some(b'/'), Some(b'*')) => {
                    let rest = &self.bytes[self.at + 2..];
                    let length = rest.windows(2).position(|pair| pair == b"*/");
                    self.at += 2 + length.map_or(rest.len(), |length| length + 2);
                }
                _ => return,
            }
        }
    }

    fn skip_literal(&mut self, quote: u8) {
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\n' => return,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
            if byte == quote {
                return;
            }
        }
        self.at = self.bytes.len();
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.skip_blanks_and_comments();
        let start = self.at;
        let kind = match self.peek(0)? {
            quote @ (b'"' | b'\'') => {
                self.skip_literal(quote);
                TokenKind::Literal
            }
            byte if is_word(byte) => {
                self.skip_while(is_word);
                TokenKind::Word
            }
            byte => {
                self.at += 1;
                let open = usize::from(matches!(byte, b'{' | b'[' | b'(' | b'<'));
                let close = usize::from(matches!(byte, b'}' | b']' | b')' | b'>'));
                self.depth = (self.depth + open).saturating_sub(close);
                TokenKind::Symbol(byte)
            }
        };
        Some(Token {
            kind,
            span: start..self.at.min(self.bytes.len()),
            depth: self.depth,
        })
    }
}

/// Bytes beyond ASCII count as letters, so that no token ends inside a character.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.') || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_found_among_comments_blocks_and_strings() {
        let text = "// import \"no.proto\";\nsyntax = 'proto3'; /* package no; */ package a.b;\n\
                    message M { string import = 1; }\nimport public 'c.proto';import \"d\\\"}.proto\";";
        let outline = Outline::of(text);
        let names: Vec<&str> = outline.imports.iter().map(|import| &*import.name).collect();
        assert_eq!(
            (outline.package.as_str(), names),
            ("a.b", vec!["c.proto", "d\\\"}.proto"])
        );
        assert_eq!(&text[outline.imports[0].span.clone()], "'c.proto'");
        assert_eq!(outline.edition, None);
    }

    #[test]
    fn depth_counts_brackets_outside_of_strings_and_comments() {
        let nested = |open: &str, close: &str, times: usize| {
            let text = format!(
                "option (o) = {}{};",
                open.repeat(times),
                close.repeat(times)
            );
            Outline::of(&text).too_deep.is_some()
        };
        assert!(!nested("{ a: ", "}", PROTO_NESTING_MAX));
        assert!(nested("{ a: ", "}", PROTO_NESTING_MAX + 1));
        assert!(nested("<a", ">", PROTO_NESTING_MAX + 1));
        assert!(nested("[", "]", PROTO_NESTING_MAX + 1));
        assert!(nested("{ # }\n", "}", PROTO_NESTING_MAX + 1));
        assert!(nested("{ /* } */ \"}\\\"}\" ", "}", PROTO_NESTING_MAX + 1));
        assert!(!nested("\"{\" /*{*/", "", PROTO_NESTING_MAX + 1));
    }

    #[test]
    fn a_statement_is_what_stands_between_its_neighbours() {
        let around = |text: &str| {
            let offset = text.find('!').expect("the text marks its fault");
            text[statement_around(text, offset)].trim().to_owned()
        };
        assert_eq!(
            around("message M { int32 a = 1; int32 ! b; int32 c = 2; }"),
            "int32 ! b;"
        );
        assert_eq!(around("message M { int32 a = 1; int32 b ! }"), "int32 b !");
        assert_eq!(
            around("message M { message ! { int32 a = 1; } int32 b = 1; }"),
            "message ! { int32 a = 1; }"
        );
        assert_eq!(
            around("message M { int32 a = 1 [(o) = { b: 1; } !]; int32 c = 1; }"),
            "int32 a = 1 [(o) = { b: 1; } !];"
        );
        assert_eq!(
            around("message M { option (o) = { a { b: 1 } } !; int32 c = 1; }"),
            "option (o) = { a { b: 1 } } !;"
        );
        assert_eq!(around("message M {} ! message N {}"), "! message N {}");
    }
}
