//! Parsed files → the descriptor pool, each after what it imports.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{
    Ticker, locate,
    naming::representative,
    pool::{Import, Pool},
    unit::{Body, Origin, Symbol, Unit, UnitId},
};
use crate::schema::diagnostic::Diagnostic;

/// Adds all units to a pool; what is wrong with them is added to `problems`.
///
/// A file that fails leaves the pool as it was. The files that import it fail with it, and with
/// `tell_importers` a line says so for each.
pub(super) fn link(
    units: &mut [Unit],
    tell_importers: bool,
    problems: &mut Vec<Diagnostic>,
    ticker: &mut Ticker,
) -> Pool {
    let mut linker = Linker::new(units, tell_importers, problems);
    loop {
        while let Some((_, _, id)) = linker.ready.pop_first() {
            linker.add(id);
            ticker.linked();
        }
        if !linker.break_cycle() {
            return linker.pool;
        }
    }
}

struct Linker<'a> {
    units: &'a mut [Unit],
    pool: Pool,
    /// What can be added next: the option types first, the others by their names, so that the
    /// result does not depend on the order in which files were named.
    ready: BTreeSet<(bool, String, UnitId)>,
    /// How many imports of a unit are not settled yet.
    unsettled: HashMap<UnitId, usize>,
    importers: HashMap<UnitId, Vec<UnitId>>,
    /// Which unit defines a top-level symbol.
    owners: HashMap<String, UnitId>,
    failed: HashSet<UnitId>,
    tell_importers: bool,
    problems: &'a mut Vec<Diagnostic>,
}

impl<'a> Linker<'a> {
    fn new(units: &'a mut [Unit], tell_importers: bool, problems: &'a mut Vec<Diagnostic>) -> Self {
        let mut linker = Self {
            units,
            pool: Pool::default(),
            ready: BTreeSet::new(),
            unsettled: HashMap::new(),
            importers: HashMap::new(),
            owners: HashMap::new(),
            failed: HashSet::new(),
            tell_importers,
            problems,
        };
        for id in 0..linker.units.len() {
            if linker.units[id].stand_in.is_some() {
                continue;
            }
            let imports = linker.imports(id);
            linker.unsettled.insert(id, imports.len());
            for &import in &imports {
                linker.importers.entry(import).or_default().push(id);
            }
            if imports.is_empty() {
                linker.make_ready(id);
            }
        }
        linker
    }

    /// The units that a unit imports, each once.
    fn imports(&self, id: UnitId) -> BTreeSet<UnitId> {
        let targets = self.units[id].targets.iter().flatten();
        targets
            .map(|&target| representative(self.units, target))
            .collect()
    }

    fn make_ready(&mut self, id: UnitId) {
        let unit = &self.units[id];
        self.ready
            .insert((!unit.is_bundled_protobuf(), unit.name.clone(), id));
    }

    /// Adds a unit all of whose imports are settled, and settles it.
    fn add(&mut self, id: UnitId) {
        if !self.imports_failed(id) {
            let symbols = self.units[id].symbols();
            match self.units[id].body.take() {
                None => self.fail(id),
                Some(_) if self.clashes(id, &symbols) => self.fail(id),
                Some(body) => match self.add_to_pool(id, body) {
                    Ok(()) => {
                        let owned = symbols.into_iter().map(|symbol| (symbol.full_name, id));
                        self.owners.extend(owned);
                    }
                    Err(problems) => {
                        self.problems.extend(problems);
                        self.fail(id);
                    }
                },
            }
        }
        for importer in self.importers.remove(&id).unwrap_or_default() {
            if let Some(count) = self.unsettled.get_mut(&importer) {
                *count -= 1;
                if *count == 0 {
                    self.make_ready(importer);
                }
            }
        }
        self.unsettled.remove(&id);
    }

    fn fail(&mut self, id: UnitId) {
        self.units[id].body = None;
        self.failed.insert(id);
    }

    /// Fails a unit that imports one that failed.
    fn imports_failed(&mut self, id: UnitId) -> bool {
        let unit = &self.units[id];
        let broken = unit.targets.iter().position(|target| {
            target.is_some_and(|target| self.failed.contains(&representative(self.units, target)))
        });
        let Some(index) = broken else {
            return false;
        };
        if self.tell_importers && unit.body.is_some() {
            let message = format!("imports \"{}\", which has errors", unit.imports[index].name);
            self.problems.push(unit.import_error(index, message));
        }
        self.fail(id);
        true
    }

    /// Whether another file has defined one of its names, which is told in one line: two versions of
    /// a file have all their names in common.
    fn clashes(&mut self, id: UnitId, symbols: &[Symbol]) -> bool {
        let mut clashing = symbols
            .iter()
            .filter_map(|symbol| Some((symbol, *self.owners.get(&symbol.full_name)?)));
        let Some((symbol, owner)) = clashing.next() else {
            return false;
        };
        let more = clashing.count();
        let unit = &self.units[id];
        let name = &symbol.full_name;
        let also = match more {
            0 => String::new(),
            1 => ", as is one more of its names".to_owned(),
            more => format!(", as are {more} more of its names"),
        };
        let message = format!(
            "{name} is already defined in {}{also}",
            self.units[owner].shown
        );
        let error = match unit.origin {
            Origin::DescriptorSet => {
                Diagnostic::error(&unit.shown, format!("{}: {message}", unit.name))
            }
            _ => Diagnostic::error(&unit.shown, message),
        };
        let text = unit.text.as_ref();
        let place = text.and_then(|text| locate::place(text, symbol.path.as_slice()));
        self.problems.push(error.at(place));
        true
    }

    fn add_to_pool(&mut self, id: UnitId, body: Body) -> Result<(), Vec<Diagnostic>> {
        let targets = self.units[id].targets.iter().flatten();
        let targets = targets.map(|&target| representative(self.units, target));
        let imports: Vec<Import> = targets
            .map(|id| Import {
                id,
                name: self.units[id].name.clone(),
            })
            .collect();
        let names = |id: UnitId| self.units[id].name.as_str();
        self.pool.add(id, &self.units[id], body, &imports, names)
    }

    /// Where all that is left waits for one another: tells of one circle and fails its files.
    fn break_cycle(&mut self) -> bool {
        let first = self
            .unsettled
            .keys()
            .min_by_key(|&&id| &self.units[id].name);
        let Some(&first) = first else {
            return false;
        };
        let mut walk = vec![first];
        let cycle = loop {
            let last = walk[walk.len() - 1];
            let targets = self.units[last].targets.iter().flatten();
            let mut targets = targets.map(|&target| representative(self.units, target));
            let next = targets.find(|target| self.unsettled.contains_key(target));
            let Some(next) = next else {
                // Not reached: a unit without unsettled imports is ready.
                break walk;
            };
            if let Some(begin) = walk.iter().position(|&id| id == next) {
                break walk.split_off(begin);
            }
            walk.push(next);
        };
        self.tell_cycle(&cycle);
        for id in cycle {
            self.fail(id);
            self.unsettled.remove(&id);
            self.make_ready(id);
        }
        true
    }

    fn tell_cycle(&mut self, cycle: &[UnitId]) {
        let smallest = (0..cycle.len()).min_by_key(|&at| &self.units[cycle[at]].name);
        let start = smallest.unwrap_or(0);
        let around = (0..=cycle.len()).map(|step| cycle[(start + step) % cycle.len()]);
        let around: Vec<UnitId> = around.collect();
        let names: Vec<&str> = around.iter().map(|&id| &*self.units[id].name).collect();
        let unit = &self.units[around[0]];
        let import = unit.targets.iter().position(|target| {
            target.is_some_and(|target| representative(self.units, target) == around[1])
        });
        let circle = match names.len() {
            0..=CYCLE_SHOWN => names.join(" -> "),
            many => {
                let begin = names[..CYCLE_SHOWN - 1].join(" -> ");
                format!("{begin} -> … {} more … -> {}", many - CYCLE_SHOWN, names[0])
            }
        };
        let message = format!("import cycle: {circle}");
        self.problems
            .push(unit.import_error(import.unwrap_or(0), message));
    }
}

/// Longest circle of imports that is told in full.
const CYCLE_SHOWN: usize = 10;
