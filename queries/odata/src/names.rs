//! Which identifiers there are and what each can stand for, as [`crate::resolve`] needs it: the roles that the ABNF gives identifiers,
//! and what may stand in each. It must not know where the description came from, nor what the things do.

use crate::parse::value;
use portico_catalog::overlay::{DerivedType, ReturnKind};
use portico_catalog::{ModelView, Operation, PropertyView, TableView};
use std::collections::{BTreeMap, BTreeSet};

/// What an identifier can stand for. Each is a rule of the ABNF whose right-hand side is no more than an identifier (or, for
/// annotations and keys, no more than their text).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names are those of the ABNF's rules, which `rule` gives")]
pub enum Role {
    EntitySet,
    Singleton,
    ActionImport,
    EntityFunctionImport,
    EntityColFunctionImport,
    ComplexFunctionImport,
    ComplexColFunctionImport,
    PrimitiveFunctionImport,
    PrimitiveColFunctionImport,
    EntityType,
    ComplexType,
    TypeDefinition,
    EnumType,
    EnumMember,
    NamespacePart,
    EntityNavigation,
    EntityColNavigation,
    Complex,
    ComplexCol,
    PrimitiveKey,
    PrimitiveNonKey,
    PrimitiveCol,
    Stream,
    CustomAggregate,
    Action,
    EntityFunction,
    EntityColFunction,
    ComplexFunction,
    ComplexColFunction,
    PrimitiveFunction,
    PrimitiveColFunction,
    Parameter,
    KeyAlias,
    KeySegment,
    CustomOption,
    LambdaVariable,
    ExpressionAlias,
    ComputedProperty,
    Term,
    AnnotationQualifier,
    EntityAnnotation,
    ComplexAnnotation,
    PrimitiveAnnotation,
    PrimitiveColAnnotation,
    EntityAnnotationInFragment,
    ComplexAnnotationInFragment,
    HierarchyQualifier,
    LeveledHierarchy,
}

/// Every role with the name of its rule in the ABNF.
const RULES: [(Role, &str); 48] = [
    (Role::EntitySet, "entitySetName"),
    (Role::Singleton, "singletonEntity"),
    (Role::ActionImport, "actionImport"),
    (Role::EntityFunctionImport, "entityFunctionImport"),
    (Role::EntityColFunctionImport, "entityColFunctionImport"),
    (Role::ComplexFunctionImport, "complexFunctionImport"),
    (Role::ComplexColFunctionImport, "complexColFunctionImport"),
    (Role::PrimitiveFunctionImport, "primitiveFunctionImport"),
    (Role::PrimitiveColFunctionImport, "primitiveColFunctionImport"),
    (Role::EntityType, "entityTypeName"),
    (Role::ComplexType, "complexTypeName"),
    (Role::TypeDefinition, "typeDefinitionName"),
    (Role::EnumType, "enumerationTypeName"),
    (Role::EnumMember, "enumerationMember"),
    (Role::NamespacePart, "namespacePart"),
    (Role::EntityNavigation, "entityNavigationProperty"),
    (Role::EntityColNavigation, "entityColNavigationProperty"),
    (Role::Complex, "complexProperty"),
    (Role::ComplexCol, "complexColProperty"),
    (Role::PrimitiveKey, "primitiveKeyProperty"),
    (Role::PrimitiveNonKey, "primitiveNonKeyProperty"),
    (Role::PrimitiveCol, "primitiveColProperty"),
    (Role::Stream, "streamProperty"),
    (Role::CustomAggregate, "customAggregate"),
    (Role::Action, "action"),
    (Role::EntityFunction, "entityFunction"),
    (Role::EntityColFunction, "entityColFunction"),
    (Role::ComplexFunction, "complexFunction"),
    (Role::ComplexColFunction, "complexColFunction"),
    (Role::PrimitiveFunction, "primitiveFunction"),
    (Role::PrimitiveColFunction, "primitiveColFunction"),
    (Role::Parameter, "parameterName"),
    (Role::KeyAlias, "keyPropertyAlias"),
    (Role::KeySegment, "keyPathLiteral"),
    (Role::CustomOption, "customName"),
    (Role::LambdaVariable, "lambdaVariableExpr"),
    (Role::ExpressionAlias, "expressionAlias"),
    (Role::ComputedProperty, "computedProperty"),
    (Role::Term, "termName"),
    (Role::AnnotationQualifier, "annotationQualifier"),
    (Role::EntityAnnotation, "entityAnnotationInQuery"),
    (Role::ComplexAnnotation, "complexAnnotationInQuery"),
    (Role::PrimitiveAnnotation, "primitiveAnnotationInQuery"),
    (Role::PrimitiveColAnnotation, "primitiveColAnnotationInQuery"),
    (Role::EntityAnnotationInFragment, "entityAnnotationInFragment"),
    (Role::ComplexAnnotationInFragment, "complexAnnotationInFragment"),
    (Role::HierarchyQualifier, "recHierQualifier"),
    (Role::LeveledHierarchy, "rollupNamedHier"),
];

impl Role {
    /// The name of the rule in the ABNF.
    #[must_use]
    pub fn rule(self) -> &'static str {
        RULES.iter().find(|(role, _)| *role == self).map_or("", |(_, rule)| *rule)
    }

    /// Whether what stands in this role need not be an identifier.
    fn takes_any_text(self) -> bool {
        matches!(
            self,
            Role::KeySegment
                | Role::CustomOption
                | Role::EntityAnnotation
                | Role::ComplexAnnotation
                | Role::PrimitiveAnnotation
                | Role::PrimitiveColAnnotation
                | Role::EntityAnnotationInFragment
                | Role::ComplexAnnotationInFragment
        )
    }
}

/// Roles of what a path can begin with.
pub(crate) const ROOTS: [Role; 9] = [
    Role::EntitySet,
    Role::Singleton,
    Role::ActionImport,
    Role::EntityFunctionImport,
    Role::EntityColFunctionImport,
    Role::ComplexFunctionImport,
    Role::ComplexColFunctionImport,
    Role::PrimitiveFunctionImport,
    Role::PrimitiveColFunctionImport,
];

/// Roles of properties.
pub(crate) const PROPERTIES: [Role; 9] = [
    Role::EntityNavigation,
    Role::EntityColNavigation,
    Role::Complex,
    Role::ComplexCol,
    Role::PrimitiveKey,
    Role::PrimitiveNonKey,
    Role::PrimitiveCol,
    Role::Stream,
    Role::CustomAggregate,
];

/// Roles of functions.
pub(crate) const FUNCTIONS: [Role; 6] = [
    Role::EntityFunction,
    Role::EntityColFunction,
    Role::ComplexFunction,
    Role::ComplexColFunction,
    Role::PrimitiveFunction,
    Role::PrimitiveColFunction,
];

/// A type whose properties are known, by position; `None` where nothing is known and every description applies.
pub(crate) type Owner = Option<usize>;

/// What may stand in a role.
#[derive(Debug, Clone, Default)]
enum Allowed {
    /// Any identifier.
    #[default]
    Any,
    /// These.
    Only(BTreeSet<String>),
}

/// Properties of one type.
#[derive(Debug, Clone, Default)]
struct Type {
    name: String,
    properties: BTreeMap<String, (Role, Owner)>,
}

/// A description of a model's identifiers. Roles of which nothing is said take any identifier.
#[derive(Debug, Clone, Default)]
pub struct Names {
    allowed: BTreeMap<Role, Allowed>,
    types: Vec<Type>,
    /// Types of entity sets.
    sets: BTreeMap<String, usize>,
    /// Types of singletons.
    singletons: BTreeMap<String, usize>,
    /// Whether types and operations always come with a namespace.
    always_qualified: bool,
}

impl Names {
    /// A description that says for some rules of the ABNF which identifiers they take; all others take any. Rules that no role has are
    /// left out and returned.
    pub fn from_rules<'a>(rules: impl IntoIterator<Item = (&'a str, Vec<String>)>) -> (Names, Vec<&'a str>) {
        let mut names = Names::default();
        let mut unknown = Vec::new();
        for (rule, identifiers) in rules {
            match RULES.iter().find(|(_, known)| *known == rule) {
                Some((role, _)) => {
                    names.allowed.insert(*role, Allowed::Only(identifiers.into_iter().collect()));
                }
                None => unknown.push(rule),
            }
        }
        (names, unknown)
    }

    /// The description of what a caller sees of a model: sets, singletons, types with their properties, enumerations, operations.
    #[must_use]
    pub fn from_view(view: &ModelView) -> Names {
        let mut names = Names::default();
        let sets: BTreeMap<String, usize> = view.tables.keys().enumerate().map(|(index, name)| (name.clone(), index)).collect();
        let complex = view.complex_types();
        // The types of sets come first, then complex types, then derived ones, so that positions are known before properties are.
        let complexes: BTreeMap<&str, usize> = complex.keys().enumerate().map(|(index, name)| (*name, sets.len() + index)).collect();
        for table in view.tables.values() {
            names.types.push(Type { name: table.name.clone(), properties: properties_of(table, None, &sets, &complexes) });
        }
        for (name, members) in &complex {
            let properties = members.iter().map(|member| (member.name.clone(), (Role::PrimitiveNonKey, None))).collect();
            names.types.push(Type { name: (*name).to_owned(), properties });
        }
        for table in view.tables.values() {
            for derived in table.table.overlay.derivation.iter().flat_map(|derivation| &derivation.types) {
                let properties = properties_of(table, Some(&derived.name), &sets, &complexes);
                names.types.push(Type { name: derived.name.clone(), properties });
            }
        }
        let entity_types = names.types.iter().enumerate().filter(|(index, _)| !complexes.values().any(|complex| complex == index));
        let entity_types: BTreeSet<String> = entity_types.map(|(_, one)| one.name.clone()).collect();
        let enumerations = view.enumerations();
        let members = enumerations.values().flat_map(|one| &one.members).map(|member| member.name.clone()).collect();
        let hierarchies = view.tables.values().flat_map(|table| &table.table.overlay.hierarchies);
        let aggregates = view.tables.values().flat_map(|table| &table.table.overlay.aggregates);
        for role in ROOTS.into_iter().chain(FUNCTIONS).chain([Role::Action]) {
            names.allowed.insert(role, Allowed::Only(BTreeSet::new()));
        }
        let known = [
            (Role::EntitySet, sets.keys().cloned().collect()),
            (Role::Singleton, view.singletons.keys().cloned().collect()),
            (Role::EntityType, entity_types),
            (Role::ComplexType, complex.keys().map(|name| (*name).to_owned()).collect()),
            (Role::TypeDefinition, BTreeSet::new()),
            (Role::EnumType, enumerations.keys().map(|name| (*name).to_owned()).collect()),
            (Role::EnumMember, members),
            (Role::CustomAggregate, aggregates.map(|aggregate| aggregate.name.clone()).collect()),
            (Role::HierarchyQualifier, hierarchies.map(|hierarchy| hierarchy.qualifier.clone()).collect()),
            (Role::LeveledHierarchy, BTreeSet::new()),
            // Variables are those that a lambda around them declares.
            (Role::LambdaVariable, BTreeSet::new()),
        ];
        names.allowed.extend(known.into_iter().map(|(role, known)| (role, Allowed::Only(known))));
        for operation in &view.operations {
            if let Allowed::Only(known) = names.allowed.entry(role_of(operation)).or_default() {
                known.insert(operation.name.clone());
            }
        }
        // The functions of vocabularies that are about hierarchies.
        let tests = crate::bind::NODE_TESTS.into_iter().map(|name| (Role::PrimitiveFunction, name));
        for (role, name) in tests.chain([(Role::EntityFunction, "rollupnode"), (Role::EntityColFunction, "TopLevels")]) {
            if let Allowed::Only(known) = names.allowed.entry(role).or_default() {
                known.insert(name.to_owned());
            }
        }
        let singletons = view.singletons.iter().filter_map(|(name, one)| Some((name.clone(), *sets.get(&one.table)?)));
        names.singletons = singletons.collect();
        names.sets = sets;
        // What a model does not describe may be there under a qualified name; anything else is a mistake.
        names.always_qualified = true;
        names
    }

    /// Whether an identifier can stand in a role.
    #[must_use]
    pub fn is(&self, role: Role, name: &str) -> bool {
        match self.allowed.get(&role) {
            None | Some(Allowed::Any) => role.takes_any_text() || value::is_identifier(name),
            Some(Allowed::Only(names)) => names.contains(name),
        }
    }

    /// Whether a qualified or, with `optional`, perhaps unqualified name can stand in a role.
    pub(crate) fn is_qualified(&self, role: Role, name: &str, optional: bool) -> bool {
        match name.rsplit_once('.') {
            Some((namespace, name)) => self.is_namespace(namespace) && self.is(role, name),
            // The schema's operations are found without its namespace, which is the default one (URL conventions 4.01, section 4.16).
            None => optional && (!self.always_qualified || role == Role::Action || FUNCTIONS.contains(&role)) && self.is(role, name),
        }
    }

    pub(crate) fn is_namespace(&self, namespace: &str) -> bool {
        namespace.split('.').all(|part| self.is(Role::NamespacePart, part))
    }

    /// Whether a text is an annotation: `@`, a name perhaps qualified, and perhaps `#` and a qualifier.
    pub(crate) fn is_annotation(&self, text: &str) -> bool {
        let Some(text) = text.strip_prefix('@') else { return false };
        let (term, qualifier) = text.split_once('#').map_or((text, None), |(term, qualifier)| (term, Some(qualifier)));
        qualifier.is_none_or(|qualifier| self.is(Role::AnnotationQualifier, qualifier)) && self.is_qualified(Role::Term, term, true)
    }

    /// Whether a text is an annotation of a kind.
    pub(crate) fn is_annotation_of(&self, role: Role, text: &str) -> bool {
        self.is_annotation(text) && self.is(role, text)
    }

    /// What a name at the start of a path can stand for.
    pub(crate) fn roots(&self, name: &str) -> impl Iterator<Item = (Role, Owner)> {
        let owner = self.sets.get(name).or_else(|| self.singletons.get(name)).copied();
        let fits = move |role: &Role| self.is(*role, name) && (owner.is_none() || matches!(role, Role::EntitySet | Role::Singleton));
        ROOTS.into_iter().filter(fits).map(move |role| (role, owner))
    }

    /// What a name can stand for among the properties of a type.
    pub(crate) fn properties(&self, owner: Owner, name: &str) -> Vec<(Role, Owner)> {
        match owner.and_then(|owner| self.types.get(owner)) {
            Some(of) => of.properties.get(name).copied().into_iter().collect(),
            None => PROPERTIES.into_iter().filter(|role| self.is(*role, name)).map(|role| (role, None)).collect(),
        }
    }

    /// The type of a name, qualified or not, where its properties are known.
    pub(crate) fn type_named(&self, name: &str) -> Owner {
        let name = name.rsplit('.').next().unwrap_or(name);
        self.types.iter().position(|known| known.name == name)
    }

    /// The name of a type and of its properties, for messages; nothing where they are not known.
    pub(crate) fn known(&self, owner: Owner) -> Option<(&str, impl Iterator<Item = &str>)> {
        let of = self.types.get(owner?)?;
        Some((of.name.as_str(), of.properties.keys().map(String::as_str)))
    }

    /// Names of entity sets, as far as they are known.
    pub(crate) fn entity_sets(&self) -> impl Iterator<Item = &str> {
        self.sets.keys().map(String::as_str)
    }
}

/// The properties of a table's entities, or of those of a derived type: its own, and those of all that it is derived from.
fn properties_of(
    table: &TableView,
    derived: Option<&str>,
    sets: &BTreeMap<String, usize>,
    complexes: &BTreeMap<&str, usize>,
) -> BTreeMap<String, (Role, Owner)> {
    let overlay = &table.table.overlay;
    let has = |owner: Option<&DerivedType>| match (owner, derived, &overlay.derivation) {
        (None, ..) => true,
        (Some(owner), Some(derived), Some(derivation)) => derivation.is_a(derived, &owner.name),
        (Some(_), ..) => false,
    };
    let mut properties = BTreeMap::new();
    for property in table.properties() {
        match property {
            PropertyView::Column(index) if has(overlay.owner(index)) => {
                if let Some(column) = table.table.columns.get(index) {
                    let role = if table.table.key.contains(&index) { Role::PrimitiveKey } else { Role::PrimitiveNonKey };
                    properties.insert(column.name.clone(), (role, None));
                }
            }
            PropertyView::Complex(complex, members) if members.first().is_some_and(|(_, index)| has(overlay.owner(*index))) => {
                properties.insert(complex.name.clone(), (Role::Complex, complexes.get(complex.type_name.as_str()).copied()));
            }
            PropertyView::Point(point) if has(overlay.owner(point.latitude)) => {
                properties.insert(point.name.clone(), (Role::PrimitiveNonKey, None));
            }
            PropertyView::Stream(stream) if has(overlay.owner(stream.content)) => {
                properties.insert(stream.name.clone(), (Role::Stream, None));
            }
            PropertyView::Column(_) | PropertyView::Complex(..) | PropertyView::Point(_) | PropertyView::Stream(_) => {}
        }
    }
    for relationship in table.relationships.iter().filter(|link| has(table.table.relationship_owner(link.index))) {
        let role = if relationship.many { Role::EntityColNavigation } else { Role::EntityNavigation };
        properties.insert(relationship.name.clone(), (role, sets.get(&relationship.to).copied()));
    }
    properties
}

/// What the ABNF calls an operation.
fn role_of(operation: &Operation) -> Role {
    let imported = operation.binding.is_none();
    let Some(returns) = operation.returns.as_ref().filter(|_| !operation.action) else {
        return if imported { Role::ActionImport } else { Role::Action };
    };
    match (&returns.kind, returns.many, imported) {
        (ReturnKind::Entity { .. }, false, true) => Role::EntityFunctionImport,
        (ReturnKind::Entity { .. }, true, true) => Role::EntityColFunctionImport,
        (ReturnKind::Complex { .. }, false, true) => Role::ComplexFunctionImport,
        (ReturnKind::Complex { .. }, true, true) => Role::ComplexColFunctionImport,
        (ReturnKind::Scalar { .. }, false, true) => Role::PrimitiveFunctionImport,
        (ReturnKind::Scalar { .. }, true, true) => Role::PrimitiveColFunctionImport,
        (ReturnKind::Entity { .. }, false, false) => Role::EntityFunction,
        (ReturnKind::Entity { .. }, true, false) => Role::EntityColFunction,
        (ReturnKind::Complex { .. }, false, false) => Role::ComplexFunction,
        (ReturnKind::Complex { .. }, true, false) => Role::ComplexColFunction,
        (ReturnKind::Scalar { .. }, false, false) => Role::PrimitiveFunction,
        (ReturnKind::Scalar { .. }, true, false) => Role::PrimitiveColFunction,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_described_is_anything() {
        let (names, unknown) = Names::from_rules([("entitySetName", vec!["A".to_owned()]), ("nonsense", Vec::new())]);
        assert_eq!(unknown, ["nonsense"]);
        assert!(names.is(Role::EntitySet, "A") && !names.is(Role::EntitySet, "B") && names.is(Role::Singleton, "B"));
        assert_eq!(Role::Stream.rule(), "streamProperty");
        assert!(RULES.iter().all(|(role, rule)| role.rule() == *rule));
    }

    #[test]
    fn a_view_describes_what_it_shows() {
        let names = Names::from_view(&crate::fixtures::model());
        let customers = names.roots("Customers").find(|(role, _)| *role == Role::EntitySet).unwrap().1;
        assert_eq!(names.properties(customers, "Id"), [(Role::PrimitiveKey, None)]);
        assert!(names.properties(customers, "SecretLimit").is_empty());
        let orders = names.properties(customers, "Orders");
        assert!(matches!(orders.as_slice(), [(Role::EntityColNavigation, Some(_))]));
        assert_eq!(names.known(orders[0].1).unwrap().0, "Orders");
    }

    #[test]
    fn a_view_of_everything_is_known_by_its_roles() {
        let names = Names::from_view(&crate::metadata::everything());
        let accounts = names.roots("Accounts").next().unwrap();
        assert_eq!(names.roots("Me").collect::<Vec<_>>(), [(Role::Singleton, accounts.1)]);
        assert!(names.roots("Close").next().is_none(), "what is bound is not at the root");
        assert_eq!(names.roots("Recalculate").next().unwrap().0, Role::ActionImport);
        assert_eq!(names.roots("Important").next().unwrap().0, Role::EntityColFunctionImport);
        assert!(names.is_qualified(Role::Action, "Close", true) && names.is_qualified(Role::ComplexColFunction, "Portico.crm.Sums", true));
        let (role, address) = names.properties(accounts.1, "Address")[0];
        assert_eq!((role, names.known(address).unwrap().0), (Role::Complex, "Address"));
        assert!(names.properties(accounts.1, "addr_city").is_empty() && !names.properties(address, "city").is_empty());
        assert_eq!(names.properties(accounts.1, "Photo"), [(Role::Stream, None)]);
        assert!(names.properties(accounts.1, "photo").is_empty() && names.properties(accounts.1, "letter").is_empty());
        assert!(names.properties(accounts.1, "vat").is_empty() && names.properties(accounts.1, "SameVat").is_empty());
        let bank = names.type_named("Portico.crm.Bank");
        assert!(
            !names.properties(bank, "vat").is_empty()
                && !names.properties(bank, "swift").is_empty()
                && !names.properties(bank, "SameVat").is_empty()
        );
        assert!(names.properties(names.type_named("Company"), "swift").is_empty());
        assert!(
            names.is_qualified(Role::EntityType, "Portico.crm.Bank", true)
                && !names.is_qualified(Role::EntityType, "Portico.crm.Bnk", true)
        );
        assert!(names.is(Role::EnumMember, "Closed") && !names.is(Role::EnumMember, "Clsed"));
        assert!(names.is(Role::CustomAggregate, "Limits") && !names.is(Role::CustomAggregate, "Limit"));
        assert!(names.is(Role::HierarchyQualifier, "Reporting") && !names.is(Role::HierarchyQualifier, "Report"));
    }
}
