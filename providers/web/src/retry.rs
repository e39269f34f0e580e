//! Which requests are repeated, when, and how long is waited between: pure, but for chance. It must not know how a request is sent.

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use std::time::{Duration, SystemTime};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Whether a method changes nothing, so that asking twice is asking once.
pub fn is_read(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD || *method == Method::OPTIONS
}

/// Whether a status says that the same request may succeed later.
pub fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 502 | 503 | 504)
}

/// The pause before the attempt after `failed` ones: doubled each time, and of that a part by chance, so that many callers do not come back
/// together.
pub fn pause(failed: u32) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(1 << failed.saturating_sub(1).min(16)).min(LONGEST_PAUSE);
    longest.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// When the server says to come back: in seconds, or at a time.
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    // The time may have come already.
    httpdate::parse_http_date(text).ok().map(|at| at.duration_since(now).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;
    use std::time::UNIX_EPOCH;

    #[test]
    fn the_server_says_when() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        let after = |text: &'static str| {
            let headers: HeaderMap = [(RETRY_AFTER, HeaderValue::from_static(text))].into_iter().collect();
            retry_after(&headers, now)
        };
        assert_eq!(after("120"), Some(Duration::from_secs(120)));
        assert_eq!(after("Sun, 06 Nov 1994 08:50:37 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:00 GMT"), Some(Duration::ZERO));
        assert_eq!((after("soon"), after("-1")), (None, None));
    }

    #[test]
    fn pauses_grow_to_an_end() {
        for failed in 1..100 {
            let pause = pause(failed);
            let longest = Duration::from_millis(100 * (1 << (failed - 1).min(10))).min(LONGEST_PAUSE);
            assert!(pause >= longest / 2 && pause <= longest, "{failed}: {pause:?}");
        }
    }
}
