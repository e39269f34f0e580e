//! Which numbers of a workbook are dates and times, and which: a cell's style says it, and its number counts days.

use crate::rows::Moment;
use calamine::Style;

const MICROS_PER_DAY: i64 = 86_400_000_000;
const MILLIS_PER_DAY: f64 = 86_400_000.0;
/// 1899-12-30, from which days are counted since 1900-03-01, and 1904-01-01.
const EPOCH_1900: i64 = -25_569;
const EPOCH_1904: i64 = -24_107;
/// 9999-12-31.
const LAST_DAY: f64 = 2_958_465.0;

/// What a style shows of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shows {
    Number,
    Date,
    Time,
    Both,
}

/// What the styles of a workbook show.
pub(crate) struct Styles {
    shown: Vec<Shows>,
    is_1904: bool,
}

impl Styles {
    /// The formats of a workbook's styles, in their order.
    pub(super) fn of(styles: &[Style], is_1904: bool) -> Styles {
        let shown = styles.iter().map(|style| match &style.number_format {
            // Of formats that are built in and depend on the language there is the number alone.
            Some(format) if format.format_code == "General" => format.format_id.map_or(Shows::Number, built_in),
            Some(format) => shows(&format.format_code),
            None => Shows::Number,
        });
        Styles { shown: shown.collect(), is_1904 }
    }

    /// The date or time that a number stands for in a cell of a style; nothing where it is a number.
    pub(super) fn moment(&self, style: usize, number: f64) -> Option<(i64, Moment)> {
        let shows = self.shown.get(style).copied().unwrap_or(Shows::Number);
        if shows == Shows::Number || !(0.0..=LAST_DAY + 1.0).contains(&number) {
            return None;
        }
        let day = number.floor();
        // Times are kept to the millisecond.
        let millis = ((number - day) * MILLIS_PER_DAY).round();
        let micros_of_day = millis as i64 * 1_000;
        if shows == Shows::Time {
            return (day == 0.0 && micros_of_day < MICROS_PER_DAY).then_some((micros_of_day, Moment::Time));
        }
        let day = day as i64;
        let days = match (self.is_1904, day) {
            (true, _) => EPOCH_1904 + day,
            // There was no 29 February 1900, which stands between day 59 and 61.
            (false, 60) => return None,
            (false, ..60) => EPOCH_1900 + day + 1,
            (false, _) => EPOCH_1900 + day,
        };
        let shape = if shows == Shows::Date && micros_of_day == 0 { Moment::Date } else { Moment::Timestamp };
        Some((days * MICROS_PER_DAY + micros_of_day, shape))
    }
}

/// The formats that have a number, and a code in each language (ECMA-376, part 1, 18.8.30).
fn built_in(id: u32) -> Shows {
    match id {
        27..=31 | 34..=36 | 50..=58 => Shows::Date,
        32..=33 => Shows::Time,
        _ => Shows::Number,
    }
}

/// What a format's code shows: letters outside of quotes, escapes and brackets say it. Hours, minutes or seconds in brackets are a length of
/// time, which may be longer than a day, and stays a number.
fn shows(code: &str) -> Shows {
    let first = code.split(';').next().unwrap_or_default();
    let (mut date, mut time, mut minutes) = (false, false, false);
    let mut characters = first.chars().peekable();
    while let Some(character) = characters.next() {
        match character.to_ascii_lowercase() {
            '"' => while characters.next().is_some_and(|inner| inner != '"') {},
            '\\' | '_' | '*' => {
                characters.next();
            }
            '[' => {
                let mut inner = String::new();
                while let Some(next) = characters.next().filter(|next| *next != ']') {
                    inner.push(next.to_ascii_lowercase());
                }
                let is_length =
                    !inner.is_empty() && ["h", "m", "s"].iter().any(|unit| inner.trim_matches(|letter| unit.contains(letter)).is_empty());
                if is_length {
                    return Shows::Number;
                }
            }
            'y' | 'd' => date = true,
            'h' | 's' => time = true,
            'm' => minutes = true,
            // The word stands for the number as it is.
            'g' if first.to_ascii_lowercase().contains("general") => return Shows::Number,
            _ => {}
        }
    }
    match (date, time, minutes) {
        (true, true, _) => Shows::Both,
        (true, false, _) | (false, false, true) => Shows::Date,
        (false, true, _) => Shows::Time,
        (false, false, false) => Shows::Number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_say_what_a_number_is() {
        for (code, expected) in [
            ("General", Shows::Number),
            ("0.00", Shows::Number),
            ("#,##0.00\\ \"d\"", Shows::Number),
            ("[Red]0.00", Shows::Number),
            ("yyyy-mm-dd", Shows::Date),
            ("[$-407]d. mmmm yyyy", Shows::Date),
            ("dd.mm.yyyy hh:mm", Shows::Both),
            ("hh:mm:ss", Shows::Time),
            ("mm:ss.0", Shows::Time),
            ("[h]:mm", Shows::Number),
            ("mmm", Shows::Date),
            ("0.00E+00", Shows::Number),
        ] {
            assert_eq!(shows(code), expected, "{code}");
        }
    }

    #[test]
    fn days_are_counted_as_excel_does() {
        let day =
            |is_1904, number| Styles { shown: vec![Shows::Date], is_1904 }.moment(0, number).map(|(micros, _)| micros / MICROS_PER_DAY);
        assert_eq!(day(false, 45_351.0), Some(19_782));
        assert_eq!(day(false, 61.0), Some(-25_508), "1900-03-01");
        assert_eq!(day(false, 59.0), Some(-25_509), "1900-02-28");
        assert_eq!(day(false, 60.0), None);
        assert_eq!(day(true, 0.0), Some(-24_107));
        let styles = Styles { shown: vec![Shows::Number, Shows::Time, Shows::Both], is_1904: false };
        assert_eq!(styles.moment(0, 1.0), None);
        assert_eq!(styles.moment(1, 0.5), Some((43_200_000_000, Moment::Time)));
        assert_eq!(styles.moment(1, 1.5), None);
        assert_eq!(styles.moment(2, 45_351.25), Some((19_782 * MICROS_PER_DAY + 21_600_000_000, Moment::Timestamp)));
    }
}
