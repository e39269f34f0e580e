//! A source query while it grows: what it has taken in of a plan, and whether the source takes one thing more. What is asked of the
//! capabilities is always the whole query. It must not know plans, only expressions over what has been taken in.

use crate::plan::key_set::{KEY_SLOT_PREFIX, KeySetFunction, KeySlot};
use crate::policy::barrier;
use crate::pushdown::fallible::can_fail;
use crate::pushdown::fragment::{RemoteFragment, beside_query};
use crate::pushdown::reduce::Part;
use crate::pushdown::required;
use crate::pushdown::shift::shifted;
use crate::pushdown::sole_fragment;
use crate::pushdown::support::support;
use crate::pushdown::translate::Translation;
use datafusion::common::DFSchemaRef;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr as PlanExpr, Extension, LogicalPlan, Operator};
use portico_provider_api::capabilities::KeyCapabilities;
use portico_provider_api::check::ExprCheck;
use portico_provider_api::value::Value;
use portico_provider_api::{
    Capabilities, CompareOp, Expr, KeySet, Output, Relation, Requirement, SortKey, SourceQuery, Support, TableColumn,
};
use std::sync::Arc;
use std::time::Duration;

/// A source query that may still grow. Its answer is exact: what a source evaluates only roughly is cut off at once, with the rest of the
/// condition above it.
#[derive(Clone)]
pub struct Growing {
    /// The source.
    pub source: String,
    /// What of its relation a condition keeps few rows of.
    pub parts: Vec<Part>,
    /// What the source can evaluate; of the keys that its table requires it says nothing, since they may still come from a join.
    pub capabilities: Arc<Capabilities>,
    /// Version of the source's schema.
    pub schema_version: String,
    /// How old the rows may be: the least of its tables'.
    pub freshness: Duration,
    /// Roughly how many rows `from` and the filter leave.
    pub rows: u64,
    /// Roughly how many they would leave if no condition had been applied to them: what part of them is left says how few of another's rows
    /// they meet.
    pub unfiltered: u64,
    /// The query. Its outputs are the fields of `schema`, by position.
    pub query: SourceQuery,
    /// Where the keys of each run come from: columns of `from`, and the slot.
    pub key_slot: Option<(Vec<usize>, KeySlot)>,
    /// What the table cannot be asked without; it may still come from a join.
    pub required_keys: Vec<Vec<Requirement>>,
    /// Conditions over the columns of `from` that may name what is required, whether the source evaluates them or not.
    pub conditions: Vec<Expr>,
    /// What hides rows from the caller.
    pub rules: Rules,
    /// What tells rows apart, over the columns that outputs see, if anything is known to.
    pub key: Option<Vec<Expr>>,
    /// The schema of the piece of plan that has been taken in.
    pub schema: DFSchemaRef,
}

/// The row rules in force in a block. A condition of the caller's that can fail must not meet the rows that they hide: its error would tell
/// what these hold, and a source evaluates conditions in any order.
#[derive(Clone, Default)]
pub struct Rules {
    /// Conditions over the columns of `from`.
    pub conditions: Vec<Expr>,
    /// Whether some cannot be said over these columns: they are inside a nested block, or on the side of a join that may be missing.
    pub within: bool,
}

impl Rules {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty() && !self.within
    }

    /// The same for what is outside of a block, where they cannot be said.
    pub fn enclosed(&self) -> Rules {
        Rules { conditions: Vec::new(), within: !self.is_empty() }
    }

    /// These and those of a relation whose columns come so many positions later.
    pub fn beside(&self, other: &Rules, by: usize) -> Rules {
        let theirs = other.conditions.iter().map(|rule| shifted(rule.clone(), by));
        Rules { conditions: self.conditions.iter().cloned().chain(theirs).collect(), within: self.within || other.within }
    }

    /// A condition that asks the rules first, where it could fail on a row that they hide; nothing where they cannot be asked.
    pub fn guard(&self, condition: Expr, columns: &[TableColumn]) -> Option<Expr> {
        if self.is_empty() || !can_fail(&condition, columns) {
            return Some(condition);
        }
        let rules = Expr::all(self.conditions.iter().cloned()).filter(|_| !self.within)?;
        Some(Expr::Case { branches: vec![(rules, condition)], otherwise: Some(Box::new(Expr::Literal(Value::Boolean(false)))) })
    }
}

/// How much of a conjunct the source evaluates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// All of it.
    Wholly,
    /// Some: it must be evaluated again.
    Roughly,
    /// Nothing.
    No,
}

impl Growing {
    /// Whether the source takes the query as it is, and how well.
    pub fn support(&self) -> Support {
        if !self.is_askable() {
            return Support::None;
        }
        let Some((columns, _)) = &self.key_slot else { return support(&self.capabilities, &self.query) };
        // The keys themselves are known at run time, as many at once as the source takes.
        let keys = Some(KeySet { columns: columns.clone(), tuples: Vec::new() });
        let probe = SourceQuery { keys, ..self.query.clone() };
        support(&self.capabilities, &probe)
    }

    /// Whether the rows can be fetched by the keys that the table requires, which may take several requests: what concerns the whole of them
    /// is then done here.
    fn is_askable(&self) -> bool {
        if self.required_keys.is_empty() {
            return true;
        }
        let check = ExprCheck::over(&self.capabilities, &self.query.from);
        let columns = check.columns();
        let keys = |list: &Vec<Requirement>| {
            let is_key = |column: &TableColumn| list.contains(&Requirement::Key(column.name.clone()));
            columns.iter().enumerate().filter(|(_, column)| is_key(column)).map(|(at, _)| at).collect::<Vec<_>>()
        };
        let lists: Vec<Vec<usize>> = self.required_keys.iter().map(keys).collect();
        // Which of them will be taken is not known: a condition that could not stand beside its keys is evaluated here.
        if !lists.iter().all(|keys| self.stands_beside(&check, keys)) {
            return false;
        }
        let most = self.capabilities.max_request_bytes(&self.query);
        let limits = |columns: &[usize]| Some(beside_query(self.key_limits(&check, columns)?, most, &self.query, columns));
        if self.key_slot.is_none() && required::of_one_request(&self.required_keys, &self.query, &self.conditions, &limits).is_some() {
            return true;
        }
        let given = self.key_slot.as_ref().map(|(columns, _)| columns.as_slice()).unwrap_or_default();
        let taken = |all: &[usize]| all.is_empty() || self.key_limits(&check, all).is_some();
        let apart = |keys: &Vec<usize>| required::falls_apart(&self.query, keys) && taken(&required::together(given, keys));
        !required::is_one_piece(&self.query) && lists.iter().any(apart)
    }

    /// What keys over some columns are measured by, and how well rows are found by them; nothing where they cannot be asked for.
    fn key_limits(&self, check: &ExprCheck<'_>, columns: &[usize]) -> Option<KeyCapabilities> {
        // What looks at all rows must not see those of other keys.
        let least = if self.is_plain() { Support::Inexact } else { Support::Exact };
        let support = check.key_columns(columns);
        let limits = check.key_limits(columns).filter(|_| support >= least && self.stands_beside(check, columns))?;
        Some(KeyCapabilities { support, ..limits })
    }

    /// Whether the filter leaves columns free that can be compared once in a request.
    fn stands_beside(&self, check: &ExprCheck<'_>, columns: &[usize]) -> bool {
        let keys = KeySet { columns: columns.to_vec(), tuples: Vec::new() };
        check.each_once(self.query.filter.as_ref(), Some(&keys)).is_ok()
    }

    /// Notes what conditions over the schema say about keys, for a table that requires some.
    pub fn note_keys<'a>(&mut self, conjuncts: impl IntoIterator<Item = &'a PlanExpr>) {
        if !self.required_keys.is_empty() && self.is_plain() {
            let noted: Vec<Expr> = conjuncts.into_iter().filter_map(|conjunct| self.weakened(conjunct)).collect();
            self.conditions.extend(noted);
        }
    }

    /// What of a condition can be said in the IR: it holds wherever the condition does.
    fn weakened(&self, condition: &PlanExpr) -> Option<Expr> {
        let condition = barrier::unmarked(condition).unwrap_or(condition);
        match condition {
            PlanExpr::BinaryExpr(binary) if binary.op == Operator::And => {
                Expr::all([&binary.left, &binary.right].into_iter().filter_map(|side| self.weakened(side)))
            }
            PlanExpr::BinaryExpr(binary) if binary.op == Operator::Or => {
                Some(Expr::Or(vec![self.weakened(&binary.left)?, self.weakened(&binary.right)?]))
            }
            other => self.translate(other),
        }
    }

    /// Itself, if the source gives just these rows.
    pub fn accepted(self) -> Option<Growing> {
        (self.support() == Support::Exact).then_some(self)
    }

    /// What each field is, over the columns that outputs see.
    pub fn fields(&self) -> Vec<Expr> {
        self.query.output.iter().map(|output| output.expr.clone()).collect()
    }

    /// The columns that outputs see.
    pub fn columns(&self) -> Vec<TableColumn> {
        self.query.visible_columns()
    }

    /// Takes in how fresh the sub-queries of an expression must be.
    pub fn also_reading(&mut self, expression: &PlanExpr) {
        let mut least = self.freshness;
        // The closure cannot fail.
        let _ = expression.apply(|node| {
            if let PlanExpr::ScalarSubquery(subquery) = node
                && let Some(fragment) = sole_fragment(&subquery.subquery)
            {
                least = least.min(fragment.freshness);
            }
            Ok(TreeNodeRecursion::Continue)
        });
        self.freshness = least;
    }

    /// An expression over the schema in the IR; `None` where it has no equal there.
    pub fn translate(&self, expression: &PlanExpr) -> Option<Expr> {
        let (fields, columns) = (self.fields(), self.columns());
        self.translation(&fields, &columns).whole(expression)
    }

    /// For expressions over the schema.
    pub fn translation<'a>(&'a self, fields: &'a [Expr], columns: &'a [TableColumn]) -> Translation<'a> {
        Translation { schema: &self.schema, fields, columns, source: &self.source }
    }

    /// Whether some expressions over the schema tell its rows apart.
    pub fn is_key<'a>(&self, expressions: impl Iterator<Item = &'a PlanExpr>) -> bool {
        let Some(key) = &self.key else { return false };
        let given: Vec<Expr> = expressions.filter_map(|expression| self.translate(expression)).collect();
        key.iter().all(|part| given.contains(part))
    }

    /// Replaces what is returned.
    pub fn returning(mut self, fields: impl IntoIterator<Item = Expr>, schema: DFSchemaRef) -> Growing {
        self.query.output = outputs(fields);
        self.schema = schema;
        self
    }

    /// Whether a limit cuts rows off, so that what comes after it sees other rows than what came before.
    pub fn is_cut_off(&self) -> bool {
        self.query.limit.is_some() || self.query.offset > 0 || self.query.limit_per.is_some()
    }

    /// Whether it is nothing but rows of its relation: no groups, nothing left out but by conditions.
    pub fn is_plain(&self) -> bool {
        self.query.aggregate.is_none() && !self.query.distinct && !self.is_cut_off()
    }

    /// The same rows as a nested block, over which a new one begins. Their order is kept where the new block can say it.
    pub fn nested(self, keep_order: bool) -> Option<Growing> {
        if self.key_slot.is_some() || !self.required_keys.is_empty() {
            return None;
        }
        let mut inner = self.query.clone();
        let order_by = if keep_order {
            let over = |key: &SortKey| {
                let at = inner.output.iter().position(|output| output.expr == key.expr)?;
                Some(SortKey { expr: Expr::Column(at), ..key.clone() })
            };
            inner.order_by.iter().map(over).collect::<Option<Vec<_>>>()?
        } else {
            Vec::new()
        };
        if !self.is_cut_off() {
            inner.order_by.clear();
        }
        ensure_output(&mut inner);
        let fields = (0..self.query.output.len()).map(Expr::Column);
        let place = |part: &Expr| inner.output.iter().position(|output| output.expr == *part).map(Expr::Column);
        let key = self.key.as_ref().and_then(|key| key.iter().map(place).collect());
        let rules = self.rules.enclosed();
        let query = SourceQuery { order_by, ..SourceQuery::select(Relation::Query(Box::new(inner)), outputs(fields)) };
        let (rows, unfiltered) = (self.estimate(), self.of_result(self.unfiltered));
        Growing { rows, unfiltered, query, rules, key, parts: Vec::new(), ..self }.accepted()
    }

    /// Takes a conjunct: how much of it the source evaluates.
    pub fn take_conjunct(&mut self, conjunct: &PlanExpr) -> Taken {
        if let Some((columns, slot)) = self.key_slot_of(conjunct) {
            return self.take_slot(columns, slot);
        }
        let Some(translated) = self.translate(conjunct) else { return Taken::No };
        let grouped = self.query.aggregate.is_some();
        let rules = if grouped { self.rules.enclosed() } else { self.rules.clone() };
        let Some(condition) = rules.guard(translated, &self.columns()) else { return Taken::No };
        let with = |condition: Option<Expr>| {
            let mut next = self.clone();
            match &mut next.query.aggregate {
                Some(aggregate) => aggregate.having = condition,
                None => next.query.filter = condition,
            }
            next
        };
        let present = match &self.query.aggregate {
            Some(aggregate) => aggregate.having.clone(),
            None => self.query.filter.clone(),
        };
        let mut condition = condition;
        let mut alone = with(Some(condition.clone())).support();
        // A source that takes lists may take no `OR`, which is what the optimiser makes of a short list.
        if alone == Support::None
            && let Some(list) = as_list(&condition)
        {
            alone = with(Some(list.clone())).support();
            condition = list;
        }
        if alone == Support::None || (grouped && alone != Support::Exact) {
            return Taken::No;
        }
        // A source may take each condition alone, and not all together.
        let fraction = fraction(&condition);
        let next = with(Expr::all(present.into_iter().chain([condition])));
        if next.support() == Support::None {
            return Taken::No;
        }
        *self = next;
        self.also_reading(conjunct);
        self.rows = (self.rows / fraction).max(1);
        if alone == Support::Exact { Taken::Wholly } else { Taken::Roughly }
    }

    fn take_slot(&mut self, columns: Vec<usize>, slot: KeySlot) -> Taken {
        if self.key_slot.is_some() || self.query.aggregate.is_some() {
            return Taken::No;
        }
        let mut next = self.clone();
        next.key_slot = Some((columns, slot));
        let support = next.support();
        if support == Support::None {
            return Taken::No;
        }
        *self = next;
        self.rows = self.rows.min(1_000);
        if support == Support::Exact { Taken::Wholly } else { Taken::Roughly }
    }

    fn key_slot_of(&self, conjunct: &PlanExpr) -> Option<(Vec<usize>, KeySlot)> {
        let PlanExpr::ScalarFunction(call) = conjunct else { return None };
        if !call.func.name().starts_with(KEY_SLOT_PREFIX) {
            return None;
        }
        let function = call.func.inner().downcast_ref::<KeySetFunction>().filter(|function| !function.of_groups)?;
        let columns = call
            .args
            .iter()
            .map(|argument| match self.translate(argument) {
                Some(Expr::Column(index)) => Some(index),
                _ => None,
            })
            .collect::<Option<Vec<usize>>>()?;
        Some((columns, function.slot.clone()))
    }

    /// Gives the source the conjuncts that it can evaluate, and returns what must be evaluated here.
    pub fn take_filters(&mut self, filters: &[PlanExpr]) -> Vec<PlanExpr> {
        let conjuncts = filters.iter().flat_map(split_conjunction);
        let mut residual = Vec::new();
        for conjunct in conjuncts {
            if self.take_conjunct(conjunct) != Taken::Wholly {
                residual.push(conjunct.clone());
            }
        }
        residual
    }

    /// The leaf that stands for it in a plan.
    pub fn into_plan(mut self) -> LogicalPlan {
        ensure_output(&mut self.query);
        let estimate = self.estimate();
        let tables: Vec<String> = self.query.tables().into_iter().map(ToString::to_string).collect();
        let check = ExprCheck::over(&self.capabilities, &self.query.from);
        let limits = |columns: &[usize]| self.key_limits(&check, columns);
        let among =
            |least: Support| (0..check.columns().len()).filter(move |index| limits(&[*index]).is_some_and(|of| of.support >= least));
        let (key_columns, exact_keys) = (among(Support::Inexact).collect(), among(Support::Exact).collect());
        let own_keys: Option<Vec<_>> =
            check.own_keys().map(|all| all.into_iter().filter_map(|columns| limits(&columns).map(|of| (columns, of))).collect());
        let of_slot = self.key_slot.as_ref().and_then(|(columns, _)| limits(columns));
        let of_own = own_keys.as_ref().map(|own| own.iter().map(|(_, limits)| *limits).max_by_key(|limits| limits.max_tuples));
        let key_limits = match of_own {
            Some(of_own) => of_slot.or(of_own).unwrap_or_default(),
            None => self.capabilities.keys,
        };
        let max_request_bytes = self.capabilities.max_request_bytes(&self.query);
        LogicalPlan::Extension(Extension {
            node: Arc::new(RemoteFragment {
                source: self.source,
                query: Arc::new(self.query),
                key_slot: self.key_slot,
                schema: self.schema,
                freshness: self.freshness,
                schema_version: self.schema_version,
                estimate,
                table: tables.join(", "),
                key_limits,
                own_keys,
                max_request_bytes,
                required_keys: self.required_keys,
                conditions: self.conditions,
                fed: None,
                key_columns,
                exact_keys,
                template: None,
            }),
        })
    }

    /// A guess beats none: the optimiser then builds its hash table on the side that is likely small.
    pub fn estimate(&self) -> u64 {
        let rows = self.of_result(self.rows);
        self.query.limit.map_or(rows, |limit| rows.min(limit)).max(1)
    }

    /// Which part of its rows is left: a number, and what it is out of.
    pub fn left(&self) -> (u64, u64) {
        let whole = self.of_result(self.unfiltered);
        (self.estimate().min(whole), whole)
    }

    /// Roughly how many rows come of so many in the relation.
    fn of_result(&self, rows: u64) -> u64 {
        let rows = match &self.query.aggregate {
            Some(aggregate) if aggregate.group_by.is_empty() => 1,
            Some(_) => rows / 10,
            None => rows,
        };
        rows.max(1)
    }
}

/// The list that a value is in, where some equalities of it with constants are what a condition demands one of.
fn as_list(condition: &Expr) -> Option<Expr> {
    let Expr::Or(parts) = condition else { return None };
    let mut subject: Option<&Expr> = None;
    let mut list = Vec::with_capacity(parts.len());
    for part in parts {
        let Expr::Compare { op: CompareOp::Eq, left, right } = part else { return None };
        let constant = matches!(right.as_ref(), Expr::Literal(_) | Expr::Parameter { .. });
        if !constant || subject.is_some_and(|subject| subject != left.as_ref()) {
            return None;
        }
        subject = Some(left.as_ref());
        list.push(right.as_ref().clone());
    }
    Some(Expr::InList { expr: Box::new(subject?.clone()), list, negated: false })
}

/// One in how many rows passes a condition, as a guess: the two ends of a range together leave about as many as an equality.
fn fraction(condition: &Expr) -> u64 {
    match condition {
        Expr::Compare { op: CompareOp::Lt | CompareOp::LtEq | CompareOp::Gt | CompareOp::GtEq, .. } => 3,
        _ => 10,
    }
}

/// A source returns at least one column; who wants none gets one and drops it.
fn ensure_output(query: &mut SourceQuery) {
    if query.output.is_empty() {
        query.output = outputs([Expr::Column(0)]);
    }
}

/// Outputs under names of their own.
pub fn outputs(fields: impl IntoIterator<Item = Expr>) -> Vec<Output> {
    fields.into_iter().enumerate().map(|(index, expr)| Output { name: format!("c{index}"), expr }).collect()
}
