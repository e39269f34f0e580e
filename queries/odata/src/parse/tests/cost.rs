//! No text makes the parser panic, recurse too deep or take more than linear time. Costs are counted in steps, not in seconds.

use crate::parse::cursor::work;
use crate::parse::{Strictness, expression, language, query_options};
use crate::syntax::Request;
use crate::{ODataError, bind, names::Names, resolve};
use portico_catalog::ModelView;
use proptest::prelude::*;

/// More steps than this per character would mean that something is read again and again.
const STEPS_PER_CHARACTER: usize = 60;

fn counted<T>(characters: usize, parse: impl FnOnce() -> T) -> Result<T, String> {
    work::taken();
    let result = parse();
    let steps = work::taken();
    let allowed = STEPS_PER_CHARACTER * (characters + 20);
    if steps > allowed { Err(format!("{steps} steps for {characters} characters")) } else { Ok(result) }
}

/// Valid requests to start from, with everything that the language has.
pub(super) const SEEDS: [&str; 24] = [
    "Customers?$filter=Name eq 'O''Neil' and not (Id gt 5 or Id lt -1)",
    "Customers(1)/Orders?$select=Id,Total&$orderby=Total desc,Id&$top=5&$skip=2&$count=true",
    "Customers?$expand=Orders($filter=Total gt 1;$select=Id;$expand=Lines($top=1;$levels=max)),Orders/$ref",
    "Customers?$filter=Orders/any(o:o/Total gt 1 and o/Lines/all(l:l/Quantity in (1,2,3)))",
    "Customers?$filter=Orders/$count($filter=Total gt 1;$search=a) gt 2",
    "Customers?$search=a AND (b OR NOT \"c d\") e",
    "Customers?$search='a ''b'",
    "Customers?$apply=filter(Id gt 1)/groupby((City,Orders/Id),aggregate(Credit with sum as T,$count as C))/top(3)",
    "Customers?$apply=concat(topcount(2,Credit),bottomsum(1,Id)/identity)/addnested(Orders,filter(Total gt 1) as X)",
    "Customers?$apply=ancestors($root/Customers,H,Id,search(a)/top(3),2,keep start)/traverse($root/Customers,H,Id,preorder,Name desc)",
    "Customers?$compute=Id add 1 as A,case(Active:1,true:2) as B&$orderby=A",
    "Customers?$filter=Tags eq [\"a\",{\"b\":[1,null,'x']}]",
    "Customers?$filter=Credit/@Core.Unit%23q eq @p&@p=duration'P1DT2H'",
    "Customers/$filter(Orders/any(o:o/Id eq 1))(1)/Orders",
    "$crossjoin(Customers,Orders)?$filter=Customers/Id eq Orders/Id",
    "$entity/Ns.T?$id=Customers(1)&$select=Id",
    "Customers?$filter=geo.distance(A,geography'SRID=0;Point(1 2)') lt 5.5e3",
    "Customers?$filter=Since eq 2026-08-01T12:30:00.5%2B02:00 or Uid eq 01234567-89ab-cdef-0123-456789abcdef",
    "Customers?$filter=Ns.Fn(a=1,b=@p)/Name eq cast(Name,Edm.String) and isof(Ns.T)",
    "Customers?$select=Name,Ns.*,Address($select=City;$filter=x;@a=$this),F(p,q),@Core.U",
    "Customers?$filter=$root/Customers(1)/Name eq $it/Name and Colour has Ns.C'Red,Blue'",
    "Customers?$at=2026-08-01&$from=min&$to=max&$toInclusive=Since",
    "Customers?$filter=-Id add - Credit mul 2 sub -1 divby 3 mod 4 eq 5",
    "Lines(OrderId=1,LineNo=@n)/Order/Ns.Fn()/$value?@n=2&x=y&$format=json",
];

fn parsed(url: &str, strictness: Strictness) -> Result<Request, ODataError> {
    let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    language(path, query, strictness)
}

/// What URLs are tried against.
pub(super) struct Exercise {
    view: ModelView,
    names: Names,
}

impl Default for Exercise {
    fn default() -> Exercise {
        let view = crate::fixtures::model();
        let names = Names::from_view(&view);
        Exercise { view, names }
    }
}

impl Exercise {
    /// Parses in both modes and goes on to resolve and bind what parses.
    pub(super) fn url(&self, url: &str) -> Result<(), String> {
        let characters = url.chars().count();
        for strictness in [Strictness::Lenient, Strictness::Strict] {
            match counted(characters, || parsed(url, strictness))? {
                Ok(request) => self.request(&request, strictness),
                Err(error) if error.message.is_empty() => return Err("an error without a message".to_owned()),
                Err(error) => {
                    if error.position.is_some_and(|position| position > characters) {
                        return Err(format!("an error beyond the end: {error:?}"));
                    }
                }
            }
        }
        Ok(())
    }

    fn request(&self, request: &Request, strictness: Strictness) {
        let _ = resolve::request(request, &self.names, strictness);
        let _ = resolve::request(request, &Names::default(), strictness);
        let _ = bind::read(request, &self.view);
    }

    /// The same in one mode, without counting.
    pub(super) fn url_uncounted(&self, url: &str) -> Result<(), ODataError> {
        let request = parsed(url, Strictness::Lenient)?;
        self.request(&request, Strictness::Lenient);
        Ok(())
    }

    /// What each stage says of a URL: an error's text, or nothing.
    pub(super) fn outcomes(&self, url: &str) -> Vec<String> {
        match parsed(url, Strictness::Lenient) {
            Err(error) => vec![error.message],
            Ok(request) => {
                let resolved = resolve::request(&request, &self.names, Strictness::Lenient).err();
                let bound = bind::read(&request, &self.view).err();
                [resolved, bound].into_iter().map(|error| error.map(|error| error.message).unwrap_or_default()).collect()
            }
        }
    }
}

fn exercised(url: &str) -> Result<(), String> {
    Exercise::default().url(url)
}

#[test]
fn seeds_are_valid() {
    for seed in SEEDS {
        parsed(seed, Strictness::Lenient).unwrap_or_else(|error| panic!("{seed}: {error:?}"));
        exercised(seed).unwrap_or_else(|error| panic!("{seed}: {error}"));
    }
}

/// Twice the text costs about twice the steps, whatever is repeated.
#[test]
fn steps_are_linear() {
    for unit in [
        "a eq 'x' or ",
        "(((a)))eq((1)) or ",
        "not contains(a,'b') or ",
        "a in (1,2,3) and ",
        "aaaa-bbbb or ",
        "12345678-1234-1234-1234-12345678901 or ",
        "ä eq 'ö' or ",
        "[1,[2,{\"a\":3}]] eq b or ",
        "a/b/c/d/any(x:x/y) or ",
        "case(a:b,c:d) or ",
        "not eq 5 or ",
        "- - - a or ",
        "aggregate(a) or ",
        "$count eq 1 or ",
        "@a/b or ",
        "'''' eq '''' or ",
        "a.b.c.d.e.f(g=1)(2)/h or ",
        "2026-08-01T12:30:00.123456789012 or ",
        "x/$filter(a)/$count($filter=b;$search=c d) or ",
        "1.5e10f or ",
        "geo.length(geography'SRID=0;Point(1 2)') or ",
    ] {
        let steps = |count: usize| {
            work::taken();
            let _ = expression(&format!("{}b", unit.repeat(count)), Strictness::Lenient);
            work::taken()
        };
        let (small, large) = (steps(100), steps(800));
        assert!(large <= small * 10 + 200, "{unit}: {small} steps for 100, {large} for 800");
    }
    for (option, unit) in [
        ("$search=", "a OR b \"c\" NOT d AND "),
        ("$select=", "a/b($top=1),c(p,q),"),
        ("$expand=", "a/$count($search=b c),"),
        ("$apply=", "groupby((a,b),aggregate(c with sum as d))/"),
        ("$orderby=", "a desc,"),
        ("$compute=", "a as b,"),
    ] {
        let steps = |count: usize| {
            work::taken();
            let _ = query_options(&format!("{option}{}a", unit.repeat(count)), Strictness::Lenient);
            work::taken()
        };
        let (small, large) = (steps(100), steps(800));
        assert!(large <= small * 10 + 200, "{option}{unit}: {small} steps for 100, {large} for 800");
    }
}

/// Nesting is bounded in every construct, well before the stack is.
#[test]
fn nesting_is_bounded() {
    let deep = [
        ("$filter=", "[", "]"),
        ("$filter=", "{\"a\":", "}"),
        ("$filter=", "case(a:", ")"),
        ("$filter=", "a/$count($filter=", ")"),
        ("$filter=", "a/$filter(", ")"),
        ("$filter=", "a/aggregate(", " with sum)"),
        ("$filter=", "Ns.F(a=", ")"),
        ("$filter=", "a in (", ")"),
        ("$filter=", "a/b(", ")"),
        ("$search=", "(", ")"),
        ("$search=", "NOT ", ""),
        ("$select=", "a($select=", ")"),
        ("$expand=", "a($expand=", ")"),
        ("$filter=", "b/any(c:", ")"),
        ("$apply=", "concat(identity,", ")"),
        ("$apply=", "groupby((a),", ")"),
        ("$apply=", "addnested(a,", " as b)"),
        ("$apply=", "ancestors($root/a,h,p,", ")"),
        ("$compute=", "-", " as a"),
    ];
    for (option, open, close) in deep {
        let middle = if option == "$apply=" { "identity" } else { "a" };
        for count in [30, 90, 5_000] {
            let query = format!("{option}{}{middle}{}", open.repeat(count), close.repeat(count));
            let result = query_options(&query, Strictness::Lenient);
            if count == 5_000 {
                let error = result.unwrap_err();
                assert!(error.message.contains("100 levels"), "{option}{open}: {error:?}");
            } else if let Ok(request) = result {
                let _ = resolve::only_options(&request, &Names::default(), Strictness::Lenient);
            }
        }
    }
    // Chains inside parentheses count too: neither alone is too deep.
    let chain = format!("a/$count($filter=b{}) add ", " add 1".repeat(60));
    assert!(
        query_options(&format!("$filter={}1{} gt 1", chain, " add 1".repeat(60)), Strictness::Lenient)
            .unwrap_err()
            .message
            .contains("100 levels")
    );
}

proptest! {
    #[test]
    fn random_text(url in "\\PC{0,80}") {
        prop_assert_eq!(exercised(&url), Ok(()));
    }

    #[test]
    fn random_language(words in prop::collection::vec(prop::sample::select(vec![
        "a", "Name", "Orders", "Customers", " eq ", " and ", "not ", "(", ")", "'x'", "'", "1", "-", ",", " in ", "contains(", "/", "any(x:", "$count", "@p", "null", "[", "]", "{", "}", "\"a\"", ":", "$it", "$root/", "$these/aggregate(", " with sum", " as T", " from ", "case(", "$filter(", ";$top=1", "=", "Ns.T", "%27", "%23q", "groupby((", "identity", "concat(", "keep start", "rollup(", "$select=", " desc", "*", " OR ", "NOT ",
    ]), 0..30)) {
        let text = words.concat();
        for option in ["$filter", "$orderby", "$select", "$expand", "$apply", "$search", "$compute", "@p"] {
            prop_assert_eq!(exercised(&format!("Customers?{option}={text}")), Ok(()));
        }
        prop_assert_eq!(exercised(&format!("Customers/{text}")), Ok(()));
    }

    #[test]
    fn mutated_requests(
        seed in prop::sample::select(SEEDS.to_vec()),
        edits in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(vec!["", "", "(", ")", "'", "/", ",", " ", "$", "@", "%", "%2F", "ä", "\"", ";", "=", "[", "0", "any("]), 0..3_usize), 1..4),
    ) {
        let mut characters: Vec<char> = seed.chars().collect();
        for (index, insert, remove) in edits {
            let at = index.index(characters.len().max(1));
            let end = (at + remove).min(characters.len());
            characters.splice(at.min(end)..end, insert.chars());
        }
        prop_assert_eq!(exercised(&characters.into_iter().collect::<String>()), Ok(()));
    }
}
