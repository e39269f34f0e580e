//! Stored values of enumerations → member names. Where the members do not name a value, the number is written as text, as the protocol
//! has it. It must not know how a column is laid out.

use super::encode::{Encoder, push_text};
use super::sink::Sink;
use super::url::value_text;
use portico_catalog::Enumeration;
use portico_provider_api::Value;
use std::collections::HashMap;

/// How the values of an enumeration are called.
#[derive(Debug)]
pub(super) struct EnumerationNames {
    /// Flags: value and name in declared order.
    flags: Option<Vec<(i64, String)>>,
    /// By the number that a column holds.
    by_number: HashMap<i64, String>,
    /// By the text of any other value that a column holds.
    by_text: HashMap<Vec<u8>, String>,
}

impl EnumerationNames {
    pub(super) fn new(enumeration: &Enumeration) -> EnumerationNames {
        let (mut by_number, mut by_text) = (HashMap::new(), HashMap::new());
        for member in &enumeration.members {
            let number = match &member.stored {
                Value::Int16(value) => Some(i64::from(*value)),
                Value::Int32(value) => Some(i64::from(*value)),
                Value::Int64(value) => Some(*value),
                _ => None,
            };
            // The first of several names for one value is the one that is written.
            match number {
                Some(number) => by_number.entry(number).or_insert_with(|| member.name.clone()),
                None => by_text.entry(value_text(&member.stored)).or_insert_with(|| member.name.clone()),
            };
        }
        let flags = enumeration.flags.then(|| enumeration.members.iter().map(|member| (member.value, member.name.clone())).collect());
        EnumerationNames { flags, by_number, by_text }
    }

    /// Appends the names of a stored value as JSON.
    pub(super) fn write(&self, stored: &Encoder<'_>, row: usize, sink: &mut Sink) -> Result<(), &'static str> {
        let start = sink.len();
        self.write_raw(stored, row, sink)?;
        let text = String::from_utf8_lossy(sink.written().get(start..).unwrap_or_default()).into_owned();
        sink.truncate(start);
        push_text(&text, sink);
        Ok(())
    }

    /// Appends the names of a stored value as bare text.
    pub(super) fn write_raw(&self, stored: &Encoder<'_>, row: usize, sink: &mut Sink) -> Result<(), &'static str> {
        let Some(number) = stored.integer(row) else {
            let start = sink.len();
            stored.write_raw(row, sink)?;
            // A code that no member stands for is shown as it is: there is no number to show.
            if let Some(name) = self.by_text.get(sink.written().get(start..).unwrap_or_default()) {
                sink.truncate(start);
                sink.put(name.as_bytes());
            }
            return Ok(());
        };
        if let Some(name) = self.by_number.get(&number) {
            sink.put(name.as_bytes());
            return Ok(());
        }
        match self.flags.as_deref().and_then(|members| combined(members, number)) {
            Some(names) => sink.put(names.as_bytes()),
            None => super::digits::integer(number, sink),
        }
        Ok(())
    }
}

/// The members whose bits make up a number, in declared order; nothing when some of its bits belong to no member. A member all of whose
/// bits are those of others already named is left out.
pub(crate) fn combined(members: &[(i64, impl AsRef<str>)], number: i64) -> Option<String> {
    if number <= 0 {
        return None;
    }
    let fits = |value: i64| value > 0 && value & number == value;
    // Members that others contain are named only where no greater one is.
    let maximal = |value: i64| !members.iter().any(|(other, _)| fits(*other) && *other != value && other & value == value);
    let (mut covered, mut names) = (0_i64, Vec::new());
    for (value, name) in members.iter().filter(|(value, _)| fits(*value) && maximal(*value)) {
        if covered & value != *value {
            covered |= value;
            names.push(name.as_ref());
        }
    }
    (covered == number).then(|| names.join(","))
}

#[cfg(test)]
mod tests {
    use super::combined;

    #[test]
    fn flags_are_combined() {
        let members: Vec<_> = [(0, "None"), (1, "Read"), (2, "Write"), (3, "All"), (8, "Own")].map(|(v, n)| (v, n.to_owned())).into();
        let names = |number| combined(&members, number);
        assert_eq!(names(9).as_deref(), Some("Read,Own"));
        assert_eq!(names(11).as_deref(), Some("All,Own"));
        assert_eq!((names(4), names(12), names(-1)), (None, None, None));
    }
}
