//! Texts of workbooks: those that sheets share, runs of formatted characters put together, and the escapes of characters that XML has not.

use super::{Xml, broken};
use crate::problem::Problem;
use quick_xml::events::Event;
use std::io::BufRead;

/// Bytes of all shared texts at most: they are held while a sheet is read.
const MAX_STRINGS: usize = 512 << 20;

/// Collects the text of an item: of its runs, and not how it is pronounced.
#[derive(Default)]
pub(super) struct Runs {
    text: String,
    in_text: bool,
    phonetic: usize,
}

impl Runs {
    /// Takes an event of an item's inside.
    pub(super) fn take(&mut self, event: &Event<'_>) -> Result<(), String> {
        match event {
            Event::Start(element) => match element.local_name().as_ref() {
                "t" => self.in_text = true,
                "rPh" => self.phonetic += 1,
                _ => {}
            },
            Event::End(element) => match element.local_name().as_ref() {
                "t" => self.in_text = false,
                "rPh" => self.phonetic = self.phonetic.saturating_sub(1),
                _ => {}
            },
            Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) if self.in_text && self.phonetic == 0 => {
                content(event, &mut self.text)?
            }
            _ => {}
        }
        Ok(())
    }

    /// The text; empty again afterwards.
    pub(super) fn finish(&mut self) -> String {
        let text = std::mem::take(self).text;
        if text.contains("_x") { unescaped(&text) } else { text }
    }
}

/// Adds the characters that an event stands for.
pub(super) fn content(event: &Event<'_>, text: &mut String) -> Result<(), String> {
    match event {
        Event::Text(found) => text.push_str(&found.xml10_content()),
        Event::CData(found) => text.push_str(&found.xml10_content()),
        Event::GeneralRef(reference) => match reference.resolve_char_ref().map_err(|error| error.to_string())? {
            Some(character) => text.push(character),
            None => {
                let resolved = quick_xml::escape::resolve_predefined_entity(reference);
                text.push_str(resolved.ok_or_else(|| format!("there is no entity '{}'", &**reference))?);
            }
        },
        _ => {}
    }
    Ok(())
}

/// `_x000D_` is a carriage return.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("_x") {
        let (before, from) = rest.split_at(at);
        plain.push_str(before);
        let digits = from.get(2..6).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()) && from.get(6..7) == Some("_"));
        match digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32) {
            Some(character) => {
                plain.push(character);
                rest = from.get(7..).unwrap_or_default();
            }
            None => {
                plain.push_str("_x");
                rest = from.get(2..).unwrap_or_default();
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// The texts that sheets share.
pub(super) fn shared<R: BufRead>(file: &str, reader: R) -> Result<Vec<String>, Problem> {
    const PART: &str = "xl/sharedStrings.xml";
    let mut xml = Xml::from_reader(reader);
    let (mut buffer, mut strings, mut bytes) = (Vec::new(), Vec::new(), 0);
    let mut item: Option<Runs> = None;
    loop {
        buffer.clear();
        let event = xml.read_event_into(&mut buffer).map_err(|error| broken(file, PART, error))?;
        match &event {
            Event::Start(element) if element.local_name().as_ref() == "si" => item = Some(Runs::default()),
            Event::Empty(element) if element.local_name().as_ref() == "si" => strings.push(String::new()),
            Event::End(element) if element.local_name().as_ref() == "si" => {
                let text = item.take().map(|mut runs| runs.finish()).unwrap_or_default();
                bytes += text.len();
                if bytes > MAX_STRINGS {
                    return Err(Problem::malformed(format!("{file}: the texts of the workbook are larger than 512 MiB")));
                }
                strings.push(text);
            }
            Event::Eof => return Ok(strings),
            other => {
                if let Some(runs) = &mut item {
                    runs.take(other).map_err(|error| broken(file, PART, error))?;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_put_together_and_freed_of_escapes() {
        let xml = "<sst><si><t>a &amp; b</t></si><si><r><t>one </t></r><r><rPr><b/></rPr><t xml:space=\"preserve\"> two</t></r><rPh><t>spoken</t></rPh></si>\
                   <si/><si><t>x_x000D_y_x005F_x0041__x</t></si><si><t>&#228;&lt;</t></si></sst>";
        let found = shared("f", xml.as_bytes()).unwrap();
        assert_eq!(found, ["a & b", "one  two", "", "x\ry_x0041__x", "ä<"]);
    }
}
