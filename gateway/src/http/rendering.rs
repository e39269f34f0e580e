//! Shapes of entities, rendered, for further answers of the same shape in the same format. It must not know rows.

use portico_odata::EntityShape;
use portico_odata::header::{OmitValues, Version};
use portico_odata::json::{JsonOptions, MetadataLevel, Rendering};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Renderings that are kept; beyond, all are made again.
const MOST: usize = 2_048;

/// What a rendering depends on besides the shape, where nothing in it is a link.
type Format = (bool, MetadataLevel, Version, Option<OmitValues>);

/// A rendering, and its shape, kept so that no other can be where it is.
type Kept = (Arc<EntityShape>, Rendering);

/// Renderings by where their shape is, and by format. Answers on several threads read them at once.
#[derive(Default)]
pub struct Renderings(RwLock<HashMap<(usize, Format), Kept>>);

impl Renderings {
    /// The rendering of a shape that serves further answers.
    pub fn of(&self, shape: &Arc<EntityShape>, options: &JsonOptions) -> Rendering {
        let plain = options.links.is_empty() && !options.references && !options.heterogeneous && shape.expands.is_empty();
        if !plain {
            return Rendering::new(shape, options);
        }
        let format = (options.ieee754_compatible, options.metadata, options.version, options.omit_values);
        let key = (Arc::as_ptr(shape).addr(), format);
        if let Some((_, rendering)) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return rendering.clone();
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        let rendering = Rendering::new(shape, options);
        known.insert(key, (Arc::clone(shape), rendering.clone()));
        rendering
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portico_odata::json::JsonWriter;

    fn shape(set: &str) -> Arc<EntityShape> {
        Arc::new(EntityShape { entity_set: set.to_owned(), ..EntityShape::default() })
    }

    #[test]
    fn a_shape_is_rendered_once_for_each_format() {
        let renderings = Renderings::default();
        let (one, other) = (shape("A"), shape("B"));
        let (minimal, strings) = (JsonOptions::default(), JsonOptions { ieee754_compatible: true, ..JsonOptions::default() });
        for _ in 0..3 {
            for shape in [&one, &other] {
                for options in [&minimal, &strings] {
                    let rendered = JsonWriter::rendered(renderings.of(shape, options), options.clone());
                    assert_eq!(format!("{rendered:?}"), format!("{:?}", JsonWriter::new(shape, options.clone())));
                }
            }
        }
        assert_eq!(renderings.0.read().unwrap().len(), 4);
    }

    #[test]
    fn what_has_links_is_rendered_for_its_answer() {
        let renderings = Renderings::default();
        renderings.of(&shape("A"), &JsonOptions { references: true, ..JsonOptions::default() });
        assert!(renderings.0.read().unwrap().is_empty());
    }

    #[test]
    fn not_all_are_kept() {
        let renderings = Renderings::default();
        for number in 0..=MOST {
            renderings.of(&shape(&number.to_string()), &JsonOptions::default());
        }
        assert!(renderings.0.read().unwrap().len() <= MOST);
    }
}
