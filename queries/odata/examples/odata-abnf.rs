//! Runs the parser and resolver, in strict mode, over a file of the OASIS test cases for the OData ABNF, as JSON: for each part of the
//! grammar `Constraints` (which identifiers a rule takes) and `TestCases` (`Rule`, `Input`, and `FailAt` where it must be refused).
//! Prints the cases that come out otherwise, the numbers by group, and `N passed, N failed`.
//!
//! `cargo run -p portico-odata --example odata-abnf -- cases.json [--verbose]`

#![allow(clippy::print_stdout, reason = "a program that prints")]

use portico_odata::ODataError;
use portico_odata::header::form;
use portico_odata::names::{Names, Role};
use portico_odata::parse::{self, Strictness, value};
use portico_odata::resolve;
use portico_odata::syntax::{Expr, ExprKind, LiteralKind, Request, Resource};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::process::ExitCode;

const STRICT: Strictness = Strictness::Strict;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Part {
    #[serde(default)]
    constraints: BTreeMap<String, Vec<String>>,
    test_cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Case {
    name: String,
    rule: String,
    input: String,
    fail_at: Option<usize>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let verbose = arguments.iter().any(|argument| argument == "--verbose");
    let Some(path) = arguments.iter().find(|argument| !argument.starts_with("--")) else {
        println!("usage: odata-abnf CASES.json [--verbose]");
        return ExitCode::from(2);
    };
    match std::fs::read_to_string(path).map_err(|error| error.to_string()).and_then(|text| run(&text, verbose)) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            println!("{path}: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs all cases; returns how many failed.
fn run(text: &str, verbose: bool) -> Result<usize, String> {
    let parts: BTreeMap<String, Part> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut groups: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (part, Part { constraints, test_cases }) in &parts {
        let rules = constraints.iter().map(|(rule, identifiers)| (rule.as_str(), decoded(rule, identifiers)));
        let (names, unknown) = Names::from_rules(rules);
        if !unknown.is_empty() {
            println!("{part}: constraints for unknown rules are left out: {}", unknown.join(", "));
        }
        for case in test_cases {
            let outcome = judge(&case.rule, &case.input, &names);
            let (group, verdict) = match &outcome {
                Some((group, verdict)) => (*group, verdict.as_ref().map_err(ToString::to_string)),
                None => ("rules that are not known", Err("no such rule".to_owned())),
            };
            let passed = outcome.is_some() && verdict.is_ok() == case.fail_at.is_none();
            let count = groups.entry(group).or_default();
            if passed {
                count.0 += 1
            } else {
                count.1 += 1
            }
            if !passed || verbose {
                let wanted = if case.fail_at.is_some() { "refused" } else { "accepted" };
                let told = verdict.err().map(|error| format!(": {error}")).unwrap_or_default();
                let shown = if passed { "pass" } else { "FAIL" };
                println!("{shown} {part} {} {:?} ({}) must be {wanted}{told}", case.rule, case.input, case.name);
            }
        }
    }
    for (group, (passed, failed)) in &groups {
        println!("{group}: {passed} passed, {failed} failed");
    }
    let (passed, failed) = groups.values().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    println!("{passed} passed, {failed} failed");
    Ok(failed)
}

/// Keys as path segments are given as they stand in a URL; all else is not encoded.
fn decoded(rule: &str, identifiers: &[String]) -> Vec<String> {
    let plain = |text: &String| match rule {
        "keyPathLiteral" => text.replace("%27", "'").replace("%2F", "/").replace("%20", " ").replace("%25", "%"),
        _ => text.clone(),
    };
    identifiers.iter().map(plain).collect()
}

type Verdict = Result<(), ODataError>;

fn check(fits: bool) -> Verdict {
    if fits { Ok(()) } else { Err(ODataError::bad_request("not of this form")) }
}

/// The group of a rule and whether an input is of its form; nothing for rules that are not known.
fn judge(rule: &str, input: &str, names: &Names) -> Option<(&'static str, Verdict)> {
    let lower = rule.to_ascii_lowercase();
    let rule = lower.as_str();
    url(rule, input, names)
        .map(|verdict| ("URLs", verdict))
        .or_else(|| literal(rule, input, names).map(|verdict| ("literals", verdict)))
        .or_else(|| header(rule, input, names).map(|verdict| ("headers", verdict)))
        .or_else(|| payload(rule, input, names).map(|verdict| ("payload values", verdict)))
        .or_else(|| {
            let fragment = |text: &str| check(resolve::fragment(text, names));
            match rule {
                "context" => Some(input.strip_prefix('#').map_or_else(|| check(false), fragment)),
                "contextfragment" => Some(fragment(input)),
                _ => None,
            }
            .map(|verdict| ("context URLs", verdict))
        })
}

/// Request lines and their parts.
fn url(rule: &str, input: &str, names: &Names) -> Option<Verdict> {
    Some(match rule {
        "odatauri" => odata_uri(input, names),
        "odatarelativeuri" => relative(input, names),
        "resourcepath" => relative_parts(input, None, names),
        "queryoptions" => options(input, names, |_| true),
        "queryoption" | "systemqueryoption" | "customqueryoption" | "aliasandvalue" | "nameandvalue" => options(input, names, |request| {
            let counts = (request.options.given().count(), request.aliases.len(), request.custom.len());
            match rule {
                "systemqueryoption" => counts == (1, 0, 0),
                "aliasandvalue" => counts == (0, 1, 0),
                "customqueryoption" | "nameandvalue" => counts == (0, 0, 1),
                _ => counts.0 + counts.1 + counts.2 == 1,
            }
        }),
        "filter" | "select" | "expand" | "orderby" | "compute" | "apply" | "search" | "skip" | "top" | "inlinecount" | "format"
        | "index" | "id" | "skiptoken" | "deltatoken" | "schemaversion" => options(input, names, |request| {
            let wanted = if rule == "inlinecount" { "$count".to_owned() } else { format!("${rule}") };
            request.options.given().eq([wanted.as_str()]) && request.custom.is_empty() && request.aliases.is_empty()
        }),
        "selectitem" | "expanditem" | "orderbyitem" | "computeitem" => {
            options(&format!("${}={input}", rule.trim_end_matches("item")), names, |_| true)
        }
        "applyexpr" | "applytrafo" => options(&format!("$apply={input}"), names, |_| true),
        "searchexpr" | "searchexpr-incomplete" => parse::search(input, STRICT).map(|_| ()),
        "anyexpr" | "allexpr" => after_collection(input, names),
        "commonexpr" | "boolcommonexpr" | "parametervalue" | "arrayorobject" | "array" | "object" => expression(input, names, |_| true),
        "firstmemberexpr" | "memberexpr" | "propertypathexpr" | "rootexpr" | "functionexpr" | "boundfunctionexpr" => {
            expression(input, names, |expr| matches!(expr.kind, ExprKind::Path(_) | ExprKind::Call { .. } | ExprKind::Alias(_)))
        }
        "notexpr" | "negateexpr" => expression(input, names, |expr| matches!(expr.kind, ExprKind::Unary { .. })),
        "isofexpr" | "castexpr" => expression(input, names, |expr| match &expr.kind {
            ExprKind::Call { name, .. } => name.eq_ignore_ascii_case(rule.trim_end_matches("expr")),
            _ => false,
        }),
        rule if rule.ends_with("methodcallexpr") => {
            expression(input, names, |expr| matches!(expr.kind, ExprKind::Call { .. } | ExprKind::Case(_)))
        }
        // What begins with an operator.
        "andexpr" | "orexpr" | "eqexpr" | "neexpr" | "ltexpr" | "leexpr" | "gtexpr" | "geexpr" | "inexpr" | "hasexpr" | "addexpr"
        | "subexpr" | "mulexpr" | "divexpr" | "divbyexpr" | "modexpr" => expression(&format!("0{input}"), names, |_| true),
        "parenexpr" => expression(input, names, |_| input.starts_with('(') || input.starts_with("%28")),
        "listexpr" => expression(&format!("0 in {input}"), names, |_| true),
        "lambdapredicateexpr" => expression(input, names, |_| true),
        "stringinurl" => expression(&format!("[{input}]"), names, |expr| match &expr.kind {
            ExprKind::Array(items) => matches!(items.as_slice(), [Expr { kind: ExprKind::JsonText(_), .. }]),
            _ => false,
        }),
        "functionparameter" => parse::expression(&format!("F({input})"), STRICT).and_then(|expr| match &expr.kind {
            ExprKind::Call { arguments, .. } => match arguments.as_slice() {
                [only] => check(only.name.as_deref().is_some_and(|name| names.is(Role::Parameter, name))),
                _ => check(false),
            },
            _ => check(false),
        }),
        "odataidentifier" => check(value::is_identifier(input)),
        rule if role(rule).is_some() => check(value::is_identifier(input) && role(rule).is_some_and(|role| names.is(role, input))),
        _ => return None,
    })
}

/// The role of a rule that is an identifier of its own.
fn role(rule: &str) -> Option<Role> {
    let roles = [
        Role::EntitySet,
        Role::Singleton,
        Role::EntityType,
        Role::ComplexType,
        Role::TypeDefinition,
        Role::EnumType,
        Role::EnumMember,
        Role::NamespacePart,
        Role::EntityNavigation,
        Role::EntityColNavigation,
        Role::Complex,
        Role::ComplexCol,
        Role::PrimitiveKey,
        Role::PrimitiveNonKey,
        Role::PrimitiveCol,
        Role::Stream,
        Role::Action,
        Role::ActionImport,
        Role::Parameter,
        Role::Term,
    ];
    roles.into_iter().find(|role| role.rule().eq_ignore_ascii_case(rule))
}

fn relative(input: &str, names: &Names) -> Verdict {
    let (before, fragment) = input.split_once('#').map_or((input, None), |(before, fragment)| (before, Some(fragment)));
    let (path, query) = before.split_once('?').map_or((before, None), |(path, query)| (path, Some(query)));
    match fragment {
        Some(fragment) if path == "$metadata" => {
            relative_parts(path, query, names)?;
            check(resolve::fragment(fragment, names))
        }
        Some(_) => Err(ODataError::bad_request("no fragment can stand here").at("path", Some(before.chars().count()))),
        None => relative_parts(path, query, names),
    }
}

fn relative_parts(path: &str, query: Option<&str>, names: &Names) -> Verdict {
    let request = parse::language(path, query, STRICT)?;
    if request.resource == Resource::ServiceDocument || path.starts_with('/') {
        return Err(ODataError::bad_request("a path is expected").at("path", Some(0)));
    }
    resolve::request(&request, names, STRICT)
}

/// An absolute URL. Where the service root ends is not said: any place will do that leaves a URL of the protocol.
fn odata_uri(input: &str, names: &Names) -> Verdict {
    let Some((scheme, rest)) = input.split_once("://") else { return check(false) };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") || !form::is_authority(authority) || authority.contains('@') {
        return check(false);
    }
    let end = path.find(['?', '#']).unwrap_or(path.len());
    let mut verdict = check(false);
    for (at, _) in path.char_indices().filter(|(at, c)| *c == '/' && *at < end) {
        let (root, relative_url) = path.split_at(at + 1);
        if root.contains("//") || root.contains('?') || !form::is_query(root) {
            break;
        }
        verdict = if relative_url.is_empty() { Ok(()) } else { relative(relative_url, names) };
        if verdict.is_ok() {
            break;
        }
    }
    verdict
}

fn options(input: &str, names: &Names, fits: impl Fn(&Request) -> bool) -> Verdict {
    if input.is_empty() {
        return check(false);
    }
    let request = parse::query_options(input, STRICT)?;
    resolve::only_options(&request, names, STRICT)?;
    check(fits(&request))
}

fn expression(input: &str, names: &Names, fits: impl Fn(&Expr) -> bool) -> Verdict {
    let expr = parse::expression(input, STRICT)?;
    resolve::expression(&expr, names, STRICT)?;
    check(fits(&expr))
}

/// What stands after a collection and `/`.
fn after_collection(input: &str, names: &Names) -> Verdict {
    let shift = "@a.b/".len();
    let expr = parse::expression(&format!("@a.b/{input}"), STRICT);
    let back = |error: ODataError| ODataError { position: error.position.map(|at| at.saturating_sub(shift)), ..error };
    let expr = expr.map_err(back)?;
    // The prefix is of no model; only what follows it is looked at.
    match expr.kind {
        ExprKind::Path(steps) => {
            let inner = steps.iter().skip(1).find_map(|step| match &step.kind {
                portico_odata::syntax::StepKind::Lambda { body, .. } => Some(body.clone()),
                _ => None,
            });
            match inner {
                Some(Some((_, predicate))) => resolve::expression(&predicate, names, STRICT).map_err(back),
                Some(None) => Ok(()),
                None => check(false),
            }
        }
        _ => check(false),
    }
}

/// Literals as they stand in a URL.
fn literal(rule: &str, input: &str, names: &Names) -> Option<Verdict> {
    use LiteralKind as K;
    let numeric = [K::Integer, K::Decimal, K::NotFinite];
    let integer = [K::Integer];
    let kinds: &[LiteralKind] = match rule {
        "primitiveliteral" => &[],
        "null" => &[K::Null],
        "boolean" => &[K::Boolean],
        "guid" => &[K::Guid],
        "date" => &[K::Date],
        "datetimeoffsetliteral" | "datetimeoffsetvalueinurl" => &[K::DateTimeOffset],
        "timeofdayliteral" => &[K::TimeOfDay],
        "decimalliteral" | "doubleliteral" | "singleliteral" => &numeric,
        "sbyteliteral" | "byte" | "int16literal" | "int32literal" | "int64literal" => &integer,
        "stringliteral" => &[K::Text],
        "durationliteral" => &[K::Duration, K::Text],
        "enumliteral" => &[K::Enumeration, K::Text],
        "binaryliteral" => &[K::Binary],
        rule if rule.starts_with("geography") || rule.starts_with("geometry") => &[K::Geography, K::Geometry],
        _ => return None,
    };
    let found = match parse::literal(input, STRICT) {
        Ok(found) => found,
        Err(error) => return Some(Err(error)),
    };
    if !kinds.is_empty() && !kinds.contains(&found.kind) {
        return Some(check(false));
    }
    let digits = |count| value::is_integer(&found.text, count, rule != "byte");
    let fits = match rule {
        "byte" | "sbyteliteral" => digits(3),
        "int16literal" => digits(5),
        "int32literal" => digits(10),
        "int64literal" => digits(19),
        "durationliteral" => value::is_duration(&found.text),
        "enumliteral" if found.kind == K::Text => members(&found.text, names),
        rule if matches!(found.kind, K::Geography | K::Geometry) => {
            let (reference, shape) = rule.split_at(if rule.starts_with("geography") { "geography".len() } else { "geometry".len() });
            let shape = if shape == "collection" { "geometrycollection" } else { shape };
            let prefix = input.to_ascii_lowercase().starts_with(reference);
            rule == "primitiveliteral" || (prefix && value::spatial_kind(&found.text).as_deref() == Some(shape))
        }
        _ => true,
    };
    if !fits {
        return Some(check(false));
    }
    Some(parse::expression(input, STRICT).and_then(|expr| resolve::expression(&expr, names, STRICT)))
}

fn members(text: &str, names: &Names) -> bool {
    let known = |member: &&str| value::is_integer(member, 19, true) || names.is(Role::EnumMember, member);
    value::enumeration_members(text).is_some_and(|members| members.iter().all(known))
}

fn header(rule: &str, input: &str, names: &Names) -> Option<Verdict> {
    let named = |wanted: &str| {
        let name = input.split_once(':').map(|(name, _)| name.to_ascii_lowercase()).unwrap_or_default();
        let name = if wanted == "isolation" { name.trim_start_matches("odata-").to_owned() } else { name };
        name == wanted && form::is_header(input, names)
    };
    let preference =
        |wanted: &str| input.to_ascii_lowercase().trim_start_matches("odata.").starts_with(wanted) && form::is_preference(input, names);
    Some(check(match rule {
        "header" => form::is_header(input, names),
        "asyncresult" | "content-id" | "isolation" | "odata-entityid" | "odata-error" | "odata-maxversion" | "odata-version" | "prefer" => {
            named(rule)
        }
        "preference" => form::is_preference(input, names),
        "allowentityreferencespreference" => preference("allow-entityreferences"),
        "callbackpreference" => preference("callback"),
        "continueonerrorpreference" => preference("continue-on-error"),
        "includeannotationspreference" => preference("include-annotations"),
        "maxpagesizepreference" => preference("maxpagesize"),
        "omitvaluespreference" => preference("omit-values"),
        "respondasyncpreference" => preference("respond-async"),
        "returnpreference" => preference("return"),
        "trackchangespreference" => preference("track-changes"),
        "waitpreference" => preference("wait"),
        _ => return None,
    }))
}

/// Values as they stand in payloads.
fn payload(rule: &str, input: &str, names: &Names) -> Option<Verdict> {
    let boolean = || matches!(input, "true" | "false");
    Some(check(match rule {
        "booleanvalue" => boolean(),
        "guidvalue" => value::is_guid(input),
        "datevalue" => value::is_date(input),
        "datetimeoffsetvalue" => value::is_date_time_offset(input),
        "timeofdayvalue" => value::is_time_of_day(input),
        "durationvalue" => value::is_duration(input),
        "decimalvalue" | "doublevalue" | "singlevalue" => value::is_decimal(input),
        "bytevalue" => value::is_integer(input, 3, false),
        "sbytevalue" => value::is_integer(input, 3, true),
        "int16value" => value::is_integer(input, 5, true),
        "int32value" => value::is_integer(input, 10, true),
        "int64value" => value::is_integer(input, 19, true),
        "binaryvalue" => value::is_binary(input),
        "enumvalue" => members(input, names),
        "primitivevalue" => {
            let forms = [value::is_guid, value::is_duration, value::is_date_time_offset, value::is_date, value::is_time_of_day];
            let more = [value::is_spatial, value::is_decimal, value::is_binary];
            boolean() || forms.iter().chain(&more).any(|form| form(input)) || members(input, names)
        }
        rule if rule.starts_with("full") && rule.ends_with("literal") => value::is_spatial(input),
        "collectionliteral"
        | "linestringliteral"
        | "multipointliteral"
        | "multilinestringliteral"
        | "multipolygonliteral"
        | "pointliteral"
        | "polygonliteral" => value::is_spatial(&format!("SRID=0;{input}")),
        _ => return None,
    }))
}
