//! A `$metadata` document as it is written: types, associations, containers, operations and annotations, of OData 2.0 and 4.0 alike. Names
//! are not resolved here, and nothing is judged. It must not know what becomes of it.

use super::annotations::{self, Annotation};
use super::xml::{Element, Node, Xml};
use std::collections::{HashMap, HashSet};

/// A document.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// `Version` of the root element: `1.0` for OData 2.0, `4.0` and `4.01`.
    pub(super) version: String,
    pub(super) entity_types: HashMap<String, Structured>,
    pub(super) complex_types: HashMap<String, Structured>,
    pub(super) enumerations: HashMap<String, Enumeration>,
    /// Definitions of types: name to what is underneath.
    pub(super) definitions: HashMap<String, RawProperty>,
    pub(super) associations: HashMap<String, Association>,
    pub(super) container: Container,
    pub(super) operations: Vec<RawOperation>,
    /// By target, as it is written.
    annotations: HashMap<String, Vec<Annotation>>,
    /// Entity types that others derive from.
    bases: HashSet<String>,
    /// Short names of namespaces.
    aliases: HashMap<String, String>,
}

/// An entity type or a complex type.
#[derive(Debug, Default, Clone)]
pub(super) struct Structured {
    pub(super) base: Option<String>,
    pub(super) open: bool,
    pub(super) key: Vec<String>,
    pub(super) properties: Vec<RawProperty>,
    pub(super) navigation: Vec<Navigation>,
    pub(super) sap: Vec<(String, String)>,
    pub(super) annotations: Vec<Annotation>,
}

/// A property, parameter or return type.
#[derive(Debug, Default, Clone)]
pub(super) struct RawProperty {
    pub(super) name: String,
    pub(super) type_name: String,
    pub(super) nullable: Option<bool>,
    pub(super) max_length: Option<String>,
    pub(super) precision: Option<String>,
    pub(super) scale: Option<String>,
    pub(super) has_default: bool,
    pub(super) fixed: bool,
    pub(super) sap: Vec<(String, String)>,
    pub(super) annotations: Vec<Annotation>,
}

/// A navigation property.
#[derive(Debug, Default, Clone)]
pub(super) struct Navigation {
    pub(super) name: String,
    pub(super) type_name: String,
    /// Pairs of a property here and one there.
    pub(super) constraints: Vec<(String, String)>,
    /// In OData 2.0, the association, and the role of the other side.
    pub(super) relationship: String,
    pub(super) to_role: String,
}

/// An enumeration.
#[derive(Debug, Default, Clone)]
pub(super) struct Enumeration {
    pub(super) flags: bool,
    pub(super) members: Vec<String>,
}

/// An association of OData 2.0: which properties of the dependent role are those of the principal one.
#[derive(Debug, Default, Clone)]
pub(super) struct Association {
    pub(super) principal: (String, Vec<String>),
    pub(super) dependent: (String, Vec<String>),
    /// Role, type and multiplicity of each side.
    pub(super) ends: Vec<(String, String, String)>,
}

/// All containers of a document.
#[derive(Debug, Default)]
pub(super) struct Container {
    pub(super) names: Vec<String>,
    pub(super) sets: Vec<RawSet>,
    pub(super) singletons: Vec<String>,
    pub(super) association_sets: Vec<(String, Vec<(String, String)>)>,
    pub(super) imports: Vec<Import>,
    pub(super) annotations: Vec<Annotation>,
}

/// An entity set.
#[derive(Debug, Default, Clone)]
pub(super) struct RawSet {
    pub(super) name: String,
    /// `Namespace.Container/Set`, under which annotations speak of it.
    pub(super) target: String,
    pub(super) entity_type: String,
    /// Where navigation properties lead: path and set.
    pub(super) bindings: Vec<(String, String)>,
    pub(super) sap: Vec<(String, String)>,
    pub(super) annotations: Vec<Annotation>,
}

/// A function or action import; in OData 2.0 all that there is of an operation.
#[derive(Debug, Default, Clone)]
pub(super) struct Import {
    pub(super) name: String,
    /// The function or action that is imported.
    pub(super) operation: String,
    pub(super) method: Option<String>,
    pub(super) returns: Option<String>,
    pub(super) parameters: Vec<RawProperty>,
    pub(super) sap: Vec<(String, String)>,
}

/// A function or action.
#[derive(Debug, Default, Clone)]
pub(super) struct RawOperation {
    pub(super) name: String,
    pub(super) action: bool,
    pub(super) bound: bool,
    pub(super) parameters: Vec<RawProperty>,
    pub(super) returns: Option<RawProperty>,
    pub(super) annotations: Vec<Annotation>,
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// What is wrong, and in which line.
    pub(super) fn read(text: &str) -> Result<Document, String> {
        let mut xml = Xml::new(text);
        let mut document = Document::default();
        let root = match xml.next()? {
            Node::Open(root) => root,
            Node::Close | Node::Text(_) | Node::End => return Err(xml.wrong("it has no root element")),
        };
        if root.name != "Edmx" {
            return Err(xml.wrong(format_args!("its root is '{}', and an 'Edmx' is expected", root.name)));
        }
        document.version = root.get("Version");
        while let Some(element) = xml.child()? {
            match element.name.as_str() {
                "Reference" => document.reference(&mut xml)?,
                "DataServices" => document.data_services(&mut xml)?,
                _ => xml.skip()?,
            }
        }
        match xml.next()? {
            Node::End => {
                document.resolve_targets();
                Ok(document)
            }
            Node::Open(_) | Node::Close | Node::Text(_) => Err(xml.wrong("something follows its root element")),
        }
    }

    fn reference(&mut self, xml: &mut Xml<'_>) -> Result<(), String> {
        while let Some(element) = xml.child()? {
            if element.name == "Include"
                && let Some(alias) = element.maybe("Alias")
            {
                self.aliases.insert(alias.to_owned(), element.get("Namespace"));
            }
            xml.skip()?;
        }
        Ok(())
    }

    fn data_services(&mut self, xml: &mut Xml<'_>) -> Result<(), String> {
        while let Some(element) = xml.child()? {
            if element.name == "Schema" { self.schema(xml, &element)? } else { xml.skip()? }
        }
        Ok(())
    }

    fn schema(&mut self, xml: &mut Xml<'_>, schema: &Element) -> Result<(), String> {
        let namespace = schema.get("Namespace");
        if let Some(alias) = schema.maybe("Alias") {
            self.aliases.insert(alias.to_owned(), namespace.clone());
        }
        while let Some(element) = xml.child()? {
            let name = format!("{namespace}.{}", element.get("Name"));
            match element.name.as_str() {
                "EntityType" => {
                    let read = structured(xml, &element)?;
                    self.entity_types.insert(name, read);
                }
                "ComplexType" => {
                    let read = structured(xml, &element)?;
                    self.complex_types.insert(name, read);
                }
                "EnumType" => {
                    let read = enumeration(xml, &element)?;
                    self.enumerations.insert(name, read);
                }
                "TypeDefinition" => {
                    let mut read = property(xml, &element)?;
                    read.type_name = element.get("UnderlyingType");
                    self.definitions.insert(name, read);
                }
                "Association" => {
                    let read = association(xml)?;
                    self.associations.insert(name, read);
                }
                "EntityContainer" => self.container(xml, &element, &name)?,
                "Function" | "Action" => {
                    let read = operation(xml, &element, name)?;
                    self.operations.push(read);
                }
                "Annotations" => {
                    let target = element.get("Target");
                    let read = annotations::all(xml)?;
                    if !read.is_empty() {
                        self.annotations.entry(target).or_default().extend(read);
                    }
                }
                _ => xml.skip()?,
            }
        }
        Ok(())
    }

    fn container(&mut self, xml: &mut Xml<'_>, _element: &Element, name: &str) -> Result<(), String> {
        self.container.names.push(name.to_owned());
        while let Some(element) = xml.child()? {
            match element.name.as_str() {
                "EntitySet" => {
                    let mut set = RawSet {
                        name: element.get("Name"),
                        target: format!("{name}/{}", element.get("Name")),
                        entity_type: element.get("EntityType"),
                        sap: element.sap(),
                        ..RawSet::default()
                    };
                    while let Some(inner) = xml.child()? {
                        match inner.name.as_str() {
                            "NavigationPropertyBinding" => {
                                set.bindings.push((inner.get("Path"), inner.get("Target")));
                                xml.skip()?;
                            }
                            "Annotation" => set.annotations.extend(annotations::one(xml, &inner)?),
                            _ => xml.skip()?,
                        }
                    }
                    self.container.sets.push(set);
                }
                "Singleton" => {
                    self.container.singletons.push(element.get("Name"));
                    xml.skip()?;
                }
                "AssociationSet" => {
                    let mut ends = Vec::new();
                    while let Some(inner) = xml.child()? {
                        if inner.name == "End" {
                            ends.push((inner.get("Role"), inner.get("EntitySet")));
                        }
                        xml.skip()?;
                    }
                    self.container.association_sets.push((element.get("Association"), ends));
                }
                "FunctionImport" | "ActionImport" => {
                    let read = import(xml, &element)?;
                    self.container.imports.push(read);
                }
                "Annotation" => {
                    let read = annotations::one(xml, &element)?;
                    self.container.annotations.extend(read);
                }
                _ => xml.skip()?,
            }
        }
        Ok(())
    }

    /// A qualified name with its namespace in full.
    pub(super) fn full(&self, name: &str) -> String {
        match name.rsplit_once('.') {
            Some((before, last)) => match self.aliases.get(before) {
                Some(namespace) => format!("{namespace}.{last}"),
                None => name.to_owned(),
            },
            None => name.to_owned(),
        }
    }

    /// What is said of a target (`Namespace.Container/Set`) away from it.
    pub(super) fn said_of(&self, target: &str) -> &[Annotation] {
        self.annotations.get(target).map(Vec::as_slice).unwrap_or_default()
    }

    /// A target (`Namespace.Container/Set`) with its namespace in full.
    pub(super) fn full_target(&self, target: &str) -> String {
        match target.split_once('/') {
            Some((head, rest)) => format!("{}/{rest}", self.full(head)),
            None => self.full(target),
        }
    }

    /// Targets may be written with short names of namespaces, which are known only at the end.
    fn resolve_targets(&mut self) {
        for (target, said) in std::mem::take(&mut self.annotations) {
            let full = self.full_target(&target);
            self.annotations.entry(full).or_default().extend(said);
        }
        let bases = self.entity_types.values().filter_map(|structured| structured.base.as_deref());
        self.bases = bases.map(|base| self.full(base)).collect();
    }

    /// Whether other entity types derive from this one.
    pub(super) fn is_base(&self, name: &str) -> bool {
        self.bases.contains(name)
    }

    /// Whether this annotation is of that term, by its full name.
    pub(super) fn is_term(&self, annotation: &Annotation, term: &str) -> bool {
        self.full(&annotation.term) == term
    }
}

fn structured(xml: &mut Xml<'_>, element: &Element) -> Result<Structured, String> {
    let mut read = Structured {
        base: element.maybe("BaseType").map(str::to_owned),
        open: element.maybe("OpenType") == Some("true"),
        sap: element.sap(),
        ..Structured::default()
    };
    while let Some(inner) = xml.child()? {
        match inner.name.as_str() {
            "Key" => {
                while let Some(reference) = xml.child()? {
                    read.key.push(reference.get("Name"));
                    xml.skip()?;
                }
            }
            "Property" => read.properties.push(property(xml, &inner)?),
            "NavigationProperty" => {
                let mut navigation = Navigation {
                    name: inner.get("Name"),
                    type_name: inner.get("Type"),
                    constraints: Vec::new(),
                    relationship: inner.get("Relationship"),
                    to_role: inner.get("ToRole"),
                };
                while let Some(part) = xml.child()? {
                    if part.name == "ReferentialConstraint" {
                        navigation.constraints.push((part.get("Property"), part.get("ReferencedProperty")));
                    }
                    xml.skip()?;
                }
                read.navigation.push(navigation);
            }
            "Annotation" => read.annotations.extend(annotations::one(xml, &inner)?),
            _ => xml.skip()?,
        }
    }
    Ok(read)
}

fn property(xml: &mut Xml<'_>, element: &Element) -> Result<RawProperty, String> {
    let owned = |name: &str| element.maybe(name).map(str::to_owned);
    let mut read = RawProperty {
        name: element.get("Name"),
        type_name: element.get("Type"),
        nullable: element.maybe("Nullable").map(|text| text != "false"),
        max_length: owned("MaxLength"),
        precision: owned("Precision"),
        scale: owned("Scale"),
        has_default: element.maybe("DefaultValue").is_some(),
        fixed: element.maybe("ConcurrencyMode").is_some_and(|mode| mode.eq_ignore_ascii_case("fixed")),
        sap: element.sap(),
        annotations: Vec::new(),
    };
    while let Some(inner) = xml.child()? {
        if inner.name == "Annotation" { read.annotations.extend(annotations::one(xml, &inner)?) } else { xml.skip()? }
    }
    Ok(read)
}

fn enumeration(xml: &mut Xml<'_>, element: &Element) -> Result<Enumeration, String> {
    let mut read = Enumeration { flags: element.maybe("IsFlags") == Some("true"), members: Vec::new() };
    while let Some(inner) = xml.child()? {
        if inner.name == "Member" {
            read.members.push(inner.get("Name"));
        }
        xml.skip()?;
    }
    Ok(read)
}

fn association(xml: &mut Xml<'_>) -> Result<Association, String> {
    let mut read = Association::default();
    while let Some(inner) = xml.child()? {
        if inner.name == "End" {
            read.ends.push((inner.get("Role"), inner.get("Type"), inner.get("Multiplicity")));
        }
        if inner.name != "ReferentialConstraint" {
            xml.skip()?;
            continue;
        }
        while let Some(side) = xml.child()? {
            let mut named = Vec::new();
            let role = side.get("Role");
            while let Some(reference) = xml.child()? {
                named.push(reference.get("Name"));
                xml.skip()?;
            }
            match side.name.as_str() {
                "Principal" => read.principal = (role, named),
                "Dependent" => read.dependent = (role, named),
                _ => {}
            }
        }
    }
    Ok(read)
}

fn import(xml: &mut Xml<'_>, element: &Element) -> Result<Import, String> {
    let method = element.attributes().find(|(name, _)| name.rsplit(':').next() == Some("HttpMethod")).map(|(_, value)| value.to_owned());
    let mut read = Import {
        name: element.get("Name"),
        operation: if element.name == "ActionImport" { element.get("Action") } else { element.get("Function") },
        method,
        returns: element.maybe("ReturnType").map(str::to_owned),
        parameters: Vec::new(),
        sap: element.sap(),
    };
    while let Some(inner) = xml.child()? {
        if inner.name == "Parameter" { read.parameters.push(property(xml, &inner)?) } else { xml.skip()? }
    }
    Ok(read)
}

fn operation(xml: &mut Xml<'_>, element: &Element, name: String) -> Result<RawOperation, String> {
    let mut read =
        RawOperation { name, action: element.name == "Action", bound: element.maybe("IsBound") == Some("true"), ..RawOperation::default() };
    while let Some(inner) = xml.child()? {
        match inner.name.as_str() {
            "Parameter" => read.parameters.push(property(xml, &inner)?),
            "ReturnType" => read.returns = Some(property(xml, &inner)?),
            "Annotation" => read.annotations.extend(annotations::one(xml, &inner)?),
            _ => xml.skip()?,
        }
    }
    Ok(read)
}
