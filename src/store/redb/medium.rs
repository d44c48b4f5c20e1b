//! What the tables lie on: something that can be opened again, or is only read.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    io,
    sync::{Mutex, MutexGuard},
};

use ::redb::StorageBackend;

/// Something that can be opened again after it has failed.
pub(super) trait Medium: Debug + Send + 'static {
    type Backend: StorageBackend;

    fn open(&self) -> io::Result<Self::Backend>;

    /// Whether what was opened is still what would be opened.
    fn check(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A backend that is only read: what is written stays in memory and is forgotten.
///
/// A file that was not closed has to be recovered before it can be read, and recovery writes. Here
/// it can be read even while the disk refuses to be written to.
#[derive(Debug)]
pub(super) struct Overlay<B> {
    below: B,
    above: Mutex<Above>,
}

#[derive(Debug)]
struct Above {
    len: u64,
    /// Behind this, what is below does not count any more.
    below_len: u64,
    blocks: BTreeMap<u64, Box<Block>>,
}

type Block = [u8; BLOCK];

impl<B: StorageBackend> Overlay<B> {
    pub(super) fn new(below: B) -> io::Result<Self> {
        let len = below.len()?;
        let above = Above {
            len,
            below_len: len,
            blocks: BTreeMap::new(),
        };
        Ok(Self {
            below,
            above: Mutex::new(above),
        })
    }

    fn above(&self) -> MutexGuard<'_, Above> {
        self.above
            .lock()
            .expect("no code that can panic runs while the overlay is locked")
    }

    fn load(&self, above: &Above, block: u64) -> io::Result<Box<Block>> {
        if let Some(written) = above.blocks.get(&block) {
            return Ok(written.clone());
        }
        let mut bytes = Box::new([0; BLOCK]);
        let start = block * BLOCK as u64;
        let there = above.below_len.saturating_sub(start).min(BLOCK as u64) as usize;
        if there > 0 {
            self.below.read(start, &mut bytes[..there])?;
        }
        Ok(bytes)
    }
}

impl<B: StorageBackend> StorageBackend for Overlay<B> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.above().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let above = self.above();
        if offset + out.len() as u64 > above.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (block, within, part) in blocks(offset, out.len()) {
            let loaded = self.load(&above, block)?;
            out[part.clone()].copy_from_slice(&loaded[within..within + part.len()]);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut above = self.above();
        if len < above.len {
            above.below_len = above.below_len.min(len);
            // The block in which the end now lies keeps what is before the end.
            let end = len / BLOCK as u64;
            let mut last = self.load(&above, end)?;
            last[(len % BLOCK as u64) as usize..].fill(0);
            above.blocks.split_off(&end);
            above.blocks.insert(end, last);
        }
        above.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut above = self.above();
        for (block, within, part) in blocks(offset, data.len()) {
            let mut loaded = self.load(&above, block)?;
            loaded[within..within + part.len()].copy_from_slice(&data[part]);
            above.blocks.insert(block, loaded);
        }
        above.len = above.len.max(offset + data.len() as u64);
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.below.close()
    }
}

/// The blocks that `len` bytes at `offset` touch: which, from where in it, and which of the bytes.
fn blocks(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let within = (at % BLOCK as u64) as usize;
        let part = done..len.min(done + BLOCK - within);
        (done < len).then(|| {
            done = part.end;
            (at / BLOCK as u64, within, part)
        })
    })
}

const BLOCK: usize = 4096;

#[cfg(test)]
mod tests {
    use ::redb::backends::InMemoryBackend;
    use proptest::prelude::*;

    use super::*;

    fn write_to(backend: &impl StorageBackend, offset: u64, data: &[u8]) {
        let end = offset + data.len() as u64;
        if backend.len().unwrap() < end {
            backend.set_len(end).unwrap();
        }
        backend.write(offset, data).unwrap();
    }

    fn all(backend: &impl StorageBackend) -> Vec<u8> {
        let mut bytes = vec![0; backend.len().unwrap() as usize];
        backend.read(0, &mut bytes).unwrap();
        bytes
    }

    proptest! {
        #[test]
        fn an_overlay_reads_like_a_file_and_leaves_the_file_alone(
            steps in prop::collection::vec((0..20_000_u64, 0..9_000_usize, any::<u8>()), 1..20),
        ) {
            let (below, expected) = (InMemoryBackend::new(), InMemoryBackend::new());
            write_to(&below, 0, &[1; 10_000]);
            write_to(&expected, 0, &[1; 10_000]);
            let overlay = Overlay::new(below).unwrap();
            for (at, length, byte) in steps {
                if byte < 80 {
                    overlay.set_len(at).unwrap();
                    expected.set_len(at).unwrap();
                } else {
                    write_to(&overlay, at, &vec![byte; length]);
                    write_to(&expected, at, &vec![byte; length]);
                }
                prop_assert!(all(&overlay) == all(&expected));
            }
            prop_assert!(all(&overlay.below) == [1; 10_000]);
        }
    }
}
