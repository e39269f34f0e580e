//! Functions and actions. It must not know how they are run.

use super::super::csdl::{Annotation, Expression, OperationElement, Property, TypeReference};
use super::{Describe, scalar};
use portico_catalog::Operation;
use portico_catalog::overlay::{Parameter, ReturnKind};

impl Describe<'_> {
    /// A function or action.
    pub(super) fn operation(&self, operation: &Operation) -> OperationElement {
        let mut parameters = Vec::new();
        if let Some(binding) = &operation.binding
            && let Some(table) = self.view.by_virtual_table(&binding.table)
        {
            let of = TypeReference { name: self.qualified(&table.name), collection: binding.many, ..TypeReference::default() };
            parameters.push(Property { name: binding_name(operation), of, annotations: Vec::new() });
        }
        parameters.extend(operation.parameters.iter().map(|parameter| self.parameter(parameter)));
        OperationElement {
            name: operation.name.clone(),
            action: operation.action,
            bound: operation.binding.is_some(),
            composable: operation.composable,
            parameters,
            returns: operation.returns.as_ref().map(|returns| {
                let of = match &returns.kind {
                    ReturnKind::Entity { table } => {
                        let name = self.view.by_virtual_table(table).map_or(table.as_str(), |view| view.name.as_str());
                        TypeReference { name: self.qualified(name), ..TypeReference::default() }
                    }
                    ReturnKind::Complex { type_name, .. } => TypeReference { name: self.qualified(type_name), ..TypeReference::default() },
                    ReturnKind::Scalar { scalar_type } => scalar(*scalar_type, None),
                };
                TypeReference { collection: returns.many, nullable: returns.nullable, ..of }
            }),
            annotations: self.described(operation.description.as_deref(), &operation.labels),
        }
    }

    fn parameter(&self, parameter: &Parameter) -> Property {
        let of = match &parameter.enumeration {
            Some(enumeration) => TypeReference { name: self.qualified(&enumeration.name), ..TypeReference::default() },
            None => scalar(parameter.scalar_type, parameter.max_length),
        };
        let optional = parameter.optional.then(|| Annotation::new("Core.OptionalParameter", Expression::Record(None, Vec::new())));
        let of = TypeReference { nullable: parameter.nullable, ..of };
        Property { name: parameter.name.clone(), of, annotations: optional.into_iter().collect() }
    }
}

/// What the binding parameter is called: no other parameter is.
fn binding_name(operation: &Operation) -> String {
    let mut name = "it".to_owned();
    while operation.parameters.iter().any(|parameter| parameter.name == name) {
        name.insert(0, '_');
    }
    name
}
