//! Who uses whom: down through the layers, and never round in a circle of files.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::names::{Meaning, resolve};
use crate::source::{Id, Tree};

/// The layers of a crate, highest first.
#[derive(Debug)]
pub(crate) struct Layers {
    /// The folder of its sources.
    pub(crate) sources: &'static str,
    pub(crate) order: &'static [&'static [&'static str]],
    /// Those of them whose own modules do not use each other.
    pub(crate) apart: &'static [&'static str],
}

/// Arrows that are let be: from files whose path begins so to files whose path begins so.
#[derive(Debug)]
pub(crate) struct Exception {
    pub(crate) sources: &'static str,
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
}

/// One file uses something of another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Arrow {
    from: Id,
    to: Id,
    line: usize,
    /// What the line says.
    name: String,
}

/// All that is wrong with the arrows of a crate, a line or a few for each.
pub(crate) fn check(layers: &Layers, tree: &Tree, exceptions: &[Exception]) -> Vec<String> {
    let mut wrong = Vec::new();
    let arrows = arrows(tree);
    let path = |file: Id| tree.files[file].path.as_str();
    let excepted = |arrow: &Arrow, exception: &Exception| {
        layers.sources == exception.sources
            && path(arrow.from).starts_with(exception.from)
            && path(arrow.to).starts_with(exception.to)
    };
    for Exception { sources, from, to } in exceptions.iter().filter(|exception| {
        layers.sources == exception.sources && !arrows.iter().any(|arrow| excepted(arrow, exception))
    }) {
        wrong.push(format!("{sources}: nothing in {from} uses {to} any more: take that out of EXCEPTIONS"));
    }
    let arrows: Vec<Arrow> =
        arrows.into_iter().filter(|arrow| !exceptions.iter().any(|exception| excepted(arrow, exception))).collect();
    against_layers(layers, tree, &arrows, &mut wrong);
    circles(layers, tree, &arrows, &mut wrong);
    wrong
}

/// One arrow for each pair of files, the first. A `mod` is one, too.
fn arrows(tree: &Tree) -> Vec<Arrow> {
    let mut found = BTreeMap::new();
    let mut add = |from: Id, to: Id, line: usize, name: String| {
        if from != to {
            found.entry((from, to)).or_insert(Arrow { from, to, line, name });
        }
    };
    for mention in &tree.paths {
        if let Some(Meaning::Item(module)) = resolve(tree, mention.module, &mention.path)
            && !tree.modules[module].test
        {
            let (from, to) = (tree.modules[mention.module].file, tree.modules[module].file);
            add(from, to, mention.line, mention.path.join("::"));
        }
    }
    for module in &tree.modules {
        for (child, line) in module.declared.iter().filter(|(child, _)| !tree.modules[*child].test) {
            let child = &tree.modules[*child];
            add(module.file, child.file, *line, format!("mod {}", child.name));
        }
    }
    found.into_values().collect()
}

fn against_layers(layers: &Layers, tree: &Tree, arrows: &[Arrow], wrong: &mut Vec<String>) {
    let level = |module: &str| layers.order.iter().position(|line| line.contains(&module));
    let modules: BTreeSet<&str> = (0..tree.files.len())
        .filter(|file| !tree.modules[tree.files[*file].module].test)
        .filter_map(|file| tree.top(file))
        .collect();
    for module in modules.iter().filter(|module| level(module).is_none()) {
        wrong.push(format!("{}: {module} is in no layer: give it a place in LAYERS", layers.sources));
    }
    for module in layers.order.iter().copied().flatten().filter(|module| !modules.contains(*module)) {
        wrong.push(format!("{}: there is no {module}: take it out of LAYERS", layers.sources));
    }
    for arrow in arrows {
        let (Some(from), Some(to)) = (tree.top(arrow.from), tree.top(arrow.to)) else { continue };
        if from == to {
            let (one, other) = (tree.below_top(arrow.from), tree.below_top(arrow.to));
            if let (Some(one), Some(other)) = (one, other)
                && one != other
                && layers.apart.contains(&from)
            {
                wrong.push(format!(
                    "{}: {one} uses {other}, and the modules of {from} do not use each other: move what both need \
                     below {from}",
                    show(layers, tree, arrow)
                ));
            }
            continue;
        }
        let (Some(above), Some(below)) = (level(from), level(to)) else { continue };
        if above >= below {
            let place = if above == below { "beside" } else { "below" };
            wrong.push(format!(
                "{}: {from} uses {to}, but stands {place} it: move what both need to a layer below both, or hand it in",
                show(layers, tree, arrow)
            ));
        }
    }
}

fn show(layers: &Layers, tree: &Tree, arrow: &Arrow) -> String {
    let (from, to) = (&tree.files[arrow.from].path, &tree.files[arrow.to].path);
    format!("{}/{from}:{}: {} is in {to}", layers.sources, arrow.line, arrow.name)
}

/// Of each set of files from each of which every other is reached, a shortest circle.
fn circles(layers: &Layers, tree: &Tree, arrows: &[Arrow], wrong: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for start in 0..tree.files.len() {
        if seen.contains(&start) {
            continue;
        }
        let Some(circle) = shortest(start, start, arrows) else { continue };
        let reached = |from: Id, to: Id| shortest(from, to, arrows).is_some();
        let set: Vec<Id> = (0..tree.files.len())
            .filter(|file| *file == start || reached(start, *file) && reached(*file, start))
            .collect();
        let mut words = format!(
            "{}: {} files in a circle: move what one needs of another to a file of its own, or hand it in",
            layers.sources,
            set.len()
        );
        for arrow in &circle {
            words.push_str("\n    ");
            words.push_str(&show(layers, tree, arrow));
        }
        let more = set.iter().filter(|file| !circle.iter().any(|arrow| arrow.from == **file));
        let more: Vec<&str> = more.map(|file| tree.files[*file].path.as_str()).collect();
        if !more.is_empty() {
            words.push_str("\n    and as far entangled: ");
            words.push_str(&more.join(", "));
        }
        seen.extend(set);
        wrong.push(words);
    }
}

/// The shortest way along at least one arrow.
fn shortest(start: Id, end: Id, arrows: &[Arrow]) -> Option<Vec<Arrow>> {
    let mut came: BTreeMap<Id, &Arrow> = BTreeMap::new();
    let mut next = VecDeque::from([start]);
    while let Some(file) = next.pop_front() {
        for arrow in arrows.iter().filter(|arrow| arrow.from == file) {
            if came.contains_key(&arrow.to) {
                continue;
            }
            came.insert(arrow.to, arrow);
            if arrow.to != end {
                next.push_back(arrow.to);
                continue;
            }
            let mut way = vec![arrow.clone()];
            while way[0].from != start {
                way.insert(0, came[&way[0].from].clone());
            }
            return Some(way);
        }
    }
    None
}
