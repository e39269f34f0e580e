//! Reporting tools: Power Query (in Power BI and Excel) and Tableau.

use super::Check::{Each, Has, Header, HeaderHas, Holds, Is, Json, Lacks, Missing};
use super::Evidence::{Documented, Memory, Observed};
use super::{Case, Client, get};

/// The headers are those of a trace that was published. Two `OData-Version` headers in an answer would be read as one malformed one, and
/// Atom, which is in the list, would break it.
pub const POWER_QUERY: Client = Client {
    name: "Power Query",
    headers: &[
        ("User-Agent", "Microsoft.Data.Mashup (https://go.microsoft.com/fwlink/?LinkID=304225)"),
        ("OData-MaxVersion", "4.0"),
        ("MaxDataServiceVersion", "3.0"),
        (
            "Accept",
            "application/json;odata.metadata=minimal;q=1.0,application/json;odata=minimalmetadata;q=0.9,application/atomsvc+xml;q=0.8,\
             application/atom+xml;q=0.8,application/xml;q=0.7,text/plain;q=0.7",
        ),
    ],
    cases: &[
        get(
            Observed,
            "the root tells what there is",
            "/odata/",
            200,
            &[
                Header("OData-Version", "4.0"),
                HeaderHas("Content-Type", "application/json;odata.metadata=minimal"),
                Json("/@odata.context", "\"{http}/odata/$metadata\""),
                Json("/value/0/kind", "\"EntitySet\""),
            ],
        ),
        get(Documented, "the test of a connection asks for the root without a slash", "/odata", 200, &[Header("OData-Version", "4.0")]),
        get(
            Observed,
            "metadata are XML, though JSON is liked better",
            "/odata/$metadata",
            200,
            &[
                HeaderHas("Content-Type", "application/xml"),
                Header("OData-Version", "4.0"),
                Has("<edmx:Edmx Version=\"4.0\""),
                Has("<NavigationPropertyBinding Path=\"Invoices\" Target=\"Invoices\"/>"),
                Has("Type=\"Edm.Decimal\" Nullable=\"true\" Precision=\"15\" Scale=\"2\""),
                Has("Term=\"Capabilities.FilterFunctions\""),
            ],
        ),
        get(
            Documented,
            "a preview is the first 1,000 rows",
            "/odata/Customers?$top=1000",
            200,
            &[
                Header("OData-Version", "4.0"),
                HeaderHas("Content-Type", "application/json;odata.metadata=minimal"),
                Json("/@odata.context", "\"{http}/odata/$metadata#Customers\""),
                Json("/value/23/Id", "24"),
                Missing("/@odata.nextLink"),
            ],
        ),
        get(
            Documented,
            "folded steps",
            "/odata/Customers?$filter=Region%20eq%20'EMEA'&$select=Id,Name&$orderby=Name%20desc&$skip=1&$top=2",
            200,
            &[Json("/@odata.context", "\"{http}/odata/$metadata#Customers(Id,Name)\""), Each("Id", "[20,17]")],
        ),
        get(
            Observed,
            "related tables, in the context URL without parentheses of their own",
            "/odata/Customers?$expand=Invoices($select=id),Home($select=name)&$select=Name&$top=1&$orderby=Id",
            200,
            &[
                Json("/value/0/Home/name", "\"Asia and the Pacific\""),
                Json("/value/0/Invoices/0/id", "1"),
                Holds(|answer| {
                    let context = answer.json().and_then(|json| Some(json["@odata.context"].as_str()?.to_owned())).unwrap_or_default();
                    if context.contains("()") { Err(format!("{context} is of a form that ODataLib 7 rejects")) } else { Ok(()) }
                }),
            ],
        ),
        get(Documented, "the number of rows", "/odata/Invoices/$count", 200, &[HeaderHas("Content-Type", "text/plain"), Is("120")]),
        get(
            Documented,
            "the number of rows beside them",
            "/odata/Invoices?$count=true&$top=0",
            200,
            &[Json("/@odata.count", "120"), Json("/value", "[]")],
        ),
        get(
            Documented,
            "a slice of incremental refresh",
            "/odata/Kinds?$filter=moment%20ge%202024-01-01T00:00:00Z%20and%20moment%20lt%202025-01-01T00:00:00Z&$select=id",
            200,
            &[Each("id", "[1]")],
        ),
        get(
            Documented,
            "the same over dates",
            "/odata/Invoices/$count?$filter=issued%20ge%202024-02-01%20and%20issued%20lt%202024-03-01",
            200,
            &[Is("10")],
        ),
        Case {
            evidence: Documented,
            about: "nulls may be left out, if that is acknowledged",
            method: "GET",
            path: "/odata/Customers?$select=Id,City&$orderby=Id&$top=2",
            headers: &[("Prefer", "omit-values=nulls")],
            body: "",
            status: 200,
            checks: &[HeaderHas("Preference-Applied", "omit-values=nulls"), Missing("/value/0/City"), Json("/value/1/City", "\"lyon\"")],
        },
        Case {
            evidence: Observed,
            about: "answers may be compressed",
            method: "GET",
            path: "/odata/Invoices",
            headers: &[("Accept-Encoding", "gzip, deflate")],
            body: "",
            status: 200,
            checks: &[
                Header("Content-Encoding", "gzip"),
                HeaderHas("Vary", "Accept-Encoding"),
                Holds(|answer| if answer.body.starts_with(&[0x1f, 0x8b]) { Ok(()) } else { Err("the body is not compressed".to_owned()) }),
            ],
        },
        get(
            Memory,
            "an error is JSON too",
            "/odata/Customers?$filter=Nothing%20eq%201",
            400,
            &[Header("OData-Version", "4.0"), HeaderHas("Content-Type", "application/json"), Has("Nothing"), Lacks("<")],
        ),
    ],
};

pub const TABLEAU: Client = Client {
    name: "Tableau",
    headers: &[("Accept", "application/json")],
    cases: &[
        get(Documented, "the root", "/odata/", 200, &[HeaderHas("Content-Type", "application/json")]),
        Case {
            evidence: Documented,
            about: "metadata are taken for XML",
            method: "GET",
            path: "/odata/$metadata",
            headers: &[("Accept", "*/*")],
            body: "",
            status: 200,
            checks: &[HeaderHas("Content-Type", "application/xml"), Has("<EntitySet Name=\"Invoices\"")],
        },
        get(
            Documented,
            "an extract is everything, flat",
            "/odata/Invoices",
            200,
            &[Json("/value/119/id", "120"), Missing("/@odata.nextLink"), Lacks("Customer@odata")],
        ),
    ],
};
