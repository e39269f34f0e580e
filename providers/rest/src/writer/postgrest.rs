//! Changes as PostgREST takes them: conditions stand in the statement that writes. It must not know other servers.

use super::{OfRow, Writer};
use crate::postgrest::{self, Condition, Truth};
use crate::translate::{Call, Pair};
use crate::write::given;
use portico_provider_api::{
    ChangeOutcome, ChangeValue, ConstraintKind, KeySet, Precondition, SourceError, SourceErrorKind, TableRelation, Value,
};
use portico_provider_web::{Page, StatusCode};

impl Writer<'_> {
    fn postgrest_call(
        &self,
        method: &str,
        body: Option<(&TableRelation, &[(usize, ChangeValue)])>,
        rows: bool,
    ) -> Result<Call, SourceError> {
        let name = self.resource.name.clone();
        let mut call = Call { method: method.to_owned(), segments: vec![(name.clone(), name)], ..Call::default() };
        if let Some((table, values)) = body {
            let given = given(table, values).map_err(|refusal| self.refused(refusal))?;
            let member = |(index, value): &(usize, Value)| {
                let name = table.columns.get(*index).map_or("", |column| column.name.as_str());
                format!("{}:{}", serde_json::Value::from(name), postgrest::json(value))
            };
            let body = format!("{{{}}}", given.iter().map(member).collect::<Vec<_>>().join(","));
            call.body = Some((body, "application/json".to_owned()));
        }
        if rows {
            call.headers.push(("prefer".to_owned(), "return=representation".to_owned()));
        }
        Ok(call)
    }

    fn select(&self, table: &TableRelation) -> Pair {
        let names: Vec<String> = table.columns.iter().map(|column| postgrest::name(&column.name)).collect();
        Pair::constant("select", names.join(","))
    }

    /// A new row.
    pub(super) async fn postgrest_insert(
        &self,
        table: &TableRelation,
        values: &[(usize, ChangeValue)],
    ) -> Result<ChangeOutcome, SourceError> {
        let call = self.postgrest_call("POST", Some((table, values)), true)?;
        let page = self.send(&call, &[self.select(table)], None).await?;
        let row = self.postgrest_rows(&page, table)?.pop();
        Ok(ChangeOutcome::Done { row: Some(row.ok_or_else(|| self.malformed("the stored row did not come back"))?), created: true })
    }

    /// A new row, or a change of the one that has the key: `INSERT … ON CONFLICT … DO UPDATE` of what is given. The status says which it was.
    pub(super) async fn postgrest_upsert(
        &self,
        table: &TableRelation,
        key: &[(usize, Value)],
        values: &[(usize, ChangeValue)],
    ) -> Result<ChangeOutcome, SourceError> {
        let mut call = self.postgrest_call("POST", Some((table, values)), false)?;
        call.headers.push(("prefer".to_owned(), "resolution=merge-duplicates,return=representation".to_owned()));
        let names = key.iter().filter_map(|(index, _)| table.columns.get(*index)).map(|column| postgrest::name(&column.name));
        let conflict = Pair::constant("on_conflict", names.collect::<Vec<_>>().join(","));
        let page = self.send(&call, &[conflict, self.select(table)], None).await?;
        let row = self.postgrest_rows(&page, table)?.pop();
        let row = row.ok_or_else(|| self.malformed("the stored row did not come back"))?;
        Ok(ChangeOutcome::Done { row: Some(row), created: page.status == StatusCode::CREATED })
    }

    /// A change under conditions: they stand in the statement that writes.
    pub(super) async fn postgrest_row(&self, row: &OfRow<'_>) -> Result<ChangeOutcome, SourceError> {
        let keys = KeySet { columns: row.key.iter().map(|(index, _)| *index).collect(), tuples: Vec::new() };
        let tuple: Vec<Value> = row.key.iter().map(|(_, value)| value.clone()).collect();
        let refused = |refusal| self.refused(refusal);
        let key = postgrest::key_condition(&keys, &[tuple], row.table).map_err(refused)?;
        let visible = row.visible.map(|visible| postgrest::held(visible, Truth::True, row.table)).transpose().map_err(refused)?;
        let found = Condition::all([Some(key), visible].into_iter().flatten().collect());
        let same = |(index, value): (&usize, &Value)| row.table.columns.get(*index).map(|column| postgrest::unchanged(column, value));
        let unchanged: Vec<Condition> = match row.precondition {
            Precondition::None => Vec::new(),
            Precondition::Version { column, value } => same((column, value)).into_iter().collect(),
            Precondition::Unchanged(values) => values.iter().filter_map(|(index, value)| same((index, value))).collect(),
        };
        let checked = !unchanged.is_empty();
        let condition = Condition::all(vec![found.clone(), Condition::all(unchanged)]);
        let method = match row.values {
            None => "DELETE",
            // Nothing to write is nothing but the row as it is.
            Some([]) => "GET",
            Some(_) => "PATCH",
        };
        let body = row.values.filter(|values| !values.is_empty()).map(|values| (row.table, values));
        let mut pairs = Vec::new();
        postgrest::condition_pairs(&condition, self.resource, &mut pairs);
        pairs.push(self.select(row.table));
        let page = self.send(&self.postgrest_call(method, body, true)?, &pairs, None).await?;
        let mut rows = self.postgrest_rows(&page, row.table)?;
        if rows.len() > 1 {
            return Err(self.client.error(SourceErrorKind::Data, "the key names more than one row"));
        }
        match rows.pop() {
            Some(_) if row.values.is_none() => Ok(ChangeOutcome::Done { row: None, created: false }),
            Some(stored) => Ok(ChangeOutcome::Done { row: Some(stored), created: false }),
            None if checked => {
                let mut pairs = Vec::new();
                postgrest::condition_pairs(&found, self.resource, &mut pairs);
                pairs.push(self.select(row.table));
                let page = self.send(&self.postgrest_call("GET", None, false)?, &pairs, None).await?;
                let there = !self.postgrest_rows(&page, row.table)?.is_empty();
                Ok(if there { ChangeOutcome::Changed } else { ChangeOutcome::NotFound })
            }
            None => Ok(ChangeOutcome::NotFound),
        }
    }

    fn postgrest_rows(&self, page: &Page, table: &TableRelation) -> Result<Vec<Vec<Value>>, SourceError> {
        if page.status.is_success() {
            let access = self.resource.main.as_ref().ok_or_else(|| self.unsupported("this resource"))?;
            return self.rows(access, page, table);
        }
        let error = self.client.status(page, false);
        let said: Option<serde_json::Value> = serde_json::from_slice(&page.bytes).ok();
        let code = said.as_ref().and_then(|said| said.get("code")?.as_str()).unwrap_or_default();
        let kind = match code {
            "23505" | "23P01" => ConstraintKind::Unique,
            "23503" => ConstraintKind::ForeignKey,
            "23502" => ConstraintKind::NotNull,
            code if code == "23514" || code.starts_with("22") => ConstraintKind::Check,
            _ => return Err(error),
        };
        let kind = SourceErrorKind::Constraint { kind, columns: Vec::new() };
        Err(SourceError { kind, retry: portico_provider_api::Retry::Never, effect: portico_provider_api::Effect::None, ..error }
            .with_code(code))
    }
}
