//! Names that may and may not stand where they do, over a small description in the manner of the OASIS cases: each rule of the ABNF that
//! is listed takes these identifiers, all others take any.

use crate::names::Names;
use crate::parse::{self, Strictness};
use crate::{ODataError, ODataErrorKind};

const STRICT: Strictness = Strictness::Strict;

fn names() -> Names {
    let rules = [
        ("entitySetName", "Shops Goods"),
        ("singletonEntity", "Main"),
        ("actionImport", "Reset"),
        ("entityFunctionImport", "BestShop"),
        ("entityColFunctionImport", "ShopsNear"),
        ("complexFunctionImport", ""),
        ("complexColFunctionImport", "Places"),
        ("primitiveFunctionImport", "Total"),
        ("primitiveColFunctionImport", ""),
        ("entityTypeName", "Shop Outlet"),
        ("complexTypeName", "Place Spot"),
        ("enumerationTypeName", "Colour"),
        ("enumerationMember", "Red Blue"),
        ("namespacePart", "Ns"),
        ("entityNavigationProperty", "Owner"),
        ("entityColNavigationProperty", "Goods"),
        ("complexProperty", "Address"),
        ("complexColProperty", "Depots"),
        ("primitiveKeyProperty", "Id"),
        ("primitiveNonKeyProperty", "Name Price Tint City"),
        ("primitiveColProperty", "Tags"),
        ("streamProperty", "Photo"),
        ("customAggregate", "Forecast"),
        ("action", "Close"),
        ("entityFunction", "Nearest"),
        ("entityColFunction", "Similar"),
        ("complexFunction", ""),
        ("complexColFunction", ""),
        ("primitiveFunction", "Score"),
        ("primitiveColFunction", "Words"),
        ("parameterName", "a b"),
        ("keyPropertyAlias", ""),
        ("keyPathLiteral", "1 O'Neil"),
        ("customName", "x-own"),
        ("lambdaVariableExpr", "g"),
        ("expressionAlias", "T U"),
        ("computedProperty", "C"),
        ("termName", "Term"),
    ];
    let rules = rules.map(|(rule, names)| (rule, names.split(' ').filter(|name| !name.is_empty()).map(str::to_owned).collect()));
    let (names, unknown) = Names::from_rules(rules);
    assert!(unknown.is_empty());
    names
}

fn resolved(url: &str) -> Result<(), ODataError> {
    let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    super::request(&parse::language(path, query, STRICT)?, &names(), STRICT)
}

fn all_fit(urls: &[&str]) {
    for url in urls {
        assert_eq!(resolved(url), Ok(()), "{url}");
    }
}

/// URLs with what the message must name and the place.
fn none_fit(urls: &[(&str, ODataErrorKind, &str, Option<usize>)]) {
    for (url, kind, culprit, position) in urls {
        let error = resolved(url).expect_err(url);
        assert_eq!((error.kind, error.position), (*kind, *position), "{url}: {error:?}");
        assert!(error.message.contains(culprit), "{url}: {error:?}");
    }
}

#[test]
fn paths() {
    all_fit(&[
        "Shops",
        "Shops(1)/Address/Ns.Spot/City/$value",
        "Shops(Id=@k)/Goods/$count?@k=1",
        "Shops/1/Goods/O'Neil/Name",
        "Shops/Ns.Outlet(1)/Ns.Shop/Owner/$ref",
        "Shops/Outlet/$filter(Price gt 1)/$each/Ns.Close",
        "Shops/$filter(Goods/any(g:g/Price gt 1))(1)/Tags/-1",
        "Main/Photo/Ns.Score()",
        "Main/Depots/Place/0",
        "Reset",
        "Total(a=1,b='x')/$value",
        "ShopsNear?a=1",
        "ShopsNear(a=@p)(1)/Goods?@p=5",
        "Places()/Ns.Spot/$count",
        "Shops/Similar(a=1)/Ns.Nearest()/Name",
        "Shops/Similar/$query",
        "$crossjoin(Shops,Goods)?$filter=Shops/Id eq Goods/Id",
        "$all/Shop?$search=a",
        "$entity/Ns.Shop?$id=Shops(1)&$select=Name",
        "$batch?x-own=1",
    ]);
    use ODataErrorKind::{BadRequest as Bad, NotFound as Gone};
    none_fit(&[
        ("Shop", Gone, "'Shop'", Some(0)),
        ("Shops/Name", Gone, "'Name'", Some(6)),
        ("Shops(1)/Nme", Gone, "'Nme'", Some(9)),
        ("Shops(Nme=1)", Gone, "'Shops'", Some(0)),
        ("Shops( 1)", Gone, "'Shops'", Some(0)),
        ("Shops(null)", Gone, "'Shops'", Some(0)),
        ("Main(1)", Gone, "'Main'", Some(0)),
        ("Reset()", Gone, "'Reset'", Some(0)),
        ("Total(c=1)", Gone, "'Total'", Some(0)),
        ("Shops/2", Gone, "'2'", Some(6)),
        ("Shops(1)/Ns.Outlet/Ns.Outlet", Gone, "'Ns.Outlet'", Some(19)),
        ("Shops(1)/Address/$value", Gone, "'$value'", Some(17)),
        ("Shops(1)/Photo/$value", Gone, "'$value'", Some(15)),
        ("Shops/$count/x", Gone, "'x'", Some(13)),
        ("Shops/$filter(Nme eq 1)", Bad, "'Nme'", Some(14)),
        ("Shops/BestShop()", Gone, "'BestShop'", Some(6)),
        ("Ns.Close", Gone, "'Ns.Close'", Some(0)),
        ("Shops/Similar(a=1)(x)", Bad, "expected a key value", Some(19)),
        ("$crossjoin(Shops,Shop)", Gone, "'Shop'", Some(17)),
        ("$all/Place", Gone, "'Place'", Some(5)),
        ("$entity", Bad, "$id", None),
        ("$entity?$id=x&$select=Name", Bad, "$select", None),
        ("$metadata?$filter=true", Bad, "$filter", None),
        ("Shops?y-own=1", Bad, "'y-own'", None),
        ("Shops?a=1 gt", Bad, "'a'", None),
    ]);
}

#[test]
fn expressions() {
    let fit = [
        "Name eq 'x' and not (Price gt 1)",
        "Address/City eq Address/Spot/City",
        "Ns.Outlet/Name eq Owner/Ns.Shop/Name",
        "Goods/any(g:g/Price gt Price and $it/Name eq g/Name)",
        "Goods/Outlet/all(g:true) or Goods/$count gt 1 or Tags/any()",
        "Goods(1)/Name eq $root/Shops(1)/Name and $root/Main/Name eq $root/Total(a=1)",
        "Goods/$filter(Price gt 1)/$count($search=a) gt 1",
        "Tint has Ns.Colour'Red,8' and Tint has 'Blue' and Tint eq Ns.Colour'4'",
        "Name in ('a','b') and Name in (Name) and Name in Tags and Id in ()",
        "cast(Price,Edm.String) eq cast(Edm.Int32) and isof(Owner,Ns.Shop) and isof(Tags,Collection(Edm.String))",
        "Score(a=Name,b=@p) gt 1 and Ns.Nearest()/Name eq 'x'",
        "substring(Name,1) eq substring(Name,1,2) and now() gt mindatetime()",
        "@Ns.Term/Name eq Price/@Term%23q and isdefined(Owner/Name)",
        "case(Price gt 1:'x',true:Name) eq 'x'",
        "[Name,\"x\",{\"a\":Price}] eq null",
        "Photo/Score() eq 1 and Tags/Words()/$count eq 1",
        "Goods/aggregate(Price with sum) gt $these/aggregate($count)",
        "g/Name eq 'x'",
    ];
    all_fit(&fit.map(|text| format!("Shops?$filter={text}")).iter().map(String::as_str).collect::<Vec<_>>());
    use ODataErrorKind::BadRequest as Bad;
    none_fit(&[
        ("Shops?$filter=Nme eq 1", Bad, "'Nme'", Some(0)),
        ("Shops?$filter=Goods/Name eq 'x'", Bad, "'Name'", Some(6)),
        ("Shops?$filter=Name/City eq 'x'", Bad, "'City'", Some(5)),
        ("Shops?$filter=Owner/Ns.Shop eq null", Bad, "'Ns.Shop'", Some(6)),
        ("Shops?$filter=Goods/any(h:true)", Bad, "'h'", Some(12)),
        ("Shops?$filter=any(g:true)", Bad, "found ':true'", Some(5)),
        ("Shops?$filter=Tint has Name", Bad, "'has'", Some(9)),
        ("Shops?$filter=Tint has 'Green'", Bad, "'Green'", Some(9)),
        ("Shops?$filter=Tint eq Ns.Color'Red'", Bad, "'Ns.Color'", Some(8)),
        ("Shops?$filter=Name in (Name,City)", Bad, "literals", Some(9)),
        ("Shops?$filter=Tags eq ('a','b')", Bad, "expected ')'", Some(12)),
        ("Shops?$filter=cast(Price,Edm.Text) eq 1", Bad, "'Edm.Text'", Some(11)),
        ("Shops?$filter=cast(Price,'Edm.String') eq 1", Bad, "a type", Some(11)),
        ("Shops?$filter=Score(c=1) gt 1", Bad, "'Score'", Some(0)),
        ("Shops?$filter=Score gt 1", Bad, "'Score'", Some(0)),
        ("Shops?$filter=substring(Name) eq 'x'", Bad, "2 or 3", Some(0)),
        ("Shops?$filter=substrin(Name,1) eq 'x'", Bad, "did you mean 'substring'", Some(0)),
        ("Shops?$filter=not(true)", Bad, "'not'", Some(0)),
        ("Shops?$filter=length(length(length(Nme))) eq 1", Bad, "'Nme'", Some(21)),
        ("Shops?$filter=@Ns.Trm eq 1", Bad, "'@Ns.Trm'", Some(0)),
        ("Shops?$filter=$root/Nothing eq 1", Bad, "'Nothing'", Some(6)),
        ("Shops?$filter=Goods/aggregate(Price) gt 1", Bad, "'with'", Some(16)),
        ("Shops?@p=Nme", Bad, "'Nme'", Some(0)),
    ]);
}

#[test]
fn items() {
    all_fit(&[
        "Shops?$select=Name,Address/City,Depots/Ns.Spot($select=City;$top=1),Tags($filter=$this eq 'x'),Goods,*,Ns.*",
        "Shops?$select=Close,Ns.Score,Similar(a,b),Ns.Outlet/Name,Ns.Outlet/Ns.Close,@Ns.Term",
        "Shops?$expand=Goods($filter=Price gt 1;$select=Name;$levels=2;@p=1),Owner/$ref,Goods/Outlet/$count($search=a)",
        "Shops?$expand=*,*/$ref,*($levels=max),Address/*,Address/Owner,Outlet/Goods,Photo,$value,@Term($top=1)",
        "Shops?$compute=Price add 1 as C&$orderby=C desc,Tags/$count&$filter=C gt 1&$select=C",
        "Shops?$at=2026-08-01&$expand=Goods($from=min;$to=Price)",
    ]);
    use ODataErrorKind::BadRequest as Bad;
    none_fit(&[
        ("Shops?$select=Nme", Bad, "'Nme'", Some(0)),
        ("Shops?$select=Id,Name($top=1)", Bad, "'Name'", Some(3)),
        ("Shops?$select=Goods/Name", Bad, "'Name'", Some(0)),
        ("Shops?$select=Ns.Outlet", Bad, "'Ns.Outlet'", Some(0)),
        ("Shops?$select=Tags($select=Name)", Bad, "$select", Some(0)),
        ("Shops?$select=Similar(c)", Bad, "'c'", Some(0)),
        ("Shops?$select=Address($filter=Nme eq 1)", Bad, "'Nme'", Some(16)),
        ("Shops?$expand=Name", Bad, "'Name'", Some(0)),
        ("Shops?$expand=Goods/$ref($select=Name)", Bad, "$select", Some(0)),
        ("Shops?$expand=Goods/$count($top=1)", Bad, "$top", Some(0)),
        ("Shops?$expand=*($filter=true)", Bad, "$filter", Some(0)),
        ("Shops?$expand=Address", Bad, "'Address'", Some(0)),
        ("Shops?$expand=Goods($expand=Nme)", Bad, "'Nme'", Some(14)),
        ("Shops?$compute=Price as D", Bad, "'D'", Some(9)),
        ("Shops?$orderby=Nme", Bad, "'Nme'", Some(0)),
    ]);
}

#[test]
fn transformations() {
    all_fit(&[
        "Shops?$apply=filter(Price gt 1)/groupby((Name,Owner/City,Owner,Address),aggregate(Price with sum as T,Goods/Price with max as U))",
        "Shops?$apply=aggregate($count as T,Goods/$count as U,Forecast,Goods/Forecast as T,Goods with countdistinct as U,Ns.Outlet with Ns.m as T)",
        "Shops?$apply=aggregate(Price with sum from Name,City with max from Owner with average as T,Forecast from Name as U)",
        "Shops?$apply=groupby((rollup(Named),rollup(Owner/City,Name)),identity)/concat(topcount(2,Price),bottomsum(Price,1))",
        "Shops?$apply=compute(Price div $these/aggregate(Price with sum) as T)/orderby(T desc)/skip(1)/top(2)",
        "Shops?$apply=join(Goods as T,filter(Price gt 1))/outerjoin(Depots as U)",
        "Shops?$apply=addnested(Goods,filter(Price gt 1) as T)/addnested(Address/Owner/Outlet,identity as U)/nest(groupby((Name)) as T)",
        "Shops?$apply=groupby((rolluprecursive($root/Shops,H,Id,ancestors($root/Shops,H,Id,filter(Price gt 1),2,keep start))))",
        "Shops?$apply=traverse($root/Shops,H,Owner/Id,preorder,search(a),Name desc)/Ns.Similar(a=1)",
    ]);
    use ODataErrorKind::BadRequest as Bad;
    none_fit(&[
        ("Shops?$apply=groupby((Nme))", Bad, "'Nme'", Some(9)),
        ("Shops?$apply=groupby((Goods/Name))", Bad, "single-valued", Some(9)),
        ("Shops?$apply=groupby((Owner/Ns.Shop))", Bad, "single-valued", Some(9)),
        ("Shops?$apply=aggregate(Price)", Bad, "'with'", Some(10)),
        ("Shops?$apply=aggregate(Price with sum)", Bad, "'as'", Some(10)),
        ("Shops?$apply=aggregate(Price with sum as V)", Bad, "'V'", Some(28)),
        ("Shops?$apply=aggregate(Price as T)", Bad, "'with'", Some(10)),
        ("Shops?$apply=aggregate(Price with sum from Name as T)", Bad, "'from'", Some(10)),
        ("Shops?$apply=aggregate(Goods/Price sub Price with sum as T)", Bad, "'Price'", Some(16)),
        ("Shops?$apply=aggregate(Price with Xx.m as T)", Bad, "'Xx.m'", Some(21)),
        ("Shops?$apply=join(Owner as T)", Bad, "collection", Some(5)),
        ("Shops?$apply=addnested(Goods/Owner,identity as T)", Bad, "collection", Some(10)),
        ("Shops?$apply=traverse(Shops,H,Id,preorder)", Bad, "$root", Some(9)),
        ("Shops?$apply=ancestors($root/Shops,H,Id,groupby((Name)))", Bad, "instances", Some(27)),
        ("Shops?$apply=groupby((rolluprecursive($root/Shops,H,Id,identity)))", Bad, "instances", Some(42)),
        ("Shops?$apply=Ns.Score()", Bad, "'Ns.Score'", Some(0)),
        ("Shops?$apply=rollup(Name)", Bad, "'rollup'", Some(0)),
    ]);
}

#[test]
fn context_urls() {
    let names = names();
    for good in [
        "Shops",
        "Shops(Name,Goods(Price),Address/City)/$entity",
        "Shops(1)/Goods/Ns.Outlet(*)",
        "Shops('a,b')/Address/City",
        "Main/Address/Owner",
        "Collection(Ns.Place)",
        "Edm.String",
        "$ref",
        "Shops/$deletedEntity",
        "Shops(Owner+(Name),Ns.Score(a))/$delta",
    ] {
        assert!(super::fragment(good, &names), "{good}");
    }
    for bad in [
        "",
        "Shop",
        "Shops(",
        "Shops(1)",
        "Shops(Nme)",
        "Shops/$link(Name)",
        "Shops(1)/Ns.Outlet",
        "Place",
        "Shops(Name)/x",
        "Shops)(",
        "Main/$entity",
        "Main/Name",
    ] {
        assert!(!super::fragment(bad, &names), "{bad}");
    }
    assert!(!super::fragment(&format!("Shops{}", "(Goods".repeat(5_000)), &names));
    assert!(!super::fragment(&format!("Shops{}Name{}", "(Goods".repeat(5_000), ")".repeat(5_000)), &names));
}
