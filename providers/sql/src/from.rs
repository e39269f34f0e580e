//! `FROM`: tables, joins, nested blocks and unions, each with an alias of its own. It must not know what is made of their rows.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::dialect::Family;
use crate::expr::{Render, unsupported};
use crate::scope::{Held, Scope};
use crate::select::{Block, Form};
use crate::statement::ResultColumn;
use portico_provider_api::walk::visit_subqueries;
use portico_provider_api::{
    CompareOp, Expr, Join, JoinKind, Relation, ScalarType, SortKey, SourceQuery, TableRelation, TypeClass, Unsupported,
};
use std::rc::Rc;

/// A relation as it stands behind `FROM`.
pub(crate) struct From {
    pub(crate) text: String,
    /// The alias, where it is one table; empty otherwise.
    pub(crate) alias: String,
    pub(crate) scope: Scope,
    /// What semi and anti joins left to be said: conditions on the rows, over columns that the text brings into scope.
    pub(crate) conditions: Vec<String>,
    /// Whether the text is several relations.
    joined: bool,
}

impl Render<'_> {
    pub(crate) fn relation(&mut self, relation: &Relation) -> Result<From, Unsupported> {
        match relation {
            Relation::Table(table) => {
                let alias = self.table_alias();
                let scope = Scope::table(self.dialect, table, &format!("{alias}."));
                // Pages are those of one table: what becomes a child of it meanwhile has pages of its own.
                let only = if self.pages.is_some() { "ONLY " } else { "" };
                let text = format!("{only}{}{}{alias}", self.dialect.table(&table.table), self.dialect.family.table_as());
                Ok(From { text, alias, scope, conditions: Vec::new(), joined: false })
            }
            Relation::Call(call) => {
                let alias = self.table_alias();
                let from = crate::operation::from(&call.operation, &call.arguments, self, &alias)?;
                let rows = TableRelation { table: call.operation.name.clone(), columns: call.operation.columns().to_vec() };
                let scope = Scope::table(self.dialect, &rows, &format!("{alias}."));
                let conditions = from.condition.into_iter().collect();
                Ok(From { text: from.text, alias: String::new(), scope, conditions, joined: false })
            }
            Relation::Query(query) => {
                if let Some((name, columns)) = self.shared_block(query)? {
                    let alias = self.block_alias();
                    let scope = Scope::block(self.dialect, &alias, columns);
                    let text = format!("{name}{}{alias}", self.dialect.family.table_as());
                    return Ok(From { text, alias: String::new(), scope, conditions: Vec::new(), joined: false });
                }
                let block = self.block(query, Form::Stored)?;
                let alias = self.block_alias();
                let scope = Scope::block(self.dialect, &alias, block.columns);
                let text = format!("({}){}{alias}", block.text, self.dialect.family.table_as());
                Ok(From { text, alias: String::new(), scope, conditions: Vec::new(), joined: false })
            }
            Relation::Union(queries) => self.union(queries),
            Relation::Join(join) => self.join(join),
        }
    }

    fn union(&mut self, queries: &[SourceQuery]) -> Result<From, Unsupported> {
        let mut columns: Option<Vec<ResultColumn>> = None;
        let mut texts = Vec::with_capacity(queries.len());
        for query in queries {
            // One column has one form, whichever block its value comes from.
            let block = self.block(query, Form::Own)?;
            let first = columns.get_or_insert_with(|| block.columns.clone());
            let types = |columns: &[ResultColumn]| columns.iter().map(|column| column.scalar_type).collect::<Vec<_>>();
            if types(first) != types(&block.columns) {
                return Err(unsupported("a union of queries with columns of different types"));
            }
            for (column, own) in first.iter_mut().zip(&block.columns) {
                column.nullable |= own.nullable;
                column.origin = None;
            }
            // A block of a union has no order of its own unless it is a query inside the block.
            let own_end = !query.order_by.is_empty() || query.limit.is_some() || query.offset > 0;
            texts.push(if own_end { format!("SELECT * FROM ({}) AS u", block.text) } else { block.text });
        }
        let Some(columns) = columns else { return Err(unsupported("a union of nothing")) };
        let alias = self.block_alias();
        let scope = Scope::block(self.dialect, &alias, columns);
        let text = format!("({}) AS {alias}", texts.join(" UNION ALL "));
        Ok(From { text, alias: String::new(), scope, conditions: Vec::new(), joined: false })
    }

    fn join(&mut self, join: &Join) -> Result<From, Unsupported> {
        let Join { left, right, kind, on: _, residual: _, null_aware, null_equal: _ } = join;
        if *null_aware && *kind != JoinKind::Anti {
            return Err(unsupported("a null-aware join that is not an anti join"));
        }
        let left = self.relation(left)?;
        let right = self.relation(right)?;
        let both = left.scope.and(&right.scope);
        let from = |text: String, scope: Scope, conditions: Vec<String>, joined: bool| {
            let alias = String::new();
            From { text, alias, scope, conditions, joined }
        };
        match kind {
            JoinKind::Inner | JoinKind::Cross => {
                let on = self.within(both.clone(), |render| render.join_conditions(join))?;
                let text = self.joined("JOIN", &left, &right, &on);
                // What the sides still ask of their rows may as well be asked of the joined ones.
                Ok(from(text, both, [left.conditions, right.conditions].concat(), true))
            }
            JoinKind::Left => {
                let mut on = self.within(both, |render| render.join_conditions(join))?;
                on.extend_from_slice(&right.conditions);
                let text = self.joined("LEFT JOIN", &left, &right, &on);
                Ok(from(text, left.scope.and(&right.scope.nullable()), left.conditions, true))
            }
            JoinKind::Semi | JoinKind::Anti if self.dialect.family == Family::DataFusion && !null_aware => {
                let mut on = self.within(both, |render| render.join_conditions(join))?;
                on.extend_from_slice(&right.conditions);
                let operator = if *kind == JoinKind::Semi { "LEFT SEMI JOIN" } else { "LEFT ANTI JOIN" };
                let text = self.joined(operator, &left, &right, &on);
                Ok(from(text, left.scope, left.conditions, true))
            }
            JoinKind::Semi | JoinKind::Anti => {
                let condition = self.within(both, |render| match kind {
                    JoinKind::Anti if *null_aware => render.null_aware(join, &right),
                    JoinKind::Anti => Ok(format!("(NOT {})", render.matched(join, &right)?)),
                    JoinKind::Semi | JoinKind::Inner | JoinKind::Cross | JoinKind::Left => render.matched(join, &right),
                })?;
                let conditions = left.conditions.into_iter().chain([condition]).collect();
                Ok(from(left.text, left.scope, conditions, left.joined))
            }
        }
    }

    fn joined(&self, operator: &str, left: &From, right: &From, on: &[String]) -> String {
        let on = if on.is_empty() { self.dialect.true_constant.to_owned() } else { on.join(" AND ") };
        let (left, right) = (&left.text, if right.joined { format!("({})", right.text) } else { right.text.clone() });
        format!("{left} {operator} {right} ON {on}")
    }

    /// The conditions of a join, with the columns of both sides in scope.
    fn join_conditions(&mut self, join: &Join) -> Result<Vec<String>, Unsupported> {
        let mut conditions = self.equalities(join)?;
        if let Some(residual) = &join.residual {
            conditions.push(self.value(residual)?);
        }
        Ok(conditions)
    }

    fn equalities(&mut self, join: &Join) -> Result<Vec<String>, Unsupported> {
        let left_width = join.left.columns().len();
        let mut conditions = Vec::with_capacity(join.on.len() + 1);
        for (left, right) in &join.on {
            let right = shifted(right, left_width)?;
            let columns = self.scope.columns();
            // Without nulls on one side `=` says the same, and can be served by a hash or an index.
            let op = match join.null_equal && left.nullable(columns) && right.nullable(columns) {
                true => CompareOp::IsNotDistinctFrom,
                false => CompareOp::Eq,
            };
            conditions.push(self.compare(op, left, &right)?);
        }
        Ok(conditions)
    }

    /// Whether the right side has a row that fits.
    fn matched(&mut self, join: &Join, right: &From) -> Result<String, Unsupported> {
        let conditions = [self.join_conditions(join)?, right.conditions.clone()].concat();
        Ok(exists(right, &conditions))
    }

    /// The semantics of `NOT IN`: a row stays when no row of the right side equals it, or might.
    fn null_aware(&mut self, join: &Join, right: &From) -> Result<String, Unsupported> {
        if self.dialect.family == Family::Mysql {
            // Its own `NOT IN` compares texts by their collation.
            return Err(unsupported("a null-aware join"));
        }
        let (of_left, of_right) = (join.left.columns(), join.right.columns());
        if join.on.iter().all(|(left, right)| !left.nullable(&of_left) && !right.nullable(&of_right)) {
            // Without nulls nothing might be equal, and this is a join to every planner.
            return Ok(format!("(NOT {})", self.matched(join, right)?));
        }
        let mut conditions = right.conditions.clone();
        if let Some(residual) = &join.residual {
            conditions.push(self.value(residual)?);
        }
        // DataFusion cannot plan its `NOT IN` beside a condition over both sides.
        let plannable = self.dialect.family != Family::DataFusion || join.residual.is_none();
        if let [(wanted, found)] = join.on.as_slice()
            && !join.null_equal
            && plannable
        {
            let found = shifted(found, of_left.len())?;
            let scalar_type = self.scalar_type(wanted)?;
            let float = matches!(scalar_type, ScalarType::Float32 | ScalarType::Float64);
            if TypeClass::of(scalar_type) != TypeClass::of(self.scalar_type(&found)?) {
                return Err(unsupported("a join of columns of different types"));
            }
            if !(float && self.dialect.nan_equals_itself.is_some()) {
                // A database hashes this; the general form below it can only try row by row.
                let usual = self.usual(wanted)? && self.usual(&found)?;
                let (wanted, mut found) = (self.value(wanted)?, self.value(&found)?);
                let mut collation = self.collation(scalar_type, false);
                if collation.is_empty() && !usual {
                    collation = self.usual_collation(scalar_type);
                    found.push_str(collation);
                }
                let filter = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
                return Ok(format!("({wanted}{collation} NOT IN (SELECT {found} FROM {}{filter}))", right.text));
            }
        }
        let equalities = self.equalities(join)?;
        if !equalities.is_empty() {
            conditions.push(format!("(({}) {} {})", equalities.join(" AND "), self.dialect.is_distinct, self.dialect.false_constant));
        }
        Ok(format!("(NOT {})", exists(right, &conditions)))
    }

    /// A block that may refer to the columns in scope here.
    fn subquery(&mut self, query: &SourceQuery) -> Result<Block, Unsupported> {
        self.enclosing.push(self.scope.clone());
        let block = self.block(query, Form::Own);
        self.enclosing.pop();
        block
    }

    /// A column of what is in scope `depth` sub-queries further out.
    pub(crate) fn outer_column(&self, depth: u32, index: usize) -> Result<Rc<Held>, Unsupported> {
        let level = usize::try_from(depth).ok().filter(|depth| *depth > 0).and_then(|depth| self.enclosing.len().checked_sub(depth));
        let held = level.and_then(|level| self.enclosing.get(level)).and_then(|scope| scope.column(index));
        held.ok_or_else(|| unsupported("a column outside the enclosing queries"))
    }

    /// Whether a sub-query has a row.
    pub(crate) fn exists(&mut self, query: &SourceQuery) -> Result<String, Unsupported> {
        if let Family::Product(_) = self.dialect.family {
            // What it returns, and in which order, does not matter, and may be what only readers can make something of.
            let rows = SourceQuery { output: Vec::new(), order_by: Vec::new(), ..query.clone() };
            return Ok(format!("EXISTS ({})", self.subquery(&rows)?.text));
        }
        Ok(format!("EXISTS ({})", self.subquery(query)?.text))
    }

    /// The value of a sub-query.
    pub(crate) fn scalar_subquery(&mut self, query: &SourceQuery) -> Result<String, Unsupported> {
        let block = self.subquery(query)?;
        if block.columns.len() != 1 {
            return Err(unsupported("a scalar sub-query without exactly one column"));
        }
        let one_group = query.aggregate.as_ref().is_some_and(|aggregate| aggregate.group_by.is_empty());
        let one_at_most = one_group || query.limit.is_some_and(|limit| limit <= 1);
        match self.dialect.only {
            Some(only) if !one_at_most => {
                let alias = self.block_alias();
                let column = self.dialect.identifier("c0");
                Ok(format!("(SELECT {only}({alias}.{column}) FROM ({}) AS {alias})", block.text))
            }
            Some(_) | None => Ok(format!("({})", block.text)),
        }
    }
}

fn exists(right: &From, conditions: &[String]) -> String {
    let filter = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    format!("EXISTS (SELECT 1 FROM {}{filter})", right.text)
}

/// An expression over columns that stand `by` positions further on. A sub-query sees columns of its own.
fn shifted(expr: &Expr, by: usize) -> Result<Expr, Unsupported> {
    let mut correlated = false;
    visit_subqueries(expr, &mut |query| correlated |= query.is_correlated());
    // Its columns of enclosing queries would have to be moved as well.
    if correlated { Err(unsupported("a correlated sub-query in the equality of a join")) } else { Ok(moved(expr, by)) }
}

fn moved(expr: &Expr, by: usize) -> Expr {
    let one = |inner: &Expr| Box::new(moved(inner, by));
    let all = |list: &[Expr]| list.iter().map(|inner| moved(inner, by)).collect();
    match expr {
        Expr::Column(index) => Expr::Column(index + by),
        Expr::Compare { op, left, right } => Expr::Compare { op: *op, left: one(left), right: one(right) },
        Expr::InList { expr, list, negated } => Expr::InList { expr: one(expr), list: all(list), negated: *negated },
        Expr::And(parts) => Expr::And(all(parts)),
        Expr::Or(parts) => Expr::Or(all(parts)),
        Expr::Not(inner) => Expr::Not(one(inner)),
        Expr::IsNull(inner) => Expr::IsNull(one(inner)),
        Expr::Arithmetic { op, left, right } => Expr::Arithmetic { op: *op, left: one(left), right: one(right) },
        Expr::Negate(inner) => Expr::Negate(one(inner)),
        Expr::Case { branches, otherwise } => Expr::Case {
            branches: branches.iter().map(|(when, then)| (moved(when, by), moved(then, by))).collect(),
            otherwise: otherwise.as_deref().map(one),
        },
        Expr::Cast { expr, to } => Expr::Cast { expr: one(expr), to: *to },
        Expr::Call { function, arguments } => Expr::Call { function: *function, arguments: all(arguments) },
        Expr::Window { function, arguments, partition_by, order_by } => Expr::Window {
            function: *function,
            arguments: all(arguments),
            partition_by: all(partition_by),
            order_by: order_by.iter().map(|key| SortKey { expr: moved(&key.expr, by), ..*key }).collect(),
        },
        Expr::OuterColumn { .. } | Expr::Literal(_) | Expr::Parameter { .. } | Expr::ScalarSubquery(_) | Expr::Exists(_) => expr.clone(),
    }
}
