use std::{collections::HashMap, fmt};

use super::{Product, Release};

/// Written by `versions.py` out of the CRDs of each release.
const TEXT: &str = include_str!("table.txt");

/// What came and went, by product.
#[derive(Debug)]
pub(super) struct Table(Vec<Products>);

#[derive(Debug)]
struct Products {
    product: Product,
    releases: Vec<Release>,
    kinds: Vec<Kind>,
}

/// One version of a kind.
#[derive(Debug)]
pub(super) struct Kind {
    name: &'static str,
    pub(super) version: &'static str,
    /// Releases that serve it.
    pub(super) span: Span,
    /// Releases whose standard channel serves it, where that differs; `None` in it: none does.
    standard: Option<Option<Span>>,
    /// Fields, and values as `field=value`, that not all of these releases have.
    pub(super) changes: HashMap<&'static str, Span>,
    /// How many a list takes.
    pub(super) limits: HashMap<&'static str, Vec<(usize, Span)>>,
}

/// From one release to another, both included; `None` is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    first: Option<Release>,
    last: Option<Release>,
}

// === impl Table ===

impl Table {
    /// Reads the table that is part of this program; a line that says nothing is skipped, and a test finds it.
    pub(super) fn read() -> Self {
        let mut products = Vec::<Products>::new();
        for line in TEXT.lines() {
            let _ = take(line, &mut products);
        }
        Self(products)
    }

    pub(super) fn releases(&self, product: Product) -> Vec<Release> {
        self.of(product).map(|known| known.releases.clone()).unwrap_or_default()
    }

    /// The versions of a kind that any release has.
    pub(super) fn kinds(&self, product: Product, name: &str) -> impl Iterator<Item = &Kind> {
        self.of(product).into_iter().flat_map(|known| &known.kinds).filter(move |kind| kind.name == name)
    }

    fn of(&self, product: Product) -> Option<&Products> {
        self.0.iter().find(|known| known.product == product)
    }
}

fn take(line: &'static str, products: &mut Vec<Products>) -> Option<()> {
    let mut words = line.split(' ');
    let first = words.next()?;
    match first {
        "product" => {
            let product = Product::named(words.next()?)?;
            let releases = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
            products.push(Products { product, releases, kinds: Vec::new() });
        }
        "kind" => {
            let (name, version, span) = (words.next()?, words.next()?, Span::parse(words.next()?)?);
            let (changes, limits) = (HashMap::new(), HashMap::new());
            let kind = Kind { name, version, span, standard: None, changes, limits };
            products.last_mut()?.kinds.push(kind);
        }
        "standard" => {
            let span = words.next()?;
            let span = if span == "-" { None } else { Some(Span::parse(span)?) };
            products.last_mut()?.kinds.last_mut()?.standard = Some(span);
        }
        path => {
            let span = Span::parse(words.next()?)?;
            let kind = products.last_mut()?.kinds.last_mut()?;
            match path.split_once("<=") {
                Some((list, limit)) => {
                    kind.limits.entry(list).or_default().push((limit.parse().ok()?, span));
                }
                None => drop(kind.changes.insert(path, span)),
            }
        }
    }
    Some(())
}

// === impl Kind ===

impl Kind {
    /// True where the standard channel of this release serves it.
    pub(super) fn is_standard(&self, release: Release) -> bool {
        match self.standard {
            None => true,
            Some(span) => span.is_some_and(|span| span.contains(release)),
        }
    }
}

// === impl Span ===

impl Span {
    /// `1.6..1.8`, open at either side.
    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once("..")?;
        let end = |text: &str| match text {
            "" => Some(None),
            text => text.parse().ok().map(Some),
        };
        Some(Self { first: end(first)?, last: end(last)? })
    }

    pub(super) fn contains(self, release: Release) -> bool {
        self.first.is_none_or(|first| first <= release) && self.last.is_none_or(|last| release <= last)
    }
}

impl fmt::Display for Span {
    /// As the end of a sentence: `: it came with 1.6, and 1.8 was the last to have it`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first, self.last) {
            (Some(first), Some(last)) => write!(f, ": {first} to {last} have it"),
            (Some(first), None) => write!(f, ": it came with {first}"),
            (None, Some(last)) => write!(f, ": {last} was the last to have it"),
            (None, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_understood() {
        let mut products = Vec::new();
        for line in TEXT.lines() {
            assert!(take(line, &mut products).is_some(), "{line}");
        }
        assert_eq!(products.len(), 3);
    }
}
