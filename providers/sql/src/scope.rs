//! What column positions mean: how each column in scope is referred to, and how it is held. It must not know statements.

use crate::dialect::Dialect;
use crate::expr::{Render, has_usual_collation, unsupported};
use crate::statement::ResultColumn;
use portico_provider_api::{TableColumn, TableRelation, Unsupported};
use std::ops::Deref;
use std::rc::Rc;

/// A column in scope.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    /// What it is.
    pub(crate) column: TableColumn,
    /// The text that stands for it: `t0."name"`, `q0."c1"`, or an expression over grouped rows.
    pub(crate) reference: String,
    /// The remote table and column that it comes from unchanged, for messages.
    pub(crate) origin: Option<String>,
    /// Whether the text already is the dialect's own form of the type.
    pub(crate) computed: bool,
    /// Whether its own form, if that is text, has the database's usual collation.
    pub(crate) usual: bool,
}

impl Deref for Held {
    type Target = TableColumn;

    fn deref(&self) -> &TableColumn {
        &self.column
    }
}

impl Held {
    /// Whether the stored form, if that is text, has the database's usual collation.
    pub(crate) fn usual_as_stored(&self) -> bool {
        has_usual_collation(self.native_type.as_deref())
    }

    /// An expression in the dialect's own form of its type.
    pub(crate) fn computed(column: TableColumn, reference: String) -> Held {
        Held { column: TableColumn { codec: None, native_type: None, ..column }, reference, origin: None, computed: true, usual: false }
    }
}

/// The columns that expressions see, by position.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    columns: Vec<TableColumn>,
    held: Vec<Rc<Held>>,
}

impl Scope {
    pub(crate) fn new(held: Vec<Rc<Held>>) -> Scope {
        Scope { columns: held.iter().map(|held| held.column.clone()).collect(), held }
    }

    /// The columns of a table, each behind `prefix`: an alias with its point, or nothing in a change.
    pub(crate) fn table(dialect: &Dialect, table: &TableRelation, prefix: &str) -> Scope {
        let held = table.columns.iter().map(|column| {
            Rc::new(Held {
                column: column.clone(),
                reference: format!("{prefix}{}", dialect.identifier(&column.name)),
                origin: Some(format!("{}.{}", table.table, column.name)),
                computed: false,
                usual: has_usual_collation(column.native_type.as_deref()),
            })
        });
        Scope::new(held.collect())
    }

    /// The outputs of an enclosed block.
    pub(crate) fn block(dialect: &Dialect, alias: &str, columns: Vec<ResultColumn>) -> Scope {
        let held = columns.into_iter().enumerate().map(|(at, column)| {
            let reference = format!("{alias}.{}", dialect.identifier(&format!("c{at}")));
            let inner = TableColumn::computed(column.name, column.scalar_type, column.nullable);
            Rc::new(match column.codec {
                None => Held { origin: column.origin, usual: true, ..Held::computed(inner, reference) },
                Some(codec) => Held {
                    column: TableColumn { codec: Some(codec), native_type: column.native_type, ..inner },
                    reference,
                    origin: column.origin,
                    computed: false,
                    usual: false,
                },
            })
        });
        Scope::new(held.collect())
    }

    /// These columns, then others.
    pub(crate) fn and(&self, others: &Scope) -> Scope {
        Scope::new(self.held.iter().chain(&others.held).map(Rc::clone).collect())
    }

    /// The same columns where a join may leave them out.
    pub(crate) fn nullable(&self) -> Scope {
        let held = self.held.iter().map(|held| {
            let column = TableColumn { nullable: true, ..held.column.clone() };
            Rc::new(Held { column, ..Held::clone(held) })
        });
        Scope::new(held.collect())
    }

    pub(crate) fn columns(&self) -> &[TableColumn] {
        &self.columns
    }

    pub(crate) fn column(&self, index: usize) -> Option<Rc<Held>> {
        self.held.get(index).map(Rc::clone)
    }
}

impl Render<'_> {
    /// The column at a position of what is in scope now.
    pub(crate) fn column(&self, index: usize) -> Result<Rc<Held>, Unsupported> {
        self.scope.column(index).ok_or_else(|| unsupported("a column outside the relation"))
    }

    /// What `work` makes while other columns are in scope.
    pub(crate) fn within<T>(&mut self, scope: Scope, work: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.scope, scope);
        let made = work(self);
        self.scope = outer;
        made
    }

    /// An alias that no other relation of the statement has.
    pub(crate) fn table_alias(&mut self) -> String {
        self.tables += 1;
        format!("t{}", self.tables - 1)
    }

    /// An alias that no other nested block of the statement has.
    pub(crate) fn block_alias(&mut self) -> String {
        self.blocks += 1;
        format!("q{}", self.blocks - 1)
    }
}
