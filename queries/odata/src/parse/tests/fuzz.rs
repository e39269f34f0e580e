//! Random URLs against the parser, the resolver and the binder: none panics, none takes more steps per character than others, and twice
//! the text takes about twice the time. What meets a new error is kept and changed further.

use super::cost::{Exercise, SEEDS};
use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// Pieces that are put into texts.
const PIECES: [&str; 84] = [
    "",
    "(",
    ")",
    "'",
    "/",
    ",",
    " ",
    "$",
    "@",
    "%",
    "%2F",
    "%27",
    "%20",
    "%C3%A4",
    "%00",
    "%ff",
    "ä",
    "\"",
    ";",
    "=",
    "&",
    "?",
    "[",
    "]",
    "{",
    "}",
    ":",
    "*",
    "+",
    "-",
    ".",
    "0",
    "1",
    "null",
    "true",
    "'x'",
    "Name",
    "Id",
    "Orders",
    "Customers",
    " eq ",
    " ne ",
    " and ",
    " or ",
    "not ",
    " in ",
    " has ",
    " add ",
    " mul ",
    " div ",
    "any(x:",
    "all(x:",
    "$it",
    "$root/",
    "$this",
    "$count",
    "$value",
    "$ref",
    "$filter(",
    "$filter=",
    "$select=",
    "$expand=",
    "$orderby=",
    "$apply=",
    "$search=",
    "$compute=",
    "$levels=max",
    "@p=",
    "groupby((",
    "aggregate(",
    " with sum as T",
    "concat(",
    "rollup(",
    "contains(",
    "cast(",
    "case(",
    "duration'P1D'",
    "1.5e300",
    "9223372036854775808",
    "2026-08-01T00:00:00Z",
    "01234567-89ab-cdef-0123-456789abcdef",
    "geography'SRID=0;Point(1 2)'",
    " desc",
    "Ns.T",
];

/// How often an input was tried, what was kept, and how time grew with length.
#[derive(Default)]
struct Report {
    tried: u64,
    measured: u64,
    /// Time for twice the text by time for the text, in tenths, and how often.
    ratios: BTreeMap<u64, u64>,
    worst: Option<(f64, String)>,
}

struct Fuzzer {
    random: fastrand::Rng,
    exercise: Exercise,
    corpus: Vec<String>,
    seen: HashSet<u64>,
    report: Report,
    /// How long texts become, in bytes.
    longest: usize,
    /// Whether times are taken.
    timed: bool,
}

impl Fuzzer {
    fn new(seed: u64, longest: usize, timed: bool) -> Fuzzer {
        Fuzzer {
            longest,
            timed,
            random: fastrand::Rng::with_seed(seed),
            exercise: Exercise::default(),
            corpus: SEEDS.iter().map(|seed| (*seed).to_owned()).collect(),
            seen: HashSet::new(),
            report: Report::default(),
        }
    }

    fn piece(&mut self) -> &'static str {
        PIECES[self.random.usize(..PIECES.len())]
    }

    fn place(&mut self, text: &str) -> usize {
        let mut at = self.random.usize(..=text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }

    fn range(&mut self, text: &str) -> (usize, usize) {
        let (a, b) = (self.place(text), self.place(text));
        (a.min(b), a.max(b))
    }

    /// A text that was kept, with one to five changes.
    fn changed(&mut self) -> String {
        let mut text = self.corpus[self.random.usize(..self.corpus.len())].clone();
        for _ in 0..self.random.usize(1..=5) {
            match self.random.u8(..7) {
                0 | 1 => {
                    let (at, piece) = (self.place(&text), self.piece());
                    text.insert_str(at, piece);
                }
                2 => {
                    let (from, to) = self.range(&text);
                    text.replace_range(from..text.floor_char_boundary(to.min(from + 12)), "");
                }
                3 => {
                    // A part twice, or many times.
                    let (from, to) = self.range(&text);
                    let part = text[from..to].repeat(self.random.usize(1..=8));
                    text.insert_str(to, &part);
                }
                4 => {
                    // The end of another.
                    let other = self.corpus[self.random.usize(..self.corpus.len())].clone();
                    let (at, from) = (self.place(&text), self.place(&other));
                    text.truncate(at);
                    text.push_str(&other[from..]);
                }
                5 => {
                    let (from, to) = self.range(&text);
                    let part = text[from..to].to_owned();
                    let at = self.place(&text);
                    text.insert_str(at, &part);
                }
                _ => {
                    // One character as its bytes in hexadecimal digits.
                    let at = self.place(&text);
                    if let Some(character) = text[at..].chars().next() {
                        let mut bytes = [0; 4];
                        let escaped: String = character.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")).collect();
                        text.replace_range(at..at + character.len_utf8(), &escaped);
                    }
                }
            }
            if text.len() > self.longest {
                let at = (0..=self.longest).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
                text.truncate(at);
            }
        }
        text
    }

    /// Whether what is said of a text is new: the beginnings of its errors, without the names and places in them.
    fn is_new(&mut self, text: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        for outcome in self.exercise.outcomes(text) {
            let mut quoted = false;
            for character in outcome.chars().take(80) {
                quoted ^= character == '\'';
                if !quoted && !character.is_ascii_digit() {
                    character.hash(&mut hasher);
                }
            }
        }
        self.seen.insert(hasher.finish())
    }

    fn once(&mut self) {
        let text = self.changed();
        let outcome = catch_unwind(AssertUnwindSafe(|| self.exercise.url(&text)));
        match outcome {
            Err(_) => panic!("a panic at {text:?}"),
            Ok(Err(wrong)) => panic!("{wrong} at {text:?}"),
            Ok(Ok(())) => {}
        }
        self.report.tried += 1;
        if self.is_new(&text) {
            if self.timed && self.report.tried.is_multiple_of(4) {
                self.measure(&text);
            }
            if self.corpus.len() < 5_000 {
                self.corpus.push(text);
            } else {
                let place = self.random.usize(SEEDS.len()..self.corpus.len());
                self.corpus[place] = text;
            }
        }
    }

    /// How many times as long `factor` times the text takes, beyond `factor` times: about 1. The long text and as many of the short one take
    /// turns, so that what else the machine does slows both; of several rounds the least counts.
    fn excess(&self, text: &str, count: usize, factor: usize, rounds: usize) -> f64 {
        let (short, long) = (grown(text, count), grown(text, count * factor));
        let time = |text: &str, times: usize| {
            let start = Instant::now();
            for _ in 0..times {
                let _ = self.exercise.url_uncounted(text);
            }
            start.elapsed().as_secs_f64()
        };
        let (mut least_short, mut least_long) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..rounds {
            least_short = least_short.min(time(&short, factor));
            least_long = least_long.min(time(&long, 1));
        }
        least_long / least_short.max(1e-6)
    }

    /// Compares a text of some length with its double, and looks closely where that takes far more than twice the time: eight times the
    /// text would take eight times too long if time were quadratic, and what is four times too long is a fault.
    fn measure(&mut self, text: &str) {
        let Some(count) = 3_000_usize.checked_div(text.len()).map(|count| count.max(1)) else { return };
        let ratio = 2.0 * self.excess(text, count, 2, 3);
        self.report.measured += 1;
        *self.report.ratios.entry((ratio * 10.0) as u64).or_default() += 1;
        if self.report.worst.as_ref().is_none_or(|(worst, _)| ratio > *worst) {
            let ratio = 2.0 * self.excess(text, count, 2, 15);
            if self.report.worst.as_ref().is_none_or(|(worst, _)| ratio > *worst) {
                self.report.worst = Some((ratio, text.to_owned()));
            }
        }
        if ratio > 3.0 {
            let excess = self.excess(text, count, 8, 15);
            assert!(excess < 4.0, "8 times the text takes {:.0} times as long as {count} times the parts of {text:?}", excess * 8.0);
        }
    }

    fn say(&self, started: Instant) {
        let report = &self.report;
        let mut rest = report.measured * 99 / 100;
        let most = report.ratios.iter().find(|(_, count)| {
            rest = rest.saturating_sub(**count);
            rest == 0
        });
        let most = most.map_or(0.0, |(tenths, _)| *tenths as f64 / 10.0 + 0.1);
        let (worst, input) = report.worst.clone().unwrap_or_default();
        // Past the capture of tests: a long run says what it has seen.
        let _ = writeln!(
            std::io::stderr(),
            "fuzzed {} URLs in {} s, {} kept; time for twice the text, {} measured: 99 of 100 at most {most:.1} times, at worst {worst:.1} \
             times, for {input:?}",
            report.tried,
            started.elapsed().as_secs(),
            self.corpus.len(),
            report.measured,
        );
    }
}

/// A URL with the value of each of its options several times over, joined so that it may stay valid; or with its path so.
fn grown(url: &str, count: usize) -> String {
    let Some((path, query)) = url.split_once('?') else { return vec![url; count].join("/") };
    let option = |part: &str| {
        let Some((name, value)) = part.split_once('=') else { return part.to_owned() };
        let join = match name.trim_start_matches('$').to_ascii_lowercase().as_str() {
            "filter" => " or ",
            "orderby" | "select" | "expand" | "compute" => ",",
            "apply" => "/",
            "search" => " ",
            _ => return part.to_owned(),
        };
        format!("{name}={}", vec![value; count].join(join))
    };
    format!("{path}?{}", query.split('&').map(option).collect::<Vec<_>>().join("&"))
}

fn seed() -> u64 {
    let given = std::env::var("PORTICO_SEED").ok();
    given.and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..1_000_000_000))
}

#[test]
fn random_urls_are_read_or_refused() {
    let mut fuzzer = Fuzzer::new(20_260_921, 400, false);
    for _ in 0..3_000 {
        fuzzer.once();
    }
}

/// Ten minutes, or as many seconds as `PORTICO_FUZZ_SECONDS` says.
#[test]
#[ignore = "takes ten minutes: tests/run --full"]
fn random_urls_for_a_long_time() {
    let seconds = std::env::var("PORTICO_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(600);
    let (started, seed) = (Instant::now(), seed());
    let _ = writeln!(std::io::stderr(), "fuzzing URLs for {seconds} s, PORTICO_SEED={seed}");
    let mut fuzzer = Fuzzer::new(seed, 800, true);
    while started.elapsed() < Duration::from_secs(seconds) {
        fuzzer.once();
    }
    fuzzer.say(started);
}
