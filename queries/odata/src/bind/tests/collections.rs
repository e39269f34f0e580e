//! Golden bound paths along relationships in expressions, and the collections that lambdas and counts are over.

use super::*;

#[test]
fn paths_and_collections() {
    golden(
        &[
            "Orders?$orderby=Customer/Name",
            "Orders?$filter=Customer/Name eq 'x' and Customer eq null",
            "Lines?$filter=Order/Customer ne null and Order/Customer eq $it/Order/Customer",
            "Customers?$filter=$it/Name eq 'x'",
            "Customers?$filter=Orders/any(o:o/Total gt 1 and City eq 'x' and $it/Active and o/Customer/Active)",
            "Customers?$filter=Orders/all(o:o/Total gt 1)",
            "Customers?$filter=Orders/any(o:o/Lines/any(l:l/Quantity gt o/Total and $it/Active))",
            "Customers?$filter=Orders/any() or Orders/$count($filter=Total gt 1) gt 1",
            "Lines?$orderby=Order/Lines/$count desc",
            "Customers?$filter=Orders/$filter(Total gt 1)/any(o:o/Note eq Name)",
            "Customers?$filter=Orders/$filter(Total gt 1)/$filter(Note ne null)/$count ge 2",
            "Customers?$filter=$root/Orders(1)/Customer/City eq City",
            "Customers?$filter=$root/Orders/$count gt Id and $root/Orders/any(o:o/Total eq Credit)",
            "Customers?$filter=Id in [1,2] or Name in @p&@p=['a',\"b\"]",
            "Customers?$filter=[Id,Name] in [[1,'a'],[2,'b']]",
            "Customers?$filter=Id in Orders/CustomerId and $it in Orders",
            "Customers?$filter=@o/any(x:x/Total gt @m)&@o=Orders&@m=Credit",
            "Customers?$filter=case(Active:true)",
            "Customers?$orderby=case(Id gt 10:Credit,Active:1.5,true:Id) desc",
            "Customers?$filter=Orders/any(Name:Name/Note eq 'x' and $it/Name eq 'y')",
        ],
        expect![[r#"
            Orders?$orderby=Customer/Name
              Collection OrdersTable select=[0, 1, 2, 3, 4] order=^0[0]#1
            Orders?$filter=Customer/Name eq 'x' and Customer eq null
              Collection OrdersTable select=[0, 1, 2, 3, 4] filter=((^0[0]#1 Eq 'x') And (^0[0]#0 Eq null:int32))
            Lines?$filter=Order/Customer ne null and Order/Customer eq $it/Order/Customer
              Collection LinesTable select=[0, 1, 2, 3] filter=((Not (^0[0, 0]#0 Eq null:int32)) And (^0[0, 0]#0 Eq ^0[0, 0]#0))
            Customers?$filter=$it/Name eq 'x'
              Collection CustomersTable select=[0, 1, 2, 4, 5, 6] filter=(#1 Eq 'x')
            Customers?$filter=Orders/any(o:o/Total gt 1 and City eq 'x' and $it/Active and o/Customer/Active)
              Collection CustomersTable select=[0, 1, 2, 4, 5, 6] filter=Any{^0[].1 OrdersTable : (((#2 Gt 100e-2:decimal(13,2)) And (^1[]#2 Eq 'x')) And (^1[]#5 And ^0[0]#5))}
            Customers?$filter=Orders/all(o:o/Total gt 1)
              Collection CustomersTable select=[0, 1, 2, 4, 5, 6] filter=All{^0[].1 OrdersTable : (#2 Gt 100e-2:decimal(13,2))}
            Customers?$filter=Orders/any(o:o/Lines/any(l:l/Quantity gt o/Total and $it/Active))
              Collection CustomersTable select=[0, 1, 2, 4, 5, 6] filter=Any{^0[].1 OrdersTable : Any{^0[].1 LinesTable : (((#3 as decimal(13,2)) Gt ^1[]#2) And ^2[]#5)}}
            Customers?$filter=Orders/any() or Orders/$count($filter=Total gt 1) gt 1
              Collection CustomersTable select=[0, 1, 2, 4, 5, 6] filter=(Any{^0[].1 OrdersTable : } Or (Count{^0[].1 OrdersTable where (#2 Gt 100e-2:decimal(13,2))} Gt 1:int64))
            Lines?$orderby=Order/Lines/$count desc
              Collection LinesTable select=[0, 1, 2, 3] order=Count{^0[0].1 LinesTable} desc
            Customers?$filter=Orders/$filter(Total gt 1)/any(o:o/Note eq Name)
              Collection CustomersTable select=[0, 1, 2, 4, 5, 6] filter=Any{^0[].1 OrdersTable where (#2 Gt 100e-2:decimal(13,2)) : (#4 Eq ^1[]#1)}
            Customers?$filter=Orders/$filter(Total gt 1)/$filter(Note ne null)/$count ge 2
              Collection CustomersTable select=[0, 1, 2, 4, 5, 6] filter=(Count{^0[].1 OrdersTable where ((#2 Gt 100e-2:decimal(13,2)) And (#4 Ne null:text))} Ge 2:int64)
            Customers?$filter=$root/Orders(1)/Customer/City eq City
              Collection CustomersTable select=[0, 1, 2, 4, 5, 6] filter=(OrdersTable[1:int64][0]#2 Eq #2)
            Customers?$filter=$root/Orders/$count gt Id and $root/Orders/any(o:o/Total eq Credit)
              Collection CustomersTable select=[0, 1, 2, 4, 5, 6] filter=((Count{OrdersTable} Gt (#0 as int64)) And Any{OrdersTable : (#2 Eq ^1[]#4)})
            Customers?$filter=Id in [1,2] or Name in @p&@p=['a',"b"]
              Collection CustomersTable select=[0, 1, 2, 4, 5, 6] filter=((#0 In [1:int32 2:int32]) Or (#1 In ['a' 'b']))
            Customers?$filter=[Id,Name] in [[1,'a'],[2,'b']]
              Collection CustomersTable select=[0, 1, 2, 4, 5, 6] filter=(((#0 Eq 1:int32) And (#1 Eq 'a')) Or ((#0 Eq 2:int32) And (#1 Eq 'b')))
            Customers?$filter=Id in Orders/CustomerId and $it in Orders
              BadRequest $filter Some(28): '$it' and 'Orders' are entities of different types
            Customers?$filter=@o/any(x:x/Total gt @m)&@o=Orders&@m=Credit
              Collection CustomersTable select=[0, 1, 2, 4, 5, 6] filter=Any{^0[].1 OrdersTable : (#2 Gt ^1[]#4)}
            Customers?$filter=case(Active:true)
              Collection CustomersTable select=[0, 1, 2, 4, 5, 6] filter=Case(#5 : true):boolean
            Customers?$orderby=case(Id gt 10:Credit,Active:1.5,true:Id) desc
              Collection CustomersTable select=[0, 1, 2, 4, 5, 6] order=Case((#0 Gt 10:int32) : #4, #5 : 150e-2:decimal(13,2), true : (#0 as decimal(13,2))):decimal(13,2) desc
            Customers?$filter=Orders/any(Name:Name/Note eq 'x' and $it/Name eq 'y')
              Collection CustomersTable select=[0, 1, 2, 4, 5, 6] filter=Any{^0[].1 OrdersTable : ((#4 Eq 'x') And (^1[]#1 Eq 'y'))}
        "#]],
    );
}
