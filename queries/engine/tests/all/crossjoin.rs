//! What `$crossjoin` yields, the same over every kind and whatever is pushed down. What is expected is written by hand: each combination
//! as the keys of its entities.

use crate::apply_world::KINDS;
use crate::shapes::{World, bare};
use serde_json::{Value as Json, json};

/// The options of `$crossjoin(People,Tags)` and the combinations that are left, in order.
const COMBINATIONS: &[(&str, &str)] = &[
    ("$orderby=People/Id,Tags/Code", "1a 1b 1c 2a 2b 2c 3a 3b 3c 4a 4b 4c"),
    ("$orderby=Tags/Note desc,People/Id desc&$top=5", "4a 3a 2a 1a 4c"),
    ("$filter=People/Id eq 1 and Tags/Note ne null&$orderby=Tags/Code", "1a 1c"),
    ("$filter=People/NS.Manager/Bonus eq Tags/People/$count mul 5&$orderby=Tags/Code,People/Id", "2a 1b 2c"),
    ("$filter=People/Boss/Name eq 'Ann'&$orderby=Tags/Code desc,People/Id desc", "3c 2c 3b 2b 3a 2a"),
    ("$filter=Tags/Code eq 'a'&$orderby=People/Boss/Name desc,People/Id", "4a 2a 3a 1a"),
    ("$filter=People/Tags/any(t:t/Code eq Tags/Code)&$orderby=People/Id,Tags/Code", "1a 1b 2b 4c"),
    ("$filter=not People/Tags/any(t:t/Code eq Tags/Code) and People/Id le 2&$orderby=People/Id,Tags/Code", "1c 2a 2c"),
    ("$filter=Tags/People/any(p:p/Id eq People/Id) or People/Id eq 3 and Tags/Code eq 'a'&$orderby=People/Id,Tags/Code", "1a 1b 2b 3a 4c"),
    ("$filter=People/Tags/$count eq 1 and Tags/Code eq 'a'&$orderby=People/Id", "2a 4a"),
    ("$filter=People/Tags/$count gt Tags/People/$count&$orderby=Tags/Code", "1a 1c"),
    ("$filter=People/Home/City eq 'Rome'&$orderby=Tags/Code", "3a 3b 3c"),
    ("$filter=$it/People/Id eq 2&$top=1&$orderby=Tags/Code desc", "2c"),
    ("$filter=People/NS.Manager/Bonus gt 5 and Tags/Code lt 'c'&$orderby=Tags/Code", "1a 1b"),
    ("$filter=People/Id eq @id and Tags/Code eq 'b'&@id=4", "4b"),
    ("$top=2&$skip=2", "1c 2a"),
    ("$filter=People/Id gt 9", ""),
    // What is searched is found in any of the sets; a missing text contains nothing.
    ("$search=berlin&$orderby=Tags/Code", "1a 1b 1c"),
    ("$search=rome OR dee&$filter=Tags/Note eq null&$orderby=People/Id", "3b 4b"),
    // What is computed of a combination is named without a set, from inside of conditions on members too.
    ("$compute=People/Id mul 2 as Twice,Twice add length(Tags/Code) as Sum&$filter=Sum gt 5 and Twice lt 8&$orderby=Tags/Code", "3a 3b 3c"),
    ("$compute=People/Tags/$count as Own,concat(Tags/Code,People/Name) as Both&$orderby=Own desc,Both desc&$top=3", "1c 1b 1a"),
    ("$compute=concat(Tags/Code,'') as Wanted&$filter=People/Tags/any(t:t/Code eq Wanted)&$orderby=People/Id,Tags/Code", "1a 1b 2b 4c"),
    (
        "$compute=concat(Tags/Code,'') as W&$filter=People/Tags/any(t:t/Code eq W) or People/Id eq 3 and W eq 'a'&$orderby=People/Id,W",
        "1a 1b 2b 3a 4c",
    ),
    ("$search=NOT n&$filter=Tags/Code ne 'b'&$orderby=People/Id,Tags/Code desc", "2c 2a 3c 3a 4c 4a"),
];

/// The key in a link to an entity.
fn key(link: &Json) -> String {
    let link = link.as_str().unwrap();
    link.split_once('(').unwrap().1.trim_end_matches(')').replace("%27", "")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn combinations_are_the_same_over_every_kind() {
    let mut wrong = Vec::new();
    for kind in KINDS {
        let world = World::new(kind).await;
        for (options, expected) in COMBINATIONS {
            let found = world.get(&format!("$crossjoin(People,Tags)?{options}")).await;
            let found = found.unwrap_or_else(|error| panic!("{kind}: {options}: {error:?}"));
            let rows = found["value"].as_array().unwrap().iter();
            let pairs = rows.map(|row| key(&row["People@odata.navigationLink"]) + &key(&row["Tags@odata.navigationLink"]));
            let pairs = pairs.collect::<Vec<_>>().join(" ");
            if pairs != *expected {
                wrong.push(format!("{kind}: {options}\n  expected {expected}\n  found    {pairs}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What rows look like.
fn rows() -> Vec<(&'static str, Json)> {
    vec![
        (
            "$crossjoin(People,Tags)?$filter=Tags/Code ne 'a'&$count=true&$top=1",
            json!({"@odata.count": 8,
                   "value": [{"People@odata.navigationLink": "http://r/People(1)", "Tags@odata.navigationLink": "http://r/Tags(%27b%27)"}]}),
        ),
        (
            "$crossjoin(People,Tags)?$select=Tags&$filter=People/Id eq 1&$orderby=Tags/Code desc&$top=1",
            json!({"value": [{"Tags@odata.navigationLink": "http://r/Tags(%27c%27)"}]}),
        ),
        (
            "$crossjoin(People,Tags)?$select=Tags&$expand=People($select=Name)&$top=1",
            json!({"value": [{"People": {"Id": 1, "Name": "Ann"}, "Tags@odata.navigationLink": "http://r/Tags(%27a%27)"}]}),
        ),
        (
            "$crossjoin(Tags,People)?$filter=People/Id eq 2 and Tags/Code eq 'b'&$expand=Tags($expand=People($select=Id;$orderby=Id)),\
             People($compute=Id mul 2 as Twice;$select=Name,Twice,Home;$expand=Boss($select=Name),Tags($select=Code))",
            json!({"value": [{
                "Tags": {"Code": "b", "Note": null, "People": [{"Id": 1}, {"Id": 2}]},
                "People": {"Id": 2, "Name": "Bob", "Home": null, "Twice": 4, "Boss": {"Id": 1, "Name": "Ann"}, "Tags": [{"Code": "b"}]}}]}),
        ),
        (
            "$crossjoin(Tags,People)?$filter=People/Id eq 4 and Tags/Code eq 'a'&$expand=*($compute=2 as Two;$select=Two)",
            json!({"value": [{"Tags": {"Code": "a", "Two": 2}, "People": {"Id": 4, "Two": 2}}]}),
        ),
        (
            "$crossjoin(Tags,People)?$compute=People/Id add 1 as Next,concat(Tags/Code,'!') as Loud,null as None&$filter=People/Id eq 4 and Loud eq 'a!'",
            json!({"value": [{"Tags@odata.navigationLink": "http://r/Tags(%27a%27)", "People@odata.navigationLink": "http://r/People(4)",
                              "Next": 5, "Loud": "a!", "None": null}]}),
        ),
        (
            "$crossjoin(Tags,People)?$compute=1 as One,People/Id as Id,2 as Two&$filter=Id eq 2&$orderby=Tags/Code&$select=Two,Id&$top=1",
            json!({"value": [{"Id": 2, "Two": 2}]}),
        ),
        (
            "$crossjoin(Tags,People)?$compute=People/Id mul 3 as N&$select=Tags,N&$expand=People($select=Name)&$filter=N eq 6&$orderby=Tags/Code&$top=1&$count=true",
            json!({"@odata.count": 3, "value": [{"Tags@odata.navigationLink": "http://r/Tags(%27a%27)", "People": {"Id": 2, "Name": "Bob"}, "N": 6}]}),
        ),
        ("$crossjoin(Tags)?$orderby=Tags/Code&$skip=2", json!({"value": [{"Tags@odata.navigationLink": "http://r/Tags(%27c%27)"}]})),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_links_or_entities_with_all_that_is_expanded_of_them() {
    for kind in KINDS {
        let world = World::new(kind).await;
        for (url, expected) in rows() {
            let found = world.get(url).await.unwrap_or_else(|error| panic!("{kind}: {url}: {error:?}"));
            assert_eq!(bare(found), expected, "{kind}: {url}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_combinations_are_the_whole() {
    for kind in KINDS {
        let world = World::new(kind).await;
        for url in [
            "$crossjoin(People,Tags)",
            "$crossjoin(People,Tags)?$orderby=Tags/Note,People/NS.Manager/Bonus desc",
            "$crossjoin(People,Tags)?$compute=People/NS.Manager/Bonus add length(Tags/Note) as Both,length(Tags/Code) as One&$orderby=Both desc,One&$select=Tags,Both",
            "$crossjoin(People,Tags)?$filter=Tags/Code ne 'b'&$orderby=People/Boss/Name&$select=Tags&$expand=Tags($expand=People($select=Id;$orderby=Id))",
        ] {
            let whole = world.get(&if url.contains('?') { url.to_owned() } else { format!("{url}?$top=100") }).await.unwrap();
            for size in [1, 3, 5] {
                let rows = world.in_pages(url, size).await;
                assert_eq!(json!(rows), whole["value"], "{kind}: {url} in pages of {size}");
            }
        }
    }
}
