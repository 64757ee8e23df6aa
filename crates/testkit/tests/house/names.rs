//! What a path means: the module that has the item, through whatever re-exports.

use crate::source::{Id, Tree};

/// More re-exports of re-exports than anybody writes: a circle of them.
const DEEPEST: u32 = 32;

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Module(Id),
    /// Something of that module.
    Item(Id),
}

/// What the path means in that module; nothing for what another crate has, and for local names.
pub(crate) fn resolve(tree: &Tree, module: Id, path: &[String]) -> Option<Meaning> {
    Names { tree }.path(module, path, DEEPEST)
}

struct Names<'a> {
    tree: &'a Tree,
}

impl Names<'_> {
    fn path(&self, module: Id, path: &[String], depth: u32) -> Option<Meaning> {
        let mut at = Meaning::Module(module);
        let mut inside = false;
        for name in path {
            let Meaning::Module(here) = at else { return Some(at) };
            at = match name.as_str() {
                "crate" => Meaning::Module(self.root(here)),
                "self" => at,
                "super" => Meaning::Module(self.tree.modules[here].parent?),
                _ => match self.name(here, name, depth) {
                    Some(found) => found,
                    // Made by a macro, or spelled wrong; the compiler knows.
                    None if inside => Meaning::Item(here),
                    None => return None,
                },
            };
            inside = true;
        }
        Some(at)
    }

    fn name(&self, module: Id, name: &str, depth: u32) -> Option<Meaning> {
        let depth = depth.checked_sub(1)?;
        let here = &self.tree.modules[module];
        if let Some(child) = here.children.get(name) {
            return Some(Meaning::Module(*child));
        }
        if here.items.contains(name) {
            return Some(Meaning::Item(module));
        }
        if let Some(path) = here.aliases.get(name) {
            return self.path(module, path, depth);
        }
        here.globs.iter().find_map(|glob| match self.path(module, glob, depth)? {
            Meaning::Module(of) if of != module => self.name(of, name, depth),
            _ => None,
        })
    }

    fn root(&self, mut module: Id) -> Id {
        while let Some(parent) = self.tree.modules[module].parent {
            module = parent;
        }
        module
    }
}
