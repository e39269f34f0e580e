//! When to try again, as gRPC says it: `google.rpc.RetryInfo` among the details of a status, and the header that retrying clients obey. The
//! messages are written by hand: there are three of them, of one field or two that matter. It must not know what failed.

use bytes::Bytes;
use prost::encoding::{bytes as bytes_field, int32, int64, string};
use std::time::Duration;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

/// The header with the milliseconds that a client waits before it tries again.
const PUSHBACK: &str = "grpc-retry-pushback-ms";
const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// A status with advice after how long to try again.
pub fn status(code: Code, message: &str, after: Duration) -> Status {
    let mut metadata = MetadataMap::new();
    metadata.insert(PUSHBACK, MetadataValue::from(u64::try_from(after.as_millis()).unwrap_or(u64::MAX)));
    Status::with_details_and_metadata(code, message, details(code, message, after), metadata)
}

/// `google.rpc.Status { code = 1, message = 2, details = 3: Any { type_url = 1, value = 2 } }`, with the duration
/// `google.protobuf.Duration { seconds = 1, nanos = 2 }` as the field 1 of the value.
fn details(code: Code, message: &str, after: Duration) -> Bytes {
    let mut duration = Vec::new();
    int64::encode(1, &i64::try_from(after.as_secs()).unwrap_or(i64::MAX), &mut duration);
    int32::encode(2, &i32::try_from(after.subsec_nanos()).unwrap_or_default(), &mut duration);
    let (mut retry_info, mut any, mut status) = (Vec::new(), Vec::new(), Vec::new());
    bytes_field::encode(1, &duration, &mut retry_info);
    string::encode(1, &RETRY_INFO.to_owned(), &mut any);
    bytes_field::encode(2, &retry_info, &mut any);
    int32::encode(1, &i32::from(code), &mut status);
    string::encode(2, &message.to_owned(), &mut status);
    bytes_field::encode(3, &any, &mut status);
    Bytes::from(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `protoc --encode google.rpc.Status` writes the same values.
    #[test]
    fn the_details_are_the_standard_s() {
        let status = status(Code::Unavailable, "x", Duration::from_millis(2500));
        let expected: &[&[u8]] = &[
            &[0x08, 14, 0x12, 1, b'x', 0x1a, 54, 0x0a, 40],
            RETRY_INFO.as_bytes(),
            &[0x12, 10, 0x0a, 8, 0x08, 2, 0x10, 0x80, 0xca, 0xb5, 0xee, 0x01],
        ];
        assert_eq!(status.details(), expected.concat());
        assert_eq!(status.metadata().get(PUSHBACK).unwrap(), "2500");
    }
}
