//! Golden bound resource paths over the overlaid model: properties, streams, references, relationships, casts, conditions.

use super::*;

#[test]
fn paths_lead_to_properties_streams_and_references() {
    golden(
        &[
            "People(1)/Name",
            "People(1)/Name/$value",
            "People(1)/Home",
            "People(1)/Home?$select=City",
            "People(1)/Home/City",
            "People(1)/Home/City/$value",
            "People(1)/Photo",
            "People(1)/$value",
            "People(1)/$ref",
            "People/$ref?$top=2&$filter=Id gt 1",
            "People(1)/Reports/$ref",
            "People(1)/Boss/$ref",
            "People(1)/Portico.crm.Manager/Bonus",
            "People(1)/Bonus",
            "People(1)/photo",
            "People(1)/Home/$value",
            "People(1)/Home/Cty",
            "People(1)/Name/x",
            "People(1)/Name/$count",
            "People(1)/Photo/$value",
            "Tags('x')/$value",
            "People(1)/Name?$select=Name",
            "People(1)/Name/$value?$format=json",
            "People(1)/$ref?$select=Name",
            "People/$ref?$expand=Boss",
        ],
        expect![[r#"
            People(1)/Name
              Property Name PeopleTable select=[0, 1] key=[1:int32]
            People(1)/Name/$value
              Value Name PeopleTable select=[0, 1] key=[1:int32]
            People(1)/Home
              Property Home PeopleTable select=[0, 2, 3] key=[1:int32]
            People(1)/Home?$select=City
              Property Home PeopleTable select=[0, 3]! key=[1:int32]
            People(1)/Home/City
              Property Home/City PeopleTable select=[0, 3] key=[1:int32]
            People(1)/Home/City/$value
              Value Home/City PeopleTable select=[0, 3] key=[1:int32]
            People(1)/Photo
              Media Photo PeopleTable select=[7, 8] key=[1:int32]
            People(1)/$value
              Media PeopleTable select=[9] key=[1:int32]
            People(1)/$ref
              Reference PeopleTable select=[0] key=[1:int32]
            People/$ref?$top=2&$filter=Id gt 1
              References PeopleTable select=[0] filter=(#0 Gt 1:int32) top=2
            People(1)/Reports/$ref
              References PeopleTable select=[0] via=PeopleTable[1:int32].2
            People(1)/Boss/$ref
              Reference PeopleTable select=[0] via=PeopleTable[1:int32].1
            People(1)/Portico.crm.Manager/Bonus
              Property Bonus PeopleTable select=[0, 5] key=[1:int32] as=Manager filter=(#4 In ['M' 'D' 'C'])
            People(1)/Bonus
              NotFound path Some(10): 'Bonus' is a property of the derived type 'Manager': name the type before it
            People(1)/photo
              NotFound path Some(10): 'People' has no property 'photo'; did you mean 'Photo'?
            People(1)/Home/$value
              BadRequest path Some(15): $value follows a property with one value, which 'Home' is not
            People(1)/Home/Cty
              NotFound path Some(15): 'Home' has no property 'Cty'; did you mean 'City'?
            People(1)/Name/x
              NotFound path Some(15): 'x' follows a property without parts
            People(1)/Name/$count
              NotFound path Some(15): '$count' follows a property without parts
            People(1)/Photo/$value
              NotFound path Some(16): nothing follows a stream, but the path goes on with '$value'
            Tags('x')/$value
              BadRequest path Some(10): 'Tags' has no media entities, so $value has nothing to follow
            People(1)/Name?$select=Name
              BadRequest $select None: the query option $select does not apply to a property
            People(1)/Name/$value?$format=json
              BadRequest $format None: the query option $format does not apply to /$value
            People(1)/$ref?$select=Name
              BadRequest $select None: the query option $select does not apply to /$ref of one entity
            People/$ref?$expand=Boss
              BadRequest $expand None: the query option $expand does not apply to /$ref of a collection
        "#]],
    );
}

#[test]
fn paths_lead_along_relationships_casts_and_conditions() {
    golden(
        &[
            "Customers(1)/Orders(5)",
            "Customers(1)/Orders(5)/Customer/Orders",
            "Orders(5)/Lines(2)",
            "Orders(5)/Lines(LineNo=2)/Order",
            "Orders(5)/Lines(OrderId=6,LineNo=2)",
            "Customers/1/Orders/5/Total/$value",
            "Tags/a b",
            "Tags/Note",
            "Types/3f2504e0-4f89-11d3-9a0c-0305e82c3301",
            "People(1)/Tags('x')",
            "People(1)/Tags?$filter=Note eq 'y'",
            "People/Portico.crm.Manager",
            "People/Portico.crm.Manager/$count",
            "People/Portico.crm.Manager(1)/Boss",
            "People(1)/Portico.crm.Director/Reports",
            "People/Portico.crm.People",
            "People/Portico.crm.Director/Portico.crm.Manager",
            "People/$filter(Id gt 2)",
            "People/$filter(@f)/$count?@f=Id gt 2",
            "People/$filter(Id gt 2)(3)/Name",
            "Customers/$filter(Active)/$filter(Id gt 1)?$filter=Id lt 9",
            "Me",
            "Me/Name",
            "Me/Reports",
            "Only/Boss",
            "Me(1)",
            "Customers(1)/Orders(5)(6)",
            "Customers(1)/Orders/x",
            "Orders(1)/Customer(2)",
            "Lines/1",
            "Customers(1)/Nothing",
            "People(1)/Portico.crm.Nothing",
            "People/$each",
        ],
        expect![[r#"
            Customers(1)/Orders(5)
              Entity OrdersTable select=[0, 1, 2, 3, 4] key=[5:int64] via=CustomersTable[1:int32].1
            Customers(1)/Orders(5)/Customer/Orders
              Collection OrdersTable select=[0, 1, 2, 3, 4] via=CustomersTable[].1 via=OrdersTable[5:int64].0 via=CustomersTable[1:int32].1
            Orders(5)/Lines(2)
              Entity LinesTable select=[0, 1, 2, 3] key=[5:int64 2:int16] via=OrdersTable[5:int64].1
            Orders(5)/Lines(LineNo=2)/Order
              Entity OrdersTable select=[0, 1, 2, 3, 4] via=LinesTable[5:int64 2:int16].0 via=OrdersTable[5:int64].1
            Orders(5)/Lines(OrderId=6,LineNo=2)
              Entity LinesTable select=[0, 1, 2, 3] key=[6:int64 2:int16] via=OrdersTable[5:int64].1
            Customers/1/Orders/5/Total/$value
              Value Total OrdersTable select=[0, 2] key=[5:int64] via=CustomersTable[1:int32].1
            Tags/a b
              Entity TagsTable select=[0, 1, 2] key=['a b']
            Tags/Note
              Entity TagsTable select=[0, 1, 2] key=['Note']
            Types/3f2504e0-4f89-11d3-9a0c-0305e82c3301
              Entity TypesTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] key=[3f2504e0-4f89-11d3-9a0c-0305e82c3301:guid]
            People(1)/Tags('x')
              Entity TagsTable select=[0, 1, 2] key=['x'] via=PeopleTable[1:int32].0
            People(1)/Tags?$filter=Note eq 'y'
              Collection TagsTable select=[0, 1, 2] via=PeopleTable[1:int32].0 filter=(#2 Eq 'y')
            People/Portico.crm.Manager
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] as=Manager filter=(#4 In ['M' 'D' 'C'])
            People/Portico.crm.Manager/$count
              Count PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] as=Manager filter=(#4 In ['M' 'D' 'C'])
            People/Portico.crm.Manager(1)/Boss
              Entity PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] via=PeopleTable[1:int32 where (#4 In ['M' 'D' 'C'])].1
            People(1)/Portico.crm.Director/Reports
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] via=PeopleTable[1:int32 where (#4 In ['D' 'C'])].2
            People/Portico.crm.People
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
            People/Portico.crm.Director/Portico.crm.Manager
              NotFound path Some(28): 'Manager' is not derived from 'Director'
            People/$filter(Id gt 2)
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] filter=(#0 Gt 2:int32)
            People/$filter(@f)/$count?@f=Id gt 2
              Count PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] filter=(#0 Gt 2:int32)
            People/$filter(Id gt 2)(3)/Name
              Property Name PeopleTable select=[0, 1] key=[3:int32] filter=(#0 Gt 2:int32)
            Customers/$filter(Active)/$filter(Id gt 1)?$filter=Id lt 9
              Collection CustomersTable select=[0, 1, 2, 4, 5, 6] filter=((#5 And (#0 Gt 1:int32)) And (#0 Lt 9:int32))
            Me
              Entity PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] key=[7:int32]
            Me/Name
              Property Name PeopleTable select=[0, 1] key=[7:int32]
            Me/Reports
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] via=PeopleTable[7:int32].2
            Only/Boss
              Entity PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] via=PeopleTable[].1
            Me(1)
              NotFound path Some(0): 'Me' is one entity and takes no key
            Customers(1)/Orders(5)(6)
              NotFound path Some(22): 'Orders' has a key already
            Customers(1)/Orders/x
              NotFound path Some(20): 'x' is neither a property nor a key of 'Orders'
            Orders(1)/Customer(2)
              NotFound path Some(10): 'Customer' leads to one entity and takes no key
            Lines/1
              NotFound path Some(6): the key of 'Lines' has 2 parts: give them in parentheses
            Customers(1)/Nothing
              NotFound path Some(13): 'Customers' has no property 'Nothing'
            People(1)/Portico.crm.Nothing
              NotFound path Some(10): there is no type or operation 'Portico.crm.Nothing' here
            People/$each
              NotImplemented path Some(7): $each is not supported yet
        "#]],
    );
}

#[test]
fn a_cast_holds_for_all_that_follows_it() {
    golden(
        &[
            "People?$filter=Portico.crm.Manager/Boss/Name eq 'x'",
            "People?$filter=Portico.crm.Manager/Boss eq null",
            "People?$filter=Boss/Portico.crm.Manager/Boss/Portico.crm.Manager/Bonus gt 1",
            "People?$filter=Portico.crm.Manager/Reports/any(r:r/Id gt $it/Id)",
            "People?$filter=Portico.crm.Manager/Reports/$count gt 0",
            "People?$filter=Bonus gt 1",
            "People?$orderby=Bonus",
            "People/Portico.crm.Manager?$filter=Bonus gt 1",
            "People/Portico.crm.Manager/$filter(Bonus gt 1)",
            "People/Portico.crm.Manager?$apply=filter(Bonus gt 1)",
        ],
        expect![[r#"
            People?$filter=Portico.crm.Manager/Boss/Name eq 'x'
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] filter=(Case((#4 In ['M' 'D' 'C']) : ^0[1]#1):text Eq 'x')
            People?$filter=Portico.crm.Manager/Boss eq null
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] filter=(Case((#4 In ['M' 'D' 'C']) : ^0[1]#0):int32 Eq null:int32)
            People?$filter=Boss/Portico.crm.Manager/Boss/Portico.crm.Manager/Bonus gt 1
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] filter=(Case(((^0[1]#4 In ['M' 'D' 'C']) And (^0[1, 1]#4 In ['M' 'D' 'C'])) : ^0[1, 1]#5):int32 Gt 1:int32)
            People?$filter=Portico.crm.Manager/Reports/any(r:r/Id gt $it/Id)
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] filter=Any{^0[].2 PeopleTable where (^1[]#4 In ['M' 'D' 'C']) : (#0 Gt ^1[]#0)}
            People?$filter=Portico.crm.Manager/Reports/$count gt 0
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] filter=(Count{^0[].2 PeopleTable where (^1[]#4 In ['M' 'D' 'C'])} Gt 0:int64)
            People?$filter=Bonus gt 1
              BadRequest $filter Some(0): 'Bonus' is a property of the derived type 'Manager': name the type before it
            People?$orderby=Bonus
              BadRequest $orderby Some(0): 'Bonus' is a property of the derived type 'Manager': name the type before it
            People/Portico.crm.Manager?$filter=Bonus gt 1
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] as=Manager filter=((#4 In ['M' 'D' 'C']) And (#5 Gt 1:int32))
            People/Portico.crm.Manager/$filter(Bonus gt 1)
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] as=Manager filter=((#4 In ['M' 'D' 'C']) And (#5 Gt 1:int32))
            People/Portico.crm.Manager?$apply=filter(Bonus gt 1)
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 8, 10, 11] as=Manager filter=((#4 In ['M' 'D' 'C']) And (#5 Gt 1:int32))
        "#]],
    );
}
