//! SAP's clients: OpenUI5's and SAPUI5's V4 model, and remote services of CAP.

use super::Check::{Each, Has, Header, HeaderHas, Holds, Json, Lacks};
use super::Evidence::Source;
use super::raw::Answer;
use super::{Case, Client, get};

pub const UI5: Client = Client {
    name: "UI5 V4 model, $direct",
    headers: &[
        ("Accept", "application/json;odata.metadata=minimal;IEEE754Compatible=true"),
        ("Accept-Language", "en"),
        ("OData-MaxVersion", "4.0"),
        ("OData-Version", "4.0"),
        ("X-CSRF-Token", "Fetch"),
    ],
    cases: &[
        Case {
            evidence: Source,
            about: "a token is fetched with HEAD",
            method: "HEAD",
            path: "/odata/",
            headers: &[],
            body: "",
            status: 200,
            checks: &[Header("OData-Version", "4.0"), HeaderHas("X-CSRF-Token", "")],
        },
        Case {
            evidence: Source,
            about: "metadata, with parameters of SAP's own",
            method: "GET",
            path: "/odata/$metadata?sap-language=EN&sap-client=100",
            headers: &[("Accept", "application/xml")],
            body: "",
            status: 200,
            checks: &[HeaderHas("ETag", "\""), HeaderHas("Date", "GMT"), Header("OData-Version", "4.0"), Has("<edmx:Edmx Version=\"4.0\"")],
        },
        Case {
            evidence: Source,
            about: "metadata that it has already",
            method: "GET",
            path: "/odata/$metadata",
            headers: &[("Accept", "application/xml"), ("If-None-Match", "*")],
            body: "",
            status: 304,
            checks: &[HeaderHas("ETag", "\"")],
        },
        get(
            Source,
            "wide numbers, decimals and counts are text",
            "/odata/Kinds?$count=true&$select=big,exact,id&$filter=id%20le%201&$skip=0&$top=100",
            200,
            &[
                Json("/@odata.count", "\"1\""),
                Json("/value/0/big", "\"5000000000\""),
                Json("/value/0/exact", "\"1234567.8900\""),
                Json("/value/0/id", "\"1\""),
                HeaderHas("Content-Type", "IEEE754Compatible=true"),
            ],
        ),
        get(
            Source,
            "what was changed is read again, with a narrow $select",
            "/odata/Customers(3)?$select=City",
            200,
            &[Json("/City", "\"O'Hara\""), Has("\"@odata.etag\":"), Json("/Id", "\"3\"")],
        ),
        Case {
            evidence: Source,
            about: "an upsert, which is refused by name",
            method: "PATCH",
            path: "/odata/Kinds(301)",
            headers: &[
                ("If-None-Match", "*"),
                ("Prefer", "return=minimal"),
                ("Content-Type", "application/json;charset=UTF-8;IEEE754Compatible=true"),
            ],
            body: "{\"big\":\"5\"}",
            status: 501,
            checks: &[Has("\"error\""), Header("OData-Version", "4.0")],
        },
        get(
            Source,
            "one level of groups with a grand total",
            "/odata/Customers?$apply=concat(aggregate(Credit%20with%20sum%20as%20Total),groupby((Region),aggregate(Credit%20with%20sum%20as%20Total))/orderby(Region)/concat(aggregate($count%20as%20UI5__count),top(100)))",
            200,
            &[
                Json("/value/1/UI5__count", "\"3\""),
                Json("/value/2/Region", "\"AMER\""),
                Holds(|answer| absent(answer, 0, "Region")),
                Holds(|answer| absent(answer, 2, "UI5__count")),
            ],
        ),
        get(
            Source,
            "how many leaves there are",
            "/odata/Customers?$apply=groupby((Region,City))/aggregate($count%20as%20UI5__leaves)",
            200,
            &[Json("/value/0/UI5__leaves", "\"6\"")],
        ),
        get(
            Source,
            "groups that are filtered before",
            "/odata/Customers?$apply=filter(Active%20eq%20true)/groupby((Region),aggregate(Credit%20with%20max%20as%20Most))&$orderby=Region%20desc",
            200,
            &[Each("Region", "[\"EMEA\",\"APAC\",\"AMER\"]")],
        ),
    ],
};

/// Rows of a `concat` are told apart by which properties they have.
fn absent(answer: &Answer, row: usize, name: &str) -> Result<(), String> {
    let json = answer.json().unwrap_or_default();
    if json["value"][row].get(name).is_none() { Ok(()) } else { Err(format!("row {row} has {name}")) }
}

pub const UI5_BATCH: Client = Client {
    name: "UI5 V4 model, $auto",
    headers: &[
        ("Accept", "multipart/mixed"),
        ("Content-Type", "multipart/mixed; boundary=batch_id-1769000000000-42"),
        ("MIME-Version", "1.0"),
        ("OData-MaxVersion", "4.0"),
        ("OData-Version", "4.0"),
        ("X-CSRF-Token", "Fetch"),
    ],
    cases: &[
        Case {
            evidence: Source,
            about: "reads",
            method: "POST",
            path: "/odata/$batch",
            headers: &[],
            body: concat!(
                "--batch_id-1769000000000-42\r\nContent-Type:application/http\r\nContent-Transfer-Encoding:binary\r\n\r\n",
                "GET Customers?$count=true&$orderby=Id&$select=Id,Name&$skip=0&$top=2 HTTP/1.1\r\n",
                "Accept:application/json;odata.metadata=minimal;IEEE754Compatible=true\r\nAccept-Language:en\r\n",
                "Content-Type:application/json;charset=UTF-8;IEEE754Compatible=true\r\n\r\n\r\n",
                "--batch_id-1769000000000-42\r\nContent-Type:application/http\r\nContent-Transfer-Encoding:binary\r\n\r\n",
                "GET Customers(999) HTTP/1.1\r\n",
                "Accept:application/json;odata.metadata=minimal;IEEE754Compatible=true\r\n\r\n\r\n",
                "--batch_id-1769000000000-42--\r\nGroup ID: $auto",
            ),
            status: 200,
            checks: &[
                HeaderHas("Content-Type", "multipart/mixed"),
                Header("OData-Version", "4.0"),
                Holds(|answer| {
                    let parts = parts_of_ui5(answer)?;
                    let [(first, rows), (second, error)] = &parts[..] else { return Err(format!("{} parts", parts.len())) };
                    if !first.starts_with("HTTP/1.1 200") || !rows.contains("\"@odata.count\":\"24\"") {
                        return Err(format!("the first is {first}: {rows}"));
                    }
                    // An error stops the rest, but is itself answered.
                    if !second.starts_with("HTTP/1.1 404") || !error.contains("\"message\"") {
                        return Err(format!("the second is {second}: {error}"));
                    }
                    Ok(())
                }),
            ],
        },
        Case {
            evidence: Source,
            about: "a change set with one change, then a read",
            method: "POST",
            path: "/odata/$batch",
            headers: &[],
            body: concat!(
                "--batch_id-1769000000000-42\r\n",
                "Content-Type: multipart/mixed;boundary=changeset_id-1769000000000-43\r\n\r\n",
                "--changeset_id-1769000000000-43\r\nContent-Type:application/http\r\nContent-Transfer-Encoding:binary\r\nContent-ID:0.0\r\n\r\n",
                "PATCH Kinds(10) HTTP/1.1\r\nAccept:application/json;odata.metadata=minimal;IEEE754Compatible=true\r\n",
                "Content-Type:application/json;charset=UTF-8;IEEE754Compatible=true\r\nIf-Match:*\r\n\r\n{\"label\":\"by UI5\"}\r\n",
                "--changeset_id-1769000000000-43--\r\n\r\n",
                "--batch_id-1769000000000-42\r\nContent-Type:application/http\r\nContent-Transfer-Encoding:binary\r\n\r\n",
                "GET Kinds(10)?$select=id,label HTTP/1.1\r\nAccept:application/json;odata.metadata=minimal;IEEE754Compatible=true\r\n\r\n\r\n",
                "--batch_id-1769000000000-42--\r\nGroup ID: $auto",
            ),
            status: 200,
            checks: &[
                Has("Content-Type: multipart/mixed"),
                Has("boundary=changesetresponse"),
                // The leading integer is the number of the request in the change set; without it the model throws.
                Holds(|answer| {
                    let text = answer.text().to_ascii_lowercase();
                    if text.contains("\r\ncontent-id: 0.0\r\n") { Ok(()) } else { Err("there is no Content-ID: 0.0".to_owned()) }
                }),
                Has("\"label\":\"by UI5\""),
                Lacks("\"error\""),
            ],
        },
    ],
};

/// The parts of an answer as `_Batch.js` finds them: cut at the boundary, each in three by empty lines. Head and body of each response.
fn parts_of_ui5(answer: &Answer) -> Result<Vec<(String, String)>, String> {
    let content_type = answer.headers("content-type").join(",");
    let boundary = content_type.split("boundary=").nth(1).ok_or("there is no boundary")?.trim_matches('"').to_owned();
    let text = answer.text();
    let delimiter = format!("--{boundary}");
    let cut: Vec<&str> = text.split(delimiter.as_str()).collect();
    if !text.starts_with(&delimiter) || cut.last().is_none_or(|last| !last.starts_with("--")) {
        return Err("it does not begin and end with a boundary".to_owned());
    }
    let part = |part: &&str| {
        let mut pieces = part.splitn(3, "\r\n\r\n");
        let (Some(_), Some(head), Some(body)) = (pieces.next(), pieces.next(), pieces.next()) else {
            return Err(format!("a part has not three pieces: {part}"));
        };
        Ok((head.to_owned(), body.strip_suffix("\r\n").ok_or("a part does not end with a line's end")?.to_owned()))
    };
    cut[1..cut.len() - 1].iter().map(part).collect()
}

pub const CAP: Client = Client {
    name: "SAP CAP, remote service",
    headers: &[("accept", "application/json,text/plain"), ("accept-language", "en")],
    cases: &[
        get(
            Source,
            "a query without version headers",
            "/odata/Customers?$select=Id,Name&$filter=Region%20eq%20'EMEA'&$orderby=Name%20asc&$top=2&$count=true",
            200,
            &[Header("OData-Version", "4.0"), Json("/@odata.count", "8"), Each("Id", "[2,5]")],
        ),
        get(
            Source,
            "a list of values is a chain",
            "/odata/Customers?$select=Id&$filter=(Id%20eq%201%20or%20Id%20eq%205%20or%20Id%20eq%209)&$orderby=Id",
            200,
            &[Each("Id", "[1,5,9]")],
        ),
        get(
            Source,
            "between",
            "/odata/Customers?$select=Id&$filter=(Id%20ge%2022%20and%20Id%20le%2023)&$orderby=Id",
            200,
            &[Each("Id", "[22,23]")],
        ),
        get(Source, "exists is any", "/odata/Customers?$select=Id&$filter=Invoices/any(d:d/id%20eq%2025)", 200, &[Each("Id", "[5]")]),
        get(
            Source,
            "not exists not is all",
            "/odata/Customers?$select=Id&$filter=Invoices/all(d:d/id%20gt%2019)&$orderby=Id",
            200,
            &[Each("Id", "[20,21,22,23,24]")],
        ),
        get(Source, "one row", "/odata/Customers?$select=Id&$filter=Id%20eq%207&$top=1", 200, &[Each("Id", "[7]")]),
        get(
            Source,
            "UUIDs have no quotes",
            "/odata/Kinds?$select=id&$filter=token%20eq%2001234567-89ab-cdef-0123-456789abcdef",
            200,
            &[Each("id", "[1]")],
        ),
        get(Source, "errors have a message", "/odata/Nothing", 404, &[Has("\"message\":\"")]),
        Case {
            evidence: Source,
            about: "a token is fetched from the URL of the request",
            method: "HEAD",
            path: "/odata/Kinds",
            headers: &[("x-csrf-token", "Fetch")],
            body: "",
            status: 200,
            checks: &[HeaderHas("X-CSRF-Token", "")],
        },
        Case {
            evidence: Source,
            about: "a long URL goes into a batch, whose answer is cut at empty lines",
            method: "POST",
            path: "/odata/$batch",
            headers: &[("accept", "multipart/mixed"), ("content-type", "multipart/mixed;boundary=batch1")],
            body: concat!(
                "--batch1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding:binary\r\n\r\n",
                "GET Customers?$select=Id,Name&$filter=Id%20in%20(1,2)&$orderby=Id HTTP/1.1\r\naccept: application/json\r\n\r\n\r\n",
                "--batch1--",
            ),
            status: 200,
            checks: &[Holds(|answer| {
                let text = answer.text();
                let pieces: Vec<&str> = text.split("\r\n\r\n").collect();
                if !pieces.get(1).is_some_and(|piece| piece.starts_with("HTTP/1.1 2")) {
                    return Err(format!("the second piece is {:?}", pieces.get(1)));
                }
                let line = pieces.get(2).and_then(|piece| piece.split("\r\n").next()).unwrap_or_default();
                let json: serde_json::Value = serde_json::from_str(line).map_err(|error| format!("{line:?} is no JSON: {error}"))?;
                if json["value"][1]["Name"] == "Customer 02" { Ok(()) } else { Err(format!("found {json}")) }
            })],
        },
    ],
};
