//! What stands in an entity along its relationships: expanded entities, their count, the link to the rest. It must not know what they
//! look like themselves.

use super::encode::{self, Style};
use super::entity::Entities;
use super::plan::{ExpandPlan, LinksPlan};
use super::sink::Sink;
use super::url::push_encoded;
use super::{WriteError, entity::push_member};
use crate::rows::ExpandForm;
use std::ops::Range;

/// The children of a batch along one relationship.
pub(super) struct Expanded<'a> {
    pub(super) plan: &'a ExpandPlan,
    pub(super) ranges: &'a [Range<usize>],
    pub(super) counts: Option<&'a [u64]>,
    pub(super) next_links: Option<&'a [Option<String>]>,
    pub(super) circular: Option<&'a [bool]>,
    /// Which rows have it, where not all have.
    pub(super) shown: Option<Vec<bool>>,
    pub(super) entities: Entities<'a>,
}

impl Expanded<'_> {
    pub(super) fn write(&self, row: usize, sink: &mut Sink) -> Result<(), WriteError> {
        if self.shown.as_ref().is_some_and(|shown| !shown.get(row).copied().unwrap_or_default()) {
            return Ok(());
        }
        let name = &self.plan.name;
        let nothing = self.ranges.get(row).is_none_or(|range| range.is_empty());
        if self.plan.optional && nothing {
            return Ok(());
        }
        if let Some(context) = &self.plan.context {
            context.push(sink);
        }
        if let Some(count) = self.counts.and_then(|counts| counts.get(row)) {
            self.plan.count_key.push(sink);
            push_count(*count, self.entities.style, sink);
        }
        if self.plan.form == ExpandForm::Count {
            return Ok(());
        }
        self.plan.key.push(sink);
        let range = self.ranges.get(row).cloned().unwrap_or(0..0);
        if range.end > self.entities.rows || range.start > range.end {
            return Err(WriteError::new(name, "children are out of range"));
        }
        if !self.plan.many {
            return match range.len() {
                0 => {
                    sink.put(b"null");
                    Ok(())
                }
                1 => self.child(range.start, sink),
                _ => Err(WriteError::new(name, "it leads to one entity, but there are several")),
            };
        }
        sink.byte(b'[');
        for child in range.clone() {
            if child > range.start {
                sink.byte(b',');
            }
            self.child(child, sink)?;
        }
        sink.byte(b']');
        if let Some(Some(link)) = self.next_links.and_then(|links| links.get(row)) {
            self.plan.next_key.push(sink);
            encode::push_text(link, sink);
        }
        Ok(())
    }

    fn child(&self, child: usize, sink: &mut Sink) -> Result<(), WriteError> {
        match self.plan.form {
            ExpandForm::References => self.entities.write_reference(child, &[], sink),
            ExpandForm::Entities if self.circular.is_some_and(|circular| circular.get(child).copied().unwrap_or_default()) => {
                self.entities.write_reference(child, &[], sink)
            }
            ExpandForm::Entities | ExpandForm::Count => self.entities.write(child, &[], sink),
        }
    }
}

pub(super) fn push_navigation(links: &LinksPlan, url: &str, sink: &mut Sink) {
    for name in &links.navigation {
        let mut link = format!("{url}/");
        push_encoded(name, &mut link);
        push_member(name, "associationLink", &format!("{link}/$ref"), sink);
        push_member(name, "navigationLink", &link, sink);
    }
}

/// Appends the operations that an entity offers: all that the caller may call.
pub(super) fn push_operations(links: &LinksPlan, url: &str, sink: &mut Sink) {
    for operation in &links.operations {
        operation.key.push(sink);
        encode::push_text(&format!("{url}{}", operation.path), sink);
        sink.byte(b'}');
    }
}

/// Appends a count.
pub(super) fn push_count(count: u64, style: Style, sink: &mut Sink) {
    if style.quote_wide {
        sink.byte(b'"');
    }
    super::digits::unsigned(count, sink);
    if style.quote_wide {
        sink.byte(b'"');
    }
}
