//! The text of JSON, as it is written into memory.

/// The text so far.
pub(super) struct Text {
    out: Vec<u8>,
    /// How deeply lines are indented; `None` writes all in one.
    indent: Option<usize>,
}

impl Text {
    pub(super) fn with_capacity(bytes: usize, pretty: bool) -> Self {
        Self {
            out: Vec::with_capacity(bytes),
            indent: pretty.then_some(0),
        }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// Begins a list or an object.
    #[inline]
    pub(super) fn open(&mut self, bracket: u8) {
        self.out.push(bracket);
        self.indent = self.indent.map(|depth| depth + 1);
    }

    #[inline]
    pub(super) fn close(&mut self, bracket: u8) {
        self.indent = self.indent.map(|depth| depth.saturating_sub(1));
        if !matches!(self.out.last(), Some(b'[' | b'{')) {
            self.new_line();
        }
        self.out.push(bracket);
    }

    /// What stands before an element of a list, or before the name of a member.
    #[inline]
    pub(super) fn next(&mut self) {
        // No value ends with an opening bracket.
        if !matches!(self.out.last(), Some(b'[' | b'{')) {
            self.out.push(b',');
        }
        self.new_line();
    }

    #[inline]
    fn new_line(&mut self) {
        if let Some(depth) = self.indent {
            self.out.push(b'\n');
            self.out.resize(self.out.len() + 2 * depth, b' ');
        }
    }

    /// The name of a member that is text of JSON already, from the comma before it to its colon.
    #[inline]
    pub(super) fn written_name(&mut self, name: &[u8]) {
        match self.indent {
            None => {
                let first = matches!(self.out.last(), Some(b'{'));
                self.out.extend_from_slice(&name[usize::from(first)..]);
            }
            Some(_) => {
                self.next();
                self.out.extend_from_slice(&name[1..]);
                self.space();
            }
        }
    }

    /// The name of a member.
    #[inline]
    pub(super) fn name(&mut self, name: &str) {
        self.next();
        self.string(name);
        self.out.push(b':');
        self.space();
    }

    #[inline]
    fn space(&mut self) {
        if self.indent.is_some() {
            self.out.push(b' ');
        }
    }

    /// What needs no quotes, or has them.
    #[inline]
    pub(super) fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    #[inline]
    pub(super) fn string(&mut self, text: &str) {
        let bytes = text.as_bytes();
        self.out.reserve(bytes.len() + 2);
        self.out.push(b'"');
        match is_plain(bytes) {
            true => self.out.extend_from_slice(bytes),
            false => bytes.iter().for_each(|byte| self.escaped(*byte)),
        }
        self.out.push(b'"');
    }

    /// What is to have quotes, and nothing in it that needs a backslash.
    #[inline]
    pub(super) fn quoted(&mut self, text: &str) {
        self.out.push(b'"');
        self.raw(text);
        self.out.push(b'"');
    }

    fn escaped(&mut self, byte: u8) {
        const HEX: [u8; 16] = *b"0123456789abcdef";
        let short = match byte {
            b'"' | b'\\' => byte,
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            0..0x20 => {
                let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
                self.out.extend_from_slice(b"\\u00");
                return self.out.extend_from_slice(&digits);
            }
            _ => return self.out.push(byte),
        };
        self.out.extend_from_slice(&[b'\\', short]);
    }

    /// Bytes, in base64 of the standard alphabet, padded.
    #[inline(never)]
    pub(super) fn base64(&mut self, bytes: &[u8]) {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        self.out.push(b'"');
        let start = self.out.len();
        self.out.resize(start + bytes.len().div_ceil(3) * 4, 0);
        let written = STANDARD.encode_slice(bytes, &mut self.out[start..]);
        debug_assert_eq!(written, Ok(self.out.len() - start));
        self.out.push(b'"');
    }
}

/// Whether nothing of a string has to be escaped; eight bytes at a time.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    let (words, _) = bytes.as_chunks::<8>();
    match bytes.last_chunk::<8>() {
        Some(last) => {
            let words = words.iter().chain([last]);
            words.fold(0, |found, word| found | special(*word)) & (ONES << 7) == 0
        }
        None => bytes
            .iter()
            .all(|byte| *byte >= 0x20 && !matches!(byte, b'"' | b'\\')),
    }
}

/// Has a byte's high bit set if there is a control character, a quote or a backslash among eight bytes
/// (RFC 8259 section 7), and none if there is not.
#[inline]
fn special(bytes: [u8; 8]) -> u64 {
    let word = u64::from_le_bytes(bytes);
    // The lowest byte below a bound gets its high bit; bytes that have it already do not count.
    let control = word.wrapping_sub(ONES * 0x20);
    let is = |byte: u8| (word ^ (ONES * u64::from(byte))).wrapping_sub(ONES);
    (control | is(b'"') | is(b'\\')) & !word
}

/// A 1 in each byte.
const ONES: u64 = u64::MAX / 255;
