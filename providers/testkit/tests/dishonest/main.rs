//! The suite must catch dishonest sources: each test wraps an honest one, cheats in one way, and expects exactly the checks that
//! this breaks to fail. The honest wrapper is the control.

#![allow(clippy::unwrap_used)] // A test may fail by panicking, in its helping functions too.

mod blocks;
mod wrapper;

use portico_provider_api::{ForeignKey, RemoteColumn, RemoteTableName, Source};
use portico_provider_memory::{Fault, MemorySource, MemoryTable};
use portico_provider_testkit::{FixtureTable, Options, Subject, conformance, fixtures};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use wrapper::{Dishonest, SECRET, Trick};

fn memory_table(fixture: &FixtureTable) -> MemoryTable {
    let columns = fixture.columns.iter().map(|column| {
        let mut remote = RemoteColumn::plain(&column.name, column.scalar_type, column.nullable);
        remote.max_length = column.max_length;
        remote
    });
    let foreign_keys = fixture.foreign_keys.iter().map(|key| ForeignKey {
        name: "fk".to_owned(),
        columns: key.columns.clone(),
        references: RemoteTableName(vec![key.references.clone()]),
        referenced_columns: key.referenced_columns.clone(),
    });
    MemoryTable {
        name: RemoteTableName(vec![fixture.name.clone()]),
        description: None,
        columns: columns.collect(),
        primary_key: fixture.primary_key.clone(),
        foreign_keys: foreign_keys.collect(),
        batches: vec![fixture.batch().unwrap()],
    }
}

/// Runs the suite against a cheat; exactly these checks must fail.
async fn caught(trick: Trick, expected: &[&str]) {
    let tables = fixtures();
    let inner = Arc::new(MemorySource::new("memory", tables.iter().map(memory_table).collect()).unwrap());
    if trick == Trick::IgnoresFilterWhenBusy {
        // Without a pause, an in-memory answer is never interrupted by another query.
        inner.set_fault(Fault { delay: Some(Duration::from_millis(1)), ..Fault::default() });
    }
    let probe = Arc::clone(&inner);
    let source: Arc<dyn Source> = Arc::new(Dishonest { inner, trick });
    let subject = Subject {
        secrets: vec![SECRET.to_owned()],
        seed: Some(20_260_101),
        active: Some(Box::new(move || {
            let probe = Arc::clone(&probe);
            Box::pin(async move { probe.active_queries() })
        })),
        options: Options { queries: 60, ..Options::default() },
        ..Subject::new(source, tables)
    };
    let summary = conformance(subject).await;
    let expected: BTreeSet<&str> = expected.iter().copied().collect();
    assert_eq!(summary.failed_checks(), expected, "{trick:?}\n{summary}");
    assert_eq!(summary.is_ok(), expected.is_empty());
}

#[tokio::test]
async fn the_honest_control_passes() {
    caught(Trick::None, &[]).await;
}

#[tokio::test]
async fn ignores_filter() {
    caught(Trick::IgnoresFilter, &["filter"]).await;
}

#[tokio::test]
async fn ignores_case_and_says_exact() {
    caught(Trick::IgnoresCase, &["filter"]).await;
}

#[tokio::test]
async fn ignores_limit() {
    caught(Trick::IgnoresLimit, &["limit"]).await;
}

#[tokio::test]
async fn ignores_offset() {
    caught(Trick::IgnoresOffset, &["limit"]).await;
}

#[tokio::test]
async fn changes_its_order_between_parts() {
    caught(Trick::ChangesItsOrder, &["stable_order"]).await;
}

#[tokio::test]
async fn ignores_limit_per_key() {
    caught(Trick::IgnoresLimitPer, &["limit_per"]).await;
}

#[tokio::test]
async fn ignores_distinct() {
    caught(Trick::IgnoresDistinct, &["distinct"]).await;
}

#[tokio::test]
async fn ignores_keys() {
    caught(Trick::IgnoresKeys, &["keys"]).await;
}

#[tokio::test]
async fn ignores_the_case_of_keys() {
    caught(Trick::IgnoresCaseOfKeys, &["keys"]).await;
}

#[tokio::test]
async fn counts_all_rows_instead_of_the_filtered() {
    caught(Trick::CountsAllRows, &["count"]).await;
}

/// As grouping by nothing does in a naive translation.
#[tokio::test]
async fn counts_no_row_as_no_answer() {
    caught(Trick::CountsNoRowAsNothing, &["count"]).await;
}

#[tokio::test]
async fn counts_though_it_does_not_declare_it() {
    caught(Trick::DeclaresNoCount, &["beyond"]).await;
}

#[tokio::test]
async fn puts_nulls_at_the_wrong_end() {
    caught(Trick::WrongNullOrder, &["order"]).await;
}

#[tokio::test]
async fn drops_the_last_batch() {
    caught(Trick::DropsLastBatch, &["scan"]).await;
}

#[tokio::test]
async fn returns_another_nullability_than_promised() {
    caught(Trick::WrongBatchSchema, &["scan"]).await;
}

#[tokio::test]
async fn misdescribes_a_column() {
    caught(Trick::MisdescribesColumn, &["schema"]).await;
}

#[tokio::test]
async fn misreports_rows() {
    caught(Trick::MisreportsRows, &["report"]).await;
}

#[tokio::test]
async fn answers_what_it_does_not_declare() {
    caught(Trick::AnswersUnsupported, &["beyond"]).await;
}

#[tokio::test]
async fn hides_data_errors() {
    caught(Trick::HidesDataErrors, &["data_error"]).await;
}

#[tokio::test]
async fn mislabels_a_missing_table() {
    caught(Trick::MislabelsMissingTable, &["schema_changed"]).await;
}

#[tokio::test]
async fn shows_values_in_descriptions() {
    caught(Trick::ShowsValues, &["describe"]).await;
}

#[tokio::test]
async fn ignores_the_deadline() {
    caught(Trick::IgnoresDeadline, &["deadline"]).await;
}

#[tokio::test]
async fn keeps_running_after_the_stream_is_dropped() {
    caught(Trick::KeepsRunning, &["cancellation"]).await;
}

#[tokio::test]
async fn mixes_up_queries_at_once() {
    caught(Trick::IgnoresFilterWhenBusy, &["concurrency"]).await;
}

#[tokio::test]
async fn leaks_a_secret() {
    caught(Trick::LeaksSecret, &["secrets"]).await;
}

#[tokio::test]
async fn ignores_preconditions() {
    caught(Trick::IgnoresPrecondition, &["write.precondition"]).await;
}

#[tokio::test]
async fn writes_invisible_rows() {
    caught(Trick::IgnoresVisible, &["write.not_found"]).await;
}

#[tokio::test]
async fn ignores_rules_for_new_images() {
    caught(Trick::IgnoresRequire, &["write.require"]).await;
}

#[tokio::test]
async fn applies_half_a_change_set() {
    caught(Trick::AppliesHalf, &["write.atomicity"]).await;
}

#[tokio::test]
async fn says_that_every_upsert_created() {
    caught(Trick::UpsertAlwaysCreated, &["write.upsert"]).await;
}

#[tokio::test]
async fn mislabels_constraints() {
    caught(Trick::MislabelsConstraint, &["write.constraint"]).await;
}

#[tokio::test]
async fn deletes_nothing_and_says_done() {
    caught(Trick::DeletesNothing, &["write.delete"]).await;
}

#[tokio::test]
async fn joins_though_it_does_not_declare_it() {
    caught(Trick::DeclaresNoJoin, &["beyond"]).await;
}

#[tokio::test]
async fn loses_the_group_of_nulls() {
    caught(Trick::LosesNullGroup, &["aggregate"]).await;
}

#[tokio::test]
async fn groups_by_texts_without_their_case() {
    caught(Trick::GroupsIgnoreCase, &["aggregate"]).await;
}

#[tokio::test]
async fn ignores_conditions_on_groups() {
    caught(Trick::IgnoresHaving, &["aggregate"]).await;
}

#[tokio::test]
async fn counts_null_among_distinct_values() {
    caught(Trick::CountDistinctCountsNull, &["aggregate"]).await;
}

#[tokio::test]
async fn ignores_filters_of_aggregates() {
    caught(Trick::IgnoresAggregateFilter, &["aggregate"]).await;
}

#[tokio::test]
async fn cuts_rows_before_it_groups_them() {
    caught(Trick::CutsBeforeGrouping, &["aggregate"]).await;
}

#[tokio::test]
async fn wraps_sums_around() {
    caught(Trick::SumWrapsAround, &["data_error"]).await;
}

/// As SQLite does.
#[tokio::test]
async fn takes_the_first_of_several_single_values() {
    caught(Trick::TakesFirstOfSeveral, &["data_error"]).await;
}

#[tokio::test]
async fn joins_null_to_null() {
    caught(Trick::JoinsNullToNull, &["join"]).await;
}

#[tokio::test]
async fn forgets_nulls_in_not_in() {
    caught(Trick::NotInWithoutNulls, &["join"]).await;
}

#[tokio::test]
async fn filters_by_the_condition_of_a_left_join() {
    caught(Trick::LeftJoinFilters, &["join"]).await;
}

#[tokio::test]
async fn ignores_limits_of_nested_blocks() {
    caught(Trick::IgnoresNestedLimit, &["nested"]).await;
}

#[tokio::test]
async fn removes_duplicates_from_a_union() {
    caught(Trick::UnionRemovesDuplicates, &["union"]).await;
}

#[tokio::test]
async fn finds_that_everything_exists() {
    caught(Trick::EverythingExists, &["subquery"]).await;
}

#[tokio::test]
async fn ranks_without_gaps() {
    caught(Trick::RanksWithoutGaps, &["window"]).await;
}
