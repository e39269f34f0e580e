//! Where in the file each key stands. It reads the YAML events a second time, beside the values, because values of several types
//! (and values that are resolved later, such as secrets) cannot carry a location themselves. It must not know what a key means.

use serde_saphyr::granit_parser::{Event, Parser};
use std::collections::HashMap;

/// A place in the file, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

/// The places of all keys and list items, by the keys that lead to them.
#[derive(Debug, Clone, Default)]
pub struct Positions {
    places: HashMap<Vec<String>, Position>,
}

/// An open mapping or list while the events are read.
enum Open {
    Mapping { key: Option<String> },
    Sequence { next: usize },
}

impl Positions {
    /// Reads the places. Text that is not YAML yields the places up to the mistake: whoever reads the values reports it.
    pub fn read(text: &str) -> Positions {
        let mut positions = Positions::default();
        let mut open: Vec<Open> = Vec::new();
        for event in Parser::new_from_str(text) {
            let Ok((event, span)) = event else { break };
            let place = Position { line: span.start.line(), column: span.start.col() + 1 };
            match event {
                Event::MappingStart(..) => {
                    positions.node(&mut open, place);
                    open.push(Open::Mapping { key: None });
                }
                Event::SequenceStart(..) => {
                    positions.node(&mut open, place);
                    open.push(Open::Sequence { next: 0 });
                }
                Event::MappingEnd | Event::SequenceEnd => {
                    open.pop();
                    finished(&mut open);
                }
                Event::Scalar(value, ..) => match open.last_mut() {
                    Some(Open::Mapping { key: key @ None }) => {
                        *key = Some(value.into_owned());
                        let path = path_of(&open);
                        positions.places.insert(path, place);
                    }
                    _ => {
                        positions.node(&mut open, place);
                        finished(&mut open);
                    }
                },
                Event::Alias(_) | Event::UnresolvedAlias(_) => {
                    positions.node(&mut open, place);
                    finished(&mut open);
                }
                Event::StreamStart | Event::StreamEnd | Event::DocumentStart(..) | Event::DocumentEnd | Event::Anchor(..) => {}
                // The parser's event type is open; other events are about presentation.
                _ => {}
            }
        }
        positions
    }

    /// Notes a node: an item of a list at its own place; the value of a key is found by its key.
    fn node(&mut self, open: &mut [Open], place: Position) {
        if open.is_empty() {
            self.places.insert(Vec::new(), place);
        } else if matches!(open.last(), Some(Open::Sequence { .. })) {
            self.places.insert(path_of(open), place);
        }
    }

    /// The place of a path, or of the longest part of it that is in the file.
    pub fn find(&self, path: &[String]) -> Option<Position> {
        (0..=path.len()).rev().find_map(|length| self.places.get(&path[..length]).copied())
    }
}

/// After a value: the mapping waits for its next key, the list counts.
fn finished(open: &mut [Open]) {
    match open.last_mut() {
        Some(Open::Mapping { key }) => *key = None,
        Some(Open::Sequence { next }) => *next += 1,
        None => {}
    }
}

fn path_of(open: &[Open]) -> Vec<String> {
    open.iter()
        .filter_map(|level| match level {
            Open::Mapping { key } => key.clone(),
            Open::Sequence { next } => Some(next.to_string()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('.').filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn keys_items_and_their_nearest_ancestors_are_found() {
        let text = "a:\n  b: 1\n  c: { d: [x, y], e: 2 }\nlist:\n  - name: one\n  - name: two\n";
        let positions = Positions::read(text);
        let at = |p: &str| positions.find(&path(p)).map(|place| (place.line, place.column));
        assert_eq!(at("a.b"), Some((2, 3)));
        assert_eq!(at("a.c.d.1"), Some((3, 15)));
        assert_eq!(at("a.c.e"), Some((3, 19)));
        assert_eq!(at("list.1.name"), Some((6, 5)));
        assert_eq!(at("list.1.missing"), Some((6, 5)));
        assert_eq!(at("a.nothing.below"), Some((1, 1)));
    }
}
