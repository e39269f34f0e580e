//! Paths in expressions: what a chain of names leads to — a value, a row, a property of several columns, a collection — and what may be
//! asked of a collection: `any`, `all`, `$count`, `$filter`.
#![deny(clippy::wildcard_enum_match_arm)]

use super::promote::Operand;
use super::scope::{Row, Scope, Start};
use super::{suggestion, table_columns};
use crate::bound::{BoundExpr, BoundQuantifier, Members, MembersOrigin};
use crate::error::ODataError;
use crate::syntax::{Argument, Expr, ExprKind, KeyPart, KeyPredicate, Options, PathStep, Quantifier, Span, StepKind};
use crate::value_type::RowType;
use portico_catalog::TableView;
use portico_catalog::overlay::VALUE;
use portico_provider_api::ScalarType;
use std::sync::Arc;

/// What a path leads to.
pub(super) enum Meaning<'a> {
    /// A value.
    Value(Operand),
    /// An entity, or nothing.
    Row(Row<'a>, String),
    /// A property of several columns: their names begin so.
    Complex(Row<'a>, Vec<String>),
    /// Entities.
    Members(Collection<'a>),
}

/// A collection of entities.
pub(super) struct Collection<'a> {
    pub(super) members: Members,
    pub(super) table: &'a TableView,
    /// The property whose values are meant, when it is not the entities themselves.
    pub(super) property: Option<usize>,
    pub(super) text: String,
}

impl<'a> Scope<'a> {
    /// What an expression stands for, if it is more than a value.
    pub(super) fn meaning(&self, expr: &Expr) -> Result<Meaning<'a>, ODataError> {
        match &expr.kind {
            ExprKind::Path(steps) => self.path(steps),
            ExprKind::Alias(name) => match self.alias(name, expr.span)? {
                Some((value, scope)) => scope.meaning(value),
                None => Ok(Meaning::Value(Operand::null())),
            },
            ExprKind::Literal(_)
            | ExprKind::Call { .. }
            | ExprKind::Unary { .. }
            | ExprKind::Binary { .. }
            | ExprKind::Logical { .. }
            | ExprKind::List(_)
            | ExprKind::Case(_)
            | ExprKind::Array(_)
            | ExprKind::Object(_)
            | ExprKind::JsonText(_) => self.operand(expr).map(Meaning::Value),
        }
    }

    /// The value that a path leads to.
    pub(super) fn path_value(&self, steps: &[PathStep]) -> Result<Operand, ODataError> {
        let span = steps.first().map_or(Span::default(), |first| first.span);
        match self.path(steps)? {
            Meaning::Value(operand) => Ok(operand),
            Meaning::Row(row, text) => {
                Err(self.wrong(span, format!("'{text}' is an entity of {}: name one of its properties, as in {text}/…", row.shown())))
            }
            Meaning::Complex(_, prefix) => {
                let text = prefix.join("/");
                Err(self.wrong(span, format!("'{text}' has several parts: name one of them, as in {text}/…")))
            }
            Meaning::Members(collection) => {
                let text = collection.text;
                Err(self.wrong(span, format!("'{text}' is a collection: ask {text}/any(…), {text}/all(…) or {text}/$count")))
            }
        }
    }

    fn path(&self, steps: &[PathStep]) -> Result<Meaning<'a>, ODataError> {
        let Some((first, mut rest)) = steps.split_first() else { return Err(self.wrong(Span::default(), "an empty path")) };
        let mut meaning = match &first.kind {
            StepKind::Special(name) if name == "$root" => {
                let Some((next, after)) = rest.split_first() else {
                    return Err(self.wrong(first.span, "an entity set or singleton follows $root"));
                };
                rest = after;
                self.at_root(next)?
            }
            StepKind::Special(name) if name == "$it" => {
                let it = self.it().ok_or_else(|| self.not_built(first.span, "$it inside $expand"))?;
                // One of the plain values that a function returns is a row with a value that has no other name.
                match it.rows.position(&[VALUE]).and_then(|index| Some((index, it.rows.columns.get(index)?))) {
                    Some((index, value)) => Meaning::Value(Operand::typed(it.column(index), value.value_type.clone(), "$it".to_owned())),
                    None => Meaning::Row(it, "$it".to_owned()),
                }
            }
            StepKind::Special(name) if name == "$this" => {
                let here = self.here().ok_or_else(|| self.wrong(first.span, "$this stands for nothing here"))?;
                Meaning::Row(here, "$this".to_owned())
            }
            StepKind::Annotation(name) if !name.contains(['.', '#']) && !rest.is_empty() => {
                let Some((value, scope)) = self.alias(name, first.span)? else {
                    return Err(self.wrong(first.span, format!("the parameter alias {name} has no value, so no path can begin with it")));
                };
                scope.meaning(value)?
            }
            StepKind::Name(name) if let Some(row) = self.variable(name) => Meaning::Row(row, name.clone()),
            StepKind::Name(_)
            | StepKind::Special(_)
            | StepKind::Count(_)
            | StepKind::Filter(_)
            | StepKind::Annotation(_)
            | StepKind::Key(_)
            | StepKind::Aggregate(_)
            | StepKind::Lambda { .. }
            | StepKind::Call { .. } => {
                let here = self.here().ok_or_else(|| self.wrong(first.span, "there are no rows here"))?;
                self.follow(Meaning::Row(here, String::new()), first)?
            }
        };
        for step in rest {
            meaning = self.follow(meaning, step)?;
        }
        Ok(meaning)
    }

    /// What follows `$root`.
    fn at_root(&self, step: &PathStep) -> Result<Meaning<'a>, ODataError> {
        let (name, arguments) = match &step.kind {
            StepKind::Name(name) => (name, None),
            StepKind::Call { name, arguments } => (name, Some(arguments)),
            StepKind::Special(_)
            | StepKind::Count(_)
            | StepKind::Filter(_)
            | StepKind::Annotation(_)
            | StepKind::Key(_)
            | StepKind::Aggregate(_)
            | StepKind::Lambda { .. } => return Err(self.wrong(step.span, "an entity set or singleton follows $root")),
        };
        let text = format!("$root/{name}");
        let at = |table: &'a TableView, key: Vec<_>| {
            Row::at(Start::Root(table.table.name.clone(), key), Arc::new(RowType::of_table(table)), Some(table))
        };
        if let (Some(singleton), None) = (self.view.singletons.get(name), arguments) {
            let table = self.view.table(&singleton.table);
            let table = table.ok_or_else(|| self.wrong(step.span, format!("the singleton '{name}' is not there")))?;
            let key = singleton.key.clone();
            let key = key.ok_or_else(|| self.not_built(step.span, format!("the singleton '{name}' without a key in an expression")))?;
            return Ok(Meaning::Row(at(table, key), text));
        }
        let table = self.view.table(name).ok_or_else(|| {
            let hint = suggestion(name, self.view.tables.keys().map(String::as_str));
            self.wrong(step.span, format!("there is no entity set or singleton '{name}'{hint}"))
        })?;
        let Some(arguments) = arguments else {
            let members = Members { origin: MembersOrigin::Table, table: table.table.name.clone(), filter: None };
            return Ok(Meaning::Members(Collection { members, table, property: None, text }));
        };
        let part = |argument: &Argument| KeyPart { name: argument.name.clone(), value: argument.value.clone(), span: argument.value.span };
        let key = KeyPredicate { parts: arguments.iter().map(part).collect(), spaced: false, span: step.span };
        let key = super::key::bind_key(&key, table, &[], self.aliases);
        let key = key.map_err(|error| error.at(self.target, Some(step.span.start)))?;
        Ok(Meaning::Row(at(table, key), format!("{text}(…)")))
    }

    /// What a step makes of what a path has led to.
    fn follow(&self, meaning: Meaning<'a>, step: &PathStep) -> Result<Meaning<'a>, ODataError> {
        match &step.kind {
            StepKind::Annotation(name) => return Err(self.not_built(step.span, format!("the annotation '{name}' in an expression"))),
            StepKind::Aggregate(_) => return Err(self.not_built(step.span, "aggregate in an expression")),
            StepKind::Call { name, .. } => return Err(self.not_built(step.span, format!("the call of '{name}' in a path"))),
            StepKind::Key(_) => return Err(self.not_built(step.span, "a key in an expression")),
            StepKind::Name(_) | StepKind::Special(_) | StepKind::Count(_) | StepKind::Filter(_) | StepKind::Lambda { .. } => {}
        }
        match meaning {
            Meaning::Row(row, text) => match &step.kind {
                StepKind::Name(name) => self.member(row, &text, name, step.span),
                StepKind::Special(_)
                | StepKind::Count(_)
                | StepKind::Filter(_)
                | StepKind::Lambda { .. }
                | StepKind::Annotation(_)
                | StepKind::Key(_)
                | StepKind::Aggregate(_)
                | StepKind::Call { .. } => {
                    Err(self.wrong(step.span, format!("'{}' follows a collection, not an entity", step.kind.shown())))
                }
            },
            Meaning::Complex(row, prefix) => match &step.kind {
                StepKind::Name(name) => self.part(row, prefix, name, step.span),
                StepKind::Special(_)
                | StepKind::Count(_)
                | StepKind::Filter(_)
                | StepKind::Lambda { .. }
                | StepKind::Annotation(_)
                | StepKind::Key(_)
                | StepKind::Aggregate(_)
                | StepKind::Call { .. } => Err(self.wrong(step.span, format!("'{}' follows a collection", step.kind.shown()))),
            },
            Meaning::Members(collection) => self.of_collection(collection, step),
            Meaning::Value(operand) => {
                let (value, next) = (operand.text, step.kind.shown());
                Err(self.wrong(step.span, format!("'{value}' is a property without parts, so '{value}/{next}' leads nowhere")))
            }
        }
    }

    /// A property or relationship of a row.
    fn member(&self, mut row: Row<'a>, before: &str, name: &str, span: Span) -> Result<Meaning<'a>, ODataError> {
        let text = if before.is_empty() { name.to_owned() } else { format!("{before}/{name}") };
        if self.is_joined(&row)
            && let Some(entity) = self.variable(name)
        {
            return Ok(Meaning::Row(entity, name.to_owned()));
        }
        if name.contains('.') {
            row.derived = self.derived(&row, name, span)?;
            return Ok(Meaning::Row(row, text));
        }
        self.check_owner(&row, name, span)?;
        if let Some(index) = row.rows.position(&[name])
            && let Some(column) = row.rows.columns.get(index)
        {
            let expr = super::spatial::of_column(&row, index);
            return Ok(Meaning::Value(Operand::typed(expr, column.value_type.clone(), text)));
        }
        if let Some(point) = super::spatial::of_point(&row, &[name]) {
            return Ok(Meaning::Value(Operand { text, ..point }));
        }
        if row.rows.columns.iter().any(|column| column.path.len() > 1 && column.path.first().is_some_and(|first| first == name)) {
            return Ok(Meaning::Complex(row, vec![name.to_owned()]));
        }
        let Some(relationship) = row.table.and_then(|table| table.relationship(name)) else { return Err(self.unknown(&row, name, span)) };
        let table = self.view.table(&relationship.to);
        let table = table.ok_or_else(|| self.wrong(span, format!("the navigation property '{name}' leads nowhere")))?;
        if relationship.many {
            let Start::Level(level) = row.start else {
                return Err(self.not_built(span, format!("the collection '{text}' of an entity named from $root")));
            };
            // What is not of the type that the path names has no members.
            let filter = row.is_of_type_from(1).map(Box::new);
            let origin = MembersOrigin::Related { level, steps: row.steps, relationship: relationship.index };
            let members = Members { origin, table: table.table.name.clone(), filter };
            return Ok(Meaning::Members(Collection { members, table, property: None, text }));
        }
        Ok(Meaning::Row(row.step(relationship.index, table), text))
    }

    /// Refuses a property that only rows of a derived type have, where the path does not say that the row is one.
    fn check_owner(&self, row: &Row<'_>, name: &str, span: Span) -> Result<(), ODataError> {
        let Some(table) = row.table.filter(|table| row.rows.table.as_ref() == Some(&table.table.name)) else { return Ok(()) };
        match super::property::owner_of(table, name) {
            Some((derivation, owner)) if !row.seen_as().is_some_and(|cast| derivation.is_a(cast, owner)) => {
                Err(self.wrong(span, super::property::unknown(table, name)))
            }
            _ => Ok(()),
        }
    }

    /// The derived type that a qualified name stands for; nothing when it is the row's own type.
    pub(super) fn derived(&self, row: &Row<'_>, name: &str, span: Span) -> Result<Option<String>, ODataError> {
        let namespace = crate::metadata::namespace(self.view);
        let short = name.rsplit_once('.').filter(|(before, _)| *before == namespace).map(|(_, short)| short);
        let (Some(short), Some(table)) = (short, row.table) else {
            return Err(self.not_built(span, format!("the type cast or qualified name '{name}'")));
        };
        if short == table.name {
            return Ok(None);
        }
        match table.table.overlay.derivation.as_ref().and_then(|derivation| derivation.named(short)) {
            Some(derived) => Ok(Some(derived.name.clone())),
            None => Err(self.wrong(span, format!("'{name}' is not a type derived from that of {}", row.shown()))),
        }
    }

    /// A part of a property of several columns.
    fn part(&self, row: Row<'a>, mut prefix: Vec<String>, name: &str, span: Span) -> Result<Meaning<'a>, ODataError> {
        prefix.push(name.to_owned());
        let path: Vec<&str> = prefix.iter().map(String::as_str).collect();
        if let Some(index) = row.rows.position(&path)
            && let Some(column) = row.rows.columns.get(index)
        {
            let expr = super::spatial::of_column(&row, index);
            return Ok(Meaning::Value(Operand::typed(expr, column.value_type.clone(), prefix.join("/"))));
        }
        if let Some(point) = super::spatial::of_point(&row, &path) {
            return Ok(Meaning::Value(Operand { text: prefix.join("/"), ..point }));
        }
        if row.rows.columns.iter().any(|column| column.path.len() > prefix.len() && column.path.starts_with(&prefix)) {
            return Ok(Meaning::Complex(row, prefix));
        }
        let whole = prefix.get(..prefix.len() - 1).unwrap_or_default();
        let parts =
            row.rows.columns.iter().filter(|column| column.path.starts_with(whole)).filter_map(|column| column.path.get(whole.len()));
        let hint = suggestion(name, parts.map(String::as_str));
        Err(self.wrong(span, format!("'{}' has no part '{name}'{hint}", whole.join("/"))))
    }

    fn of_collection(&self, mut collection: Collection<'a>, step: &PathStep) -> Result<Meaning<'a>, ODataError> {
        if collection.property.is_some() {
            return Err(self.not_built(step.span, format!("'{}' after the values of a collection", step.kind.shown())));
        }
        let text = format!("{}/{}", collection.text, step.kind.shown());
        let count = |members: Members| Meaning::Value(Operand::typed(BoundExpr::Count(members), ScalarType::Int64, text.clone()));
        match &step.kind {
            StepKind::Special(name) if name == "$count" => Ok(count(collection.members)),
            StepKind::Count(options) => {
                self.restrict(&mut collection, options, step.span)?;
                Ok(count(collection.members))
            }
            StepKind::Filter(condition) => {
                let inner = self.among(collection.table);
                let condition = inner.predicate(condition)?;
                inner.offered(&condition, step.span)?;
                add(&mut collection.members, condition);
                Ok(Meaning::Members(collection))
            }
            StepKind::Lambda { quantifier, body } => self.lambda(collection, *quantifier, body.as_ref(), step.span),
            StepKind::Name(name) if name.contains('.') => {
                Err(self.not_built(step.span, format!("the type cast '{name}' of a collection in an expression")))
            }
            StepKind::Name(name) => {
                let rows = RowType::of_table(collection.table);
                let property = rows.position(&[name]).ok_or_else(|| {
                    let text = &collection.text;
                    match collection.table.relationship(name) {
                        Some(_) => self.wrong(step.span, format!("'{text}' is a collection: follow '{name}' in {text}/any(x:x/{name}…)")),
                        None => self.unknown_in(collection.table, name, step.span),
                    }
                })?;
                Ok(Meaning::Members(Collection { property: Some(property), text, ..collection }))
            }
            StepKind::Special(_) | StepKind::Annotation(_) | StepKind::Key(_) | StepKind::Aggregate(_) | StepKind::Call { .. } => {
                Err(self.not_built(step.span, format!("'{}' after a collection in an expression", step.kind.shown())))
            }
        }
    }

    /// The options of `$count(…)`.
    fn restrict(&self, collection: &mut Collection<'a>, options: &Options, span: Span) -> Result<(), ODataError> {
        if let Some(name) = options.given().find(|name| !["$filter", "$search"].contains(name)) {
            return Err(self.not_built(span, format!("{name} inside $count(…)")));
        }
        if let Some(search) = &options.search {
            let condition = super::search::search(self.view, collection.table, self.target, search)?;
            add(&mut collection.members, condition);
        }
        if let Some(filter) = &options.filter {
            let inner = self.among(collection.table);
            let condition = inner.predicate(filter)?;
            inner.offered(&condition, span)?;
            add(&mut collection.members, condition);
        }
        Ok(())
    }

    fn lambda(
        &self,
        collection: Collection<'a>,
        quantifier: Quantifier,
        body: Option<&(String, Box<Expr>)>,
        span: Span,
    ) -> Result<Meaning<'a>, ODataError> {
        let condition = match body {
            Some((variable, predicate)) => {
                let inner = self.inside(Some(variable), collection.table);
                let operand = inner.operand(predicate)?;
                let condition = inner.boolean(operand, predicate, "a lambda expects a condition")?;
                inner.offered(&condition, span)?;
                Some(Box::new(condition))
            }
            None => None,
        };
        let (quantifier, name) = match quantifier {
            Quantifier::Any => (BoundQuantifier::Any, "any"),
            Quantifier::All if condition.is_none() => return Err(self.wrong(span, "all(…) needs a condition, as in all(x:x/Name ne null)")),
            Quantifier::All => (BoundQuantifier::All, "all"),
        };
        let expr = BoundExpr::Lambda { quantifier, members: collection.members, condition };
        Ok(Meaning::Value(Operand::typed(expr, ScalarType::Boolean, format!("{}/{name}(…)", collection.text))))
    }

    fn unknown(&self, row: &Row<'_>, name: &str, span: Span) -> ODataError {
        if let Some(variable) = self.variable_with(name) {
            let shown = row.shown();
            return self.wrong(span, format!("{shown} has no property '{name}'; a member's is written {variable}/{name}"));
        }
        match row.table {
            Some(table) if table.table.overlay.streams.iter().any(|one| one.name == name && table.columns.contains(&one.content)) => {
                self.not_built(span, format!("the stream '{name}' in an expression"))
            }
            Some(table) => {
                let dynamic = row.rows.columns.iter().filter(|column| column.dynamic).filter_map(|column| column.path.first());
                let names =
                    table_columns(table).chain(table.relationships.iter().map(|r| r.name.as_str())).chain(dynamic.map(String::as_str));
                self.wrong(span, format!("'{}' has no property '{name}'{}", table.name, suggestion(name, names)))
            }
            None => {
                let names = row.rows.columns.iter().filter_map(|column| column.path.first()).map(String::as_str);
                self.wrong(span, format!("there is no property '{name}' here{}", suggestion(name, names)))
            }
        }
    }

    fn unknown_in(&self, table: &TableView, name: &str, span: Span) -> ODataError {
        let hint = suggestion(name, table_columns(table).chain(table.relationships.iter().map(|r| r.name.as_str())));
        self.wrong(span, format!("'{}' has no property '{name}'{hint}", table.name))
    }
}

/// One more condition that members must meet.
fn add(members: &mut Members, condition: BoundExpr) {
    members.filter = Some(Box::new(match members.filter.take() {
        Some(before) => BoundExpr::And(before, Box::new(condition)),
        None => condition,
    }));
}
