use std::collections::HashSet;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, StrInput};

use crate::{
    prepare::{Prepared, prepare, unmask},
    tree::{Entry, Mark, Node, Scalar, Value},
};

/// Nesting that no manifest needs; deeper is refused so that nobody's stack overflows.
const MAX_DEPTH: usize = 64;
/// Nodes that aliases may add to one document (the "billion laughs" bound).
const MAX_ALIASED: usize = 100_000;

/// Why a document could not be read.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) at: Mark,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

/// One document of a source and the line on which it starts, from 0.
pub(crate) struct Chunk<'a> {
    pub(crate) text: &'a str,
    pub(crate) first_line: u32,
}

struct Frame {
    at: Mark,
    anchor: usize,
    open: Open,
}

enum Open {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<(String, Mark)> },
}

struct Builder {
    masked: bool,
    first_line: u32,
    stack: Vec<Frame>,
    anchors: Vec<(usize, Node)>,
    aliased: usize,
    root: Option<Node>,
}

/// Cuts a source at its `---` lines, so that a broken document does not take its neighbours along.
/// The marker at the start of a line always ends a document (YAML 1.2.2, 9.1.2), also inside a block scalar.
pub(crate) fn documents(text: &str) -> Vec<Chunk<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut chunks = Vec::new();
    let (mut start, mut start_line, mut offset) = (0, 0, 0);
    let mut blank = true;
    for (line_number, line) in (0u32..).zip(text.split_inclusive('\n')) {
        let marker = line
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        if marker && !blank {
            chunks.push(Chunk { text: &text[start..offset], first_line: start_line });
            (start, start_line, blank) = (offset, line_number, true);
        }
        // Comments and directives before a marker belong to the document that follows.
        let content = if marker { line[3..].trim() } else { line.trim() };
        let silent = content.is_empty() || content.starts_with('#') || (line.starts_with('%') && blank);
        blank &= silent && !marker;
        offset += line.len();
    }
    chunks.push(Chunk { text: &text[start..], first_line: start_line });
    chunks
}

/// Reads one document; `None` where there is nothing in it.
pub(crate) fn document(chunk: &Chunk<'_>) -> Result<Option<Node>, Unreadable> {
    let Prepared { text, masked } = prepare(chunk.text);
    let mut parser = Parser::<StrInput<'_>>::new_from_str(&text);
    let mut builder = Builder {
        masked,
        first_line: chunk.first_line,
        stack: Vec::new(),
        anchors: Vec::new(),
        aliased: 0,
        root: None,
    };
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| builder.scan_error(&error))?;
        builder.event(event, span.start)?;
    }
    Ok(builder.root)
}

// === impl Builder ===

impl Builder {
    fn mark(&self, marker: Marker) -> Mark {
        let line = u32::try_from(marker.line()).unwrap_or(u32::MAX);
        let column = u32::try_from(marker.col()).unwrap_or(u32::MAX);
        Mark { line: line.saturating_add(self.first_line), column: column.saturating_add(1) }
    }

    fn scan_error(&self, error: &ScanError) -> Unreadable {
        let message = format!("this document is not valid YAML: {}", error.info());
        Unreadable { at: self.mark(*error.marker()), code: "invalid-yaml", message }
    }

    fn event(&mut self, event: Event<'_>, marker: Marker) -> Result<(), Unreadable> {
        let at = self.mark(marker);
        match event {
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => {}
            Event::Scalar(text, style, anchor, tag) => {
                let string = tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
                let plain = style == ScalarStyle::Plain && !string;
                let text = if self.masked { unmask(&text) } else { text.into_owned() };
                let scalar = Scalar { text, plain, substituted: false };
                let node = Node { at, value: Value::Scalar(scalar) };
                self.remember(anchor, &node)?;
                self.place(node)?;
            }
            Event::Alias(id) => {
                let target =
                    self.anchors.iter().rev().find(|(anchor, _)| *anchor == id).map(|(_, node)| node.clone());
                let Some(target) = target else {
                    return Err(unreadable(
                        at,
                        "invalid-yaml",
                        "this alias names an anchor that is not complete yet",
                    ));
                };
                if self.stack.len() + height(&target) > MAX_DEPTH {
                    return Err(unreadable(at, "too-deep", "aliases nest too deeply"));
                }
                self.spend(&target, at)?;
                self.place(target)?;
            }
            Event::SequenceStart(anchor, _) => self.open(at, anchor, Open::List(Vec::new()))?,
            Event::MappingStart(anchor, _) => {
                self.open(at, anchor, Open::Map { entries: Vec::new(), key: None })?
            }
            Event::SequenceEnd | Event::MappingEnd => self.close()?,
        }
        Ok(())
    }

    fn open(&mut self, at: Mark, anchor: usize, open: Open) -> Result<(), Unreadable> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(unreadable(at, "too-deep", &format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.stack.push(Frame { at, anchor, open });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Unreadable> {
        let Some(Frame { at, anchor, open }) = self.stack.pop() else { return Ok(()) };
        let value = match open {
            Open::List(items) => Value::List(items),
            Open::Map { entries, .. } => {
                refuse_duplicates(&entries)?;
                Value::Map(self.merged(entries)?)
            }
        };
        let node = Node { at, value };
        self.remember(anchor, &node)?;
        self.place(node)
    }

    /// Resolves merge keys: what a mapping says itself wins over what it merges in.
    fn merged(&mut self, entries: Vec<Entry>) -> Result<Vec<Entry>, Unreadable> {
        if !entries.iter().any(|entry| entry.key == "<<") {
            return Ok(entries);
        }
        let (merges, mut own): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.key == "<<");
        for merge in merges {
            let sources = match merge.value.value {
                Value::List(items) => items,
                value @ (Value::Map(_) | Value::Scalar(_)) => vec![Node { at: merge.value.at, value }],
            };
            for source in sources {
                let at = source.at;
                let Value::Map(inherited) = source.value else {
                    return Err(unreadable(at, "invalid-yaml", "`<<` merges mappings only"));
                };
                for entry in inherited {
                    if !own.iter().any(|known| known.key == entry.key) {
                        self.spend(&entry.value, at)?;
                        own.push(entry);
                    }
                }
            }
        }
        Ok(own)
    }

    fn remember(&mut self, anchor: usize, node: &Node) -> Result<(), Unreadable> {
        if anchor != 0 {
            self.spend(node, node.at)?;
            self.anchors.push((anchor, node.clone()));
        }
        Ok(())
    }

    fn spend(&mut self, node: &Node, at: Mark) -> Result<(), Unreadable> {
        self.aliased += node.size();
        if self.aliased > MAX_ALIASED {
            return Err(unreadable(
                at,
                "too-many-aliases",
                &format!("aliases expand to more than {MAX_ALIASED} values"),
            ));
        }
        Ok(())
    }

    fn place(&mut self, node: Node) -> Result<(), Unreadable> {
        let Some(frame) = self.stack.last_mut() else {
            self.root.get_or_insert(node);
            return Ok(());
        };
        match &mut frame.open {
            Open::List(items) => items.push(node),
            Open::Map { entries, key } => match key.take() {
                Some((name, key_at)) => entries.push(Entry { key: name, key_at, value: node }),
                None => {
                    let Value::Scalar(scalar) = node.value else {
                        return Err(unreadable(node.at, "invalid-yaml", "a mapping's key must be a string"));
                    };
                    *key = Some((scalar.text, node.at));
                }
            },
        }
        Ok(())
    }
}

fn refuse_duplicates(entries: &[Entry]) -> Result<(), Unreadable> {
    let mut seen = HashSet::with_capacity(entries.len());
    match entries.iter().find(|entry| entry.key != "<<" && !seen.insert(entry.key.as_str())) {
        Some(entry) => Err(unreadable(
            entry.key_at,
            "duplicate-key",
            &format!("the key `{}` stands here twice", entry.key),
        )),
        None => Ok(()),
    }
}

fn height(node: &Node) -> usize {
    match &node.value {
        Value::Scalar(_) => 0,
        Value::List(items) => 1 + items.iter().map(height).max().unwrap_or(0),
        Value::Map(entries) => 1 + entries.iter().map(|entry| height(&entry.value)).max().unwrap_or(0),
    }
}

fn unreadable(at: Mark, code: &'static str, message: &str) -> Unreadable {
    Unreadable { at, code, message: message.to_owned() }
}
