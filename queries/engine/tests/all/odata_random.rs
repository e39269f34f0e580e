//! Random rows, and random `$filter` texts over them that the binder has to read: every scalar type, operator and function that it
//! knows, with nulls, NaN, infinities and values that the rows hold.

use crate::kinds::Column;
use fastrand::Rng;
use portico_provider_api::evaluate::cast_value;
use portico_provider_api::value::Float;
use portico_provider_api::{ScalarType, Value};

const AMOUNT: ScalarType = ScalarType::Decimal { precision: 9, scale: 2 };
const RATE: ScalarType = ScalarType::Decimal { precision: 12, scale: 4 };
const DAY: i64 = 86_400_000_000;
const TEXTS: &[&str] = &[
    "",
    " ",
    "a",
    "A",
    "ab",
    "Ab",
    "b",
    "abc",
    "it's",
    "100%",
    "a_b",
    "back\\slash",
    "é",
    "É",
    "straße",
    "ΩMEGA",
    "ωmega",
    "日本",
    "😀a",
    "a😀b",
    " a ",
    "\u{a0}a\u{3000}",
    "\ta\n",
    "note 1",
    "aa",
];
const DURATIONS: &[&str] =
    &["duration'PT0S'", "duration'P1D'", "duration'-P1D'", "duration'PT12H0.000001S'", "'P2DT1.25S'", "duration'-PT36H'", "duration'PT1S'"];
const GUIDS: &[&str] = &[
    "00000000-0000-0000-0000-000000000000",
    "6f9619ff-8b86-d011-b42d-00c04fc964ff",
    "7fffffff-ffff-4fff-bfff-ffffffffffff",
    "80000000-0000-4000-8000-000000000000",
];

/// Each type once where null is possible; most also where it is not, because plans differ there.
pub fn columns() -> Vec<Column> {
    let column = |name, scalar_type, nullable| Column { name, scalar_type, nullable };
    vec![
        column("Id", ScalarType::Int64, false),
        column("Flag", ScalarType::Boolean, true),
        column("Sure", ScalarType::Boolean, false),
        column("Small", ScalarType::Int16, true),
        column("N", ScalarType::Int32, true),
        column("M", ScalarType::Int32, false),
        column("Big", ScalarType::Int64, true),
        column("Single", ScalarType::Float32, true),
        column("Solid", ScalarType::Float32, false),
        column("Ratio", ScalarType::Float64, true),
        column("Share", ScalarType::Float64, false),
        column("Amount", AMOUNT, true),
        column("Rate", RATE, false),
        column("Name", ScalarType::Text, true),
        column("Code", ScalarType::Text, false),
        column("Bytes", ScalarType::Binary, true),
        column("Blob", ScalarType::Binary, false),
        column("Day", ScalarType::Date, true),
        column("Due", ScalarType::Date, false),
        column("Clock", ScalarType::Time, true),
        column("Opens", ScalarType::Time, false),
        column("At", ScalarType::Timestamp, true),
        column("Zoned", ScalarType::TimestampTz, true),
        column("Stamp", ScalarType::TimestampTz, false),
        column("Uid", ScalarType::Guid, true),
        column("Tag", ScalarType::Guid, false),
        column("Doc", ScalarType::Json, true),
    ]
}

pub fn rows(random: &mut Rng, columns: &[Column], ids: std::ops::Range<i64>) -> Vec<Vec<Value>> {
    ids.map(|id| {
        let rest = columns[1..].iter().map(|column| {
            if column.nullable && random.u8(0..4) == 0 { Value::Null(column.scalar_type) } else { value(random, column.scalar_type) }
        });
        std::iter::once(Value::Int64(id)).chain(rest.collect::<Vec<_>>()).collect()
    })
    .collect()
}

/// A value that is not null: a few of each type, so that they meet each other, and some at the edges.
pub fn value(random: &mut Rng, scalar_type: ScalarType) -> Value {
    let edge = random.u8(0..12) == 0;
    match scalar_type {
        ScalarType::Boolean => Value::Boolean(random.bool()),
        ScalarType::Int16 => Value::Int16(if edge { random.choice([i16::MIN, i16::MAX]).unwrap() } else { random.i16(-4..5) }),
        ScalarType::Int32 => Value::Int32(if edge { random.choice([i32::MIN, i32::MAX]).unwrap() } else { random.i32(-5..6) }),
        ScalarType::Int64 => Value::Int64(match edge {
            true => random.choice([i64::MIN, i64::MAX, 9_007_199_254_740_993]).unwrap(),
            false => random.i64(-5..6),
        }),
        ScalarType::Float32 => Value::Float32(Float(match random.u8(0..3) {
            0 => float(random),
            1 => f64::from(random.choice([0.1_f32, 3.4e38, -2.5, 16_777_216.0]).unwrap()),
            _ => f64::from(random.i32(-8..9)) / 4.0,
        })),
        ScalarType::Float64 => Value::float64(match random.u8(0..3) {
            0 => float(random),
            1 => random.choice([0.1, 1.0e300, -2.5, 9_007_199_254_740_992.0, 0.499_999_999_999_999_94]).unwrap(),
            _ => f64::from(random.i32(-8..9)) / 4.0,
        }),
        ScalarType::Decimal { precision, scale } => {
            let unscaled = match edge {
                true => random.choice([-1, 1]).unwrap() * (10_i128.pow(u32::from(precision)) - 1),
                false => i128::from(random.i32(-20..21)) * 10_i128.pow(scale.unsigned_abs().into()) / 4,
            };
            Value::Decimal { unscaled: unscaled.into(), precision, scale }
        }
        ScalarType::Text => Value::text(*random.choice(TEXTS).unwrap()),
        ScalarType::Binary => Value::Binary(random.choice([&b""[..], b"\0", b"a", b"a\xff", b"'"]).unwrap().to_vec()),
        ScalarType::Date => Value::Date(if edge { random.choice([-719_162, 2_932_896, 11_016]).unwrap() } else { random.i32(-3..4) }),
        ScalarType::Time => Value::Time(if edge { DAY - 1 } else { random.i64(0..4) * 21_600_000_000 + random.i64(0..2) * 1_500_001 }),
        ScalarType::Timestamp => Value::Timestamp(instant(random, edge)),
        ScalarType::TimestampTz => Value::TimestampTz(instant(random, edge)),
        ScalarType::Guid => Value::Guid((*random.choice(GUIDS).unwrap()).to_owned()),
        ScalarType::Json => Value::Json(format!("{{\"n\":{}}}", random.u8(0..3))),
    }
}

fn float(random: &mut Rng) -> f64 {
    random.choice([0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY]).unwrap()
}

fn instant(random: &mut Rng, edge: bool) -> i64 {
    if edge {
        return random.choice([-62_135_596_800_000_000, 253_402_300_799_999_999, -1, 4_102_444_799_999_999]).unwrap();
    }
    random.i64(-2..3) * DAY + random.i64(0..2) * 43_200_000_001 + random.i64(0..2) * 1_250_000
}

/// The value as a literal of the URL language.
pub fn literal(value: &Value) -> String {
    let text = |value: &Value| match cast_value(value, ScalarType::Text).unwrap() {
        Value::Text(text) => text,
        other => panic!("{other:?}"),
    };
    match value {
        Value::Null(_) => "null".to_owned(),
        Value::Float32(Float(number)) | Value::Float64(Float(number)) if !number.is_finite() => if number.is_nan() {
            "NaN"
        } else if *number > 0.0 {
            "INF"
        } else {
            "-INF"
        }
        .to_owned(),
        Value::Float32(Float(number)) => format!("{:e}", *number as f32),
        Value::Float64(Float(number)) => format!("{number:e}"),
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Binary(bytes) => format!("binary'{}'", base64url(bytes)),
        Value::Timestamp(_) => format!("{}Z", text(value).replace(' ', "T")),
        Value::TimestampTz(_) => text(value).replace(' ', "T"),
        other => text(other),
    }
}

fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().enumerate().fold(0_u32, |group, (at, byte)| group | u32::from(*byte) << (16 - 8 * at));
        for digit in 0..=chunk.len() {
            out.push(char::from(ALPHABET[(group >> (18 - 6 * digit) & 63) as usize]));
        }
    }
    out
}

/// What the operands of a comparison or function may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Number,
    Text,
    Boolean,
    Binary,
    Date,
    Time,
    Moment,
    Guid,
    Duration,
}

const CLASSES: [Class; 14] = [
    Class::Number,
    Class::Number,
    Class::Number,
    Class::Number,
    Class::Text,
    Class::Text,
    Class::Boolean,
    Class::Binary,
    Class::Date,
    Class::Time,
    Class::Moment,
    Class::Moment,
    Class::Guid,
    Class::Duration,
];

/// Makes expressions as text.
pub struct Writer<'a> {
    pub random: &'a mut Rng,
    /// How many lambdas are around: their variables are `v1`, `v2`, …
    inside: u8,
}

impl<'a> Writer<'a> {
    pub fn new(random: &'a mut Rng) -> Writer<'a> {
        Writer { random, inside: 0 }
    }

    /// The row that a name is to belong to: mostly the innermost, now and then one along a to-one relationship.
    fn prefix(&mut self) -> String {
        let inside = self.inside;
        let mut prefix = match inside {
            0 => (if self.one_in(12) { "$it/" } else { "" }).to_owned(),
            inside => match self.random.u8(0..6) {
                0 => String::new(),
                1 => "$it/".to_owned(),
                2 => format!("v{}/", self.random.u8(1..=inside)),
                _ => format!("v{inside}/"),
            },
        };
        while self.one_in(10) {
            prefix += self.pick(&["Next/", "Next/", "Fellow/"]);
        }
        prefix
    }

    /// A condition on, or a number of, related rows.
    fn collection(&mut self) -> String {
        let prefix = self.prefix();
        format!("{prefix}{}", self.pick(&["Previous", "Previous", "Peers"]))
    }

    fn lambda(&mut self) -> String {
        let collection = self.collection();
        let quantifier = self.pick(&["any", "any", "all"]);
        if quantifier == "any" && self.one_in(5) {
            return format!("{collection}/any()");
        }
        self.inside += 1;
        let depth = if self.inside == 1 { 1 } else { 0 };
        let condition = self.condition(depth);
        let variable = self.inside;
        self.inside -= 1;
        format!("{collection}/{quantifier}(v{variable}:{condition})")
    }

    fn count(&mut self) -> String {
        let collection = self.collection();
        if self.one_in(2) {
            return format!("{collection}/$count");
        }
        // Names without prefix are the members' there.
        let inside = std::mem::replace(&mut self.inside, 0);
        let condition = self.condition(0);
        self.inside = inside;
        format!("{collection}/$count($filter={condition})")
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.random.usize(0..choices.len())]
    }

    fn one_in(&mut self, number: u8) -> bool {
        self.random.u8(0..number) == 0
    }

    pub fn class(&mut self) -> Class {
        self.pick(&CLASSES)
    }

    /// A condition.
    pub fn condition(&mut self, depth: u8) -> String {
        if depth > 0 && !self.one_in(3) {
            let left = self.condition(depth - 1);
            return match self.random.u8(0..7) {
                0 | 1 => format!("not ({left})"),
                2 | 3 => format!("({left} or {})", self.condition(depth - 1)),
                4 => format!("(({left}) {} {})", self.pick(&["eq", "ne"]), self.pick(&["true", "false", "null", "Flag", "Sure"])),
                _ => format!("({left} and {})", self.condition(depth - 1)),
            };
        }
        match self.random.u8(0..18) {
            16 | 17 if self.inside < 2 => self.lambda(),
            15 if self.one_in(2) => {
                let pattern = self.pick(&["^a", "b$", "\\d", "^\\W?$"]);
                format!("matchesPattern({},'{pattern}')", self.operand(Class::Text, 1))
            }
            14 if self.one_in(2) => format!("{} has {}", self.pick(&["N", "Small", "M", "Big"]), self.pick(&["1", "5", "0", "M", "-1"])),
            13 if self.one_in(2) => {
                let moment = self.column(Class::Moment);
                format!("year({moment}) {} {}", self.pick(&["eq", "ne", "lt", "le", "gt", "ge"]), self.pick(&["1969", "1970", "1", "9999"]))
            }
            12 if self.one_in(2) => format!("isof({},Edm.Int16)", self.operand(Class::Number, 1)),
            0 => self.pick(&["Flag", "Sure", "true", "false", "null"]).to_owned(),
            1 | 2 => {
                let function = self.pick(&["contains", "startswith", "endswith"]);
                format!("{function}({},{})", self.operand(Class::Text, 1), self.operand(Class::Text, 1))
            }
            3 | 4 => {
                let class = self.class();
                let (operand, list) = (self.operand(class, 1), (0..self.random.usize(1..4)).map(|_| self.item(class)).collect::<Vec<_>>());
                format!("{operand} in ({})", list.join(","))
            }
            _ => {
                let class = self.class();
                let operators: &[&str] =
                    if class == Class::Binary { &["eq", "ne"] } else { &["eq", "ne", "lt", "le", "gt", "ge", "eq", "ne"] };
                format!("{} {} {}", self.operand(class, 2), self.pick(operators), self.operand(class, 1))
            }
        }
    }

    fn item(&mut self, class: Class) -> String {
        if self.one_in(6) { self.column(class) } else { self.constant(class) }
    }

    fn column(&mut self, class: Class) -> String {
        let prefix = self.prefix();
        let name = match class {
            Class::Number => {
                self.pick(&["Small", "N", "M", "Big", "Single", "Solid", "Ratio", "Share", "Amount", "Rate", "Id", "N", "Ratio", "Amount"])
            }
            Class::Text => self.pick(&["Name", "Code"]),
            Class::Boolean => self.pick(&["Flag", "Sure"]),
            Class::Binary => self.pick(&["Bytes", "Blob"]),
            Class::Date => self.pick(&["Day", "Due"]),
            Class::Time => self.pick(&["Clock", "Opens"]),
            Class::Moment => self.pick(&["At", "Zoned", "Stamp"]),
            Class::Guid => self.pick(&["Uid", "Tag"]),
            Class::Duration => return format!("({prefix}Zoned sub {prefix}Stamp)"),
        };
        format!("{prefix}{name}")
    }

    /// A literal, null now and then.
    fn constant(&mut self, class: Class) -> String {
        if self.one_in(8) {
            return "null".to_owned();
        }
        let scalar_type = match class {
            Class::Number => {
                let numbers = [
                    ScalarType::Int16,
                    ScalarType::Int32,
                    ScalarType::Int32,
                    ScalarType::Int64,
                    ScalarType::Float32,
                    ScalarType::Float64,
                    AMOUNT,
                    RATE,
                ];
                self.pick(&numbers)
            }
            Class::Text => ScalarType::Text,
            Class::Boolean => ScalarType::Boolean,
            Class::Binary => ScalarType::Binary,
            Class::Date => ScalarType::Date,
            Class::Time => ScalarType::Time,
            Class::Moment => ScalarType::TimestampTz,
            Class::Guid => ScalarType::Guid,
            Class::Duration => return self.pick(DURATIONS).to_owned(),
        };
        literal(&value(self.random, scalar_type))
    }

    /// An expression of a class.
    pub fn operand(&mut self, class: Class, depth: u8) -> String {
        if depth == 0 || self.one_in(3) {
            return if self.one_in(3) { self.constant(class) } else { self.column(class) };
        }
        match class {
            Class::Number => self.number(depth - 1),
            Class::Text => self.text(depth - 1),
            Class::Boolean => format!("({})", self.condition(1)),
            _ if self.one_in(8) => {
                let (condition, value, otherwise) = (self.condition(0), self.operand(class, depth - 1), self.operand(class, depth - 1));
                let last = if self.one_in(2) { format!(",true:{otherwise}") } else { String::new() };
                format!("case({condition}:{value}{last})")
            }
            Class::Date => match self.random.u8(0..5) {
                0 | 1 => format!("date({})", self.column(Class::Moment)),
                2 => format!("cast({},Edm.Date)", self.column(Class::Moment)),
                3 => format!("({} {} {})", self.column(Class::Date), self.pick(&["add", "sub"]), self.duration(0)),
                _ => self.column(class),
            },
            Class::Time if self.one_in(2) => format!("time({})", self.column(Class::Moment)),
            Class::Moment => match self.random.u8(0..6) {
                0 => "now()".to_owned(),
                1 => format!("cast({},'Edm.DateTimeOffset')", self.column(Class::Date)),
                2 => self.pick(&["mindatetime()", "maxdatetime()"]).to_owned(),
                3 | 4 => format!("({} {} {})", self.column(Class::Moment), self.pick(&["add", "sub"]), self.duration(0)),
                _ => self.column(class),
            },
            Class::Duration => self.duration(depth - 1),
            Class::Binary | Class::Time | Class::Guid => self.column(class),
        }
    }

    fn number(&mut self, depth: u8) -> String {
        match self.random.u8(0..17) {
            13 => format!("totalseconds({})", self.duration(1)),
            14 => format!(
                "cast({},{})",
                self.operand(Class::Number, depth),
                self.pick(&["Edm.Int16", "Edm.Int32", "Edm.Int64", "Edm.Double"])
            ),
            15 => format!("cast({},Edm.Int32)", self.operand(Class::Text, depth)),
            16 => format!("totaloffsetminutes({})", self.column(Class::Moment)),
            12 if self.inside < 2 => self.count(),
            0..=4 => {
                let op = self.pick(&["add", "sub", "mul", "div", "divby", "mod"]);
                format!("({} {op} {})", self.operand(Class::Number, depth), self.operand(Class::Number, depth))
            }
            5 => format!("-({})", self.operand(Class::Number, depth)),
            6 | 7 => format!("{}({})", self.pick(&["round", "floor", "ceiling"]), self.operand(Class::Number, depth)),
            8 => format!("length({})", self.operand(Class::Text, depth)),
            9 => format!("indexof({},{})", self.operand(Class::Text, depth), self.operand(Class::Text, depth)),
            10 => {
                let class = self.pick(&[Class::Date, Class::Moment]);
                format!("{}({})", self.pick(&["year", "month", "day"]), self.column(class))
            }
            _ => {
                let class = self.pick(&[Class::Time, Class::Moment]);
                format!("{}({})", self.pick(&["hour", "minute", "second", "fractionalseconds"]), self.column(class))
            }
        }
    }

    fn duration(&mut self, depth: u8) -> String {
        match self.random.u8(0..8) {
            0 => format!("({} sub {})", self.column(Class::Date), self.column(Class::Date)),
            1 => format!("({} sub {})", self.column(Class::Moment), self.column(Class::Moment)),
            2 if depth > 0 => format!("-({})", self.duration(depth - 1)),
            3 if depth > 0 => format!("({} {} {})", self.duration(depth - 1), self.pick(&["add", "sub"]), self.duration(depth - 1)),
            4 if depth > 0 => {
                let (op, by) = (self.pick(&["mul", "div", "divby"]), self.pick(&["2", "3", "M", "1.5", "-0.5e0"]));
                format!("({} {op} {by})", self.duration(depth - 1))
            }
            // Beside an operator only a literal with its prefix is known to be one.
            _ => self.pick(&DURATIONS[..4]).to_owned(),
        }
    }

    fn text(&mut self, depth: u8) -> String {
        if self.one_in(8) {
            let class = self.pick(&[Class::Boolean, Class::Date, Class::Guid]);
            let subject = match class {
                Class::Boolean => self.column(class),
                Class::Date => self.column(class),
                _ if self.one_in(2) => format!("{}{}", self.prefix(), self.pick(&["N", "Small", "Big", "Id"])),
                _ => self.column(class),
            };
            return format!("cast({subject},Edm.String)");
        }
        let inner = self.operand(Class::Text, depth);
        match self.random.u8(0..8) {
            0..=2 => format!("{}({inner})", self.pick(&["tolower", "toupper", "trim"])),
            3 | 4 => format!("concat({inner},{})", self.operand(Class::Text, depth)),
            5 | 6 => {
                let start = self.pick(&["0", "1", "2", "7", "N", "M", "Small", "null", "indexof(Name,'b')"]);
                format!("substring({inner},{start})")
            }
            _ => {
                let (start, length) =
                    (self.pick(&["0", "1", "3", "M", "N"]), self.pick(&["0", "1", "2", "9", "length(Code)", "null", "N"]));
                format!("substring({inner},{start},{length})")
            }
        }
    }
}
