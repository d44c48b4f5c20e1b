//! Import names: what each file is called, and which files are one and the same.
//!
//! The pool knows a file by one name. On disk a file can be imported by several (from its own folder
//! as `common.proto`, from elsewhere as `shop/common.proto`), and several files by one name (two
//! folders that each have their `common.proto`). Each file gets one name of its own here; the link
//! step writes it into the files that import it.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashSet},
    path::{Path, PathBuf},
};

use super::unit::{Origin, Unit, UnitId};
use crate::schema::diagnostic::Diagnostic;

/// Gives every unit its name, and a stand-in to those that another one with that name replaces.
pub(super) fn name_all(
    units: &mut [Unit],
    import_paths: &[PathBuf],
    problems: &mut Vec<Diagnostic>,
) {
    let mut by_name: BTreeMap<String, Vec<UnitId>> = BTreeMap::new();
    for (id, unit) in units.iter_mut().enumerate() {
        if unit.stand_in.is_none() {
            if unit.origin == Origin::Disk {
                unit.name = best_name(unit, import_paths);
            }
            by_name.entry(unit.name.clone()).or_default().push(id);
        }
    }
    let mut taken: BTreeSet<String> = by_name.keys().cloned().collect();
    for (name, mut ids) in by_name {
        ids.sort_by_key(|&id| rank(&units[id]));
        let (first, others) = (ids[0], &ids[1..]);
        for &other in others {
            if is_same(&units[first], &units[other]) {
                problems.extend(replaced(&units[first], &units[other], &name));
                units[other].stand_in = Some(first);
            } else {
                let longer = longer_name(&units[other], &taken);
                taken.insert(longer.clone());
                units[other].name = longer;
            }
        }
    }
}

/// The unit that stands for another in the end.
pub(super) fn representative(units: &[Unit], id: UnitId) -> UnitId {
    let mut id = id;
    // A stand-in may itself be replaced by a file of its name, which is never replaced in turn.
    while let Some(next) = units[id].stand_in {
        id = next;
    }
    id
}

/// What others call a file; if none does, its path below the import root, the root of its own
/// imports, the folder that its package names, or the folder that was named.
fn best_name(unit: &Unit, import_paths: &[PathBuf]) -> String {
    let longest = unit
        .wishes
        .iter()
        .max_by_key(|wish| (wish.len(), Reverse(*wish)));
    if let Some(wish) = longest {
        return wish.clone();
    }
    let path = unit.home.path.as_deref().unwrap_or_else(|| Path::new(""));
    let below = |root: &PathBuf| path.strip_prefix(root).ok().map(slashed);
    import_paths
        .iter()
        .find_map(below)
        .or_else(|| below(unit.home.root.as_ref()?))
        .or_else(|| below_package_root(path, &unit.package))
        .or_else(|| below(unit.folder.as_ref()?))
        .unwrap_or_else(|| tail(path, 1))
}

/// `…/shop/v1/cart.proto` of `package shop.v1` is `shop/v1/cart.proto`.
fn below_package_root(path: &Path, package: &str) -> Option<String> {
    let folder = package.replace('.', "/");
    let parts = package.split('.').count();
    let fits = !package.is_empty() && path.parent()?.ends_with(folder);
    fits.then(|| tail(path, parts + 1))
}

/// Of files with one name the first by this is taken.
fn rank(unit: &Unit) -> (bool, Origin, bool, Option<PathBuf>) {
    let yields = !unit.is_bundled_protobuf();
    (yields, unit.origin, !unit.named, unit.home.path.clone())
}

/// Whether two files are copies or versions of one another, so that both cannot be there at once.
fn is_same(first: &Unit, other: &Unit) -> bool {
    if is_identical(first, other) {
        return true;
    }
    if first.body.is_none() || other.body.is_none() {
        return first.package == other.package;
    }
    let symbols = first.symbols();
    let names: HashSet<&str> = symbols.iter().map(|symbol| &*symbol.full_name).collect();
    let mut others = other.symbols().into_iter();
    others.any(|symbol| names.contains(symbol.full_name.as_str()))
}

fn is_identical(first: &Unit, other: &Unit) -> bool {
    match (&first.text, &other.text) {
        (Some(first), Some(other)) => first.text() == other.text(),
        _ => false,
    }
}

/// What has to be said when `first` is taken in place of `other`.
fn replaced(first: &Unit, other: &Unit, name: &str) -> Option<Diagnostic> {
    if other.origin != Origin::Disk || is_identical(first, other) {
        return None;
    }
    let told = match other.named {
        true => {
            let message = format!(
                "is a second, different {name}: the first is {}",
                first.shown
            );
            let help = "name one of them only, or compile them apart";
            Diagnostic::error(&other.shown, message).with_help(help)
        }
        false => {
            let message = format!("{} is taken for {name} in place of this file", first.shown);
            Diagnostic::warning(&other.shown, message)
        }
    };
    Some(told)
}

/// The shortest end of a file's path that is longer than its name and that no file has yet.
fn longer_name(unit: &Unit, taken: &BTreeSet<String>) -> String {
    let path = unit.home.path.as_deref().unwrap_or_else(|| Path::new(""));
    let parts = unit.name.split('/').count();
    let longer = (parts + 1..=path.components().count()).map(|parts| tail(path, parts));
    let free = longer.into_iter().find(|name| !taken.contains(name));
    free.unwrap_or_else(|| unit.shown.clone())
}

/// The last components of a path.
fn tail(path: &Path, parts: usize) -> String {
    let skipped = path.components().count().saturating_sub(parts);
    slashed(&path.components().skip(skipped).collect::<PathBuf>())
}

/// A path with the separators of import names.
fn slashed(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}
