//! An entity's shape with everything rendered that is the same for every row: names, types, links. Made once per answer. It must not
//! know any batch.

use super::encode::EnumerationNames;
use super::sink::Stamp;
use super::url::{KeyLiteral, push_encoded};
use super::{EntityLinks, JsonOptions, MetadataLevel, WriteError};
use crate::edm;
use crate::header::{OmitValues, Version};
use crate::json::push_string;
use crate::rows::{
    AnnotationShape, DerivationShape, EntityShape, ExpandForm, ExpandShape, MediaShape, PropertyPath, PropertyShape, ValueShape,
};
use crate::spatial::POINT;
use crate::value_type::ValueType;
use portico_provider_api::{ScalarType, Value};

/// An entity's shape, rendered.
#[derive(Debug)]
pub(super) struct EntityPlan {
    /// The entity set, for messages.
    pub(super) name: String,
    pub(super) members: Vec<MemberPlan>,
    pub(super) etag: Option<usize>,
    pub(super) expands: Vec<ExpandPlan>,
    /// `@odata.type` of rows that are not told apart.
    pub(super) type_member: Option<Stamp>,
    pub(super) derivation: Option<DerivationPlan>,
    pub(super) presence: Option<(usize, Vec<Vec<bool>>)>,
    /// Where entities have URLs that are shown.
    pub(super) links: Option<LinksPlan>,
    pub(super) media: Option<MediaPlan>,
    pub(super) annotations: Vec<AnnotationPlan>,
    pub(super) omit: Option<OmitValues>,
}

/// A property, rendered. Members are numbered through, complex properties before their members.
#[derive(Debug)]
pub(super) struct MemberPlan {
    pub(super) number: usize,
    pub(super) name: String,
    /// `,"Name":`, and before it the type annotation where there is one.
    pub(super) key: Stamp,
    pub(super) value: ValuePlan,
    /// What the value is by default, and the type of the column that holds it.
    pub(super) default: Option<(Value, ScalarType)>,
    pub(super) annotations: Vec<AnnotationPlan>,
}

/// An instance annotation, rendered.
#[derive(Debug)]
pub(super) struct AnnotationPlan {
    /// With what stands before the `@`.
    pub(super) name: String,
    /// `,"Price@Measures.ISOCurrency":`
    pub(super) key: Stamp,
    pub(super) position: usize,
    pub(super) value_type: ValueType,
    pub(super) names: Option<EnumerationNames>,
}

/// The annotations of what is called so; nothing for an entity, or a value that stands alone.
fn annotation_plans(target: &str, shapes: &[AnnotationShape]) -> Vec<AnnotationPlan> {
    let plan = |shape: &AnnotationShape| {
        let name = format!("{target}@{}", shape.name);
        AnnotationPlan {
            key: Stamp::new(&key_of(&name)),
            name,
            position: shape.position,
            value_type: shape.value_type.clone(),
            names: enumeration_names(&shape.value_type),
        }
    };
    shapes.iter().map(plan).collect()
}

#[derive(Debug)]
pub(super) enum ValuePlan {
    Cell {
        position: usize,
        value_type: ValueType,
        names: Option<EnumerationNames>,
        /// The key where the column holds lists.
        list_key: Stamp,
        /// The key of numbers that JSON has no form for, where it differs.
        not_finite_key: Option<Stamp>,
    },
    Complex {
        type_member: Option<Stamp>,
        members: Vec<MemberPlan>,
        /// Columns that are not shown, but have a say in whether it is null.
        others: Vec<usize>,
    },
    Point {
        latitude: usize,
        longitude: usize,
    },
    Stream(Option<MediaPlan>),
}

impl ValuePlan {
    /// Whether its values are geographies or geometries.
    pub(super) fn is_spatial(&self) -> bool {
        match self {
            ValuePlan::Point { .. } => true,
            ValuePlan::Cell { value_type, .. } => matches!(value_type, ValueType::Spatial(_)),
            ValuePlan::Complex { .. } | ValuePlan::Stream(_) => false,
        }
    }
}

/// A stream that is shown.
#[derive(Debug)]
pub(super) struct MediaPlan {
    /// Before the terms: `Photo`, `Address/Photo` as a name, or nothing for the entity itself.
    pub(super) name: String,
    /// What follows the entity's URL.
    pub(super) path: String,
    pub(super) shape: MediaShape,
}

#[derive(Debug)]
pub(super) struct ExpandPlan {
    pub(super) name: String,
    pub(super) form: ExpandForm,
    pub(super) many: bool,
    pub(super) key: Stamp,
    pub(super) count_key: Stamp,
    pub(super) next_key: Stamp,
    /// Its own context, where that is said.
    pub(super) context: Option<Stamp>,
    /// Whether it is left out where there is nothing.
    pub(super) optional: bool,
    /// The rows that have it: position of a column, and what it holds in them, as text.
    pub(super) only: Option<(usize, Vec<Vec<u8>>)>,
    pub(super) plan: EntityPlan,
}

/// How rows of derived types are written.
#[derive(Debug)]
pub(super) struct DerivationPlan {
    pub(super) position: usize,
    /// By what the discriminator holds, as text: which of `types`.
    pub(super) values: Vec<(Vec<u8>, usize)>,
    /// The base type first.
    pub(super) types: Vec<TypePlan>,
}

#[derive(Debug)]
pub(super) struct TypePlan {
    /// `,"@odata.type":"#…"` where it is said.
    pub(super) member: Option<Stamp>,
    /// What the edit link says after the entity's URL: the type, where it is a derived one.
    pub(super) cast: String,
    /// By number of a member: whether rows of this type lack it.
    pub(super) lacks: Vec<bool>,
}

/// What entities' URLs are made of.
#[derive(Debug)]
pub(super) struct LinksPlan {
    /// The entity set's absolute URL.
    pub(super) set_url: String,
    /// Name, literal form and position in the batch of the key's columns.
    pub(super) key: Vec<KeyPlan>,
    /// Whether rows say their id and edit link.
    pub(super) shown: bool,
    /// Names of the navigation properties whose links are shown.
    pub(super) navigation: Vec<String>,
    /// The operations that rows offer.
    pub(super) operations: Vec<OperationPlan>,
}

/// An operation that entities offer (JSON Format 4.01, sections 17 and 18).
#[derive(Debug)]
pub(super) struct OperationPlan {
    /// `,"#Ns.Name":{"title":"Name","target":`
    pub(super) key: Stamp,
    /// What follows the entity's URL.
    pub(super) path: String,
}

impl OperationPlan {
    fn new(name: &str) -> OperationPlan {
        let mut key = key_of(&format!("#{name}"));
        let title = text_member("title", name.rsplit('.').next().unwrap_or(name));
        key.push(b'{');
        key.extend(title.strip_prefix(b",").unwrap_or(&title));
        key.extend(key_of("target"));
        OperationPlan { key: Stamp::new(&key), path: format!("/{}", encoded(name)) }
    }
}

#[derive(Debug)]
pub(super) struct KeyPlan {
    pub(super) name: String,
    pub(super) literal: KeyLiteral,
    pub(super) position: usize,
    pub(super) value_type: ValueType,
    pub(super) names: Option<EnumerationNames>,
}

/// `,"name":`
pub(super) fn key_of(name: &str) -> Vec<u8> {
    let mut key = vec![b','];
    push_string(name, &mut key);
    key.push(b':');
    key
}

/// `,"name":"value"`
pub(super) fn text_member(name: &str, value: &str) -> Vec<u8> {
    let mut member = key_of(name);
    push_string(value, &mut member);
    member
}

/// Whether JSON says the type by itself: text, booleans and doubles.
fn self_evident(value_type: &ValueType) -> bool {
    let evident = |scalar_type| matches!(scalar_type, ScalarType::Text | ScalarType::Json | ScalarType::Boolean | ScalarType::Float64);
    matches!(value_type, ValueType::Scalar(scalar_type) if evident(*scalar_type))
}

/// What `@odata.type` says of values of a type. The names of OData's own types have a hash before them in 4.0 only.
pub(super) fn type_text(value_type: &ValueType, options: &JsonOptions) -> String {
    let hash = if options.version == Version::V4_0 { "#" } else { "" };
    match value_type {
        ValueType::Scalar(scalar_type) => format!("{hash}{}", bare_name(*scalar_type)),
        ValueType::Duration => format!("{hash}Duration"),
        ValueType::Enumeration(enumeration, _) => format!("#{}.{}", options.namespace, enumeration.name),
        ValueType::Spatial(of) => format!("{hash}{}", of.name()),
    }
}

fn bare_name(scalar_type: ScalarType) -> &'static str {
    let name = edm::type_name(scalar_type);
    name.strip_prefix("Edm.").unwrap_or(name)
}

fn collection_text(value_type: &ValueType, options: &JsonOptions) -> String {
    let item = type_text(value_type, options);
    format!("#Collection({})", item.trim_start_matches('#'))
}

/// Numbers members while they are rendered.
struct Rendering<'a> {
    options: &'a JsonOptions,
    next: usize,
}

impl Rendering<'_> {
    fn members(&mut self, shapes: &[PropertyShape], path: &str) -> Vec<MemberPlan> {
        shapes.iter().map(|shape| self.member(shape, path)).collect()
    }

    fn member(&mut self, shape: &PropertyShape, path: &str) -> MemberPlan {
        let number = self.next;
        self.next += 1;
        let full = self.options.metadata == MetadataLevel::Full;
        let typed = full || (shape.dynamic && self.options.metadata == MetadataLevel::Minimal);
        let bare = || Stamp::new(&key_of(&shape.name));
        let with_type = |text: &str| {
            let mut key = text_member(&format!("{}@odata.type", shape.name), text);
            key.extend(key_of(&shape.name));
            Stamp::new(&key)
        };
        let (key, value) = match &shape.value {
            ValueShape::Column { position, value_type } => {
                let text = type_text(value_type, self.options);
                let evident = self_evident(value_type);
                let value = ValuePlan::Cell {
                    position: *position,
                    value_type: value_type.clone(),
                    names: enumeration_names(value_type),
                    list_key: if typed { with_type(&collection_text(value_type, self.options)) } else { bare() },
                    not_finite_key: (typed && *value_type == ValueType::Scalar(ScalarType::Float64)).then(|| with_type(&text)),
                };
                (if typed && !evident { with_type(&text) } else { bare() }, value)
            }
            ValueShape::Complex { type_name, members, others } => {
                let type_member = type_name.as_ref().filter(|_| typed);
                let type_member = type_member.map(|name| Stamp::new(&text_member("@odata.type", &format!("#{name}"))));
                let members = self.members(members, &format!("{path}/{}", encoded(&shape.name)));
                (bare(), ValuePlan::Complex { type_member, members, others: others.clone() })
            }
            ValueShape::Point { latitude, longitude } => {
                let text = type_text(&ValueType::Spatial(POINT), self.options);
                let key = if typed { with_type(&text) } else { bare() };
                (key, ValuePlan::Point { latitude: *latitude, longitude: *longitude })
            }
            ValueShape::Stream { media_type, fixed_media_type } => {
                let shape_of = MediaShape { media_type: *media_type, fixed_media_type: fixed_media_type.clone() };
                let path = format!("{path}/{}", encoded(&shape.name));
                (bare(), ValuePlan::Stream(full.then(|| MediaPlan { name: shape.name.clone(), path, shape: shape_of })))
            }
        };
        let default = shape.default.clone().zip(shape.column_type().map(|(_, scalar_type)| scalar_type));
        let annotations = annotation_plans(&shape.name, &shape.annotations);
        MemberPlan { number, name: shape.name.clone(), key, value, default, annotations }
    }
}

fn encoded(name: &str) -> String {
    let mut text = String::new();
    push_encoded(name, &mut text);
    text
}

pub(super) fn enumeration_names(value_type: &ValueType) -> Option<EnumerationNames> {
    match value_type {
        ValueType::Enumeration(enumeration, _) => Some(EnumerationNames::new(enumeration)),
        ValueType::Scalar(_) | ValueType::Duration | ValueType::Spatial(_) => None,
    }
}

/// A property on its own, outside of an entity.
pub(super) fn lone_member(shape: &PropertyShape, options: &JsonOptions) -> MemberPlan {
    let annotations = annotation_plans("", &shape.annotations);
    MemberPlan { annotations, ..Rendering { options, next: 0 }.member(shape, "") }
}

impl EntityPlan {
    /// Renders a shape.
    pub(super) fn new(shape: &EntityShape, options: &JsonOptions) -> EntityPlan {
        let full = options.metadata == MetadataLevel::Full;
        let mut rendering = Rendering { options, next: 0 };
        let members = rendering.members(&shape.properties, "");
        let count = rendering.next;
        let links = options.links.get(&shape.entity_set);
        let type_name = links.filter(|_| (full || options.heterogeneous) && shape.derivation.is_none());
        EntityPlan {
            name: shape.entity_set.clone(),
            etag: shape.etag.filter(|_| options.metadata != MetadataLevel::None),
            expands: shape.expands.iter().map(|expand| ExpandPlan::new(expand, options)).collect(),
            type_member: type_name.map(|links| Stamp::new(&text_member("@odata.type", &format!("#{}", links.type_name)))),
            derivation: shape.derivation.as_ref().map(|derivation| DerivationPlan::new(derivation, &members, count, options)),
            presence: shape.presence.as_ref().map(|presence| {
                let lacks = presence.lacks.iter().map(|paths| lacking(paths, &members, count)).collect();
                (presence.position, lacks)
            }),
            links: links.and_then(|links| LinksPlan::new(shape, links, options)),
            media: shape.media.as_ref().filter(|_| full).map(|media| MediaPlan {
                name: String::new(),
                path: "/$value".to_owned(),
                shape: media.clone(),
            }),
            annotations: annotation_plans("", &shape.annotations),
            omit: options.omit_values,
            members,
        }
    }
}

impl ExpandPlan {
    fn new(expand: &ExpandShape, options: &JsonOptions) -> ExpandPlan {
        let annotation = |term: &str| Stamp::new(&key_of(&format!("{}@odata.{term}", expand.name)));
        // Who is told of no context for the whole is told of none for a part.
        let around = options.context_url.as_ref().filter(|_| options.metadata != MetadataLevel::None);
        let root = around.and_then(|url| Some(url.split_once("$metadata")?.0));
        let context = root
            .zip(expand.context.as_ref())
            .map(|(root, own)| Stamp::new(&text_member(&format!("{}@odata.context", expand.name), &format!("{root}$metadata{own}"))));
        ExpandPlan {
            name: expand.name.clone(),
            form: expand.form,
            many: expand.many,
            key: Stamp::new(&key_of(&expand.name)),
            count_key: annotation("count"),
            next_key: annotation("nextLink"),
            context,
            optional: expand.optional,
            only: expand.only.as_ref().map(|(position, values)| (*position, values.iter().map(super::url::value_text).collect())),
            // What is heterogeneous is the collection around; relationships say of which type their entities are.
            plan: EntityPlan::new(&expand.shape, &JsonOptions { heterogeneous: false, ..options.clone() }),
        }
    }
}

impl DerivationPlan {
    fn new(shape: &DerivationShape, members: &[MemberPlan], count: usize, options: &JsonOptions) -> DerivationPlan {
        let said = |name: &str| match options.metadata {
            MetadataLevel::None => false,
            MetadataLevel::Minimal => name != shape.expected || options.heterogeneous,
            MetadataLevel::Full => true,
        };
        let plan = |name: &str, lacks: &[usize]| TypePlan {
            member: said(name).then(|| Stamp::new(&text_member("@odata.type", &format!("#{name}")))),
            cast: if name == shape.base { String::new() } else { format!("/{}", encoded(name)) },
            lacks: lacking(&lacks.iter().map(|position| vec![*position]).collect::<Vec<_>>(), members, count),
        };
        let derived = shape.types.iter().map(|derived| plan(&derived.type_name, &derived.lacks));
        let types = std::iter::once(plan(&shape.base, &shape.base_lacks)).chain(derived).collect();
        let text = |value: &Value| super::url::value_text(value);
        let values = shape.types.iter().enumerate().flat_map(|(index, derived)| {
            // The types begin with the base type, which is not in this list.
            derived.values.iter().map(move |value| (text(value), index + 1))
        });
        DerivationPlan { position: shape.position, values: values.collect(), types }
    }
}

/// Which members are missing, by number: those that the paths lead to, with all their members, and complex ones that have none left.
fn lacking(paths: &[PropertyPath], members: &[MemberPlan], count: usize) -> Vec<bool> {
    fn mark(member: &MemberPlan, lacks: &mut [bool]) {
        if let Some(slot) = lacks.get_mut(member.number) {
            *slot = true;
        }
        if let ValuePlan::Complex { members, .. } = &member.value {
            members.iter().for_each(|member| mark(member, lacks));
        }
    }
    fn close(member: &MemberPlan, lacks: &mut [bool]) -> bool {
        if let ValuePlan::Complex { members, .. } = &member.value
            && !members.is_empty()
            && members.iter().filter(|member| !close(member, lacks)).count() == 0
            && let Some(slot) = lacks.get_mut(member.number)
        {
            *slot = true;
        }
        lacks.get(member.number).copied().unwrap_or_default()
    }
    let mut lacks = vec![false; count];
    for path in paths {
        let mut level = members;
        for (depth, position) in path.iter().enumerate() {
            let Some(member) = level.get(*position) else { break };
            if depth + 1 == path.len() {
                mark(member, &mut lacks);
            }
            level = match &member.value {
                ValuePlan::Complex { members, .. } => members,
                ValuePlan::Cell { .. } | ValuePlan::Point { .. } | ValuePlan::Stream(_) => &[],
            };
        }
    }
    members.iter().for_each(|member| {
        close(member, &mut lacks);
    });
    lacks
}

impl LinksPlan {
    /// Nothing when the batch does not hold the whole key. A singleton needs none.
    pub(super) fn new(shape: &EntityShape, links: &EntityLinks, options: &JsonOptions) -> Option<LinksPlan> {
        let mut set_url = format!("{}/", options.root_url.trim_end_matches('/'));
        push_encoded(&shape.entity_set, &mut set_url);
        let column = |name: &String| {
            let property = shape.properties.iter().find(|property| property.name == *name)?;
            let ValueShape::Column { position, value_type } = &property.value else { return None };
            Some(KeyPlan {
                name: name.clone(),
                literal: KeyLiteral::of(value_type, &options.namespace),
                position: *position,
                value_type: value_type.clone(),
                names: enumeration_names(value_type),
            })
        };
        let key = links.key.iter().map(column).collect::<Option<Vec<_>>>().filter(|key| links.singleton == key.is_empty())?;
        let full = options.metadata == MetadataLevel::Full;
        let navigation = if full { links.navigation.clone() } else { Vec::new() };
        let offered = |name: &&String| match &shape.mentioned {
            Some(mentioned) => mentioned.iter().any(|one| one == *name || one.strip_suffix(".*") == Some(options.namespace.as_str())),
            None => true,
        };
        let operations =
            if full { links.operations.iter().filter(offered).map(|name| OperationPlan::new(name)).collect() } else { Vec::new() };
        Some(LinksPlan { set_url, key, shown: full || options.heterogeneous, navigation, operations })
    }
}

/// The links of a shape whose rows are shown as references.
pub(super) fn reference_links<'a>(plan: &'a EntityPlan, name: &str) -> Result<&'a LinksPlan, WriteError> {
    plan.links.as_ref().ok_or_else(|| WriteError::new(name, "references need the key of the entities, which the rows do not hold"))
}
