//! Clients that are generated from metadata: Apache Olingo's for Java and Microsoft.OData.Client for .NET. Olingo is also driven for real.

use super::Check::{Each, Has, Header, HeaderHas, Holds, Is, Json, Lacks};
use super::Evidence::{Memory, Source};
use super::{Case, Client, get};

pub const OLINGO: Client = Client {
    name: "Olingo client",
    headers: &[
        ("Accept", "application/json;odata.metadata=full"),
        ("OData-Version", "4.0"),
        ("OData-MaxVersion", "4.0"),
        ("User-Agent", "Apache-Olingo/5.0.0"),
    ],
    cases: &[
        get(
            Source,
            "names of options are escaped",
            "/odata/Customers?%24filter=%28Region%20eq%20'EMEA'%29&%24orderby=Id&%24top=1&%24select=Id%2CName",
            200,
            &[
                HeaderHas("Content-Type", "odata.metadata=full"),
                Each("@odata.type", "[\"#Portico.odata.Customers\"]"),
                Json("/value/0/Id@odata.type", "\"#Int64\""),
                Json("/value/0/@odata.editLink", "\"{http}/odata/Customers(2)\""),
                Json("/value/0/Invoices@odata.navigationLink", "\"{http}/odata/Customers(2)/Invoices\""),
            ],
        ),
        get(
            Source,
            "infinities and NaN have a type",
            "/odata/Kinds(2)?%24select=single%2Cdouble",
            200,
            &[Json("/single", "\"NaN\""), Json("/double", "\"-INF\""), Json("/double@odata.type", "\"#Double\"")],
        ),
        Case {
            evidence: Source,
            about: "metadata are asked as XML only",
            method: "GET",
            path: "/odata/$metadata",
            headers: &[("Accept", "application/xml")],
            body: "",
            status: 200,
            checks: &[HeaderHas("Content-Type", "application/xml")],
        },
        Case {
            evidence: Source,
            about: "a value is asked as text",
            method: "GET",
            path: "/odata/Kinds(1)/exact/$value",
            headers: &[("Accept", "text/plain")],
            body: "",
            status: 200,
            checks: &[HeaderHas("Content-Type", "text/plain"), Is("1234567.8900")],
        },
        Case {
            evidence: Source,
            about: "a change that tunnels through POST",
            method: "POST",
            path: "/odata/Kinds(10)",
            headers: &[("X-HTTP-Method", "PATCH"), ("Content-Type", "application/json;odata.metadata=full"), ("If-Match", "*")],
            body: "{\"@odata.type\":\"#Portico.odata.Kinds\",\"label@odata.type\":\"String\",\"label\":\"by Olingo\"}",
            status: 200,
            checks: &[Json("/label", "\"by Olingo\"")],
        },
    ],
};

pub const MICROSOFT: Client = Client {
    name: "Microsoft.OData.Client",
    headers: &[
        ("Accept", "application/json;odata.metadata=minimal"),
        ("Accept-Charset", "UTF-8"),
        ("OData-Version", "4.0"),
        ("OData-MaxVersion", "4.0"),
        ("User-Agent", "Microsoft.OData.Client/8.0.1"),
    ],
    cases: &[
        Case {
            evidence: Source,
            about: "a projection is asked with full metadata",
            method: "GET",
            path: "/odata/Invoices?$filter=customer_id%20eq%203L&$orderby=id&$top=1&$select=id,amount",
            headers: &[("Accept", "application/json;odata.metadata=full")],
            body: "",
            status: 200,
            checks: &[
                Json("/@odata.context", "\"{http}/odata/$metadata#Invoices(id,amount)\""),
                Json("/value/0/@odata.type", "\"#Portico.odata.Invoices\""),
                Json("/value/0/@odata.id", "\"{http}/odata/Invoices(3)\""),
                Json("/value/0/@odata.editLink", "\"{http}/odata/Invoices(3)\""),
                Json("/value/0/amount@odata.type", "\"#Decimal\""),
                Has("\"@odata.etag\":\"W/"),
            ],
        },
        Case {
            evidence: Source,
            about: "a count is asked as text",
            method: "GET",
            path: "/odata/Invoices/$count?$filter=paid",
            headers: &[("Accept", "text/plain")],
            body: "",
            status: 200,
            checks: &[HeaderHas("Content-Type", "text/plain"), Is("40")],
        },
        get(
            Source,
            "a query of LINQ",
            "/odata/Customers?$filter=Invoices/any(i:i/amount%20gt%201400m%20and%20i/paid%20eq%20true)&$expand=Home($select=name)&$orderby=Id",
            200,
            &[Each("Id", "[14,17,20]"), Json("/value/0/Home/name", "\"Europe, Middle East, Africa\"")],
        ),
        get(
            Source,
            "sums of LINQ",
            "/odata/Invoices?$apply=groupby((paid),aggregate(amount%20with%20sum%20as%20SumAmount))&$orderby=paid",
            200,
            &[Each("paid", "[false,true]")],
        ),
        Case {
            evidence: Source,
            about: "a change of its own, with the ETag it has",
            method: "PATCH",
            path: "/odata/Kinds(12)",
            headers: &[("Content-Type", "application/json;odata.metadata=minimal"), ("If-Match", "W/\"1\""), ("Prefer", "return=minimal")],
            body: "{\"@odata.type\":\"#Portico.odata.Kinds\",\"label\":\"too late\"}",
            status: 412,
            checks: &[Has("\"error\""), Header("OData-Version", "4.0")],
        },
        Case {
            evidence: Source,
            about: "SaveChanges in one batch: a change set with absolute URLs, its Content-ID echoed",
            method: "POST",
            path: "/odata/$batch",
            headers: &[
                ("Accept", "multipart/mixed"),
                ("Content-Type", "multipart/mixed; boundary=batch_36522ad7-fc75-4b56-8c71-56071383e77b"),
            ],
            body: concat!(
                "--batch_36522ad7-fc75-4b56-8c71-56071383e77b\r\n",
                "Content-Type: multipart/mixed; boundary=changeset_77162fcd-b8da-41ac-a9f8-9357efbbd621\r\n\r\n",
                "--changeset_77162fcd-b8da-41ac-a9f8-9357efbbd621\r\n",
                "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: 7\r\n\r\n",
                "PATCH {http}/odata/Kinds(12) HTTP/1.1\r\nOData-Version: 4.0\r\nOData-MaxVersion: 4.0\r\nContent-Type: application/json;odata.metadata=minimal\r\n",
                "Accept: application/json;odata.metadata=minimal\r\nAccept-Charset: UTF-8\r\nUser-Agent: Microsoft.OData.Client/8.0.1\r\n\r\n",
                "{\"@odata.type\":\"#Portico.odata.Kinds\",\"label\":\"by .NET\"}\r\n",
                "--changeset_77162fcd-b8da-41ac-a9f8-9357efbbd621--\r\n",
                "--batch_36522ad7-fc75-4b56-8c71-56071383e77b--\r\n",
            ),
            status: 200,
            checks: &[
                HeaderHas("Content-Type", "multipart/mixed"),
                Has("Content-ID: 7\r\n"),
                Holds(|answer| {
                    let text = answer.text();
                    if text.contains("HTTP/1.1 204") || text.contains("HTTP/1.1 200") {
                        Ok(())
                    } else {
                        Err("it was not changed".to_owned())
                    }
                }),
            ],
        },
        Case {
            evidence: Memory,
            about: "a batch in JSON, though it speaks 4.0",
            method: "POST",
            path: "/odata/$batch",
            headers: &[("Accept", "application/json"), ("Content-Type", "application/json")],
            body: concat!(
                "{\"requests\":[{\"id\":\"c2ea6f1d\",\"method\":\"GET\",\"url\":\"{http}/odata/Customers?$top=1&$orderby=Id&$select=Id\",",
                "\"headers\":{\"accept\":\"application/json;odata.metadata=minimal\"}},",
                "{\"id\":\"c2ea6f1e\",\"method\":\"GET\",\"url\":\"Customers/$count\",\"headers\":{\"accept\":\"text/plain\"}}]}",
            ),
            status: 200,
            checks: &[
                HeaderHas("Content-Type", "application/json"),
                Json("/responses/0/id", "\"c2ea6f1d\""),
                Json("/responses/0/status", "200"),
                Json("/responses/0/body/value/0/Id", "1"),
                Json("/responses/1/id", "\"c2ea6f1e\""),
                Json("/responses/1/body", "\"24\""),
            ],
        },
        Case {
            evidence: Source,
            about: "BulkUpdate: changes of a set as a delta, which is refused",
            method: "PATCH",
            path: "/odata/Kinds",
            headers: &[
                ("OData-Version", "4.01"),
                ("OData-MaxVersion", "4.01"),
                ("Content-Type", "application/json;odata.metadata=minimal"),
            ],
            body: "{\"@context\":\"{http}/odata/$metadata#Kinds/$delta\",\"value\":[{\"@id\":\"Kinds(12)\",\"label\":\"in bulk\"}]}",
            status: 405,
            checks: &[Has("\"error\""), HeaderHas("Allow", "GET"), Lacks("in bulk")],
        },
        Case {
            evidence: Source,
            about: "DeepInsert, which is refused by name",
            method: "POST",
            path: "/odata/Customers",
            headers: &[("Content-Type", "application/json;odata.metadata=minimal")],
            body: "{\"Id\":900,\"Name\":\"deep\",\"Region\":\"EMEA\",\"Since\":\"2024-01-01\",\"TaxId\":\"x\",\"Active\":true,\"Invoices\":[{\"id\":900}]}",
            status: 501,
            checks: &[Has("Invoices")],
        },
    ],
};
