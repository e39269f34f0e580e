//! Recursive hierarchies by their names, and questions of single nodes (Data Aggregation 4.0, section 5.5.2). It must not know how trees
//! are walked.

use super::promote::{Operand, coerce, common};
use super::scope::Scope;
use super::suggestion;
use crate::bound::BoundExpr;
use crate::bound::hierarchy::{BoundHierarchy, NodePosition, NodeTest};
use crate::edm::type_name;
use crate::error::ODataError;
use crate::syntax::{Argument, Expr, ExprKind, Literal, LiteralKind, PathStep, Span, StepKind};
use portico_catalog::{ModelView, TableView};
use portico_provider_api::{ScalarType, Value};

/// How the vocabulary's functions may be qualified.
const VOCABULARY: [&str; 2] = ["aggregation", "org.odata.aggregation.v1"];
/// The functions.
pub(crate) const NODE_TESTS: [&str; 5] = ["isroot", "isleaf", "issibling", "isancestor", "isdescendant"];
const COMMON: [&str; 3] = ["HierarchyNodes", "HierarchyQualifier", "Node"];

/// A hierarchy of a table.
pub(super) struct Found<'a> {
    pub(super) table: &'a TableView,
    pub(super) qualifier: String,
    /// Positions of the columns with the identifiers of a node and of the one above.
    pub(super) node: usize,
    pub(super) parent: usize,
}

impl Found<'_> {
    /// All rows of the table.
    pub(super) fn whole(&self) -> BoundHierarchy {
        BoundHierarchy {
            qualifier: self.qualifier.clone(),
            table: self.table.table.name.clone(),
            node: self.node,
            parent: self.parent,
            then: Vec::new(),
            order: Vec::new(),
        }
    }

    /// The type of identifiers.
    pub(super) fn scalar_type(&self) -> ScalarType {
        self.table.table.columns.get(self.node).map_or(ScalarType::Boolean, |column| column.scalar_type)
    }

    /// Whether values of a type can be compared with identifiers: those that are none differ from all of them.
    pub(super) fn takes(&self, own: ScalarType) -> bool {
        let whole = |scalar_type: ScalarType| matches!(scalar_type, ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64);
        let wanted = self.scalar_type();
        common(own, wanted) == Some(wanted) || (whole(own) && whole(wanted))
    }
}

/// A mistake and its place, without the option that it is in.
type Mistake = (ODataError, Span);

/// The hierarchy of that qualifier over the nodes that a path from `$root` leads to.
pub(super) fn find<'a>(view: &'a ModelView, nodes: &Expr, qualifier: &str, at: Span) -> Result<Found<'a>, Mistake> {
    let not_built = || {
        let message = "a hierarchy whose nodes are no whole entity set, as in $root/Nodes";
        (ODataError::not_implemented(message), nodes.span)
    };
    let ExprKind::Path(steps) = &nodes.kind else { return Err(not_built()) };
    let [PathStep { kind: StepKind::Special(root), .. }, PathStep { kind: StepKind::Name(set), span }] = steps.as_slice() else {
        return Err(not_built());
    };
    let bad = |message: String, span: Span| (ODataError::bad_request(message), span);
    if root != "$root" {
        return Err(bad(format!("the nodes of a hierarchy are a path that begins with $root, not with {root}"), nodes.span));
    }
    let table = view
        .table(set)
        .ok_or_else(|| bad(format!("there is no entity set '{set}'{}", suggestion(set, view.tables.keys().map(String::as_str))), *span))?;
    let overlay = &table.table.overlay;
    let hierarchy = overlay.hierarchies.iter().find(|hierarchy| hierarchy.qualifier == qualifier).ok_or_else(|| {
        let hint = suggestion(qualifier, overlay.hierarchies.iter().map(|hierarchy| hierarchy.qualifier.as_str()));
        bad(format!("'{set}' has no hierarchy '{qualifier}'{hint}"), at)
    })?;
    if overlay.restrictions.not_readable || !overlay.restrictions.required_in_filter.is_empty() {
        return Err((ODataError::not_implemented(format!("a hierarchy over '{set}', which is not read as a whole")), *span));
    }
    let link = table.table.relationships.get(hierarchy.parent).and_then(|link| link.on.first());
    let (parent, _) = link.ok_or_else(|| bad(format!("the hierarchy '{qualifier}' has no column that leads to the parent"), at))?;
    Ok(Found { table, qualifier: qualifier.to_owned(), node: hierarchy.node, parent: *parent })
}

/// The value of a text parameter.
pub(super) fn text<'e>(value: &'e Expr, name: &str) -> Result<&'e str, Mistake> {
    match &value.kind {
        ExprKind::Literal(Literal { kind: LiteralKind::Text, text }) => Ok(text),
        _ => Err((ODataError::bad_request(format!("{name} is a text in quotes")), value.span)),
    }
}

/// The value of a whole number that is a parameter.
pub(super) fn whole_number(value: &Expr, name: &str, least: u64) -> Result<u64, Mistake> {
    let number = match &value.kind {
        ExprKind::Literal(Literal { kind: LiteralKind::Integer, text }) => text.parse().ok(),
        _ => None,
    };
    let wrong = || (ODataError::bad_request(format!("{name} is a whole number from {least} on")), value.span);
    number.filter(|number| *number >= least).ok_or_else(wrong)
}

/// Parameters by name, each at most once, and none but these; the first `required` of them must be there.
pub(super) fn parameters<'e>(
    what: &str,
    arguments: &'e [Argument],
    names: &[&str],
    required: usize,
    span: Span,
) -> Result<Vec<Option<&'e Expr>>, Mistake> {
    let bad = |message: String, span: Span| (ODataError::bad_request(message), span);
    let mut values = vec![None; names.len()];
    for argument in arguments {
        let name = argument.name.as_deref().ok_or_else(|| bad(format!("{what} takes its parameters by name"), argument.value.span))?;
        let at = names.iter().position(|known| *known == name);
        let unknown = || bad(format!("{what} has no parameter '{name}'{}", suggestion(name, names.iter().copied())), argument.value.span);
        let value = values.get_mut(at.ok_or_else(unknown)?).ok_or_else(unknown)?;
        if value.replace(&argument.value).is_some() {
            return Err(bad(format!("{what}: the parameter '{name}' is given twice"), argument.value.span));
        }
    }
    match names.iter().zip(&values).take(required).find(|(_, value)| value.is_none()) {
        Some((missing, _)) => Err(bad(format!("{what} needs the parameter {missing}"), span)),
        None => Ok(values),
    }
}

impl Scope<'_> {
    /// `Aggregation.isroot(…)` and its like; nothing for any other function.
    pub(super) fn node_test(&self, name: &str, arguments: &[Argument], span: Span) -> Result<Option<Operand>, ODataError> {
        let Some((namespace, function)) = name.rsplit_once('.') else { return Ok(None) };
        if !VOCABULARY.contains(&namespace.to_ascii_lowercase().as_str()) {
            return Ok(None);
        }
        let Some(function) = NODE_TESTS.iter().find(|known| function.eq_ignore_ascii_case(known)) else {
            return match function.eq_ignore_ascii_case("rollupnode") {
                true => Err(self.not_built(span, "the function Aggregation.rollupnode")),
                false => Err(self.wrong(span, format!("there is no function '{name}'{}", suggestion(function, NODE_TESTS)))),
            };
        };
        self.tested(function, arguments, span)
            .map(|test| Some(Operand::typed(BoundExpr::Node(Box::new(test)), ScalarType::Boolean, format!("{name}(…)"))))
    }

    fn tested(&self, function: &str, arguments: &[Argument], span: Span) -> Result<NodeTest, ODataError> {
        let own: &[&str] = match function {
            "issibling" => &["Other"],
            "isancestor" => &["Descendant", "MaxDistance", "IncludeSelf"],
            "isdescendant" => &["Ancestor", "MaxDistance", "IncludeSelf"],
            _ => &[],
        };
        let names: Vec<&str> = COMMON.iter().chain(own).copied().collect();
        let at = |(error, span): Mistake| error.at(self.target, Some(span.start));
        let values = parameters(function, arguments, &names, COMMON.len() + usize::from(!own.is_empty()), span).map_err(at)?;
        let value = |index: usize| values.get(index).copied().flatten();
        let given = |index: usize| value(index).ok_or_else(|| self.wrong(span, format!("{function} lacks a parameter")));
        let qualifier = given(1)?;
        let found = find(self.view, given(0)?, text(qualifier, "HierarchyQualifier").map_err(at)?, qualifier.span).map_err(at)?;
        let identifier = |index: usize| {
            let expr = given(index)?;
            let operand = self.operand(expr)?;
            let misfit = format!("{} is no identifier of a node, which is {}", operand.description(), type_name(found.scalar_type()));
            let operand_is_number = operand.scalar_type().is_some_and(ScalarType::is_numeric) && found.scalar_type().is_numeric();
            let literal = matches!(&operand.expr, BoundExpr::Literal(_));
            let comparable = operand.scalar_type().is_some_and(|own| found.takes(own));
            if !literal {
                // A value that identifiers cannot be is that of no node: it is not converted here.
                return if comparable { Ok((operand.expr, expr.span)) } else { Err(self.wrong(expr.span, misfit)) };
            }
            match coerce(operand, found.scalar_type()) {
                Ok(value) => Ok((value, expr.span)),
                // Nor is a constant number.
                Err(_) if operand_is_number => Ok((BoundExpr::Literal(Value::Null(found.scalar_type())), expr.span)),
                Err(_) => Err(self.wrong(expr.span, misfit)),
            }
        };
        let (node, _) = identifier(2)?;
        let position = match function {
            "isroot" => NodePosition::Root,
            "isleaf" => NodePosition::Leaf,
            "issibling" => match identifier(3)? {
                (other @ BoundExpr::Literal(_), _) => NodePosition::SiblingOf(other),
                (_, span) => return Err(self.not_built(span, "issibling with an 'Other' that differs from row to row")),
            },
            _ => NodePosition::Related {
                descendant: function == "isdescendant",
                other: identifier(3)?.0,
                distance: value(4).map(|value| whole_number(value, "MaxDistance", 1)).transpose().map_err(at)?,
                include_self: match value(5).map(|value| (&value.kind, value.span)) {
                    None => false,
                    Some((ExprKind::Literal(Literal { kind: LiteralKind::Boolean, text }), _)) => text == "true",
                    Some((_, span)) => return Err(self.wrong(span, "IncludeSelf is true or false")),
                },
            },
        };
        Ok(NodeTest { hierarchy: found.whole(), node, position })
    }
}
