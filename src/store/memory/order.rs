//! The rows of a shard in the order of their keys.

/// Numbers of rows in the order of the rows' keys, which their owner knows.
///
/// A list of pieces that are sorted, each short enough to be inserted into. Compared with a tree of
/// keys it has four bytes a row, and is searched by halves; compared with one sorted list it need
/// not be moved as a whole.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// None of them is empty.
    pieces: Vec<Vec<u32>>,
}

/// A place in the order.
#[derive(Clone, Copy)]
struct At {
    piece: usize,
    index: usize,
}

impl Order {
    /// Puts a row behind those whose keys are lower: all for which `is_before` holds.
    pub(super) fn insert(&mut self, row: u32, is_before: impl Fn(u32) -> bool) {
        // Keys that are counted come in their order.
        let ends = |piece: &&mut Vec<u32>| piece.last().is_some_and(|row| is_before(*row));
        match self.pieces.last_mut().filter(ends) {
            Some(last) if last.len() < PIECE_ROWS => last.push(row),
            Some(_) => self.pieces.push(vec![row]),
            None => self.insert_within(row, is_before),
        }
    }

    fn insert_within(&mut self, row: u32, is_before: impl Fn(u32) -> bool) {
        let At { piece, index } = self.find(is_before);
        let Some(within) = self.pieces.get_mut(piece) else {
            return self.pieces.push(vec![row]);
        };
        within.insert(index, row);
        if within.len() > PIECE_ROWS {
            let upper = within.split_off(PIECE_ROWS / 2);
            self.pieces.insert(piece + 1, upper);
        }
    }

    /// Takes out the row that comes behind those with lower keys.
    pub(super) fn remove(&mut self, is_before: impl Fn(u32) -> bool) {
        let At { piece, index } = self.find(is_before);
        self.pieces[piece].remove(index);
        if self.pieces[piece].is_empty() {
            self.pieces.remove(piece);
        }
    }

    /// The rows behind those for which `is_before` holds.
    pub(super) fn after(&self, is_before: impl Fn(u32) -> bool) -> impl Iterator<Item = u32> {
        let At { piece, index } = self.find(is_before);
        let pieces = self.pieces.get(piece..).unwrap_or_default();
        pieces.iter().flatten().skip(index).copied()
    }

    /// The place of the first row for which `is_before` does not hold.
    fn find(&self, is_before: impl Fn(u32) -> bool) -> At {
        let ends = |piece: &Vec<u32>| piece.last().is_some_and(|row| is_before(*row));
        let piece = self.pieces.partition_point(ends);
        let rows = self.pieces.get(piece).map_or(&[][..], Vec::as_slice);
        let index = rows.partition_point(|row| is_before(*row));
        At { piece, index }
    }
}

/// 2 KiB: moved at every insertion into the middle, half of it on average.
const PIECE_ROWS: usize = 512;
