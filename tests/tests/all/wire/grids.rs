//! Grids in browsers: DevExtreme, Syncfusion and Kendo UI. They still write literals of older versions, and media types too.

use super::Check::{Each, Header, HeaderHas, Holds, Json, Missing};
use super::Evidence::{Memory, Source};
use super::{Case, Client, get};

pub const DEVEXTREME: Client = Client {
    name: "DevExtreme ODataStore",
    headers: &[("Accept", "application/json;odata=verbose, text/plain")],
    cases: &[
        get(
            Source,
            "a page with its count",
            "/odata/Customers?$orderby=Name&$skip=2&$top=3&$count=true&$select=Id,Name",
            200,
            &[
                HeaderHas("Content-Type", "application/json"),
                Header("OData-Version", "4.0"),
                Json("/@odata.count", "24"),
                Each("Id", "[3,4,5]"),
            ],
        ),
        get(
            Source,
            "a count alone",
            "/odata/Customers?$filter=(Region%20eq%20'EMEA')&$top=0&$count=true",
            200,
            &[Json("/@odata.count", "8"), Json("/value", "[]")],
        ),
        get(Source, "a key with its type's suffix", "/odata/Customers(5L)", 200, &[Json("/Id", "5")]),
        get(
            Source,
            "a key in which everything is escaped",
            "/odata/Lines(invoice_id%3D5L%2Cno%3D2)",
            200,
            &[Json("/product", "\"second\"")],
        ),
        get(
            Source,
            "numbers with their type's suffix",
            "/odata/Customers?$filter=(Credit%20gt%201.5m)%20and%20(Id%20lt%2010L)&$select=Id&$orderby=Id",
            200,
            &[Each("Id", "[7,8,9]")],
        ),
        get(Source, "a float's suffix", "/odata/Kinds?$filter=(single%20eq%201.5f)&$select=id", 200, &[Each("id", "[1]")]),
        get(
            Source,
            "text in lower case on both sides",
            "/odata/Customers?$filter=(tolower(Name)%20eq%20'customer%2005')&$select=Id",
            200,
            &[Each("Id", "[5]")],
        ),
        get(
            Source,
            "what does not contain",
            "/odata/Customers?$filter=not%20contains(tolower(Name),'1')&$select=Id&$orderby=Id&$top=3",
            200,
            &[Each("Id", "[2,3,4]")],
        ),
        get(
            Source,
            "a wall clock's time with a Z",
            "/odata/Kinds?$filter=(moment%20ge%202024-02-29T00:00:00Z)%20and%20(moment%20lt%202024-03-01T00:00:00Z)&$select=id",
            200,
            &[Each("id", "[1]")],
        ),
        get(
            Source,
            "a GUID without quotes",
            "/odata/Kinds?$filter=(token%20eq%2001234567-89ab-cdef-0123-456789abcdef)&$select=id",
            200,
            &[Each("id", "[1]")],
        ),
        get(
            Source,
            "what is related",
            "/odata/Customers?$expand=Home,Invoices($expand=Lines)&$filter=(Id%20eq%205L)",
            200,
            &[Json("/value/0/Home/code", "\"EMEA\""), Json("/value/0/Invoices/0/Lines/1/no", "2")],
        ),
        Case {
            evidence: Source,
            about: "a change, in the media type of V2",
            method: "PATCH",
            path: "/odata/Kinds(10L)",
            headers: &[("Content-Type", "application/json;odata=verbose")],
            body: "{\"label\":\"by DevExtreme\"}",
            status: 200,
            checks: &[Json("/label", "\"by DevExtreme\"")],
        },
    ],
};

pub const SYNCFUSION: Client = Client {
    name: "Syncfusion ODataV4Adaptor",
    headers: &[("Accept", "application/json, text/javascript, */*; q=0.01")],
    cases: &[
        get(
            Source,
            "a page with its count",
            "/odata/Customers?$count=true&$orderby=Name%20desc&$skip=0&$top=2",
            200,
            &[
                // It makes the service's root of what is before `/$metadata#`.
                Json("/@odata.context", "\"{http}/odata/$metadata#Customers\""),
                Json("/@odata.count", "24"),
                Each("Id", "[24,23]"),
            ],
        ),
        get(
            Source,
            "a type in quotes",
            "/odata/Customers?$filter=contains(cast(Id,%20'Edm.String'),'24')&$select=Id",
            200,
            &[Each("Id", "[24]")],
        ),
        get(
            Source,
            "distinct values for a filter's list",
            "/odata/Customers?$apply=groupby((Region),%20aggregate($count%20as%20groupCount))&$orderby=Region",
            200,
            &[Each("Region", "[\"AMER\",\"APAC\",\"EMEA\"]"), Each("groupCount", "[8,8,8]")],
        ),
        Case {
            evidence: Source,
            about: "a batch with bare line feeds, which accepts JSON first and wants entities back",
            method: "POST",
            path: "/odata/$batch",
            headers: &[
                ("Prefer", "return=representation"),
                ("Content-Type", "multipart/mixed; charset=UTF-8;boundary=batch_c2a0e87e-b6a5-4cde-8ee6-0a0b4b2b5a76"),
            ],
            body: concat!(
                "--batch_c2a0e87e-b6a5-4cde-8ee6-0a0b4b2b5a76\n",
                "Content-Type: multipart/mixed; boundary=changeset_7f3e0f1b-6e94-4f3a-9d68-57a1f5a4f4ad\n\n",
                "--changeset_7f3e0f1b-6e94-4f3a-9d68-57a1f5a4f4ad\n",
                "Content-Type: application/http\nContent-Transfer-Encoding: binary \n\n",
                "POST Kinds HTTP/1.1\nAccept: application/json, text/javascript, */*; q=0.01\nContent-Id: 0\n",
                "Content-Type: application/json; charset=utf-8 \n\n{\"id\":400,\"label\":\"by Syncfusion\"}\n\n",
                "--changeset_7f3e0f1b-6e94-4f3a-9d68-57a1f5a4f4ad--\n",
                "--batch_c2a0e87e-b6a5-4cde-8ee6-0a0b4b2b5a76--",
            ),
            status: 200,
            checks: &[
                HeaderHas("Content-Type", "multipart/mixed"),
                // All of this is what its own reader does, step by step.
                Holds(|answer| {
                    let content_type = answer.headers("content-type").concat();
                    let (_, boundary) = content_type.split_once("=batchresponse").ok_or("no boundary that begins with batchresponse")?;
                    let text = answer.text();
                    let part = text.split(&format!("batchresponse{boundary}")).nth(1).ok_or("the boundary is not in the body")?;
                    let (_, rest) =
                        part.split_once("boundary=changesetresponse").ok_or("no boundary that begins with changesetresponse")?;
                    let name = rest.lines().next().unwrap_or_default();
                    let change = part.split(&format!("changesetresponse{name}")).nth(2).ok_or("the change has no part")?;
                    if !change.to_ascii_lowercase().contains("content-id: 0") || !change.contains("HTTP/1.1 201") {
                        return Err(format!("not made, or without its Content-ID: {change}"));
                    }
                    let json = change.lines().find(|line| line.starts_with('{')).ok_or("no JSON at the beginning of a line")?;
                    let json: serde_json::Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
                    if json["label"] == "by Syncfusion" { Ok(()) } else { Err(format!("found {json}")) }
                }),
            ],
        },
        Case {
            evidence: Source,
            about: "a change that wants the entity back",
            method: "PATCH",
            path: "/odata/Kinds(10)",
            headers: &[("Content-Type", "application/json; charset=utf-8"), ("Prefer", "return=representation")],
            body: "{\"id\":10,\"label\":\"by Syncfusion\"}",
            status: 200,
            checks: &[HeaderHas("Preference-Applied", "return=representation"), Json("/label", "\"by Syncfusion\"")],
        },
    ],
};

pub const KENDO: Client = Client {
    name: "Kendo UI data query",
    headers: &[("Accept", "application/json, text/plain, */*")],
    cases: &[
        get(
            Source,
            "what does not contain",
            "/odata/Customers?$filter=indexof(Name,'1')%20eq%20-1&$select=Id&$orderby=Id&$top=2",
            200,
            &[Each("Id", "[2,3]")],
        ),
        get(
            Memory,
            "a page with its count",
            "/odata/Customers?$count=true&$top=2&$skip=2&$orderby=Id&$format=json",
            200,
            &[Json("/@odata.count", "24"), Each("Id", "[3,4]"), Missing("/@odata.nextLink")],
        ),
        get(
            Source,
            "several conditions",
            "/odata/Customers?$filter=(Region%20eq%20'EMEA'%20and%20(startswith(Name,'Customer%200')%20or%20Credit%20gt%20100))&$select=Id&$orderby=Id",
            200,
            &[Each("Id", "[2,5,8,17,23]")],
        ),
    ],
};
