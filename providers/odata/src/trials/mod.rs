//! What is declared of a service, tried: a handful of small reads of one set, each with an answer that is known before. It must not know who
//! wants to know, nor change anything.

mod asked;

use crate::client::spoken;
use crate::decode::{Answer, Shape};
use crate::metadata::{EntitySet, Protocol};
use crate::presets::Preset;
use crate::translate::{Asking, Plan, apply};
use crate::{Known, OdataSource};
use arrow::datatypes::Schema;
use asked::{Asked, Expected, Sample};
use portico_provider_api::arrays::row_at;
use portico_provider_api::evaluate::compare_for_sort;
use portico_provider_api::{
    Function, QueryContext, RemoteTableName, ScalarType, SourceError, SourceQuery, Support, TableColumn, TableRelation, Trial,
    TrialOutcome, Value,
};
use portico_provider_web::header::{ACCEPT, HeaderValue};
use portico_provider_web::json::PageReader;
use portico_provider_web::{Address, Expects, Request};
use std::sync::Arc;

/// Sets that are looked at for one with rows to try it by.
const MOST_SETS: usize = 5;

/// Tries what is declared of a service by the first of these sets that has rows.
///
/// # Errors
/// When the service does not answer, whatever it is asked.
pub(crate) async fn run(source: &OdataSource, tables: &[RemoteTableName], context: &QueryContext) -> Result<Vec<Trial>, SourceError> {
    let names = tables.iter().map(|table| table.table().to_owned()).collect();
    let known = source.about(names, context).await?;
    let trier = Trier { source, known: &known, context };
    let mut why = "no set is published that has a key".to_owned();
    let sets = tables.iter().filter_map(|table| Some((table, known.service.set(table.table())?)));
    for (table, set) in sets.filter(|(_, set)| !set.key.is_empty()).take(MOST_SETS) {
        match trier.sample(set).await? {
            Ok(sample) if sample.rows.len() > 1 => return trier.all(table, &sample).await,
            Ok(_) => why = format!("'{}' has not two rows to try it by", set.name),
            Err(refused) => why = format!("'{}' is not read: {refused}", set.name),
        }
    }
    let unknown = |table: &RemoteTableName| Trial {
        table: table.clone(),
        capability: "everything".to_owned(),
        declared: true,
        outcome: TrialOutcome::Unknown(why.clone()),
        setting: None,
    };
    Ok(tables.first().map(unknown).into_iter().collect())
}

struct Trier<'a> {
    source: &'a OdataSource,
    known: &'a Known,
    context: &'a QueryContext,
}

/// An answer: the rows of its first page, or a number.
enum Answered {
    Rows(Vec<Vec<Value>>),
    Number(u64),
}

impl Trier<'_> {
    /// The first rows of a set; within, why it is not read.
    async fn sample<'s>(&self, set: &'s EntitySet) -> Result<Result<Sample<'s>, String>, SourceError> {
        let column = |property: &&crate::metadata::Property| TableColumn {
            name: property.name.clone(),
            scalar_type: property.scalar_type,
            nullable: property.nullable,
            codec: None,
            native_type: Some(property.type_name.clone()),
        };
        let columns = asked::columns(set).iter().map(column).collect();
        let table = TableRelation { table: RemoteTableName(vec![set.name.clone()]), columns };
        Ok(match self.ask(&Sample::scan(&table)).await? {
            Ok(Answered::Rows(mut rows)) => {
                rows.truncate(usize::try_from(asked::SAMPLE).unwrap_or(usize::MAX));
                Ok(Sample { set, table, rows })
            }
            Ok(Answered::Number(_)) => Err("a number came".to_owned()),
            Err(refused) => Err(refused),
        })
    }

    async fn all(&self, table: &RemoteTableName, sample: &Sample<'_>) -> Result<Vec<Trial>, SourceError> {
        let v4 = self.known.service.protocol == Protocol::V4;
        let (set, rules) = (sample.set, &self.source.rules);
        let (of_table, preset) = (rules.table(self.known.service.protocol, set), &rules.preset);
        let declared = |support: Option<Support>| support.is_some_and(|support| support != Support::None);
        let functions = rules.source(self.known.service.protocol, &self.known.service.general).filter.functions;
        let is_null = if v4 { preset.is_null } else { preset.is_null_v2 };
        let mut plan = vec![
            ("filter", declared(of_table.filter), sample.filter()),
            ("or", preset.or, sample.or()),
            ("is_null", is_null, sample.is_null()),
            ("orderby", declared(of_table.sort), sample.orderby()),
            ("count", declared(of_table.count), sample.count()),
        ];
        for asked in sample.window() {
            let (name, support) = if asked.capability == "top" { ("top", of_table.limit) } else { ("skip", of_table.offset) };
            plan.push((name, declared(support), vec![asked]));
        }
        if v4 {
            plan.push(("in", rules.uses_in(&self.known.service.general), sample.in_list()));
            plan.push(("apply", rules.applies(set), sample.apply()));
        }
        let named = [("contains", Function::Contains), ("startswith", Function::StartsWith), ("endswith", Function::EndsWith)];
        let of_functions = named.map(|(name, function)| (name, functions.contains_key(&function), sample.function(function, name)));
        // What keeps more rows than it should is declared to do so.
        let loose = of_table.filter == Some(Support::Inexact);
        let mut trials = Vec::new();
        for (name, declared, asked) in plan {
            let outcome = self.outcome(sample, &asked, loose).await?;
            let setting = setting(set, preset, name, &outcome);
            trials.push(Trial { table: table.clone(), capability: name.to_owned(), declared, outcome, setting });
        }
        let mut working = Vec::new();
        let first_function = trials.len();
        for (name, declared, asked) in of_functions {
            let outcome = self.outcome(sample, &asked, loose).await?;
            if outcome == TrialOutcome::Works || (declared && matches!(outcome, TrialOutcome::Unknown(_))) {
                working.push(name);
            }
            trials.push(Trial { table: table.clone(), capability: format!("functions: {name}"), declared, outcome, setting: None });
        }
        let setting = format!("capabilities: {{ functions: [{}] }}", working.join(", "));
        for trial in trials.iter_mut().skip(first_function).filter(|trial| !matches!(trial.outcome, TrialOutcome::Unknown(_))) {
            trial.setting = Some(setting.clone());
        }
        Ok(trials)
    }

    async fn outcome(&self, sample: &Sample<'_>, questions: &[Asked], loose: bool) -> Result<TrialOutcome, SourceError> {
        if questions.is_empty() {
            return Ok(TrialOutcome::Unknown("no row of the first ones can be told by it".to_owned()));
        }
        for question in questions {
            let wrong = match self.ask(&question.query).await? {
                Ok(answer) => judged(sample, question, &answer, loose).err(),
                Err(refused) => Some(refused),
            };
            if let Some(wrong) = wrong {
                return Ok(TrialOutcome::Fails(wrong));
            }
        }
        Ok(TrialOutcome::Works)
    }

    /// Asks one query and reads the first page of its answer; within, how it was refused.
    async fn ask(&self, query: &SourceQuery) -> Result<Result<Answered, String>, SourceError> {
        let root = self.source.base.address();
        let rules = self.source.rules.with_in();
        let asking = Asking { client_page: None, rules: &rules, ..self.source.asking(&root, self.known) };
        let answer = match asking.plan(query) {
            Ok(Plan::Rows(rows)) => match rows.first() {
                Some(rows) => self.page(query, rows.address.clone()).await,
                None => return Ok(Ok(Answered::Rows(Vec::new()))),
            },
            Ok(Plan::Count(addresses)) => match addresses.first() {
                Some(address) => self.number(address.clone()).await,
                None => return Ok(Ok(Answered::Number(0))),
            },
            Ok(Plan::Nothing | Plan::Call(_)) => return Ok(Ok(Answered::Rows(Vec::new()))),
            Err(refusal) => return Ok(Err(self.source.refused(refusal).message)),
        };
        match answer {
            Ok(answer) => Ok(Ok(answer)),
            Err(error) if is_refusal(&error) => Ok(Err(error.message)),
            Err(error) => Err(error),
        }
    }

    async fn page(&self, query: &SourceQuery, address: Address) -> Result<Answered, SourceError> {
        let reporter = self.source.web.reporter();
        let malformed = |message: String| reporter.error(portico_provider_api::SourceErrorKind::Malformed, message);
        let request = spoken(Request::get(address), self.source.manner(self.known)).explained_by(crate::write::explain);
        let page = self.source.web.fetch(&request, self.context).await?;
        let set = query.tables().first().and_then(|table| self.known.service.set(table.table()));
        let columns = apply::visible(query, set);
        let wanted: Vec<(TableColumn, String)> =
            query.output.iter().filter_map(|output| Some((columns.get(output.expr.as_column()?)?.clone(), output.name.clone()))).collect();
        let property = |name: &str| set.and_then(|set| set.property(name));
        let shape = Shape::of_entities(self.known.service.protocol, Answer::Entities, property, &wanted).map_err(malformed)?;
        let mut reader = PageReader::new(&shape.page);
        reader.push(&page.bytes).map_err(|error| error.into_source_error(reporter))?;
        let mut batches: Vec<_> = std::iter::from_fn(|| reader.batch()).collect();
        batches.extend(reader.finish().map_err(|error| error.into_source_error(reporter))?.0);
        let fields: Vec<_> = wanted.iter().map(|(column, name)| column.scalar_type.field(name, column.nullable)).collect();
        let (schema, types) =
            (Arc::new(Schema::new(fields)), wanted.iter().map(|(column, _)| column.scalar_type).collect::<Vec<ScalarType>>());
        let mut rows = Vec::new();
        for batch in batches {
            let batch = shape.promised(&batch, &schema).map_err(malformed)?;
            for row in 0..batch.num_rows() {
                rows.push(row_at(&batch, row, &types).map_err(|error| malformed(error.to_string()))?);
            }
        }
        Ok(Answered::Rows(rows))
    }

    async fn number(&self, address: Address) -> Result<Answered, SourceError> {
        let request =
            spoken(Request::get(address), self.source.manner(self.known)).header(ACCEPT, HeaderValue::from_static("text/plain, */*"));
        let page = self.source.web.fetch(&request.expecting(Expects::Anything), self.context).await?;
        let text = std::str::from_utf8(&page.bytes).unwrap_or_default().trim_start_matches('\u{feff}').trim();
        let wrong =
            || self.source.web.reporter().error(portico_provider_api::SourceErrorKind::Malformed, "the answer to /$count is no number");
        text.parse().map(Answered::Number).map_err(|_| wrong())
    }
}

/// What would say it as it was found: of the set alone where the product could do it, and the set says that it cannot.
fn setting(set: &EntitySet, preset: &Preset, name: &str, outcome: &TrialOutcome) -> Option<String> {
    let works = match outcome {
        TrialOutcome::Works => true,
        TrialOutcome::Fails(_) => false,
        TrialOutcome::Unknown(_) => return None,
    };
    let of_set = match name {
        "filter" => true,
        "orderby" => works && preset.sort,
        "top" => works && preset.top,
        "skip" => works && preset.skip,
        "count" => works && preset.count,
        // Groups are asked for only where the set says that it has them.
        "apply" if works && set.restrictions.apply != Some(true) => return None,
        _ => false,
    };
    Some(match of_set {
        true => format!("tables: {{ {}: {{ {name}: {works} }} }}", set.name),
        false => format!("capabilities: {{ {name}: {works} }}"),
    })
}

/// Whether an error is an answer to the question, and not that nobody answers.
fn is_refusal(error: &SourceError) -> bool {
    use portico_provider_api::SourceErrorKind as Kind;
    let by_status = matches!(error.native_code(), Some("400" | "404" | "405" | "500" | "501"));
    by_status || matches!(error.kind, Kind::Unsupported | Kind::Malformed | Kind::Data | Kind::Constraint { .. } | Kind::SchemaChanged)
}

/// Whether an answer is what it must be.
fn judged(sample: &Sample<'_>, question: &Asked, answer: &Answered, loose: bool) -> Result<(), String> {
    let key = sample.set.key.len();
    let same = |left: &[Value], right: &[Value]| left.iter().zip(right).take(key).all(|(left, right)| alike(left, right));
    let rows = match (answer, &question.expected) {
        (Answered::Number(found), Expected::Number(expected)) if found == expected => return Ok(()),
        (Answered::Number(found), _) => return Err(format!("it counts {found} rows where there is one")),
        (Answered::Rows(rows), _) => rows,
    };
    match &question.expected {
        Expected::Just(expected) => {
            if expected.iter().any(|wanted| !rows.iter().any(|row| same(row, wanted))) {
                return Err("it does not find a row that it has just given".to_owned());
            }
            if !loose && rows.iter().any(|row| !expected.iter().any(|wanted| same(row, wanted))) {
                return Err("it answers with rows that do not meet the condition, as if it had not been asked for".to_owned());
            }
            Ok(())
        }
        Expected::InOrder(expected) if rows.len() == expected.len() && rows.iter().zip(expected).all(|(row, wanted)| same(row, wanted)) => {
            Ok(())
        }
        Expected::InOrder(_) => Err("it answers with other rows than those that follow".to_owned()),
        Expected::AtMost(most) if rows.len() as u64 <= *most && !rows.is_empty() => Ok(()),
        Expected::AtMost(most) => Err(format!("it answers with {} rows where {most} were asked for", rows.len())),
        Expected::Extreme(index, greatest) => {
            let first = rows.first().and_then(|row| row.get(*index)).ok_or("it answers with no row")?;
            let beyond = |value: &Value| {
                let order = compare_for_sort(value, first, false, true).ok();
                order.is_some_and(|order| if *greatest { order.is_gt() } else { order.is_lt() })
            };
            if sample.rows.iter().filter_map(|row| row.get(*index)).any(beyond) {
                let column = sample.table.columns.get(*index).map_or("", |column| &column.name);
                return Err(format!("its first row by '{column}' is not the {}", if *greatest { "greatest" } else { "least" }));
            }
            Ok(())
        }
        Expected::Number(_) => Err("it answers with rows where a number was asked for".to_owned()),
    }
}

/// Whether two values of a key are the same: texts may compare without regard to case.
fn alike(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => left.trim_end().eq_ignore_ascii_case(right.trim_end()),
        (left, right) => left == right,
    }
}
