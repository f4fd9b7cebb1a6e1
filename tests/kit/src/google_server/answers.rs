//! Answers in XML, and the refusals among them.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// A refusal: its status, its code and what is the matter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal(StatusCode, &'static str, &'static str);

/// No token, or one that no account signed, or that does not hold any more.
pub(super) const NO_TOKEN: Refusal =
    Refusal(StatusCode::UNAUTHORIZED, "AuthenticationRequired", "a good token is needed");
/// An account that the bucket is not for.
pub(super) const NO_RIGHTS: Refusal =
    Refusal(StatusCode::FORBIDDEN, "AccessDenied", "the account may not do this here");
/// A bucket that is not there.
pub(super) const NO_BUCKET: Refusal =
    Refusal(StatusCode::NOT_FOUND, "NoSuchBucket", "there is no such bucket");
/// An object that is not there.
pub(super) const NO_KEY: Refusal = Refusal(StatusCode::NOT_FOUND, "NoSuchKey", "there is no such object");
/// An upload that is not there, or is over.
pub(super) const NO_UPLOAD: Refusal =
    Refusal(StatusCode::NOT_FOUND, "NoSuchUpload", "there is no such upload");
/// Another generation than the request expects.
pub(super) const NOT_AS_EXPECTED: Refusal =
    Refusal(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", "the object is not of that generation");
/// A range with no byte of the object.
pub(super) const NO_RANGE: Refusal =
    Refusal(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", "no byte of the object is in the range");
/// Parts that were not sent, or not so.
pub(super) const NO_PART: Refusal =
    Refusal(StatusCode::BAD_REQUEST, "InvalidPart", "the parts are not those of the upload");
/// A part, and not the last, that is smaller than parts are.
pub(super) const SMALL_PART: Refusal =
    Refusal(StatusCode::BAD_REQUEST, "EntityTooSmall", "a part but the last is too small");
/// A method that means nothing where it is used.
pub(super) const NO_METHOD: Refusal =
    Refusal(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "the method means nothing here");
/// A header, a parameter or a value of one that means nothing to this server.
pub(super) const NOT_KNOWN: Refusal =
    Refusal(StatusCode::BAD_REQUEST, "InvalidArgument", "something of the request is not known here");

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, code, message) = self;
        let told = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
        (status, document(&told)).into_response()
    }
}

/// A document with this element.
pub(super) fn document(element: &str) -> Response {
    let text = format!("<?xml version='1.0' encoding='UTF-8'?>{element}");
    ([("content-type", "application/xml; charset=UTF-8")], text).into_response()
}

/// `text` as it stands within an element.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What stands in the first element of that name.
pub(super) fn element<'a>(name: &str, text: &'a str) -> Option<&'a str> {
    let (_, after) = text.split_once(&format!("<{name}>"))?;
    after.split_once(&format!("</{name}>")).map(|(inside, _)| inside)
}
