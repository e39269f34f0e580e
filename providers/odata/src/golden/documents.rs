//! Documents, real ones and wrong ones.

use super::{described, read, shared_data, v2, v4};
use crate::metadata::{Edm, Protocol, Service};
use expect_test::expect;
use portico_provider_api::ScalarType;
use std::collections::BTreeSet;

fn real(name: &str, wanted: Option<&[&str]>) -> Option<Service> {
    let path = shared_data("metadata")?.join(name);
    let wanted: Option<BTreeSet<String>> = wanted.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    Some(Service::read(&std::fs::read(path).unwrap(), wanted.as_ref()).unwrap())
}

#[test]
fn the_business_partners_of_s4hana() {
    let Some(service) = real("s4-api-business-partner-v2.xml", None) else { return };
    assert_eq!((service.protocol, service.sets.len(), service.notes.len()), (Protocol::V2, 52, 0));
    assert_eq!(service.sets.iter().filter(|set| set.restrictions.insertable == Some(false)).count(), 4);
    let only = real("s4-api-business-partner-v2.xml", Some(&["A_CustomerCompany", "A_BuPaIdentification"])).unwrap();
    let told: Vec<(&str, Option<&str>, usize)> =
        only.sets.iter().map(|set| (set.name.as_str(), set.description.as_deref(), set.properties.len())).collect();
    assert_eq!(told, [("A_BuPaIdentification", Some("Identification"), 10), ("A_CustomerCompany", Some("Customer Company"), 35)]);
    assert_eq!(only.sets[1].key, ["Customer", "CompanyCode"]);
    let (date, flag) = ("BPIdentificationEntryDate", "DeletionIndicator");
    assert_eq!(only.sets[0].property(date).map(|property| (property.edm, property.nullable)), Some((Edm::DateOnly, true)));
    assert_eq!(only.sets[1].property(flag).map(|property| property.scalar_type), Some(ScalarType::Boolean));
    let text = only.sets[1].property("CompanyCode").unwrap();
    assert_eq!((text.max_length, text.nullable, text.description.as_deref()), (Some(4), false, Some("Company Code")));
    // Every type that the document uses becomes a column.
    let all: usize = service.sets.iter().map(|set| set.properties.len()).sum();
    assert!(service.sets.iter().all(|set| !set.key.is_empty()) && all > 800, "{all}");
}

#[test]
fn trippin() {
    let Some(service) = real("trippin-v4.xml", None) else { return };
    let names: Vec<&str> = service.sets.iter().map(|set| set.name.as_str()).collect();
    assert_eq!(names, ["Photos", "People", "Airlines", "Airports"]);
    let (people, airports) = (service.set("People").unwrap(), service.set("Airports").unwrap());
    assert!(people.etag && !airports.etag);
    assert_eq!(people.property("Gender").unwrap().members.as_deref().unwrap().len(), 3);
    assert_eq!(people.property("Emails").unwrap().scalar_type, ScalarType::Json);
    assert!(people.property("Concurrency").unwrap().computed);
    // A complex type in a complex type, the outer one derived from a third.
    assert_eq!(airports.property("Location/City/Name").unwrap().scalar_type, ScalarType::Text);
    assert_eq!(airports.property("Location/Loc").unwrap().type_name, "Edm.GeographyPoint");
    let left_out =
        ["'Picture'", "singleton 'Me'", "bound to something else than a set", "'People' it is left out: properties that are not declared"];
    assert!(left_out.iter().all(|what| service.notes.iter().any(|note| note.contains(what))), "{:?}", service.notes);
}

#[test]
fn a_type_of_another_document_is_not_invented() {
    let Some(service) = real("northwind-v4.xml", None) else { return };
    assert_eq!((service.sets.len(), service.notes.len()), (0, 26));
    assert!(service.notes.iter().all(|note| note.contains("is not in the document")), "{:?}", service.notes);
}

#[test]
fn every_part_of_a_v4_document() {
    let types = r#"<EnumType Name="Color"><Member Name="Red" Value="0"/><Member Name="Blue" Value="1"/></EnumType>
        <EnumType Name="Days" IsFlags="true"><Member Name="Mon" Value="1"/></EnumType>
        <TypeDefinition Name="Money" UnderlyingType="Edm.Decimal" Precision="15" Scale="4"/>
        <ComplexType Name="City"><Property Name="Name" Type="Edm.String" MaxLength="40"/></ComplexType>
        <ComplexType Name="Address"><Property Name="Street" Type="Edm.String" Nullable="false"/><Property Name="City" Type="Self.City" Nullable="false"/></ComplexType>
        <EntityType Name="Base" Abstract="true"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.Guid" Nullable="false"><Annotation Term="Org.OData.Core.V1.Computed" Bool="true"/></Property></EntityType>
        <EntityType Name="Order" BaseType="Self.Base"><Property Name="Number" Type="Edm.Int64" Nullable="false"/>
        <Property Name="Total" Type="Self.Money"><Annotation Term="Org.OData.Measures.V1.ISOCurrency" Path="Currency"/><Annotation Term="Org.OData.Core.V1.Description" String="What is owed"/></Property>
        <Property Name="Currency" Type="Edm.String" MaxLength="3"/><Property Name="Color" Type="NS.Color"/><Property Name="Days" Type="NS.Days"/>
        <Property Name="Home" Type="NS.Address"/><Property Name="Work" Type="NS.Address" Nullable="false"/><Property Name="Tags" Type="Collection(Edm.String)" Nullable="false"/>
        <Property Name="Photo" Type="Edm.Stream"/><Property Name="Length" Type="Edm.Duration"/><Property Name="Place" Type="Edm.GeographyPoint"/>
        <Property Name="CustomerId" Type="Edm.Guid"/>
        <NavigationProperty Name="Customer" Type="NS.Order"><ReferentialConstraint Property="CustomerId" ReferencedProperty="Id"/></NavigationProperty></EntityType>
        <Function Name="Best"><Parameter Name="n" Type="Edm.Int32" Nullable="false"/><ReturnType Type="Collection(NS.Order)"/></Function>
        <Action Name="Close"><Parameter Name="why" Type="Edm.String"/></Action><Function Name="Bound" IsBound="true"><Parameter Name="it" Type="NS.Order"/><ReturnType Type="Edm.Int32"/></Function>
        <Annotations Target="Self.C/Orders"><Annotation Term="Org.OData.Capabilities.V1.FilterRestrictions"><Record><PropertyValue Property="NonFilterableProperties"><Collection><PropertyPath>Home</PropertyPath></Collection></PropertyValue>
        <PropertyValue Property="RequiredProperties"><Collection><PropertyPath>Currency</PropertyPath></Collection></PropertyValue></Record></Annotation></Annotations>"#;
    let container = r#"<EntitySet Name="Orders" EntityType="NS.Order"><NavigationPropertyBinding Path="Customer" Target="Orders"/>
        <Annotation Term="Org.OData.Core.V1.OptimisticConcurrency"><Collection/></Annotation>
        <Annotation Term="Org.OData.Capabilities.V1.SortRestrictions"><Record><PropertyValue Property="NonSortableProperties"><Collection><PropertyPath>Total</PropertyPath></Collection></PropertyValue></Record></Annotation>
        <Annotation Term="Org.OData.Capabilities.V1.DeleteRestrictions"><Record><PropertyValue Property="Deletable" Bool="false"/></Record></Annotation>
        <Annotation Term="Org.OData.Capabilities.V1.SkipSupported" Bool="false"/></EntitySet><Singleton Name="Me" Type="NS.Order"/>
        <FunctionImport Name="Best" Function="Self.Best"/><ActionImport Name="Close" Action="NS.Close"/>
        <Annotation Term="Org.OData.Capabilities.V1.FilterFunctions"><Collection><String>contains</String></Collection></Annotation>"#;
    let service = read(&v4(types, container));
    let set = service.set("Orders").unwrap();
    expect![[r#"
        Orders key(Id) etag
          Id: Edm.Guid as guid not null computed
          Number: Edm.Int64 as int64 not null
          Total: NS.Money as decimal(15,4) not sortable — What is owed (in Currency)
          Currency: Edm.String as text length 3
          Color: NS.Color as text of Red|Blue
          Days: NS.Days as text of Mon
          Home/Street: Edm.String as text not filterable
          Home/City/Name: Edm.String as text not filterable length 40
          Work/Street: Edm.String as text not null
          Work/City/Name: Edm.String as text length 40
          Tags: Collection(Edm.String) as json not null
          Length: Edm.Duration as text
          Place: Edm.GeographyPoint as json
          CustomerId: Edm.Guid as guid
          Customer (CustomerId) -> Orders (Id)
        Restrictions {
            readable: None,
            filterable: None,
            requires_filter: false,
            required: [
                "Currency",
            ],
            sortable: None,
            countable: None,
            top: None,
            skip: Some(
                false,
            ),
            insertable: None,
            updatable: None,
            upsertable: None,
            deletable: Some(
                false,
            ),
            filter_functions: None,
            apply: None,
        }
        General { filter_functions: Some(["contains"]), batch: None, is_401: false, truncates: false }
        of 'Orders' it is left out: 'Photo', whose type Edm.Stream no column carries
        the singleton 'Me' is left out: it is one entity, and no set"#]]
    .assert_eq(&format!("{}{:#?}\n{:?}\n{}", described(set), set.restrictions, service.general, service.notes.join("\n")));
    let operations: Vec<String> = service.operations.iter().map(|operation| crate::schema::operation(operation).readable()).collect();
    expect![[r#"
        Best(n int32) returns many of Id guid, Number int64, Total decimal(15,4), Currency text, Color text, Days text, Home/Street text, Home/City/Name text, Work/Street text, Work/City/Name text, Tags json, Length text, Place json, CustomerId guid
        Close(why text)
        Orders.Bound(Id guid) returns value int32"#]].assert_eq(&operations.join("\n"));
}

#[test]
fn sap_says_more_in_attributes_of_its_own() {
    let types = r#"<EntityType Name="Item" s:label="Item"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.String" Nullable="false" MaxLength="10"/>
        <Property Name="Price" Type="Edm.Decimal" Precision="13" Scale="2" s:unit="Currency" s:label="Price" s:filterable="false" s:sortable="false"/>
        <Property Name="Currency" Type="Edm.String" MaxLength="5" s:semantics="currency-code"/><Property Name="Day" Type="Edm.DateTime" Precision="0" s:display-format="Date"/>
        <Property Name="At" Type="Edm.DateTime" ConcurrencyMode="Fixed"/><Property Name="Plant" Type="Edm.String" s:required-in-filter="true" s:filter-restriction="single-value"/>
        <Property Name="Owner" Type="Edm.String"/></EntityType>
        <Association Name="Owners"><End Type="NS.Item" Multiplicity="*" Role="Item"/><End Type="NS.Item" Multiplicity="0..1" Role="Owner"/>
        <ReferentialConstraint><Principal Role="Owner"><PropertyRef Name="Id"/></Principal><Dependent Role="Item"><PropertyRef Name="Owner"/></Dependent></ReferentialConstraint></Association>"#;
    let container = r#"<EntitySet Name="Items" EntityType="NS.Item" s:creatable="false" s:pageable="false" s:requires-filter="true"/>
        <AssociationSet Name="OwnerSet" Association="NS.Owners"><End Role="Item" EntitySet="Items"/><End Role="Owner" EntitySet="Items"/></AssociationSet>
        <FunctionImport Name="Release" m:HttpMethod="POST" ReturnType="NS.Item"><Parameter Name="Id" Type="Edm.String" Mode="In"/></FunctionImport>
        <FunctionImport Name="Count" m:HttpMethod="GET" ReturnType="Edm.Int32"/>"#;
    let service = read(&v2(types, container));
    let set = service.set("Items").unwrap();
    expect![[r#"
        Items key(Id) — Item etag
          Id: Edm.String as text not null length 10
          Price: Edm.Decimal as decimal(13,2) not filterable not sortable — Price (in Currency)
          Currency: Edm.String as text length 5
          Day: Edm.DateTime as date
          At: Edm.DateTime as timestamp
          Plant: Edm.String as text not filterable
          Owner: Edm.String as text
          Owners (Owner) -> Items (Id)
        Restrictions { readable: None, filterable: None, requires_filter: true, required: ["Plant"], sortable: None, countable: None, top: Some(false), skip: Some(false), insertable: Some(false), updatable: None, upsertable: None, deletable: None, filter_functions: None, apply: None }
    "#]].assert_eq(&format!("{}{:?}\n", described(set), set.restrictions));
    let operations: Vec<String> = service.operations.iter().map(|operation| crate::schema::operation(operation).readable()).collect();
    expect![[r#"
        Release(Id text) returns Id text, Price decimal(13,2), Currency text, Day date, At timestamp, Plant text, Owner text
        Count() returns value int32"#]]
    .assert_eq(&operations.join("\n"));
}

#[test]
fn wrong_documents_are_told_with_their_place() {
    let deep = format!("<Edmx Version=\"4.0\">{}", "<a>".repeat(100));
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]><Edmx Version=\"4.0\">&b;</Edmx>";
    let documents = [
        "",
        "<html><body>Log in</body></html>",
        "<Edmx Version=\"4.0\">\n<DataServices>\n<Schema Namespace=\"N\">",
        "<Edmx Version=\"4.0\"><DataServices></Schema></Edmx>",
        "<Edmx Version=\"9.0\"/>",
        "<Edmx Version=\"4.0\">&x;</Edmx>",
        "<Edmx Version=\"&x;\"/>",
        "<Edmx Version=\"4.0\"/><Edmx/>",
        "{\"$Version\":\"4.0\"}",
        bomb,
        &deep,
    ];
    let told: Vec<String> = documents.iter().map(|document| Service::read(document.as_bytes(), None).unwrap_err()).collect();
    expect![[r#"
        line 1 (byte 0): it has no root element
        line 1 (byte 6): its root is 'html', and an 'Edmx' is expected
        line 3 (byte 58): it ends too early
        line 1 (byte 43): it is not well-formed XML: ill-formed document: expected `</DataServices>`, but `</Schema>` was found
        it is of version '9.0', and those of OData 2.0 and 4.0 are read
        line 1 (byte 23): it uses an entity that is not defined
        line 1 (byte 21): it uses an entity that is not defined
        line 1 (byte 28): something follows its root element
        line 1 (byte 18): it has no root element
        line 1 (byte 65): it has a document type definition, which is not read
        line 1 (byte 212): elements are nested more than 64 deep"#]]
    .assert_eq(&told.join("\n"));
    assert!(Service::read(b"\xff\xfe<", None).unwrap_err().contains("UTF-8"));
}

#[test]
fn a_type_that_is_its_own_base_or_part_has_an_end() {
    let types = r#"<ComplexType Name="A"><Property Name="Again" Type="NS.A"/><Property Name="X" Type="Edm.Int32"/></ComplexType>
        <EntityType Name="E" BaseType="NS.E"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.Int32" Nullable="false"/><Property Name="A" Type="NS.A"/></EntityType>"#;
    let service = read(&v4(types, r#"<EntitySet Name="E" EntityType="NS.E"/>"#));
    assert!(service.sets[0].properties.iter().any(|property| property.name == "A/Again/Again/X"));
}

/// As large as that of Finance & Operations: thousands of sets. It is read whole; what is not wanted is not kept.
#[test]
fn thousands_of_sets() {
    let property = |index: usize| format!("<Property Name=\"Property{index}\" Type=\"Edm.String\" MaxLength=\"60\"/>");
    let properties: String = (0..60).map(property).collect();
    let of_type = |index: usize| {
        format!(
            "<EntityType Name=\"T{index}\"><Key><PropertyRef Name=\"Id\"/></Key><Property Name=\"Id\" Type=\"Edm.Int64\" Nullable=\"false\"/>{properties}</EntityType>"
        )
    };
    let types: String = (0..1_000).map(of_type).collect();
    let sets: String = (0..1_000).map(|index| format!("<EntitySet Name=\"S{index}\" EntityType=\"NS.T{index}\"/>")).collect();
    let document = v4(&types, &sets);
    assert!(document.len() > 3 << 20);
    let wanted: BTreeSet<String> = ["S7".to_owned(), "S999".to_owned(), "Missing".to_owned()].into();
    let service = Service::read(document.as_bytes(), Some(&wanted)).unwrap();
    assert_eq!(service.sets.iter().map(|set| (set.name.as_str(), set.properties.len())).collect::<Vec<_>>(), [("S7", 61), ("S999", 61)]);
    assert_eq!(Service::read(document.as_bytes(), None).unwrap().sets.len(), 1_000);
}
