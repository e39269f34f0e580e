//! `$apply`: what is refused, and why. What is accepted is tested where it is executed.

use super::bound;
use crate::ODataErrorKind::{self, BadRequest, NotImplemented};

/// A request, the kind of error, and a part of its message.
const REFUSED: &[(&str, ODataErrorKind, &str)] = &[
    ("Orders(1)?$apply=identity", BadRequest, "$apply does not apply to one entity"),
    ("Orders?$apply=aggregate(Total with sum as Note)", BadRequest, "'Note' is the name of a property"),
    ("Orders?$apply=aggregate(Total with sum as Lines)", BadRequest, "'Lines' is the name of a property"),
    ("Orders?$apply=compute(Total mul 2 as Twice)/compute(1 as Twice)", BadRequest, "'Twice' is the name of a property"),
    ("Orders?$apply=aggregate(Total with sum as A,Total with min as A)", BadRequest, "'A' is given twice"),
    ("Orders?$apply=aggregate(Note with sum as T)", BadRequest, "only numbers can be added up"),
    ("Orders?$apply=aggregate(PlacedAt with average as T)", BadRequest, "only numbers can be added up"),
    ("Types?$apply=aggregate(Bytes with max as M)", BadRequest, "have no order"),
    ("Orders?$apply=aggregate(Customer with sum as T)", BadRequest, "entities can only be counted"),
    ("Orders?$apply=aggregate($count with sum as N)", BadRequest, "no method"),
    ("Orders?$apply=aggregate(Totl with sum as T)", BadRequest, "did you mean 'Total'"),
    ("Orders?$apply=aggregate(Customer/Nme with max as T)", BadRequest, "'Customer/Nme'"),
    ("Orders?$apply=groupby((Lines),aggregate($count as N))", BadRequest, "leads to several entities"),
    ("Orders?$apply=groupby((Customer/Nme))", BadRequest, "'Customer/Nme'"),
    ("Orders?$apply=groupby((Note))/groupby((Total))", BadRequest, "has been aggregated away"),
    ("Orders?$apply=groupby((Customer/City))/filter(Total gt 1)", BadRequest, "'Total'"),
    ("Orders?$apply=aggregate(Total with sum as T)&$orderby=Total", BadRequest, "'Total'"),
    ("Orders?$apply=aggregate(Total with sum as T)&$select=Note", BadRequest, "has been aggregated away"),
    ("Orders?$apply=aggregate(Total with sum as T)&$expand=Customer", BadRequest, "has been aggregated away"),
    ("Orders?$apply=concat(aggregate(Total with sum as X),aggregate(Note with max as X))", BadRequest, "different types"),
    ("Orders?$apply=topcount(0,Total)", BadRequest, "above 0"),
    ("Orders?$apply=topcount(1.5,Total)", BadRequest, "whole number"),
    ("Orders?$apply=toppercent(101,Total)", BadRequest, "at most 100"),
    ("Orders?$apply=toppercent(0,Total)", BadRequest, "above 0"),
    ("Orders?$apply=topsum('x',Total)", BadRequest, "must be a number"),
    ("Orders?$apply=topsum(5,Note)", BadRequest, "must be a number"),
    ("Orders?$apply=topcount(Id,Total)", NotImplemented, "not a number"),
    ("Orders?$apply=join(Customer as C)", BadRequest, "to-many"),
    ("Orders?$apply=join(Lines as Note)", BadRequest, "'Note' is the name of a property"),
    ("Orders?$apply=aggregate(Total with my.method as T)", NotImplemented, "my.method"),
    ("Orders?$apply=aggregate(Note)", BadRequest, "only $count and custom aggregates go without"),
    ("Orders?$apply=aggregate(Total add 1 as T)", BadRequest, "only $count and custom aggregates go without"),
    ("Orders?$apply=aggregate(Total with sum)", BadRequest, "needs 'as'"),
    ("Orders?$apply=aggregate($count)", BadRequest, "needs 'as'"),
    ("Orders?$apply=aggregate(Turnovr)", BadRequest, "did you mean 'Turnover'"),
    ("Orders?$apply=aggregate(Turnover from Note with max)", BadRequest, "needs 'as'"),
    ("Orders?$apply=aggregate(Turnover from Note as T)", NotImplemented, "'from' after a custom aggregate"),
    ("Orders?$apply=aggregate(Turnover,Total with sum as Turnover)", BadRequest, "'Turnover' is given twice"),
    ("Orders?$apply=compute(1 as Turnover)/aggregate(Turnover)", BadRequest, "beside the custom aggregate"),
    ("Orders?$apply=groupby((Total),aggregate(Total))", BadRequest, "beside the custom aggregate"),
    ("Orders?$apply=groupby((Note))/aggregate(Turnover)", BadRequest, "which have been aggregated away"),
    ("Orders?$apply=aggregate(Lines/Turnover)", BadRequest, "only $count and custom aggregates go without"),
    ("Orders?$apply=nest(identity as Note)", BadRequest, "'Note' is the name of a property"),
    ("Orders?$apply=nest(identity as A,identity as A)", BadRequest, "'A' is given twice"),
    ("Orders?$apply=nest(filter(Totl gt 1) as A)", BadRequest, "'Totl'"),
    ("Orders?$apply=nest(identity as A)/filter(Total gt 1)", BadRequest, "'Total'"),
    ("Orders?$apply=nest(identity as A)/aggregate(A/Total with sum as T)", NotImplemented, "which nest or addnested made"),
    ("Orders?$apply=nest(identity as A)/compute(1 as A)", BadRequest, "'A' is the name of a property"),
    ("Orders?$apply=join(Lines as L,nest(identity as A))", NotImplemented, "nest inside join"),
    ("Orders?$apply=join(Lines as L,addnested(Order,identity as A))", NotImplemented, "addnested inside join"),
    ("Orders?$apply=addnested(Customer,filter(Id gt 1) as C)", BadRequest, "'Customer' leads to one entity: only identity"),
    ("Orders?$apply=addnested(Customer,top(1) as C)", BadRequest, "'Customer' leads to one entity: only identity"),
    ("Orders?$apply=addnested(Customer/Orders,identity as C)", BadRequest, "no relationship before its last step"),
    ("Orders?$apply=addnested(Note,identity as C)", BadRequest, "no collection of related entities"),
    ("Orders?$apply=addnested(Linse,identity as C)", BadRequest, "did you mean 'Lines'"),
    ("Orders?$apply=addnested(Lines,identity as Note)", BadRequest, "'Note' is the name of a property"),
    ("Orders?$apply=addnested(Lines,identity as A,identity as A)", BadRequest, "'A' is the name of a property"),
    ("Orders?$apply=addnested(Lines,filter(Total gt 1) as A)", BadRequest, "'Total'"),
    ("Orders?$apply=groupby((Note))/addnested(Lines,identity as A)", BadRequest, "has been aggregated away"),
    ("Orders?$apply=addnested(Lines,identity as A)/aggregate(A/Quantity with sum as Q)", NotImplemented, "which nest or addnested made"),
    ("Orders?$apply=addnested(Lines,identity as A)&$expand=A($top=1)", NotImplemented, "which nest or addnested made"),
    ("Orders?$apply=aggregate($count as N)/search(x)", NotImplemented, "searchable"),
    ("Orders?$filter=isdefined(Nothing)", BadRequest, "Nothing"),
    ("Orders?$filter=isdefined(1)", BadRequest, "path to a property"),
    ("Orders?$filter=isdefined(Note,Total)", BadRequest, "nothing else"),
    ("Orders?$apply=search(x)", NotImplemented, "searchable"),
];

#[test]
fn what_is_refused_says_why() {
    let wrong = REFUSED.iter().filter_map(|(url, kind, part)| match bound(url) {
        Ok(_) => Some(format!("{url}: accepted")),
        Err(error) if error.kind != *kind || !error.message.contains(part) => Some(format!("{url}: {:?}: {}", error.kind, error.message)),
        Err(_) => None,
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rollups_do_not_multiply_without_end() {
    let two = "rollup(Name,City)";
    let many = |count: usize| format!("Customers?$apply=groupby(({}))", vec![two; count].join(","));
    assert!(bound(&many(6)).is_ok());
    let error = bound(&many(7)).unwrap_err();
    assert!(error.message.contains("more than 64 groupings"), "{}", error.message);
}

#[test]
fn collections_do_not_multiply_without_end() {
    let nested = |levels: usize| {
        let inner = (0..levels).fold("identity".to_owned(), |then, level| format!("groupby((rollup(Name,City)),nest({then} as A{level}))"));
        format!("Customers?$apply={inner}")
    };
    assert!(bound(&nested(4)).is_ok());
    let error = bound(&nested(7)).unwrap_err();
    assert!(error.message.contains("nests more than 100 times"), "{}", error.message);
}

#[test]
fn what_is_filtered_first_restricts_the_set() {
    let query = bound("Orders?$apply=filter(Total gt 1)/filter(Id lt 5)/groupby((Note))/filter(Note ne null)").unwrap().query;
    let apply = query.apply.unwrap();
    assert!(query.filter.is_some());
    assert_eq!(apply.transformations.len(), 2, "{:?}", apply.transformations);
}
