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
        match self.pieces.get_mut(piece) {
            None => self.pieces.push(vec![row]),
            Some(within) if within.len() < PIECE_ROWS => within.insert(index, row),
            Some(full) => {
                let mut upper = full.split_off(PIECE_ROWS / 2);
                match index.checked_sub(PIECE_ROWS / 2) {
                    Some(index) => upper.insert(index, row),
                    None => full.insert(index, row),
                }
                self.pieces.insert(piece + 1, upper);
            }
        }
    }

    /// Takes out the row that comes behind those with lower keys.
    pub(super) fn remove(&mut self, is_before: impl Fn(u32) -> bool) {
        let At { piece, index } = self.find(is_before);
        self.pieces[piece].remove(index);
        if self.pieces[piece].is_empty() {
            self.pieces.remove(piece);
        } else {
            self.join(piece);
            self.join(piece.saturating_sub(1));
        }
    }

    /// Makes one piece of two short ones, each of which would keep the room of a long one.
    fn join(&mut self, first: usize) {
        if let Some([one, other]) = self.pieces.get(first..first + 2)
            && one.len() + other.len() <= PIECE_ROWS / 2
        {
            let other = self.pieces.remove(first + 1);
            self.pieces[first].extend(other);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_few_rows_are_left_takes_few_pieces() {
        let mut order = Order::default();
        let rows = 100_000;
        // In no order, so that pieces are split.
        for row in (0..rows).map(|row| row * 7919 % rows) {
            order.insert(row, |other| other < row);
        }
        assert!(
            order
                .pieces
                .iter()
                .all(|piece| piece.capacity() <= PIECE_ROWS)
        );
        for row in (0..rows).filter(|row| row % 500 != 0) {
            order.remove(|other| other < row);
        }
        let left: Vec<u32> = order.after(|_| false).collect();
        assert_eq!(left, (0..rows).step_by(500).collect::<Vec<_>>());
        assert!(order.pieces.len() <= 2, "{}", order.pieces.len());
    }
}
