//! `$metadata`: as XML or as JSON, in the caller's language where labels are in it. It must not know what is in the document.

use crate::error::{Code, RequestError};
use crate::http::call::{Call, Service};
use crate::http::negotiate::{MediaRange, accepted, choose};
use crate::http::respond;
use axum::body::Body;
use axum::http::{Response, StatusCode, header};
use bytes::Bytes;
use portico_engine::MetadataDocument;
use portico_odata::header::{Version, match_condition, matches};
use portico_odata::metadata::{MetadataFormat, document_with};
use portico_odata::syntax::Request;
use std::sync::Arc;

/// Answers a GET or HEAD of `$metadata`.
///
/// # Errors
/// `NotAcceptable`, `InvalidRequest`.
pub fn answer(call: &Call, service: &Service, request: &Request) -> Result<Response<Body>, RequestError> {
    call.trace.set_statement("metadata");
    portico_odata::bind::schema_version(&request.options, &service.published.view)?;
    // Nothing is known of a client that does not say.
    let newest = call.headers.contains_key("odata-maxversion").then_some(call.version == Version::V4_01);
    let format = format(request.options.format.as_deref(), call.header("accept").as_deref(), newest)?;
    let engine = &call.gateway.engine;
    let view = &service.published.view;
    let languages = engine.label_languages(&call.context.principal, view)?;
    let language = language(call.header("accept-language").as_deref(), &languages);
    let wanted = call.preferences()?.include_annotations;
    let document = match wanted.as_ref().filter(|wanted| !wanted.wants_all()) {
        None => engine.metadata(&call.context.principal, view, format, language)?,
        // Whoever wants a choice of its own gets it made, and it is not kept: there is no end of choices.
        Some(wanted) => Arc::new(MetadataDocument::of(document_with(view, format, language, wanted)?)),
    };
    let condition = match_condition("If-None-Match", call.header("if-none-match").as_deref())?;
    let (content_type, version) = match format {
        MetadataFormat::Xml => ("application/xml;charset=utf-8", "4.0"),
        MetadataFormat::Xml401 => ("application/xml;charset=utf-8", "4.01"),
        MetadataFormat::Json => ("application/json;charset=utf-8", "4.01"),
    };
    let etag = document.etag.clone();
    let mut response = if matches(&condition, &etag) {
        respond::empty(StatusCode::NOT_MODIFIED)
    } else {
        respond::complete(StatusCode::OK, content_type, Bytes::from_owner(Kept(document)))
    };
    let headers = response.headers_mut();
    respond::set(headers, header::ETAG, &etag);
    respond::set(headers, header::CACHE_CONTROL, "private, no-cache");
    respond::set(headers, respond::ODATA_VERSION, version);
    if let Some(language) = language {
        respond::set(headers, header::CONTENT_LANGUAGE, language);
    }
    if let Some(wanted) = wanted {
        respond::applied(headers, &format!("{}=\"{wanted}\"", respond::preference_name("include-annotations", call.version)));
    }
    Ok(response)
}

/// A document that is sent without being copied.
struct Kept(Arc<MetadataDocument>);

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        self.0.as_ref().as_ref()
    }
}

/// The form, by `$format`, which wins, or `Accept`. CSDL JSON is of OData 4.01: clients of 4.0 get it only by asking for it with
/// `$format`, because they accept JSON for everything else, and read XML here.
fn format(format: Option<&str>, accept: Option<&str>, newest: Option<bool>) -> Result<MetadataFormat, RequestError> {
    let xml = if newest == Some(true) { MetadataFormat::Xml401 } else { MetadataFormat::Xml };
    let refused = |what: &str, target: &str| {
        let message = format!("{what} cannot be written: $metadata is application/xml, or application/json for OData 4.01");
        RequestError::new(Code::NotAcceptable, message).about(target)
    };
    if let Some(asked) = format {
        let full = if asked.contains('/') { asked.to_owned() } else { format!("application/{asked}") };
        let range = MediaRange::parse(&full).ok_or_else(|| refused("this format", "$format"))?;
        return match (range.main.as_str(), range.sub.as_str()) {
            ("application", "json") => Ok(MetadataFormat::Json),
            ("application" | "text", "xml") => Ok(xml),
            _ => Err(refused("this format", "$format")),
        };
    }
    let ranges = accepted(accept);
    let offered: &[(&str, &str)] = match newest {
        Some(false) => &[("application", "xml"), ("text", "xml")],
        Some(true) | None => &[("application", "xml"), ("text", "xml"), ("application", "json")],
    };
    match choose(&ranges, offered) {
        Some(0 | 1) => Ok(xml),
        Some(_) => Ok(MetadataFormat::Json),
        None => Err(refused("none of the accepted formats", "Accept")),
    }
}

/// The language among those that there are which the caller likes best: its own, or one that differs in its region or script only.
fn language<'a>(accept: Option<&str>, languages: &'a [String]) -> Option<&'a str> {
    let mut wanted: Vec<(u16, &str)> = accept
        .unwrap_or_default()
        .split(',')
        .filter_map(|part| {
            let (tag, parameters) = part.split_once(';').map_or((part.trim(), ""), |(tag, rest)| (tag.trim(), rest.trim()));
            let quality = parameters.strip_prefix("q=").map_or(Some(1.0), |quality| quality.trim().parse::<f32>().ok())?;
            (quality > 0.0 && !tag.is_empty()).then_some(((quality.min(1.0) * 1000.0) as u16, tag))
        })
        .collect();
    wanted.sort_by_key(|(quality, _)| std::cmp::Reverse(*quality));
    let primary = |tag: &str| tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
    wanted.into_iter().find_map(|(_, tag)| {
        let exact = languages.iter().find(|language| language.eq_ignore_ascii_case(tag));
        exact.or_else(|| languages.iter().find(|language| primary(language) == primary(tag))).map(String::as_str)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use MetadataFormat::{Json, Xml, Xml401};

    #[test]
    fn the_form_is_the_one_that_the_client_reads() {
        let power_query = "application/json;odata.metadata=minimal;q=1.0,application/json;odata=minimalmetadata;q=0.9,\
            application/atomsvc+xml;q=0.8,application/atom+xml;q=0.8,application/xml;q=0.7,text/plain;q=0.7";
        let cases = [
            (None, None, None, Some(Xml)),
            (None, None, Some("4.0"), Some(Xml)),
            (None, None, Some("4.01"), Some(Xml401)),
            (None, None, Some("5.0"), Some(Xml401)),
            (None, Some("*/*"), Some("4.01"), Some(Xml401)),
            (None, Some("application/json"), Some("4.01"), Some(Json)),
            (None, Some("application/json"), None, Some(Json)),
            (None, Some("application/json;q=0.9, application/xml"), None, Some(Xml)),
            (None, Some("application/xml;q=0.9, application/json"), Some("4.01"), Some(Json)),
            (None, Some(power_query), Some("4.0"), Some(Xml)),
            (None, Some("application/json, text/xml;q=0.1"), Some("4.0;NetFx"), Some(Xml)),
            (None, Some("application/json"), Some("4.0"), None),
            (None, Some("text/html"), None, None),
            (Some("json"), Some("application/xml"), Some("4.0"), Some(Json)),
            (Some("xml"), Some("application/json"), Some("4.01"), Some(Xml401)),
            (Some("application/json;odata.metadata=full"), None, None, Some(Json)),
            (Some("atom"), None, None, None),
        ];
        for (asked, accept, most, expected) in cases {
            assert_eq!(
                format(asked, accept, most.map(|most| Version::negotiate(Some(most)) == Ok(Version::V4_01))).ok(),
                expected,
                "{asked:?} {accept:?} {most:?}"
            );
        }
    }

    #[test]
    fn the_language_is_the_best_of_those_there_are() {
        let there = ["de".to_owned(), "en-GB".to_owned(), "fr".to_owned()];
        let chosen = |accept: &str| language(Some(accept), &there);
        assert_eq!(chosen("fr;q=0.5, de-CH;q=0.9, *;q=0.1"), Some("de"));
        assert_eq!(chosen("en-US,en;q=0.9"), Some("en-GB"));
        assert_eq!(chosen("fr;q=0, it"), None);
        assert_eq!(chosen("DE"), Some("de"));
        assert_eq!(chosen("de;q=x, fr"), Some("fr"));
        assert_eq!(language(None, &there), None);
    }
}
