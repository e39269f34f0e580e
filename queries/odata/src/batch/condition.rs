//! The `if` of a request in a JSON batch: on which outcomes of earlier requests it is executed. Conditions over the *values* of earlier
//! responses are told apart, and not evaluated: the protocol lets a service answer 424 to those. It must not know what a request does.

/// A condition over the outcomes of earlier requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// `true`, `false`; `null` counts as false.
    Literal(bool),
    /// `$id/$succeeded`
    Succeeded(String),
    /// `not …`
    Not(Box<Condition>),
    /// `… and …`
    And(Box<Condition>, Box<Condition>),
    /// `… or …`
    Or(Box<Condition>, Box<Condition>),
    /// `… eq …`; `ne` is the negation of it.
    Equal(Box<Condition>, Box<Condition>),
    /// Something else, as written.
    Unsupported(String),
}

/// Deepest nesting.
const MAX_DEPTH: usize = 32;
/// Most words; each may make the tree one deeper.
const MAX_WORDS: usize = 500;

impl Condition {
    /// Reads a condition. What is not understood becomes [`Condition::Unsupported`].
    #[must_use]
    pub fn parse(text: &str) -> Condition {
        let words = words(text);
        if words.len() > MAX_WORDS {
            return Condition::Unsupported(text.to_owned());
        }
        let mut reader = Reader { words: &words, at: 0 };
        match reader.or(0) {
            Some(condition) if reader.at == words.len() => condition,
            _ => Condition::Unsupported(text.to_owned()),
        }
    }

    /// Whether it holds; `succeeded` says how an earlier request ended. `None` when the condition is not supported.
    #[must_use]
    pub fn holds(&self, succeeded: &impl Fn(&str) -> bool) -> Option<bool> {
        Some(match self {
            Condition::Literal(value) => *value,
            Condition::Succeeded(id) => succeeded(id),
            Condition::Not(inner) => !inner.holds(succeeded)?,
            Condition::And(left, right) => left.holds(succeeded)? && right.holds(succeeded)?,
            Condition::Or(left, right) => left.holds(succeeded)? || right.holds(succeeded)?,
            Condition::Equal(left, right) => left.holds(succeeded)? == right.holds(succeeded)?,
            Condition::Unsupported(_) => return None,
        })
    }

    /// The requests that it asks about.
    #[must_use]
    pub fn references(&self) -> Vec<&str> {
        match self {
            Condition::Literal(_) | Condition::Unsupported(_) => Vec::new(),
            Condition::Succeeded(id) => vec![id],
            Condition::Not(inner) => inner.references(),
            Condition::And(left, right) | Condition::Or(left, right) | Condition::Equal(left, right) => {
                [left.references(), right.references()].concat()
            }
        }
    }
}

fn words(text: &str) -> Vec<String> {
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    spaced.split_whitespace().map(str::to_owned).collect()
}

struct Reader<'a> {
    words: &'a [String],
    at: usize,
}

impl Reader<'_> {
    fn eat(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at).is_some_and(|own| own.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn or(&mut self, depth: usize) -> Option<Condition> {
        let mut left = self.and(depth)?;
        while self.eat("or") {
            left = Condition::Or(Box::new(left), Box::new(self.and(depth)?));
        }
        Some(left)
    }

    fn and(&mut self, depth: usize) -> Option<Condition> {
        let mut left = self.equality(depth)?;
        while self.eat("and") {
            left = Condition::And(Box::new(left), Box::new(self.equality(depth)?));
        }
        Some(left)
    }

    fn equality(&mut self, depth: usize) -> Option<Condition> {
        let left = self.operand(depth)?;
        if self.eat("eq") {
            return Some(Condition::Equal(Box::new(left), Box::new(self.operand(depth)?)));
        }
        if self.eat("ne") {
            let equal = Condition::Equal(Box::new(left), Box::new(self.operand(depth)?));
            return Some(Condition::Not(Box::new(equal)));
        }
        Some(left)
    }

    fn operand(&mut self, depth: usize) -> Option<Condition> {
        if depth > MAX_DEPTH {
            return None;
        }
        if self.eat("not") {
            return Some(Condition::Not(Box::new(self.operand(depth + 1)?)));
        }
        if self.eat("(") {
            let inner = self.or(depth + 1)?;
            return self.eat(")").then_some(inner);
        }
        let word = self.words.get(self.at)?;
        let condition = match word.as_str() {
            "true" => Condition::Literal(true),
            "false" | "null" => Condition::Literal(false),
            other => Condition::Succeeded(other.strip_prefix('$')?.strip_suffix("/$succeeded")?.to_owned()),
        };
        self.at += 1;
        Some(condition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_over_outcomes_are_evaluated() {
        let holds = |text: &str| Condition::parse(text).holds(&|id| id == "good");
        for (text, expected) in [
            ("$good/$succeeded", Some(true)),
            ("$bad/$succeeded", Some(false)),
            ("not $bad/$succeeded", Some(true)),
            ("not ($bad/$succeeded or $good/$succeeded)", Some(false)),
            ("$bad/$succeeded or $good/$succeeded and $good/$succeeded", Some(true)),
            ("$good/$succeeded eq true", Some(true)),
            ("$bad/$succeeded ne false", Some(false)),
            ("null", Some(false)),
            ("true", Some(true)),
            ("$good/Building eq 'x'", None),
            ("", None),
            ("$good/$succeeded and", None),
            ("($good/$succeeded", None),
            ("$good/$succeeded $good/$succeeded", None),
        ] {
            assert_eq!(holds(text), expected, "{text}");
        }
        assert_eq!(Condition::parse("$a/$succeeded or not $b/$succeeded").references(), ["a", "b"]);
        assert_eq!(holds(&format!("{}true", "not ".repeat(10_000))), None);
    }
}
