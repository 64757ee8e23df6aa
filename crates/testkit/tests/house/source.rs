//! The modules of a crate, what each has, and every path that stands in its files.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// Where a file or module stands in its list.
pub(crate) type Id = usize;

/// A crate: a root file and what its `mod` declarations lead to. The programs of `bin/` have roots of their own.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
    pub(crate) modules: Vec<Module>,
    pub(crate) paths: Vec<Mention>,
}

#[derive(Debug)]
pub(crate) struct File {
    /// Below the folder of the sources.
    pub(crate) path: String,
    /// The module that it is.
    pub(crate) module: Id,
}

/// A module, in a file of its own or within one.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) file: Id,
    pub(crate) parent: Option<Id>,
    /// Whether it is compiled for tests only.
    pub(crate) test: bool,
    pub(crate) children: BTreeMap<String, Id>,
    /// What `use` calls what.
    pub(crate) aliases: BTreeMap<String, Vec<String>>,
    /// What it takes all of.
    pub(crate) globs: Vec<Vec<String>>,
    pub(crate) items: BTreeSet<String>,
    /// The lines of `mod` of the children that have files of their own.
    pub(crate) declared: Vec<(Id, usize)>,
}

/// A path where it stands.
#[derive(Debug)]
pub(crate) struct Mention {
    pub(crate) module: Id,
    pub(crate) line: usize,
    pub(crate) path: Vec<String>,
}

impl Tree {
    /// From the text of each file by its path below the folder of the sources.
    pub(crate) fn new(files: BTreeMap<String, String>) -> Result<Self, String> {
        let mut reader = Reader { texts: files, tree: Self::default() };
        let is_root = |path: &&String| matches!(path.as_str(), "lib.rs" | "main.rs") || path.starts_with("bin/");
        let roots: Vec<String> = reader.texts.keys().filter(is_root).cloned().collect();
        for root in roots {
            reader.read(&root, "crate", None, false)?;
        }
        match reader.texts.keys().next() {
            Some(path) => Err(format!("{path}: no `mod` leads to it: declare it, or delete it")),
            None => Ok(reader.tree),
        }
    }

    /// The module at the top of a file's, below the root; none for the root itself.
    pub(crate) fn top(&self, file: Id) -> Option<&str> {
        self.path(file).get(1).copied()
    }

    /// The one below that, if there is one.
    pub(crate) fn below_top(&self, file: Id) -> Option<&str> {
        self.path(file).get(2).copied()
    }

    /// The names of a file's module and of those that it is in, from the root on.
    fn path(&self, file: Id) -> Vec<&str> {
        let mut at = Some(self.files[file].module);
        let mut names = Vec::new();
        while let Some(module) = at.map(|id| &self.modules[id]) {
            names.push(module.name.as_str());
            at = module.parent;
        }
        names.reverse();
        names
    }
}

struct Reader {
    /// Those that nobody asked for yet.
    texts: BTreeMap<String, String>,
    tree: Tree,
}

impl Reader {
    fn read(&mut self, path: &str, name: &str, parent: Option<Id>, test: bool) -> Result<Id, String> {
        let text = self.texts.remove(path).ok_or_else(|| format!("{path}: no such file"))?;
        let parsed =
            syn::parse_file(&text).map_err(|error| format!("{path}:{}: {error}", error.span().start().line))?;
        let file = self.tree.files.len();
        let module = self.module(name, file, parent, test);
        self.tree.files.push(File { path: path.to_owned(), module });
        self.walk(module, &folder(path), &parsed.items)?;
        Ok(module)
    }

    fn module(&mut self, name: &str, file: Id, parent: Option<Id>, test: bool) -> Id {
        self.tree.modules.push(Module {
            name: name.to_owned(),
            file,
            parent,
            test,
            children: BTreeMap::new(),
            aliases: BTreeMap::new(),
            globs: Vec::new(),
            items: BTreeSet::new(),
            declared: Vec::new(),
        });
        self.tree.modules.len() - 1
    }

    fn walk(&mut self, module: Id, folder: &str, items: &[syn::Item]) -> Result<(), String> {
        for item in items {
            let syn::Item::Mod(declared) = item else {
                let mut found = Found { tree: &mut self.tree, module };
                found.name(item);
                found.visit_item(item);
                continue;
            };
            let name = declared.ident.to_string();
            let test = self.tree.modules[module].test || is_for_tests(&declared.attrs) || is_test_name(&name);
            let child = if let Some((_, within)) = &declared.content {
                let file = self.tree.modules[module].file;
                let child = self.module(&name, file, Some(module), test);
                self.walk(child, &format!("{folder}{name}/"), within)?;
                child
            } else {
                let beside = &self.tree.files[self.tree.modules[module].file].path;
                let beside = beside.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
                let paths = match named_path(&declared.attrs) {
                    Some(path) => vec![beside + &path],
                    None => vec![format!("{folder}{name}.rs"), format!("{folder}{name}/mod.rs")],
                };
                // One file may be several modules, each under its own conditions: the first is what it counts as.
                let read = self.tree.files.iter().find(|file| paths.contains(&file.path)).map(|file| file.module);
                let child = if let Some(module) = read {
                    module
                } else {
                    let path = paths.iter().find(|path| self.texts.contains_key(*path));
                    let path = path.ok_or_else(|| format!("{}: no such file", paths[0]))?.clone();
                    self.read(&path, &name, Some(module), test)?
                };
                self.tree.modules[module].declared.push((child, declared.ident.span().start().line));
                child
            };
            self.tree.modules[module].children.entry(name).or_insert(child);
        }
        Ok(())
    }
}

/// Where the children of that file's module lie.
fn folder(path: &str) -> String {
    match path.rsplit_once('/') {
        Some((folder, "mod.rs" | "main.rs")) => format!("{folder}/"),
        _ if matches!(path, "lib.rs" | "main.rs") => String::new(),
        _ => format!("{}/", path.strip_suffix(".rs").unwrap_or(path)),
    }
}

/// The file that `#[path = "..."]` names.
fn named_path(attributes: &[syn::Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        syn::Meta::NameValue(syn::MetaNameValue {
            path,
            value: syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(named), .. }),
            ..
        }) if path.is_ident("path") => Some(named.value()),
        _ => None,
    })
}

fn is_test_name(name: &str) -> bool {
    name == "tests" || name.ends_with("_tests")
}

/// Whether something stands only where tests are compiled.
fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => names_test(list.tokens.clone()),
        _ => attribute.path().is_ident("test"),
    })
}

/// `test`, but not within `not(...)`.
fn names_test(tokens: TokenStream) -> bool {
    let mut not = false;
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(word) => {
            not = word == "not";
            word == "test"
        }
        TokenTree::Group(group) => !std::mem::take(&mut not) && names_test(group.stream()),
        _ => false,
    })
}

/// Collects what stands in a module.
struct Found<'a> {
    tree: &'a mut Tree,
    module: Id,
}

impl Found<'_> {
    fn here(&mut self) -> &mut Module {
        &mut self.tree.modules[self.module]
    }

    /// An item of the module by its name.
    fn name(&mut self, item: &syn::Item) {
        use syn::Item;
        let name = match item {
            Item::Const(item) => &item.ident,
            Item::Enum(item) => &item.ident,
            Item::Fn(item) => &item.sig.ident,
            Item::Macro(item) => match &item.ident {
                Some(name) => name,
                None => return,
            },
            Item::Static(item) => &item.ident,
            Item::Struct(item) => &item.ident,
            Item::Trait(item) => &item.ident,
            Item::Type(item) => &item.ident,
            Item::Union(item) => &item.ident,
            _ => return,
        };
        let name = name.to_string();
        self.here().items.insert(name);
    }

    fn mention(&mut self, line: usize, path: Vec<String>) {
        let module = self.module;
        if !self.tree.modules[module].test {
            self.tree.paths.push(Mention { module, line, path });
        }
    }

    fn import(&mut self, tree: &syn::UseTree, before: &[String]) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.import(&path.tree, &with(&path.ident)),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(tree, before)),
            syn::UseTree::Glob(_) => self.here().globs.push(before.to_vec()),
            syn::UseTree::Name(leaf) if leaf.ident == "self" => {
                if let Some(last) = before.last() {
                    self.here().aliases.insert(last.clone(), before.to_vec());
                }
            }
            syn::UseTree::Name(leaf) => self.leaf(&leaf.ident, &leaf.ident, with(&leaf.ident)),
            syn::UseTree::Rename(leaf) => self.leaf(&leaf.ident, &leaf.rename, with(&leaf.ident)),
        }
    }

    fn leaf(&mut self, name: &syn::Ident, alias: &syn::Ident, path: Vec<String>) {
        self.here().aliases.insert(alias.to_string(), path.clone());
        self.mention(name.span().start().line, path);
    }

    /// Paths within the arguments of a macro, or its rules.
    fn scan(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        // Colons since the last name.
        let (mut line, mut colons) = (0, 0);
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.scanned(line, &mut path);
                    }
                    line = name.span().start().line;
                    path.push(name.to_string());
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                TokenTree::Group(group) => {
                    self.scanned(line, &mut path);
                    self.scan(group.stream());
                }
                _ => self.scanned(line, &mut path),
            }
            colons = 0;
        }
        self.scanned(line, &mut path);
    }

    fn scanned(&mut self, line: usize, path: &mut Vec<String>) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.mention(line, path);
        }
    }
}

impl<'ast> Visit<'ast> for Found<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            syn::Item::Const(item) => &item.attrs,
            syn::Item::Struct(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if item.leading_colon.is_none() {
            self.import(&item.tree, &[]);
        }
    }

    // `pub(super)` and `pub(in ...)` use nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let line = path.segments.first().map_or(0, |segment| segment.ident.span().start().line);
            self.mention(line, path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        self.visit_path(&called.path);
        self.scan(called.tokens.clone());
    }
}
