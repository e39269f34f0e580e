//! XML as a run of elements and texts: bounded in depth, without document types and without entities of its own, so that no document grows
//! beyond its bytes. It must not know what the elements mean.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// How deep elements may be nested.
const MAX_DEPTH: usize = 64;
/// The namespace of SAP's own attributes: whatever prefix a document gives it, they are known as `sap:…` here.
const SAP: &str = "http://www.sap.com/Protocols/SAPData";

/// An element's name, without its prefix, and its attributes.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
}

impl Element {
    /// The value of an attribute.
    pub(super) fn maybe(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of an attribute, or an empty text.
    pub(super) fn get(&self, name: &str) -> String {
        self.maybe(name).unwrap_or_default().to_owned()
    }

    /// The attributes of SAP's namespace, by the names that are used here.
    pub(super) fn sap(&self) -> Vec<(String, String)> {
        let own = self.attributes.iter().filter_map(|(name, value)| Some((name.strip_prefix("sap:")?.to_owned(), value.clone())));
        own.collect()
    }

    /// Every attribute.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// What comes next.
pub(super) enum Node {
    Open(Element),
    Close,
    Text(String),
    End,
}

/// Reads one document.
pub(super) struct Xml<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    depth: usize,
    sap: String,
}

impl<'a> Xml<'a> {
    pub(super) fn new(text: &'a str) -> Xml<'a> {
        let mut reader = Reader::from_str(text);
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.check_end_names = true;
        Xml { text, reader, depth: 0, sap: "sap".to_owned() }
    }

    /// That the document cannot be understood, and in which line.
    pub(super) fn wrong(&self, message: impl std::fmt::Display) -> String {
        let at = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX).min(self.text.len());
        let line = self.text.as_bytes().get(..at).map_or(0, |before| before.iter().filter(|byte| **byte == b'\n').count()) + 1;
        format!("line {line} (byte {at}): {message}")
    }

    /// The next element, end of one, or text.
    ///
    /// # Errors
    /// When the document is not well-formed, nested too deeply, or brings definitions of its own.
    pub(super) fn next(&mut self) -> Result<Node, String> {
        loop {
            let event = self.reader.read_event();
            match event {
                Err(error) => return Err(self.wrong(format_args!("it is not well-formed XML: {error}"))),
                Ok(Event::Start(start)) => {
                    self.depth += 1;
                    if self.depth > MAX_DEPTH {
                        return Err(self.wrong(format_args!("elements are nested more than {MAX_DEPTH} deep")));
                    }
                    return self.element(&start).map(Node::Open);
                }
                // Empty elements come as a start and an end.
                Ok(Event::Empty(start)) => return self.element(&start).map(Node::Open),
                Ok(Event::End(_)) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Node::Close);
                }
                Ok(Event::Text(text)) => {
                    let text: &str = &text;
                    if !text.trim().is_empty() {
                        return Ok(Node::Text(text.to_owned()));
                    }
                }
                Ok(Event::CData(data)) => {
                    let data: &str = &data;
                    return Ok(Node::Text(data.to_owned()));
                }
                Ok(Event::GeneralRef(reference)) => {
                    let name: &str = &reference;
                    let text = quick_xml::escape::unescape(&format!("&{name};")).map(std::borrow::Cow::into_owned);
                    return text.map(Node::Text).map_err(|_| self.wrong("it uses an entity that is not defined"));
                }
                Ok(Event::DocType(_)) => return Err(self.wrong("it has a document type definition, which is not read")),
                Ok(Event::Comment(_) | Event::Decl(_) | Event::PI(_)) => {}
                Ok(Event::Eof) if self.depth > 0 => return Err(self.wrong("it ends too early")),
                Ok(Event::Eof) => return Ok(Node::End),
            }
        }
    }

    fn element(&mut self, start: &BytesStart<'_>) -> Result<Element, String> {
        let qualified = start.name().as_ref().to_owned();
        let name = qualified.rsplit(':').next().unwrap_or_default().to_owned();
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| self.wrong(format_args!("it is not well-formed XML: {error}")))?;
            let value = quick_xml::escape::unescape(&attribute.value);
            let value = value.map_err(|_| self.wrong("it uses an entity that is not defined"))?.into_owned();
            let key: &str = attribute.key.as_ref();
            if value == SAP
                && let Some(prefix) = key.strip_prefix("xmlns:")
            {
                prefix.clone_into(&mut self.sap);
            }
            attributes.push((key.to_owned(), value));
        }
        if self.sap != "sap" {
            for (key, _) in &mut attributes {
                if let Some(local) = key.strip_prefix(&self.sap).and_then(|rest| rest.strip_prefix(':')) {
                    *key = format!("sap:{local}");
                }
            }
        }
        Ok(Element { name, attributes })
    }

    /// Goes past what the element holds that was opened last.
    ///
    /// # Errors
    /// As [`Xml::next`].
    pub(super) fn skip(&mut self) -> Result<(), String> {
        let mut depth = 1;
        while depth > 0 {
            match self.next()? {
                Node::Open(_) => depth += 1,
                Node::Close => depth -= 1,
                Node::Text(_) => {}
                Node::End => return Err(self.wrong("it ends too early")),
            }
        }
        Ok(())
    }

    /// The next element inside of the one that was opened last; `None` at its end. Texts are left out.
    ///
    /// # Errors
    /// As [`Xml::next`].
    pub(super) fn child(&mut self) -> Result<Option<Element>, String> {
        loop {
            match self.next()? {
                Node::Open(element) => return Ok(Some(element)),
                Node::Close => return Ok(None),
                Node::Text(_) => {}
                Node::End => return Err(self.wrong("it ends too early")),
            }
        }
    }

    /// The text of the element that was opened last.
    ///
    /// # Errors
    /// As [`Xml::next`].
    pub(super) fn content(&mut self) -> Result<String, String> {
        let mut content = String::new();
        loop {
            match self.next()? {
                Node::Text(text) => content.push_str(&text),
                Node::Open(_) => self.skip()?,
                Node::Close => return Ok(content.trim().to_owned()),
                Node::End => return Err(self.wrong("it ends too early")),
            }
        }
    }
}
