//! OData expressions that were once answered wrongly, each with its answer now: of memory, which evaluates all of it, and of a source that
//! evaluates nothing.

use crate::harness::{Incapable, context, name, principal, table};
use portico_catalog::{ModelDefinition, TableDefinition};
use portico_engine::{Answer, Engine, EngineError, EngineSettings, EntityRead, Paging, Statement};
use portico_odata::{BoundRead, ReadKind, bind, parse};
use portico_provider_api::{QueryContext, RemoteColumn, ScalarType, Selection, Source, Value};
use portico_provider_memory::MemorySource;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Both zeros, both NaNs (the processor makes the negative one), infinity and null; the least integers; a text.
fn rows() -> Vec<Vec<Value>> {
    let floats = [Some(0.0), Some(-0.0), Some(f64::NAN), Some(-f64::NAN), Some(f64::INFINITY), None, Some(1.5)];
    floats
        .into_iter()
        .enumerate()
        .map(|(row, float)| {
            let id = i64::try_from(row).unwrap();
            vec![
                Value::Int64(id),
                float.map_or(Value::Null(ScalarType::Float64), Value::float64),
                Value::Int32(if row == 0 { i32::MIN } else { i32::try_from(row).unwrap() }),
                Value::Timestamp(id * 3_600_000_000),
                Value::text("abc"),
            ]
        })
        .collect()
}

struct Both {
    engine: Engine,
}

async fn both() -> Both {
    let columns = vec![
        RemoteColumn::plain("Id", ScalarType::Int64, false),
        RemoteColumn::plain("F", ScalarType::Float64, true),
        RemoteColumn::plain("N", ScalarType::Int32, false),
        RemoteColumn::plain("At", ScalarType::Timestamp, false),
        RemoteColumn::plain("Name", ScalarType::Text, false),
    ];
    let memory = Arc::new(MemorySource::new("able", vec![table("t", columns, &["Id"], &rows())]).unwrap());
    let sources: BTreeMap<String, Arc<dyn Source>> =
        [("able".to_owned(), Arc::clone(&memory) as Arc<dyn Source>), ("unable".to_owned(), Arc::new(Incapable(memory)) as _)].into();
    let mut schemas = BTreeMap::new();
    for (source_name, source) in &sources {
        let selection = Selection::Tables(vec![name("t")]);
        schemas.insert(source_name.clone(), source.remote_schema(&selection, &QueryContext::default()).await.unwrap());
    }
    let tables: indexmap::IndexMap<String, TableDefinition> =
        serde_json::from_str(r#"{ "Able": { "source": "able", "remote": "t" }, "Unable": { "source": "unable", "remote": "t" } }"#)
            .unwrap();
    let access = serde_json::from_str(r#"{ "roles": { "all": { "Able": {}, "Unable": {} } } }"#).unwrap();
    let definition = ModelDefinition { sources: sources.keys().cloned().collect(), tables, ..ModelDefinition::default() };
    let engine = Engine::new(EngineSettings::default(), sources, access).unwrap();
    let (model, _) = portico_catalog::build(&definition, &schemas, &|model, sql| engine.describe_view(model, sql)).unwrap();
    engine.publish(Arc::new(model));
    Both { engine }
}

impl Both {
    async fn page(&self, set: &str, option: &str, paging: Paging) -> Result<(Vec<i64>, Option<Vec<Value>>), EngineError> {
        let service = self.engine.model().unwrap().services.keys().next().unwrap().clone();
        let view = self.engine.view(&principal("all"), &service).unwrap();
        let query = bind::read(&parse::request(set, Some(&option.replace(' ', "%20"))).unwrap(), &view).unwrap().query;
        let model_version = self.engine.model().unwrap().version.clone();
        let read = EntityRead { service, model_version, read: BoundRead::new(query, ReadKind::Collection), paging };
        let context = context(&principal("all"));
        let plan = self.engine.plan(&Statement::Entities(Box::new(read)), &context.principal)?;
        let pushed = self.engine.push_down(self.engine.permit(plan, &context.principal)?)?;
        let Answer::Entities(mut answer) = self.engine.execute(pushed, &context).await? else { panic!("not entities") };
        let mut ids = Vec::new();
        while let Some(batch) = answer.rows.next().await {
            ids.extend(batch?.rows.column(0).as_any().downcast_ref::<arrow::array::Int64Array>().unwrap().values());
        }
        Ok((ids, answer.rows.next_position().map(<[Value]>::to_vec)))
    }

    /// The same from both, in order.
    async fn ids(&self, option: &str) -> Vec<i64> {
        let (able, _) = self.page("Able", option, Paging::default()).await.unwrap_or_else(|error| panic!("{option}: {error}"));
        let (unable, _) = self.page("Unable", option, Paging::default()).await.unwrap_or_else(|error| panic!("{option}: {error}"));
        assert_eq!(able, unable, "{option}");
        able
    }

    /// The failure is about the values, in both.
    async fn fails(&self, option: &str) {
        for set in ["Able", "Unable"] {
            let outcome = self.page(set, option, Paging::default()).await;
            assert!(
                matches!(outcome, Err(EngineError::Arithmetic(_) | EngineError::Invalid(_) | EngineError::Source(_))),
                "{set}: {option}: {outcome:?}"
            );
        }
    }
}

#[tokio::test]
async fn the_zeros_are_one_number() {
    let both = both().await;
    assert_eq!(both.ids("$filter=F eq 0").await, [0, 1]);
    assert_eq!(both.ids("$filter=F ne 0").await, [2, 3, 4, 5, 6]);
    assert_eq!(both.ids("$filter=F lt 0").await, [] as [i64; 0]);
    assert_eq!(both.ids("$filter=F ge -0.0").await, [0, 1, 4, 6]);
    assert_eq!(both.ids("$filter=F in (0,1.5)").await, [0, 1, 6]);
    assert_eq!(both.ids("$filter=not (F in (-0.0,null))").await, [2, 3, 4, 6]);
    assert_eq!(both.ids("$filter=F eq -F").await, [0, 1, 5]);
}

#[tokio::test]
async fn nan_is_in_no_list_and_sorts_highest_whatever_its_sign() {
    let both = both().await;
    assert_eq!(both.ids("$filter=F in (NaN,1.5)").await, [6]);
    assert_eq!(both.ids("$filter=not (F in (NaN))").await, [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(both.ids("$orderby=F").await, [5, 0, 1, 6, 4, 2, 3]);
    assert_eq!(both.ids("$orderby=F desc").await, [2, 3, 4, 6, 0, 1, 5]);
}

#[tokio::test]
async fn what_is_compared_with_nan_is_neither_more_nor_less() {
    let both = both().await;
    let all = [0, 1, 2, 3, 4, 5, 6];
    for operator in ["eq", "lt", "le", "gt", "ge"] {
        assert_eq!(both.ids(&format!("$filter=F {operator} NaN")).await, [] as [i64; 0]);
        assert_eq!(both.ids(&format!("$filter=not (F {operator} NaN)")).await, all);
        assert_eq!(both.ids(&format!("$filter=not (NaN {operator} NaN)")).await, all);
    }
    assert_eq!(both.ids("$filter=F ne NaN").await, all);
    assert_eq!(both.ids("$filter=NaN ne NaN").await, all);
}

#[tokio::test]
async fn pages_by_floats_neither_repeat_nor_skip() {
    let both = both().await;
    for set in ["Able", "Unable"] {
        for (option, wanted) in [("$orderby=F", [5, 0, 1, 6, 4, 2, 3]), ("$orderby=F desc", [2, 3, 4, 6, 0, 1, 5])] {
            let (mut read, mut position) = (Vec::new(), None);
            for _ in 0..rows().len() {
                let (ids, next) = both.page(set, option, Paging { size: 1, position }).await.unwrap();
                read.extend(ids);
                position = next;
                if position.is_none() {
                    break;
                }
            }
            assert_eq!(read, wanted, "{set}: {option}");
        }
    }
}

#[tokio::test]
async fn integers_do_not_wrap_around() {
    let both = both().await;
    for expression in ["-N", "N sub 1", "N mul 2147483647", "N add -1", "-(-2147483648) add N", "2147483647 add 1 add N"] {
        both.fails(&format!("$filter={expression} gt 5")).await;
        both.fails(&format!("$orderby={expression}")).await;
    }
    assert_eq!(both.ids("$filter=N add 1 gt 5").await, [5, 6]);
    assert_eq!(both.ids("$filter=2147483647 sub 1 eq 2147483646 and N eq 3").await, [3]);
}

#[tokio::test]
async fn the_remainder_of_a_division_by_zero_fails_for_floats_too() {
    let both = both().await;
    both.fails("$filter=1.5 mod F eq 0").await;
    both.fails("$filter=F mod 0 eq 0").await;
    assert_eq!(both.ids("$filter=F mod 1 eq 0.5").await, [6]);
}

#[tokio::test]
async fn a_negative_start_counts_from_the_end() {
    let both = both().await;
    assert_eq!(both.ids("$filter=Id eq 2 and substring(Name,Id sub 4) eq 'bc'").await, [2]);
    assert_eq!(both.ids("$filter=Id eq 2 and substring(Name,Id sub 12,2) eq 'ab'").await, [2], "no further than its beginning");
    assert_eq!(both.ids("$filter=substring(Name,3) eq '' and Id eq 1").await, [1]);
    both.fails("$filter=substring(Name,0,Id sub 5) eq 'x'").await;
}

#[tokio::test]
async fn times_of_two_columns_are_compared() {
    let both = both().await;
    assert_eq!(both.ids("$filter=time(At) ge time(At) and Id lt 2").await, [0, 1]);
}

#[tokio::test]
async fn a_constant_orders_nothing_and_pages_end() {
    let both = both().await;
    for set in ["Able", "Unable"] {
        let (first, position) = both.page(set, "$orderby=now()", Paging { size: 5, position: None }).await.unwrap();
        let (second, end) = both.page(set, "$orderby=now()", Paging { size: 5, position }).await.unwrap();
        assert_eq!((first, second, end), (vec![0, 1, 2, 3, 4], vec![5, 6], None), "{set}");
    }
}

#[tokio::test]
async fn rounding_may_carry() {
    let both = both().await;
    for condition in ["round(9.5) eq 10", "round(99.99) eq 100", "ceiling(0.5) eq 1", "floor(-9.5) eq -10", "round(Id add 0.5) eq Id add 1"]
    {
        assert_eq!(both.ids(&format!("$filter={condition} and Id eq 1")).await, [1], "{condition}");
    }
}

#[tokio::test]
async fn what_lies_behind_the_end_is_nothing() {
    let both = both().await;
    assert_eq!(both.ids("$filter=substring(Name,Id add 9223372036854775800,1) eq '' and Id eq 1").await, [1]);
    assert_eq!(both.ids("$skip=9223372036854775808").await, [] as [i64; 0]);
    assert_eq!(both.ids("$top=18446744073709551615&$filter=Id eq 1").await, [1]);
}

#[tokio::test]
async fn failures_are_told_without_the_words_of_those_who_compute() {
    let both = both().await;
    for set in ["Able", "Unable"] {
        for option in ["$compute=time(At add duration'-P99999999D') as z", "$filter=time(At add duration'-P99999999D') ne null"] {
            if let Err(error) = both.page(set, option, Paging::default()).await {
                let told = error.to_string().to_lowercase();
                assert!(!["arrow", "naive", "cast error"].iter().any(|word| told.contains(word)), "{set}: {option}: {error}");
            }
        }
    }
}
