//! Golden refusals: what a set does not offer, by itself and along paths that lead to it.

use super::*;

#[test]
fn what_a_set_does_not_offer_is_refused() {
    golden(
        &[
            "People?$filter=Secret eq 'x'",
            "People?$compute=length(Secret) as L&$filter=L gt 1",
            "People?$orderby=Secret",
            "People?$select=Secret",
            "People?$expand=Reports($orderby=Secret)",
            "Tags",
            "Tags?$filter=Note eq 'x'",
            "Tags?$filter=Area eq 'x'",
            "Tags?$filter=Area eq 'x'&$count=true",
            "Tags/$count?$filter=Area eq 'x'",
            "Tags('x')",
            "Locked",
            "Locked('x')",
            "Locked/$count",
        ],
        expect![[r#"
            People?$filter=Secret eq 'x'
              NotImplemented $filter None: $filter: 'People' does not offer this for 'Secret'
            People?$compute=length(Secret) as L&$filter=L gt 1
              NotImplemented $filter None: $filter: 'People' does not offer this for 'Secret'
            People?$orderby=Secret
              NotImplemented $orderby None: $orderby: 'People' does not offer this for 'Secret'
            People?$select=Secret
              Collection PeopleTable select=[0, 11]!
            People?$expand=Reports($orderby=Secret)
              NotImplemented $expand Some(0): $orderby: 'People' does not offer this for 'Secret'
            Tags
              BadRequest $filter None: 'Tags' is only read with a $filter that restricts 'Area'
            Tags?$filter=Note eq 'x'
              BadRequest $filter None: 'Tags' is only read with a $filter that restricts 'Area'
            Tags?$filter=Area eq 'x'
              Collection TagsTable select=[0, 1, 2] filter=(#1 Eq 'x')
            Tags?$filter=Area eq 'x'&$count=true
              NotImplemented $count None: $count: 'Tags' does not offer it
            Tags/$count?$filter=Area eq 'x'
              NotImplemented path None: $count: 'Tags' does not offer it
            Tags('x')
              Entity TagsTable select=[0, 1, 2] key=['x']
            Locked
              NotAllowed path Some(0): 'Locked' is read one entity at a time, by key
            Locked('x')
              Entity LockedTable select=[0, 1, 2] key=['x']
            Locked/$count
              NotAllowed path Some(0): 'Locked' is read one entity at a time, by key
        "#]],
    );
}

#[test]
fn what_a_set_does_not_offer_is_not_offered_along_paths_either() {
    golden(
        &[
            "People?$filter=Boss/Secret eq 'x'",
            "People?$filter=Boss/Boss/Secret eq null or Id eq 1",
            "People?$orderby=Boss/Secret desc",
            "People?$filter=Reports/any(r:r/Secret eq 'x')",
            "People?$filter=Reports/all(r:r/Id gt 1 and r/Boss/Secret ne 'x')",
            "People?$filter=Reports/any(r:r/Reports/any(q:q/Id eq r/Id and contains(r/Secret,'x')))",
            "People?$filter=Reports/$count($filter=Secret eq 'x') gt 1",
            "People?$filter=Reports/$filter(Secret eq 'x')/any()",
            "People?$filter='x' in Reports/Secret",
            "People?$orderby=Reports/$count($filter=Secret eq 'x')",
            "People?$compute=Boss/Secret as S&$filter=S eq 'x'",
            "People?$compute=Boss/Secret as S&$orderby=length(S)",
            "People?$compute=Boss/Secret as S&$select=S",
            "People?$expand=Reports($filter=Boss/Secret eq 'x')",
            "People?$expand=Reports($orderby=Boss/Secret)",
            "People?$expand=Reports/$count($filter=Secret eq 'x')",
            "People/$filter(Boss/Secret eq 'x')",
            "Customers?$filter=$root/People(1)/Secret eq 'x'",
            "Customers?$filter=$root/People/any(p:p/Secret eq 'x')",
            "$crossjoin(People,Customers)?$filter=People/Boss/Secret eq 'x'",
            "$crossjoin(People,Customers)?$orderby=People/Boss/Secret",
            "$crossjoin(People,Customers)?$filter=People/Reports/any(r:r/Secret eq Customers/Name)",
            "People?$apply=filter(Boss/Secret eq 'x')",
            "People?$apply=orderby(Boss/Secret)",
            "People?$apply=orderby(Secret)",
            "People?$apply=groupby((Secret))/filter(Secret eq 'x')",
            "People?$apply=groupby((Boss/Secret))/orderby(Boss/Secret)",
            "People?$apply=compute(Secret as S)/filter(S eq 'x')",
            "People?$apply=join(Reports as R)/filter(R/Secret eq 'x')",
            "People?$apply=topcount(1,length(Secret))",
            "People?$apply=aggregate(Id with sum as Secrets)&$filter=Secrets gt 1",
            "People?$search=x&$orderby=Reports/$count($search=y)",
        ],
        expect![[r#"
            People?$filter=Boss/Secret eq 'x'
              NotImplemented $filter None: $filter: 'People' does not offer this for 'Secret'
            People?$filter=Boss/Boss/Secret eq null or Id eq 1
              NotImplemented $filter None: $filter: 'People' does not offer this for 'Secret'
            People?$orderby=Boss/Secret desc
              NotImplemented $orderby None: $orderby: 'People' does not offer this for 'Secret'
            People?$filter=Reports/any(r:r/Secret eq 'x')
              NotImplemented $filter Some(8): $filter: 'People' does not offer this for 'Secret'
            People?$filter=Reports/all(r:r/Id gt 1 and r/Boss/Secret ne 'x')
              NotImplemented $filter Some(8): $filter: 'People' does not offer this for 'Secret'
            People?$filter=Reports/any(r:r/Reports/any(q:q/Id eq r/Id and contains(r/Secret,'x')))
              NotImplemented $filter Some(24): $filter: 'People' does not offer this for 'Secret'
            People?$filter=Reports/$count($filter=Secret eq 'x') gt 1
              NotImplemented $filter Some(8): $filter: 'People' does not offer this for 'Secret'
            People?$filter=Reports/$filter(Secret eq 'x')/any()
              NotImplemented $filter Some(8): $filter: 'People' does not offer this for 'Secret'
            People?$filter='x' in Reports/Secret
              NotImplemented $filter Some(7): $filter: 'People' does not offer this for 'Secret'
            People?$orderby=Reports/$count($filter=Secret eq 'x')
              NotImplemented $orderby Some(8): $filter: 'People' does not offer this for 'Secret'
            People?$compute=Boss/Secret as S&$filter=S eq 'x'
              NotImplemented $filter None: $filter: 'People' does not offer this for 'Secret'
            People?$compute=Boss/Secret as S&$orderby=length(S)
              NotImplemented $orderby None: $orderby: 'People' does not offer this for 'Secret'
            People?$compute=Boss/Secret as S&$select=S
              Collection PeopleTable select=[0, 12]! compute=S:text=^0[1]#11
            People?$expand=Reports($filter=Boss/Secret eq 'x')
              NotImplemented $expand Some(0): $filter: 'People' does not offer this for 'Secret'
            People?$expand=Reports($orderby=Boss/Secret)
              NotImplemented $expand Some(0): $orderby: 'People' does not offer this for 'Secret'
            People?$expand=Reports/$count($filter=Secret eq 'x')
              NotImplemented $expand Some(0): $filter: 'People' does not offer this for 'Secret'
            People/$filter(Boss/Secret eq 'x')
              NotImplemented path Some(7): $filter: 'People' does not offer this for 'Secret'
            Customers?$filter=$root/People(1)/Secret eq 'x'
              NotImplemented $filter None: $filter: 'People' does not offer this for 'Secret'
            Customers?$filter=$root/People/any(p:p/Secret eq 'x')
              NotImplemented $filter Some(13): $filter: 'People' does not offer this for 'Secret'
            $crossjoin(People,Customers)?$filter=People/Boss/Secret eq 'x'
              NotImplemented $filter None: $filter: 'People' does not offer this for 'Secret'
            $crossjoin(People,Customers)?$orderby=People/Boss/Secret
              NotImplemented $orderby None: $orderby: 'People' does not offer this for 'Secret'
            $crossjoin(People,Customers)?$filter=People/Reports/any(r:r/Secret eq Customers/Name)
              NotImplemented $filter Some(15): $filter: 'People' does not offer this for 'Secret'
            People?$apply=filter(Boss/Secret eq 'x')
              NotImplemented $apply Some(7): $filter: 'People' does not offer this for 'Secret'
            People?$apply=orderby(Boss/Secret)
              NotImplemented $apply Some(8): $orderby: 'People' does not offer this for 'Secret'
            People?$apply=orderby(Secret)
              NotImplemented $apply Some(8): $orderby: 'People' does not offer this for 'Secret'
            People?$apply=groupby((Secret))/filter(Secret eq 'x')
              NotImplemented $apply Some(25): $filter: 'People' does not offer this for 'Secret'
            People?$apply=groupby((Boss/Secret))/orderby(Boss/Secret)
              NotImplemented $apply Some(31): $orderby: 'People' does not offer this for 'Secret'
            People?$apply=compute(Secret as S)/filter(S eq 'x')
              NotImplemented $apply Some(28): $filter: 'People' does not offer this for 'Secret'
            People?$apply=join(Reports as R)/filter(R/Secret eq 'x')
              NotImplemented $apply Some(26): $filter: 'People' does not offer this for 'Secret'
            People?$apply=topcount(1,length(Secret))
              NotImplemented $apply Some(11): $orderby: 'People' does not offer this for 'Secret'
            People?$apply=aggregate(Id with sum as Secrets)&$filter=Secrets gt 1
              Collection PeopleTable select=[0]
            People?$search=x&$orderby=Reports/$count($search=y)
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] filter=(Contains(ToLower(#1):text, 'x'):boolean Or Contains(ToLower(#3):text, 'x'):boolean) order=Count{^0[].2 PeopleTable where (Contains(ToLower(#1):text, 'y'):boolean Or Contains(ToLower(#3):text, 'y'):boolean)}
        "#]],
    );
}
