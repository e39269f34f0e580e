//! Syntax trees as text, with every operator in parentheses, so that golden tests show their structure.

use crate::syntax::{
    AggregateItem, Argument, ComputeItem, Expr, ExprKind, GroupElement, Hierarchy, KeyPredicate, NestItem, Options, OrderItem, PathStep,
    Quantifier, Search, SearchKind, Segment, StepKind, TemporalBound, Transformation, TransformationKind as Kind,
};

fn joined<T>(items: &[T], show: impl Fn(&T) -> String, with: &str) -> String {
    items.iter().map(show).collect::<Vec<_>>().join(with)
}

fn arguments(arguments: &[Argument]) -> String {
    let one = |argument: &Argument| match &argument.name {
        Some(name) => format!("{name}={}", shown(&argument.value)),
        None => shown(&argument.value),
    };
    joined(arguments, one, ",")
}

fn step(step: &PathStep) -> String {
    match &step.kind {
        StepKind::Name(name) | StepKind::Special(name) | StepKind::Annotation(name) => name.clone(),
        StepKind::Call { name, arguments: inner } => format!("{name}({})", arguments(inner)),
        StepKind::Lambda { quantifier, body } => {
            let name = if *quantifier == Quantifier::Any { "any" } else { "all" };
            body.as_ref().map_or_else(|| format!("{name}()"), |(variable, body)| format!("{name}({variable}: {})", shown(body)))
        }
        StepKind::Count(inner) => format!("$count({})", options(inner)),
        StepKind::Filter(inner) => format!("$filter({})", shown(inner)),
        StepKind::Key(inner) => format!("<{}>", arguments(inner)),
        StepKind::Aggregate(item) => format!("aggregate({})", aggregate(item)),
    }
}

/// An expression; literals keep their kind.
pub(super) fn shown(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Literal(literal) => format!("{:?}:{}", literal.kind, literal.text),
        ExprKind::Alias(name) => name.clone(),
        ExprKind::Call { name, arguments: inner } => format!("{name}({})", arguments(inner)),
        ExprKind::Unary { op, operand } => format!("({op:?} {})", shown(operand)),
        ExprKind::Binary { op, left, right } => format!("({} {op} {})", shown(left), shown(right)),
        ExprKind::Logical { op, operands } => format!("({op:?} {})", joined(operands, shown, " ")),
        ExprKind::List(items) => format!("[{}]", joined(items, shown, " ")),
        ExprKind::Case(branches) => format!("case({})", joined(branches, |(when, then)| format!("{}: {}", shown(when), shown(then)), ", ")),
        ExprKind::Array(items) => format!("array[{}]", joined(items, shown, " ")),
        ExprKind::Object(members) => format!("{{{}}}", joined(members, |(name, value)| format!("{name:?}: {}", shown(value)), " ")),
        ExprKind::JsonText(text) => format!("{text:?}"),
        ExprKind::Path(steps) => joined(steps, step, "/"),
    }
}

fn key(predicate: &KeyPredicate) -> String {
    let part = |part: &crate::syntax::KeyPart| {
        format!("{}{}", part.name.as_ref().map(|name| format!("{name}=")).unwrap_or_default(), shown(&part.value))
    };
    format!("({})", joined(&predicate.parts, part, " "))
}

/// A segment of a path.
pub(super) fn segment(segment: &Segment) -> String {
    let name = if segment.opaque { format!("<{}>", segment.name) } else { segment.name.clone() };
    let keys = [&segment.key, &segment.second_key].into_iter().flatten().map(key).collect::<String>();
    name + &keys
}

/// A search expression.
pub(super) fn search(inner: &Search) -> String {
    match &inner.kind {
        SearchKind::Word(text) => text.clone(),
        SearchKind::Phrase(text) => format!("{text:?}"),
        SearchKind::Incomplete(text) => format!("'{text}'"),
        SearchKind::Not(operand) => format!("(NOT {})", search(operand)),
        SearchKind::And(operands) => format!("(AND {})", joined(operands, search, " ")),
        SearchKind::Or(operands) => format!("(OR {})", joined(operands, search, " ")),
    }
}

fn orders(items: &[OrderItem]) -> String {
    joined(items, |item| format!("{}{}", shown(&item.expr), if item.descending { " desc" } else { "" }), ", ")
}

fn computed(items: &[ComputeItem]) -> String {
    joined(items, |item| format!("{} as {}", shown(&item.expr), item.name.text), ", ")
}

/// The options that are given.
pub(super) fn options(inner: &Options) -> String {
    let mut all = Vec::new();
    all.extend(inner.aliases.iter().map(|alias| format!("{}={}", alias.name, shown(&alias.value))));
    all.extend(inner.apply.iter().map(|apply| format!("$apply={}", transformations(apply))));
    all.extend(inner.compute.iter().map(|items| format!("$compute={}", computed(items))));
    all.extend(inner.search.iter().map(|inner| format!("$search={}", search(inner))));
    all.extend(inner.filter.iter().map(|filter| format!("$filter={}", shown(filter))));
    all.extend(inner.order_by.iter().map(|items| format!("$orderby={}", orders(items))));
    all.extend(inner.top.iter().map(|top| format!("$top={top}")));
    all.extend(inner.skip.iter().map(|skip| format!("$skip={skip}")));
    all.extend(inner.count.iter().map(|count| format!("$count={count}")));
    all.extend(inner.levels.iter().map(|levels| format!("$levels={levels:?}")));
    all.extend(inner.index.iter().map(|index| format!("$index={index}")));
    all.extend(inner.schema_version.iter().map(|version| format!("$schemaversion={version}")));
    all.extend(inner.delta_token.iter().map(|token| format!("$deltatoken={token}")));
    all.extend(inner.format.iter().map(|format| format!("$format={format}")));
    all.extend(inner.id.iter().map(|id| format!("$id={id}")));
    all.extend(inner.temporal.iter().map(|option| match &option.bound {
        TemporalBound::Min => format!("{:?}=min", option.kind),
        TemporalBound::Max => format!("{:?}=max", option.kind),
        TemporalBound::Expr(expr) => format!("{:?}={}", option.kind, shown(expr)),
    }));
    let item = |path: &[String], nested: String| if nested.is_empty() { path.join("/") } else { format!("{}({nested})", path.join("/")) };
    all.extend(inner.select.iter().map(|items| {
        let one = |select: &crate::syntax::SelectItem| {
            let parameters = select.parameters.as_ref().map(|names| names.join(","));
            item(&select.path, parameters.or_else(|| select.options.as_ref().map(options)).unwrap_or_default())
        };
        format!("$select={}", joined(items, one, ", "))
    }));
    all.extend(
        inner.expand.iter().map(|items| format!("$expand={}", joined(items, |expand| item(&expand.path, options(&expand.options)), ", "))),
    );
    all.join(";")
}

fn aggregate(item: &AggregateItem) -> String {
    let mut text = shown(&item.expr);
    text += &item.method.as_ref().map(|method| format!(" with {}", method.text)).unwrap_or_default();
    for from in &item.from {
        text += &format!(" from [{}]", joined(&from.properties, shown, " "));
        text += &from.method.as_ref().map(|method| format!(" with {}", method.text)).unwrap_or_default();
    }
    text + &item.alias.as_ref().map(|alias| format!(" as {}", alias.text)).unwrap_or_default()
}

fn hierarchy(inner: &Hierarchy) -> String {
    format!("{} {} {}", shown(&inner.nodes), inner.qualifier.text, shown(&inner.property))
}

/// A sequence of transformations.
pub(super) fn transformations(sequence: &[Transformation]) -> String {
    joined(sequence, transformation, " / ")
}

fn transformation(inner: &Transformation) -> String {
    let nested = |item: &NestItem| format!("[{}] as {}", transformations(&item.then), item.alias.text);
    let group = |element: &GroupElement| match element {
        GroupElement::Property(path) => shown(path),
        GroupElement::Rollup(levels) => format!("rollup[{}]", joined(levels, shown, " ")),
        GroupElement::RollupRecursive { hierarchy: inner, to } => {
            format!("rolluprecursive[{} to [{}]]", hierarchy(inner), transformations(to))
        }
    };
    match &inner.kind {
        Kind::Aggregate(items) => format!("aggregate({})", joined(items, aggregate, ", ")),
        Kind::Compute(items) => format!("compute({})", computed(items)),
        Kind::Concat(sequences) => format!("concat({})", joined(sequences, |sequence| format!("[{}]", transformations(sequence)), " ")),
        Kind::GroupBy { elements, then } => format!("groupby([{}] then [{}])", joined(elements, group, " "), transformations(then)),
        Kind::Join { outer, path, alias, then } => {
            format!("join(outer={outer} {} as {} then [{}])", shown(path), alias.text, transformations(then))
        }
        Kind::Nest { path, items } => format!("nest({:?} {})", path.as_ref().map(shown), joined(items, nested, ", ")),
        Kind::Filter(expr) => format!("filter({})", shown(expr)),
        Kind::Search(inner) => format!("search({})", search(inner)),
        Kind::OrderBy(items) => format!("orderby({})", orders(items)),
        Kind::Skip(count) => format!("skip({count})"),
        Kind::Top(count) => format!("top({count})"),
        Kind::Identity => "identity".to_owned(),
        Kind::Ranked { end, measure, amount, by } => format!("{end:?}{measure:?}({}, {})", shown(amount), shown(by)),
        Kind::Relatives { descendants, hierarchy: inner, start, distance, keep_start } => {
            format!(
                "relatives(descendants={descendants} {} start [{}] {distance:?} keep={keep_start})",
                hierarchy(inner),
                transformations(start)
            )
        }
        Kind::Traverse { hierarchy: inner, postorder, start, order_by } => {
            format!("traverse({} postorder={postorder} start [{}] {})", hierarchy(inner), transformations(start), orders(order_by))
        }
        Kind::Function { name, arguments: inner } => format!("{name}({})", arguments(inner)),
    }
}
