//! What a file sees through `import public`.
//!
//! A file sees what it imports, and what that imports publicly, and so on. The pool follows such a
//! chain for one step only (prost-reflect 0.16), and where it goes on it walks every path through
//! the imports, of which a few dozen files can have billions. So a file that needs more steps is
//! given to the pool with the files at their ends as imports of its own, and one with too many paths
//! is refused.

use std::collections::{BTreeSet, HashMap};

use super::unit::UnitId;

/// The public imports of the files that are linked.
#[derive(Debug, Default)]
pub(super) struct PublicImports {
    targets: HashMap<UnitId, Vec<UnitId>>,
    /// How many chains of public imports begin at a file.
    paths: HashMap<UnitId, u64>,
}

impl PublicImports {
    /// Adds a file whose imports are there already.
    pub(super) fn add(&mut self, id: UnitId, targets: Vec<UnitId>) {
        let paths = self.paths(&targets).saturating_add(1);
        self.paths.insert(id, paths);
        self.targets.insert(id, targets);
    }

    /// The files that are seen through more than one step from these imports, or none if the pool
    /// could not cope with finding them.
    pub(super) fn far(&self, imports: &[UnitId]) -> Option<Vec<UnitId>> {
        let steps = |from: &[UnitId]| -> BTreeSet<UnitId> {
            let targets = from.iter().filter_map(|id| self.targets.get(id));
            targets.flatten().copied().collect()
        };
        let near = steps(imports);
        let mut seen: BTreeSet<UnitId> = imports.iter().copied().chain(near.clone()).collect();
        let mut far = Vec::new();
        let mut pending: Vec<UnitId> = near.into_iter().collect();
        while let Some(id) = pending.pop() {
            for target in steps(&[id]) {
                if seen.insert(target) {
                    far.push(target);
                    pending.push(target);
                }
            }
        }
        let paths = self.paths(imports).saturating_add(self.paths(&far));
        (paths <= PATHS_MAX).then_some(far)
    }

    fn paths(&self, from: &[UnitId]) -> u64 {
        let paths = from.iter().filter_map(|id| self.paths.get(id));
        paths.fold(0, |sum, paths| sum.saturating_add(*paths))
    }
}

/// Walked in well under a second.
const PATHS_MAX: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beyond_one_step_is_far() {
        let mut imports = PublicImports::default();
        imports.add(0, vec![]);
        imports.add(1, vec![0]);
        imports.add(2, vec![1]);
        imports.add(3, vec![2, 0]);
        assert_eq!(imports.far(&[1]), Some(vec![]));
        assert_eq!(imports.far(&[2]), Some(vec![0]));
        assert_eq!(imports.far(&[3]), Some(vec![1]));
        for id in 4..100 {
            imports.add(id, (0..id).collect());
        }
        assert_eq!(imports.far(&[99]), None);
    }
}
