//! Calls of operations as addresses: by themselves, on an entity, or on a set. It must not know what they return.

use super::literal::literal;
use super::text::Said;
use super::{Asking, Refusal};
use crate::metadata::{Operation, Protocol};
use portico_provider_api::{RemoteOperation, Value};
use portico_provider_web::Address;

impl Asking<'_> {
    /// The operation that is meant.
    ///
    /// # Errors
    /// When it is not there.
    pub fn operation(&self, wanted: &RemoteOperation) -> Result<&Operation, Refusal> {
        let last = |operation: &Operation| operation.names().last().is_some_and(|name| name == wanted.name.table());
        let found = self.service.operations.iter().find(|operation| last(operation) && operation.signature() == wanted.signature);
        found.ok_or_else(|| Refusal::Gone(format!("there is no operation '{}'", wanted.name)))
    }

    /// The address of an operation that is asked by `GET`, or of one that is invoked, whose arguments then stand in the body. Arguments are by
    /// position of the parameter.
    ///
    /// # Errors
    /// When a value cannot be said, or what it is bound to is not there.
    pub fn call(&self, operation: &Operation, arguments: &[(usize, Option<&Value>)]) -> Result<Address, Refusal> {
        let before = operation.key_parameters();
        let mut path: Vec<(String, String)> = self.before.iter().map(|part| (part.clone(), part.clone())).collect();
        let mut options: Vec<(String, Said)> = Vec::new();
        let mut values = 0;
        if let Some(binding) = &operation.binding {
            let set = self.service.set(&binding.set);
            let set = set.ok_or_else(|| Refusal::Gone(format!("there is no entity set '{}'", binding.set)))?;
            let segment = match &binding.key {
                Some(names) => {
                    let of = |(index, name): (usize, &String)| {
                        let given = arguments.iter().find(|(known, _)| *known == index).and_then(|(_, value)| *value);
                        let given = given.filter(|value| !value.is_null());
                        given
                            .map(|value| (name.clone(), value.clone()))
                            .ok_or_else(|| format!("a call without the key '{name}' of its entity"))
                    };
                    let key = names.iter().enumerate().map(of).collect::<Result<Vec<_>, String>>()?;
                    self.one(set, &key)?
                }
                None => Said::plain(set.name.as_str()),
            };
            values += segment.values;
            path.push((segment.sent, segment.shown));
            if self.cross_company {
                options.push(("cross-company".to_owned(), Said::plain("true")));
            }
        }
        let in_body = operation.changes && self.service.protocol == Protocol::V4;
        let mut parts = Vec::new();
        for (index, value) in arguments.iter().filter(|(index, _)| *index >= before && !in_body) {
            let (Some(property), Some(value)) = (operation.parameters.get(*index), value) else { continue };
            let name = &property.name;
            let v2 = self.service.protocol == Protocol::V2;
            match value {
                // What has parts of its own stands behind an alias (URL Conventions, section 5.1.1.15).
                Value::Json(text) if !v2 => {
                    parts.push(Said::plain(format!("{name}=@{name}")));
                    options.push((format!("@{name}"), Said::value(&**text)));
                }
                value => {
                    let text = literal(self.service.protocol, property, value);
                    let text = Said::value(text.ok_or_else(|| format!("a value for '{name}' that no URL of this protocol can say"))?);
                    if v2 {
                        options.push((name.clone(), text));
                    } else {
                        values += text.values;
                        parts.push(Said::plain(format!("{name}=")).and(&text));
                    }
                }
            }
        }
        let called = Said::plain(operation.name.as_str());
        let called =
            if in_body || self.service.protocol == Protocol::V2 { called } else { called.and(&Said::joined(&parts, ",").in_brackets()) };
        path.push((called.sent, called.shown));
        let options: Vec<(&str, Said)> = options.iter().map(|(name, said)| (name.as_str(), said.clone())).collect();
        let address = self.at(&path, &options)?;
        let (shown, more) = address.shown();
        let (shown, more) = (shown.to_owned(), more);
        Ok(address.shown_as(shown, values + more))
    }
}
