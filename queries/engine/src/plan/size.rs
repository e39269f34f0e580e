//! How large a SQL statement may be. Parser, planner and optimiser recurse over what they are given, and none of them can be interrupted:
//! a text of a few kilobytes would overflow the stack or plan for hours. What is too large is refused before it is planned.

use crate::error::EngineError;
use datafusion::sql::sqlparser::ast::{self, Visit, Visitor, visit_relations};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use std::collections::HashMap;
use std::ops::ControlFlow;

/// The longest SQL text that is parsed, in bytes.
const MAX_TEXT: usize = 1 << 20;
/// The greatest depth of an expression, weighed by what its parts take of the stack. Chains count, because a chain is a tree that leans
/// to one side: a thousand alternatives, or a hundred sums of sums.
const MAX_DEPTH: usize = 1_000;
/// The weight of an operator, of a key word that may be one, and of a pair of brackets.
const OPERATOR: usize = 10;
/// The weight of a cast.
const CAST: usize = 20;
/// Tables that are named, and queries that are joined by `UNION` and its like.
const MAX_TABLES: usize = 300;
/// Tables and queries of a statement in which common table expressions are written out.
const MAX_WRITTEN_OUT: usize = 2_000;

/// One pair of brackets, or the whole text. All but `before` is counted since the last comma.
#[derive(Default)]
struct Level {
    /// The weight of the `AND`s and `OR`s.
    alternatives: usize,
    /// The greatest weight between two of them.
    between: usize,
    /// The weight of the operators since the last of them.
    chain: usize,
    /// The depth of the deepest brackets since the last of them.
    within: usize,
    /// The depth of what lies before the last comma.
    before: usize,
    in_from: bool,
}

impl Level {
    fn depth(&self) -> usize {
        self.before.max(self.alternatives + self.between.max(self.chain + self.within))
    }

    fn alternative(&mut self, weight: usize) {
        self.between = self.between.max(self.chain + self.within);
        self.alternatives += weight;
        (self.chain, self.within) = (0, 0);
    }

    fn separate(&mut self) {
        *self = Level { before: self.depth(), in_from: self.in_from, ..Level::default() };
    }
}

/// Refuses a text that is too long, too deep, or names too many tables.
///
/// # Errors
/// `Limit`, naming which.
pub fn check_text(text: &str) -> Result<(), EngineError> {
    if text.len() > MAX_TEXT {
        return Err(EngineError::Limit(format!("the SQL text is longer than {MAX_TEXT} bytes")));
    }
    // What is no sequence of tokens is told better by the parser.
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, text).tokenize() else { return Ok(()) };
    let (mut levels, mut level, mut tables) = (Vec::new(), Level::default(), 0_usize);
    for token in tokens {
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => levels.push(std::mem::take(&mut level)),
            Token::RParen | Token::RBracket | Token::RBrace => {
                let depth = level.depth();
                level = levels.pop().unwrap_or_default();
                level.chain += OPERATOR;
                level.within = level.within.max(depth);
            }
            Token::Comma => {
                tables += usize::from(level.in_from);
                level.separate();
            }
            Token::Word(word) => match word.keyword {
                Keyword::NoKeyword => {}
                Keyword::FROM => {
                    tables += 1;
                    level.in_from = true;
                }
                Keyword::JOIN => tables += 1,
                Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::MINUS => {
                    tables += 1;
                    level.in_from = false;
                }
                Keyword::SELECT | Keyword::WHERE | Keyword::GROUP | Keyword::HAVING | Keyword::ORDER | Keyword::LIMIT => {
                    level.in_from = false;
                }
                Keyword::AND | Keyword::OR => level.alternative(1),
                // Its own AND must not pass for an end of the chain.
                Keyword::BETWEEN => level.alternative(CAST),
                _ => level.chain += OPERATOR,
            },
            Token::DoubleColon => level.chain += CAST,
            Token::Whitespace(_) | Token::Number(..) | Token::SingleQuotedString(_) | Token::Period | Token::SemiColon | Token::EOF => {}
            _ => level.chain += OPERATOR,
        }
        if levels.len() * OPERATOR + level.depth() > MAX_DEPTH {
            return Err(EngineError::Limit(
                "an expression of the SQL text is too deep; write long alternatives as IN (…), or use fewer operators".to_owned(),
            ));
        }
        if tables > MAX_TABLES {
            return Err(EngineError::Limit(format!("the SQL text names more than {MAX_TABLES} tables and queries")));
        }
    }
    Ok(())
}

/// The common table expressions of a statement: name, and the names that each reads.
#[derive(Default)]
struct CommonTables(Vec<(String, Vec<String>)>);

impl Visitor for CommonTables {
    type Break = ();

    fn pre_visit_query(&mut self, query: &ast::Query) -> ControlFlow<()> {
        for common in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.0.push((common.alias.name.value.to_lowercase(), relations(common.query.as_ref())));
        }
        ControlFlow::Continue(())
    }
}

fn relations(node: &impl Visit) -> Vec<String> {
    let mut names = Vec::new();
    // The closure never breaks.
    let _ = visit_relations(node, |name| {
        names.push(name.to_string().trim_matches('"').to_lowercase());
        ControlFlow::<()>::Continue(())
    });
    names
}

/// Refuses a statement that becomes too large when its common table expressions are written out, which the planner does: each level that
/// names the one before twice doubles it.
///
/// # Errors
/// `Limit`.
pub fn check_written_out(statement: &ast::Statement) -> Result<(), EngineError> {
    let mut common = CommonTables::default();
    let _ = statement.visit(&mut common);
    let mut sizes: HashMap<String, usize> = HashMap::new();
    let size = |names: &[String], sizes: &HashMap<String, usize>| {
        names.iter().fold(1_usize, |all, name| all.saturating_add(sizes.get(name).copied().unwrap_or(1)))
    };
    // Until nothing grows any more: an expression may be named before this loop has come to it. One that names itself grows for ever.
    loop {
        let mut grown = false;
        for (name, reads) in &common.0 {
            let new = size(reads, &sizes);
            let known = sizes.entry(name.clone()).or_default();
            grown |= new > *known;
            *known = new.max(*known);
            if new > MAX_WRITTEN_OUT {
                return Err(too_large());
            }
        }
        if !grown {
            break;
        }
    }
    if size(&relations(statement), &sizes) > MAX_WRITTEN_OUT { Err(too_large()) } else { Ok(()) }
}

fn too_large() -> EngineError {
    EngineError::Limit(format!(
        "the query reads more than {MAX_WRITTEN_OUT} tables when its common table expressions are written out, or one of them names itself"
    ))
}
