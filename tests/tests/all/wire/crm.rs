//! CRM front ends that show tables of others as their own: Dataverse's virtual tables and Salesforce Connect.

use super::Check::{Each, Has, Header, HeaderHas, Json, Missing};
use super::Evidence::{Documented, Memory};
use super::{Case, Client, get};

/// Which options it uses is documented; how it writes them is not.
pub const DATAVERSE: Client = Client {
    name: "Dataverse virtual tables",
    headers: &[("Accept", "application/json"), ("OData-Version", "4.0"), ("OData-MaxVersion", "4.0")],
    cases: &[
        get(
            Documented,
            "a grid's page, by the client",
            "/odata/Customers?$select=Id,Name,City&$filter=(Region%20eq%20'EMEA')&$orderby=Name%20asc&$top=3&$skip=3&$count=true",
            200,
            &[Json("/@odata.count", "8"), Each("Id", "[11,14,17]"), Missing("/@odata.nextLink")],
        ),
        Case {
            evidence: Documented,
            about: "a grid's page, by the server",
            method: "GET",
            path: "/odata/Invoices?$select=id,amount&$orderby=amount%20desc",
            headers: &[("Prefer", "odata.maxpagesize=50")],
            body: "",
            status: 200,
            checks: &[Has("\"@odata.nextLink\":\"{http}/odata/Invoices?"), Has("$skiptoken="), Json("/value/49/id", "71")],
        },
        get(
            Documented,
            "one row by its key",
            "/odata/Customers(5)?$select=Id,Name,City",
            200,
            &[Json("/Name", "\"Customer 05\""), Json("/City", "\"\"")],
        ),
        Case {
            evidence: Documented,
            about: "the key of the interface as a parameter of the query",
            method: "GET",
            path: "/odata/Customers/$count?api_key=key-of-the-emea-role",
            headers: &[("X-Api-Key", "")],
            body: "",
            status: 200,
            checks: &[HeaderHas("Content-Type", "text/plain")],
        },
        Case {
            evidence: Documented,
            about: "a row is changed",
            method: "PATCH",
            path: "/odata/Kinds(10)",
            headers: &[("Content-Type", "application/json")],
            body: "{\"label\":\"by Dataverse\"}",
            status: 200,
            checks: &[Json("/label", "\"by Dataverse\"")],
        },
        Case {
            evidence: Documented,
            about: "a row is made",
            method: "POST",
            path: "/odata/Kinds",
            headers: &[("Content-Type", "application/json; charset=utf-8")],
            body: "{\"id\":200,\"label\":\"made\",\"exact\":1.5}",
            status: 201,
            checks: &[Header("Location", "{http}/odata/Kinds(200)"), Json("/label", "\"made\"")],
        },
        Case {
            evidence: Documented,
            about: "a row is deleted",
            method: "DELETE",
            path: "/odata/Kinds(200)",
            headers: &[("If-Match", "*")],
            body: "",
            status: 204,
            checks: &[],
        },
        get(
            Documented,
            "what is wrong is in the message, where its trace shows it",
            "/odata/Customers?$filter=Nowhere%20eq%201",
            400,
            &[Has("Nowhere"), Has("\"message\":")],
        ),
    ],
};

/// Row counts are switched off in the settings: it says so in each request.
pub const SALESFORCE_40: Client = Client {
    name: "Salesforce Connect, OData 4.0",
    headers: &[("Accept", "application/json"), ("OData-MaxVersion", "4.0")],
    cases: &[
        get(
            Documented,
            "a page by the client, one row more than it shows",
            "/odata/Customers?$select=Id,Name,Region&$top=202&$skip=0&$count=false&$orderby=Name%20desc",
            200,
            &[Missing("/@odata.count"), Json("/value/0/Id", "24"), Header("OData-Version", "4.0")],
        ),
        get(
            Documented,
            "a condition of SOQL",
            "/odata/Customers?$select=Id&$count=false&$filter=Region%20eq%20'EMEA'%20and%20Credit%20gt%20100&$top=202&$orderby=Id",
            200,
            &[Each("Id", "[17,23]")],
        ),
        get(
            Memory,
            "one row by its external id",
            "/odata/Customers?$filter=Id%20eq%205&$select=Id,Name&$count=false",
            200,
            &[Each("Id", "[5]")],
        ),
        Case {
            evidence: Documented,
            about: "columns are as long as the metadata say",
            method: "GET",
            path: "/odata/$metadata",
            headers: &[("Accept", "application/xml")],
            body: "",
            status: 200,
            checks: &[Has("Name=\"Name\" Type=\"Edm.String\" Nullable=\"false\" MaxLength=\"60\"")],
        },
        Case {
            evidence: Memory,
            about: "a record is changed",
            method: "PATCH",
            path: "/odata/Kinds(12)",
            headers: &[("Content-Type", "application/json")],
            body: "{\"label\":\"by Salesforce\"}",
            status: 200,
            checks: &[Json("/label", "\"by Salesforce\"")],
        },
    ],
};

pub const SALESFORCE_401: Client = Client {
    name: "Salesforce Connect, OData 4.01",
    headers: &[("Accept", "application/json"), ("OData-MaxVersion", "4.01")],
    cases: &[get(
        Documented,
        "rows are always counted",
        "/odata/Customers?$select=Id,Name&$top=202&$count=true&$orderby=Id",
        200,
        &[Json("/@odata.count", "24"), Json("/value/23/Id", "24")],
    )],
};
