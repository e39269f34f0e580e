//! Operations that have no result for the values they meet: division by zero, results out of range. Who computes knows only that it
//! happened; which operation of the request it can have been is said here. It must not know who computes.

use crate::error::ODataError;
use crate::syntax::{
    AggregateItem, Alias, BinaryOperator, Expr, ExprKind, GroupElement, Hierarchy, Options, PathStep, Request, Resource, StepKind,
    Transformation, TransformationKind, UnaryOperator,
};
use std::fmt;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A division by zero, or the remainder of one.
    DivisionByZero,
    /// A result that its type cannot hold.
    OutOfRange,
    /// A value that the type which it is converted to cannot hold.
    Conversion,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::DivisionByZero => "a division by zero",
            Fault::OutOfRange => "the result of an operation is out of the range of its type",
            Fault::Conversion => "a value cannot be converted to the type that an operation needs",
        })
    }
}

/// An operation of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Operation {
    /// As it is written: `div`.
    name: String,
    /// The option that it stands in, and where.
    target: String,
    position: usize,
}

/// The error for a request: it names the operation where only one can have failed, otherwise all that can.
#[must_use]
pub fn blamed(request: &Request, fault: Fault) -> ODataError {
    let mut search = Search { fault, found: Vec::new() };
    if let Resource::EntitySet(segments) = &request.resource {
        for part in segments.iter().filter_map(|segment| segment.key.as_ref()).flat_map(|key| &key.parts) {
            search.expr(&part.value, "path");
        }
    }
    search.options(&request.options, None);
    search.aliases(&request.aliases);
    let mut names: Vec<&str> = Vec::new();
    for operation in &search.found {
        if !names.contains(&operation.name.as_str()) {
            names.push(&operation.name);
        }
    }
    let quoted = names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(" or ");
    let what = match (fault, names.is_empty()) {
        (_, true) => fault.to_string(),
        (Fault::DivisionByZero, false) => format!("{quoted} divides by zero for at least one row"),
        (Fault::OutOfRange, false) => format!("the result of {quoted} is out of the range of its type for at least one row"),
        (Fault::Conversion, false) => format!("a value cannot be converted to the type that {quoted} needs for at least one row"),
    };
    let error = ODataError::bad_request(what);
    let Some(first) = search.found.first() else { return error };
    let one_option = search.found.iter().all(|other| other.target == first.target);
    match (search.found.len(), one_option) {
        (1, _) => error.at(&first.target, Some(first.position)),
        (_, true) => error.at(&first.target, None),
        (_, false) => error,
    }
}

/// Collects the operations that can have failed in a way.
struct Search {
    fault: Fault,
    found: Vec<Operation>,
}

impl Search {
    fn note(&mut self, name: impl Into<String>, expr: &Expr, target: &str) {
        self.found.push(Operation { name: name.into(), target: target.to_owned(), position: expr.span.start });
    }

    /// `within` is the option around, for options inside another's parentheses.
    fn options(&mut self, options: &Options, within: Option<&str>) {
        let target = |own: &'static str| within.unwrap_or(own).to_owned();
        for step in options.apply.iter().flatten() {
            self.transformation(step, &target("$apply"));
        }
        for item in options.compute.iter().flatten() {
            self.expr(&item.expr, &target("$compute"));
        }
        if let Some(filter) = &options.filter {
            self.expr(filter, &target("$filter"));
        }
        for item in options.order_by.iter().flatten() {
            self.expr(&item.expr, &target("$orderby"));
        }
        for item in options.expand.iter().flatten() {
            self.options(&item.options, Some(&target("$expand")));
        }
        for nested in options.select.iter().flatten().filter_map(|item| item.options.as_ref()) {
            self.options(nested, Some(&target("$select")));
        }
        self.aliases(&options.aliases);
    }

    fn aliases(&mut self, aliases: &[Alias]) {
        for alias in aliases {
            self.expr(&alias.value, &alias.name);
        }
    }

    fn all<'a>(&mut self, exprs: impl IntoIterator<Item = &'a Expr>, target: &str) {
        exprs.into_iter().for_each(|expr| self.expr(expr, target));
    }

    fn expr(&mut self, expr: &Expr, target: &str) {
        match &expr.kind {
            ExprKind::Binary { op, left, right } => {
                if self.can_fail(*op) {
                    self.note(op.to_string(), expr, target);
                }
                self.all([left.as_ref(), right.as_ref()], target);
            }
            ExprKind::Unary { op, operand } => {
                if *op == UnaryOperator::Negate && self.fault == Fault::OutOfRange {
                    self.note("-", expr, target);
                }
                self.expr(operand, target);
            }
            ExprKind::Call { name, arguments } => {
                let lower = name.to_ascii_lowercase();
                let rounds = matches!(lower.as_str(), "round" | "floor" | "ceiling") && self.fault == Fault::OutOfRange;
                if rounds || (lower == "cast" && self.fault != Fault::DivisionByZero) {
                    self.note(lower, expr, target);
                }
                self.all(arguments.iter().map(|argument| &argument.value), target);
            }
            ExprKind::Path(steps) => steps.iter().for_each(|step| self.step(step, target)),
            ExprKind::Logical { operands, .. } => self.all(operands, target),
            ExprKind::List(items) | ExprKind::Array(items) => self.all(items, target),
            ExprKind::Case(branches) => self.all(branches.iter().flat_map(|(condition, value)| [condition, value]), target),
            ExprKind::Object(members) => self.all(members.iter().map(|(_, value)| value), target),
            ExprKind::Literal(_) | ExprKind::JsonText(_) | ExprKind::Alias(_) => {}
        }
    }

    fn can_fail(&self, op: BinaryOperator) -> bool {
        use BinaryOperator as B;
        match op {
            B::Div | B::DivBy | B::Mod => self.fault != Fault::Conversion,
            B::Mul | B::Add | B::Sub => self.fault == Fault::OutOfRange,
            B::Has | B::In | B::Gt | B::Ge | B::Lt | B::Le | B::Eq | B::Ne => false,
        }
    }

    fn step(&mut self, step: &PathStep, target: &str) {
        match &step.kind {
            StepKind::Count(options) => self.options(options, Some(target)),
            StepKind::Filter(condition) => self.expr(condition, target),
            StepKind::Key(arguments) | StepKind::Call { arguments, .. } => {
                self.all(arguments.iter().map(|argument| &argument.value), target);
            }
            StepKind::Aggregate(item) => self.aggregate(item, target),
            StepKind::Lambda { body: Some((_, body)), .. } => self.expr(body, target),
            StepKind::Lambda { body: None, .. } | StepKind::Name(_) | StepKind::Special(_) | StepKind::Annotation(_) => {}
        }
    }

    fn aggregate(&mut self, item: &AggregateItem, target: &str) {
        if let Some(method) = item.method.as_ref().filter(|method| method.text == "sum" && self.fault == Fault::OutOfRange) {
            self.found.push(Operation { name: method.text.clone(), target: target.to_owned(), position: method.span.start });
        }
        self.expr(&item.expr, target);
        item.from.iter().for_each(|from| self.all(&from.properties, target));
    }

    fn steps(&mut self, steps: &[Transformation], target: &str) {
        steps.iter().for_each(|step| self.transformation(step, target));
    }

    fn transformation(&mut self, step: &Transformation, target: &str) {
        use TransformationKind as T;
        match &step.kind {
            T::Aggregate(items) => items.iter().for_each(|item| self.aggregate(item, target)),
            T::Compute(items) => self.all(items.iter().map(|item| &item.expr), target),
            T::Concat(branches) => branches.iter().for_each(|branch| self.steps(branch, target)),
            T::GroupBy { elements, then } => {
                elements.iter().for_each(|element| self.group(element, target));
                self.steps(then, target);
            }
            T::Join { path, then, .. } => {
                self.expr(path, target);
                self.steps(then, target);
            }
            T::Nest { path, items } => {
                self.all(path, target);
                items.iter().for_each(|item| self.steps(&item.then, target));
            }
            T::Filter(condition) => self.expr(condition, target),
            T::OrderBy(items) => self.all(items.iter().map(|item| &item.expr), target),
            T::Ranked { amount, by, .. } => self.all([amount, by], target),
            T::Relatives { hierarchy, start, .. } => {
                self.hierarchy(hierarchy, target);
                self.steps(start, target);
            }
            T::Traverse { hierarchy, start, order_by, .. } => {
                self.hierarchy(hierarchy, target);
                self.steps(start, target);
                self.all(order_by.iter().map(|item| &item.expr), target);
            }
            T::Function { arguments, .. } => self.all(arguments.iter().map(|argument| &argument.value), target),
            T::Search(_) | T::Skip(_) | T::Top(_) | T::Identity => {}
        }
    }

    fn group(&mut self, element: &GroupElement, target: &str) {
        match element {
            GroupElement::Property(path) => self.expr(path, target),
            GroupElement::Rollup(paths) => self.all(paths, target),
            GroupElement::RollupRecursive { hierarchy, to } => {
                self.hierarchy(hierarchy, target);
                self.steps(to, target);
            }
        }
    }

    fn hierarchy(&mut self, hierarchy: &Hierarchy, target: &str) {
        self.all([&hierarchy.nodes, &hierarchy.property], target);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn shown(url: &str, fault: Fault) -> (String, Option<String>, Option<usize>) {
        let error = blamed(&parse::request("Orders", Some(url)).unwrap(), fault);
        (error.message, error.target, error.position)
    }

    #[test]
    fn the_operation_that_failed_is_named() {
        use Fault::{Conversion, DivisionByZero, OutOfRange};
        let cases = [
            (
                "$filter=Id add 1 gt 2 and Id div 0 eq 1",
                DivisionByZero,
                "'div' divides by zero for at least one row",
                Some("$filter"),
                Some(18),
            ),
            ("$filter=Id mod 2 eq Id div 3", DivisionByZero, "'mod' or 'div' divides by zero for at least one row", Some("$filter"), None),
            ("$filter=Id mod 2 eq 0&$orderby=Id mod 3", DivisionByZero, "'mod' divides by zero for at least one row", None, None),
            (
                "$expand=Lines($filter=-Id gt 1)",
                OutOfRange,
                "the result of '-' is out of the range of its type for at least one row",
                Some("$expand"),
                Some(14),
            ),
            (
                "$apply=groupby((Id),aggregate(Id with sum as S))",
                OutOfRange,
                "the result of 'sum' is out of the range of its type for at least one row",
                Some("$apply"),
                Some(31),
            ),
            (
                "$compute=@p as X&@p=Id mul Id",
                OutOfRange,
                "the result of 'mul' is out of the range of its type for at least one row",
                Some("@p"),
                Some(0),
            ),
            (
                "$filter=Lines/any(l:l/Id divby 0 eq 1)",
                DivisionByZero,
                "'divby' divides by zero for at least one row",
                Some("$filter"),
                Some(12),
            ),
            (
                "$filter=cast(Name,Edm.Int32) eq 1",
                Conversion,
                "a value cannot be converted to the type that 'cast' needs for at least one row",
                Some("$filter"),
                Some(0),
            ),
            ("$filter=Id eq 1", DivisionByZero, "a division by zero", None, None),
        ];
        for (url, fault, message, target, position) in cases {
            assert_eq!(shown(url, fault), (message.to_owned(), target.map(str::to_owned), position), "{url}");
        }
    }
}
