//! The equalities of a cluster of inner joins: which pairs of expressions connect two pieces, those included that follow from others. It
//! must not know pieces.

use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;

/// Equalities, each between two sides of some join.
#[derive(Clone, Default)]
pub struct Equalities {
    pairs: Vec<(Expr, Expr)>,
}

/// Whether an expression is one over a schema.
pub fn covers(schema: &DFSchema, expression: &Expr) -> bool {
    let columns = expression.column_refs();
    !columns.is_empty() && columns.into_iter().all(|column| schema.maybe_index_of_column(column).is_some())
}

impl Equalities {
    /// Adds pairs.
    pub fn extend(&mut self, pairs: impl IntoIterator<Item = (Expr, Expr)>) {
        self.pairs.extend(pairs);
    }

    /// The same with every expression replaced.
    ///
    /// # Errors
    /// What `map` fails with.
    pub fn try_map<E>(self, map: &dyn Fn(Expr) -> Result<Expr, E>) -> Result<Equalities, E> {
        let pairs = self.pairs.into_iter().map(|(one, other)| Ok((map(one)?, map(other)?))).collect::<Result<_, E>>()?;
        Ok(Equalities { pairs })
    }

    /// The pairs between two schemas, the left one's expression first. Where none connects them directly, one that follows: both equal
    /// something third.
    pub fn between(&self, left: &DFSchema, right: &DFSchema) -> Vec<(Expr, Expr)> {
        let oriented = |(one, other): &(Expr, Expr)| {
            if covers(left, one) && covers(right, other) {
                Some((one.clone(), other.clone()))
            } else if covers(left, other) && covers(right, one) {
                Some((other.clone(), one.clone()))
            } else {
                None
            }
        };
        let direct: Vec<(Expr, Expr)> = self.pairs.iter().filter_map(oriented).collect();
        if !direct.is_empty() {
            return direct;
        }
        let classes = self.classes();
        let follows = |class: &Vec<Expr>| {
            let own = class.iter().find(|expression| covers(left, expression))?;
            let theirs = class.iter().find(|expression| covers(right, expression))?;
            Some((own.clone(), theirs.clone()))
        };
        classes.iter().filter_map(follows).collect()
    }

    /// Takes out the pairs that lie between two schemas: a join of them has applied these.
    pub fn apply(&mut self, left: &DFSchema, right: &DFSchema) {
        self.pairs.retain(|(one, other)| {
            let between = (covers(left, one) && covers(right, other)) || (covers(left, other) && covers(right, one));
            !between
        });
    }

    /// Takes out the pairs of which both sides are expressions over one schema, as conditions on it.
    pub fn take_within(&mut self, schema: &DFSchema) -> Vec<Expr> {
        let (within, rest) =
            std::mem::take(&mut self.pairs).into_iter().partition(|(one, other)| covers(schema, one) && covers(schema, other));
        self.pairs = rest;
        let within: Vec<(Expr, Expr)> = within;
        within.into_iter().map(|(one, other)| one.eq(other)).collect()
    }

    /// All that is left, as conditions.
    pub fn conditions(&self) -> impl Iterator<Item = Expr> + '_ {
        self.pairs.iter().map(|(one, other)| one.clone().eq(other.clone()))
    }

    /// The expressions of all that is left.
    pub fn expressions(&self) -> impl Iterator<Item = &Expr> {
        self.pairs.iter().flat_map(|(one, other)| [one, other])
    }

    /// What is equal to each other, directly or not.
    fn classes(&self) -> Vec<Vec<Expr>> {
        let mut classes: Vec<Vec<Expr>> = Vec::new();
        for (one, other) in &self.pairs {
            let mut class = vec![one.clone(), other.clone()];
            classes.retain(|present| {
                let meets = present.contains(one) || present.contains(other);
                if meets {
                    class.extend(present.iter().cloned());
                }
                !meets
            });
            classes.push(class);
        }
        classes
    }
}
