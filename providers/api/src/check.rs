//! Asks [`Capabilities`] about queries. The engine uses it to decide what it may push down, and every source to refuse
//! what lies beyond: one piece of code, so both always agree.

use crate::capabilities::{Capabilities, Collation, ComparisonSupport, NullOrdering, Support, TableCapabilities, TypeClass};
use crate::expr::{CompareOp, Expr};
use crate::operation::OperationCall;
use crate::query::{KeySet, Output, Relation, SortKey, SourceQuery, TableColumn, TableRelation};
use crate::types::ScalarType;
use thiserror::Error;

/// What a source cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{feature} is not supported by this source")]
pub struct Unsupported {
    /// The part of the query concerned.
    pub feature: String,
}

pub(crate) fn unsupported(feature: impl Into<String>) -> Unsupported {
    Unsupported { feature: feature.into() }
}

/// Calls `visit` for every table a query reads, sub-queries included.
pub fn visit_tables<'a>(query: &'a SourceQuery, visit: &mut impl FnMut(&'a TableRelation)) {
    fn relation<'a>(from: &'a Relation, visit: &mut impl FnMut(&'a TableRelation)) {
        match from {
            Relation::Table(table) => visit(table),
            Relation::Join(join) => {
                relation(&join.left, visit);
                relation(&join.right, visit);
            }
            Relation::Query(query) => visit_tables(query, visit),
            Relation::Union(queries) => queries.iter().for_each(|query| visit_tables(query, visit)),
            // What an operation reads is not known.
            Relation::Call(_) => {}
        }
    }
    relation(&query.from, visit);
    for expression in query.expressions() {
        visit_subqueries(expression, &mut |subquery| visit_tables(subquery, visit));
    }
}

fn visit_subqueries<'a>(expression: &'a Expr, visit: &mut dyn FnMut(&'a SourceQuery)) {
    if let Expr::ScalarSubquery(query) | Expr::Exists(query) = expression {
        visit(query);
    }
    for child in expression.children() {
        visit_subqueries(child, visit);
    }
}

impl Expr {
    /// The direct sub-expressions, those inside sub-queries excepted.
    pub fn children(&self) -> Vec<&Expr> {
        match self {
            Expr::Column(_)
            | Expr::OuterColumn { .. }
            | Expr::Literal(_)
            | Expr::Parameter { .. }
            | Expr::ScalarSubquery(_)
            | Expr::Exists(_) => Vec::new(),
            Expr::Compare { left, right, .. } | Expr::Arithmetic { left, right, .. } => vec![left, right],
            Expr::InList { expr, list, .. } => std::iter::once(expr.as_ref()).chain(list).collect(),
            Expr::And(parts) | Expr::Or(parts) => parts.iter().collect(),
            Expr::Not(inner) | Expr::IsNull(inner) | Expr::Negate(inner) | Expr::Cast { expr: inner, .. } => vec![inner],
            Expr::Case { branches, otherwise } => {
                branches.iter().flat_map(|(when, then)| [when, then]).chain(otherwise.as_deref()).collect()
            }
            Expr::Call { arguments, .. } => arguments.iter().collect(),
            Expr::Window { arguments, partition_by, order_by, .. } => {
                arguments.iter().chain(partition_by).chain(order_by.iter().map(|key| &key.expr)).collect()
            }
        }
    }

    /// The positions of all columns used.
    pub fn columns(&self) -> Vec<usize> {
        let mut found = Vec::new();
        fn walk(expression: &Expr, found: &mut Vec<usize>) {
            if let Expr::Column(index) = expression {
                found.push(*index);
            }
            expression.children().into_iter().for_each(|child| walk(child, found));
        }
        walk(self, &mut found);
        found
    }
}

/// What capabilities say about the expressions over one table.
#[derive(Debug, Clone, Copy)]
pub struct ExprCheck<'a> {
    capabilities: &'a Capabilities,
    table: Option<&'a TableCapabilities>,
    columns: &'a [TableColumn],
}

impl<'a> ExprCheck<'a> {
    /// For a table of the source.
    pub fn new(capabilities: &'a Capabilities, table: &'a TableRelation) -> ExprCheck<'a> {
        ExprCheck { capabilities, table: capabilities.tables.get(&table.table.to_string()), columns: &table.columns }
    }

    /// How well the source evaluates a predicate. `Inexact` is only ever returned for a predicate that is not under a
    /// negation: there it becomes `None`.
    pub fn predicate(&self, expression: &Expr) -> Support {
        self.expression(expression).min(self.table.and_then(|table| table.filter).unwrap_or(Support::Exact))
    }

    /// How well the source evaluates an expression whose value is observed.
    pub fn value(&self, expression: &Expr) -> Support {
        match self.expression(expression) {
            Support::Inexact => Support::None,
            other => other,
        }
    }

    fn column_restriction(&self, index: usize) -> Support {
        let Some(column) = self.columns.get(index) else { return Support::None };
        self.table.and_then(|table| table.columns.get(&column.name)).and_then(|restriction| restriction.filter).unwrap_or(Support::Exact)
    }

    fn collation(&self, expressions: &[&Expr]) -> Collation {
        for expression in expressions {
            for index in expression.columns() {
                let own = self.columns.get(index).and_then(|column| self.table?.columns.get(&column.name)?.collation);
                if let Some(collation) = own {
                    return collation;
                }
            }
        }
        self.capabilities.collation
    }

    fn comparison(&self, class: TypeClass) -> ComparisonSupport {
        self.capabilities.filter.comparisons.get(&class).copied().unwrap_or_default()
    }

    fn expression(&self, expression: &Expr) -> Support {
        let filter = &self.capabilities.filter;
        match expression {
            Expr::Column(index) => {
                let boolean = self.columns.get(*index).is_some_and(|column| column.scalar_type == ScalarType::Boolean);
                self.column_restriction(*index).min(if boolean { filter.bare_boolean } else { Support::Exact })
            }
            Expr::Literal(value) => match value.scalar_type() {
                ScalarType::Boolean => filter.bare_boolean,
                _ => Support::Exact,
            },
            Expr::Parameter { .. } | Expr::OuterColumn { .. } | Expr::Window { .. } => Support::None,
            Expr::Compare { op, left, right } => self.compare(*op, left, right),
            Expr::InList { expr, list, negated } => self.in_list(expr, list, *negated),
            Expr::And(parts) => parts.iter().map(|part| self.expression(part)).fold(filter.and, Support::min),
            Expr::Or(parts) => parts.iter().map(|part| self.expression(part)).fold(filter.or, Support::min),
            Expr::Not(inner) => match self.expression(inner) {
                // A superset under NOT becomes a subset, which loses rows.
                Support::Exact => filter.not,
                Support::Inexact | Support::None => Support::None,
            },
            Expr::IsNull(inner) => match inner.scalar_type(self.columns) {
                Some(scalar_type) => self.operand(inner).min(self.comparison(TypeClass::of(scalar_type)).is_null),
                None => Support::None,
            },
            Expr::Arithmetic { op, left, right } => {
                let class = left.scalar_type(self.columns).map(TypeClass::of);
                let support = class.and_then(|class| filter.arithmetic.get(op)?.get(&class)).copied().unwrap_or_default();
                self.operand(left).min(self.operand(right)).min(support)
            }
            Expr::Negate(inner) => {
                let class = inner.scalar_type(self.columns).map(TypeClass::of);
                let support =
                    class.and_then(|class| filter.arithmetic.get(&crate::ArithmeticOp::Subtract)?.get(&class)).copied().unwrap_or_default();
                self.operand(inner).min(support)
            }
            Expr::Case { branches, otherwise } => branches
                .iter()
                .flat_map(|(when, then)| [self.value(when), self.operand(then)])
                .chain(otherwise.iter().map(|otherwise| self.operand(otherwise)))
                .fold(filter.case, Support::min),
            Expr::Cast { expr, to } => {
                let from = expr.scalar_type(self.columns).map(TypeClass::of);
                let known = from.is_some_and(|from| filter.casts.contains(&(from, TypeClass::of(*to))));
                if known { self.operand(expr) } else { Support::None }
            }
            Expr::Call { function, arguments } => {
                let support = filter.functions.get(function).copied().unwrap_or_default();
                arguments.iter().map(|argument| self.operand(argument)).fold(support, Support::min)
            }
            Expr::ScalarSubquery(_) => Support::None,
            Expr::Exists(_) => Support::None,
        }
    }

    /// A sub-expression whose value feeds another one must be exact.
    fn operand(&self, expression: &Expr) -> Support {
        match expression {
            // A boolean operand is not a bare predicate.
            Expr::Column(index) => match self.column_restriction(*index) {
                Support::Inexact => Support::None,
                other => other,
            },
            Expr::Literal(_) => Support::Exact,
            other => self.value(other),
        }
    }

    fn compare(&self, op: CompareOp, left: &Expr, right: &Expr) -> Support {
        let Some(scalar_type) = left.scalar_type(self.columns) else { return Support::None };
        let class = TypeClass::of(scalar_type);
        if right.scalar_type(self.columns).map(TypeClass::of) != Some(class) {
            return Support::None;
        }
        let comparison = self.comparison(class);
        let mut support = match op {
            CompareOp::Eq => comparison.equal,
            CompareOp::NotEq => comparison.not_equal,
            CompareOp::Lt | CompareOp::LtEq | CompareOp::Gt | CompareOp::GtEq => comparison.order,
            CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom => comparison.distinct_from,
        };
        if class == TypeClass::Text {
            support = support.min(text_comparison(self.collation(&[left, right]), op));
        }
        let literal = matches!(left, Expr::Literal(_)) || matches!(right, Expr::Literal(_));
        if !literal {
            support = support.min(self.capabilities.filter.between_expressions);
        }
        // A column that is restricted to Inexact predicates may be compared, and what is compared must be exact.
        let restriction = [left, right].into_iter().flat_map(Expr::columns).map(|index| self.column_restriction(index));
        let operands = [left, right].into_iter().filter(|side| !matches!(side, Expr::Column(_))).map(|side| self.operand(side));
        restriction.chain(operands).fold(support, Support::min)
    }

    fn in_list(&self, expr: &Expr, list: &[Expr], negated: bool) -> Support {
        let Some(scalar_type) = expr.scalar_type(self.columns) else { return Support::None };
        if list.is_empty() || list.len() > self.capabilities.filter.max_in_list {
            return Support::None;
        }
        let class = TypeClass::of(scalar_type);
        let literals = list.iter().all(|item| matches!(item, Expr::Literal(value) if TypeClass::of(value.scalar_type()) == class));
        if !literals {
            return Support::None;
        }
        let op = if negated { CompareOp::NotEq } else { CompareOp::Eq };
        let comparison = self.comparison(class);
        let mut support = if negated { comparison.not_equal } else { comparison.equal };
        if class == TypeClass::Text {
            support = support.min(text_comparison(self.collation(&[expr]), op));
        }
        let inner = match expr {
            Expr::Column(index) => self.column_restriction(*index),
            other => self.operand(other),
        };
        support.min(inner)
    }

    fn sort_key(&self, key: &SortKey) -> Result<(), Unsupported> {
        let capabilities = self.capabilities;
        let scalar_type = key.expr.scalar_type(self.columns).ok_or_else(|| unsupported("sorting by an untyped expression"))?;
        let class = TypeClass::of(scalar_type);
        let lowest = key.nulls_first != key.descending;
        let placed = match capabilities.sort.nulls {
            NullOrdering::AsAsked => true,
            NullOrdering::Lowest => lowest,
            NullOrdering::Highest => !lowest,
        };
        let nullable = key.expr.columns().iter().any(|index| self.columns.get(*index).is_none_or(|column| column.nullable));
        if !placed && nullable {
            return Err(unsupported("the placement of nulls in the order"));
        }
        let (general, table) = match &key.expr {
            Expr::Column(index) => {
                let name = self.columns.get(*index).map(|column| column.name.as_str()).unwrap_or_default();
                let own = self.table.and_then(|table| table.columns.get(name)).and_then(|column| column.sort);
                (capabilities.sort.columns, own.unwrap_or(Support::Exact))
            }
            other => (capabilities.sort.expressions, self.value(other)),
        };
        let collation = self.collation(&[&key.expr]);
        let text = if class == TypeClass::Text && collation != Collation::Binary { Support::None } else { Support::Exact };
        let whole = self.table.and_then(|table| table.sort).unwrap_or(Support::Exact);
        let support = general.min(table).min(whole).min(text).min(self.comparison(class).sort);
        if support == Support::Exact { Ok(()) } else { Err(unsupported(format!("sorting by {}", describe(&key.expr, self.columns)))) }
    }

    /// Whether the source can sort by all keys, as asked.
    ///
    /// # Errors
    /// Names the key it cannot sort by.
    pub fn order_by(&self, keys: &[SortKey]) -> Result<(), Unsupported> {
        keys.iter().try_for_each(|key| self.sort_key(key))
    }

    /// Whether the source can return an expression.
    pub fn output(&self, output: &Output) -> Support {
        match output.expr {
            Expr::Column(_) => self.capabilities.projection,
            _ => self.capabilities.computed_output.min(self.value(&output.expr)),
        }
    }

    /// Whether the source takes a key set over these columns.
    pub fn key_columns(&self, columns: &[usize]) -> Support {
        let keys = &self.capabilities.keys;
        if keys.support == Support::None || columns.len() > keys.max_columns {
            return Support::None;
        }
        columns.iter().map(|index| self.key_column(*index)).fold(keys.support, Support::min)
    }

    fn key_column(&self, index: usize) -> Support {
        let Some(column) = self.columns.get(index) else { return Support::None };
        let class = TypeClass::of(column.scalar_type);
        let mut support = self.comparison(class).equal;
        if class == TypeClass::Text {
            support = support.min(text_comparison(self.collation(&[&Expr::Column(index)]), CompareOp::Eq));
        }
        support.min(self.column_restriction(index))
    }
}

fn text_comparison(collation: Collation, op: CompareOp) -> Support {
    match (collation, op) {
        (Collation::Binary, _) => Support::Exact,
        (Collation::CaseInsensitive, CompareOp::Eq) => Support::Inexact,
        (Collation::CaseInsensitive, _) => Support::None,
        (Collation::Linguistic, CompareOp::Lt | CompareOp::LtEq | CompareOp::Gt | CompareOp::GtEq) => Support::None,
        (Collation::Linguistic, _) => Support::Exact,
    }
}

fn describe(expression: &Expr, columns: &[TableColumn]) -> String {
    match expression {
        Expr::Column(index) => {
            columns.get(*index).map_or_else(|| "an unknown column".to_owned(), |column| format!("column '{}'", column.name))
        }
        _ => "a computed expression".to_owned(),
    }
}

impl Capabilities {
    /// Whether a query lies within the capabilities.
    ///
    /// # Errors
    /// Names the first part that does not.
    pub fn check(&self, query: &SourceQuery) -> Result<(), Unsupported> {
        let table = match &query.from {
            Relation::Table(table) => table,
            Relation::Call(call) => return self.check_call(query, call),
            Relation::Join(_) | Relation::Query(_) | Relation::Union(_) => {
                return Err(unsupported("a query over anything but one remote table"));
            }
        };
        if query.counts_rows()? {
            return self.check_row_count(query, table);
        }
        if query.distinct && self.distinct != Support::Exact {
            return Err(unsupported("distinct"));
        }
        let check = ExprCheck::new(self, table);
        self.check_positions(query, table)?;
        if let Some(filter) = &query.filter
            && check.predicate(filter) == Support::None
        {
            return Err(unsupported("the filter"));
        }
        self.check_keys(query.keys.as_ref(), &check, table)?;
        for output in &query.output {
            if check.output(output) == Support::None {
                return Err(unsupported(format!("output '{}'", output.name)));
            }
        }
        check.order_by(&query.order_by)?;
        let per = query.limit_per.iter().flat_map(|per| &per.columns);
        let mut observed = query.order_by.iter().map(|key| &key.expr).chain(per);
        // Which of several equal rows would give the order? SQL refuses that too.
        if query.distinct && observed.any(|expression| !query.output.iter().any(|output| &output.expr == expression)) {
            return Err(unsupported("ordering or limiting distinct rows by something that is not an output"));
        }
        self.check_limits(query, &check, table)
    }

    /// The rows of an operation are read as they come: what else is asked of them is computed by who reads them.
    fn check_call(&self, query: &SourceQuery, call: &OperationCall) -> Result<(), Unsupported> {
        let name = || format!("a call of '{}'", call.operation.name);
        if !self.calls {
            return Err(unsupported(name()));
        }
        if call.operation.changes || call.operation.procedure {
            return Err(unsupported(format!("{}, which may change something, in a query", name())));
        }
        let columns = call.operation.columns().len();
        let plain = |output: &Output| matches!(output.expr, Expr::Column(index) if index < columns);
        let only = SourceQuery::select(query.from.clone(), query.output.clone());
        if *query != only || !query.output.iter().all(plain) {
            return Err(unsupported(format!("anything but the columns of {}", name())));
        }
        Ok(())
    }

    fn check_positions(&self, query: &SourceQuery, table: &TableRelation) -> Result<(), Unsupported> {
        let expressions = query.filter.iter().chain(query.output.iter().map(|o| &o.expr)).chain(query.order_by.iter().map(|k| &k.expr));
        let expressions = expressions.chain(query.limit_per.iter().flat_map(|per| &per.columns));
        for expression in expressions {
            if expression.columns().iter().any(|index| *index >= table.columns.len()) {
                return Err(unsupported("a column outside the relation"));
            }
        }
        Ok(())
    }

    /// Whether the table takes these keys, and does not need others.
    pub(crate) fn check_keys(&self, keys: Option<&KeySet>, check: &ExprCheck<'_>, table: &TableRelation) -> Result<(), Unsupported> {
        let required = self.tables.get(&table.table.to_string()).map(|table| table.required_keys.as_slice()).unwrap_or_default();
        let Some(keys) = keys else {
            return match required {
                [] => Ok(()),
                _ => Err(unsupported(format!("asking without keys for {}", required.join(", ")))),
            };
        };
        if check.key_columns(&keys.columns) == Support::None {
            return Err(unsupported("a key set over these columns"));
        }
        let position = |name: &String| table.columns.iter().position(|column| column.name == *name);
        if !required.iter().all(|name| position(name).is_some_and(|position| keys.columns.contains(&position))) {
            return Err(unsupported(format!("asking without keys for {}", required.join(", "))));
        }
        if keys.tuples.len() > self.keys.max_tuples {
            return Err(unsupported(format!("a key set of more than {} tuples", self.keys.max_tuples)));
        }
        if !self.keys.fit(&keys.tuples) {
            return Err(unsupported(format!("a key set of more than {} bytes", self.keys.max_bytes)));
        }
        Ok(())
    }

    fn check_limits(&self, query: &SourceQuery, check: &ExprCheck<'_>, table: &TableRelation) -> Result<(), Unsupported> {
        let cap = self.tables.get(&table.table.to_string()).and_then(|table| table.limit).unwrap_or(Support::Exact);
        let exact_filter = query.filter.as_ref().is_none_or(|filter| check.predicate(filter) == Support::Exact);
        let exact_keys = query.keys.as_ref().is_none_or(|keys| check.key_columns(&keys.columns) == Support::Exact);
        let limited = query.limit.is_some() || query.offset > 0 || query.limit_per.is_some();
        if limited && !(exact_filter && exact_keys) {
            return Err(unsupported("a limit above an inexact filter"));
        }
        if query.limit.is_some() && self.limit.min(cap) != Support::Exact {
            return Err(unsupported("limit"));
        }
        if query.offset > 0 && self.offset.min(cap) != Support::Exact {
            return Err(unsupported("offset"));
        }
        match &query.limit_per {
            Some(_) if self.limit_per != Support::Exact => Err(unsupported("limit per key")),
            Some(per) if per.columns.iter().any(|column| check.value(column) != Support::Exact) => {
                Err(unsupported("limit per key over these columns"))
            }
            _ => Ok(()),
        }
    }
}
