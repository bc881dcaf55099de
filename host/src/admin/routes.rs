//! From request to response: which endpoint, who may use it, what it answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use tokio::{task, time};

use super::bridge::Bridge;
use super::token::Gatekeeper;
use crate::telemetry::openmetrics;

/// Largest request body; none of the endpoints needs one.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Longest wait for a request's body.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(5);

pub(super) type Answer = Response<Full<Bytes>>;

/// What every request needs.
pub(super) struct Desk {
    pub(super) bridge: Arc<dyn Bridge>,
    pub(super) gatekeeper: Gatekeeper,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Livez,
    Readyz,
    Metrics,
    Status,
    Reload,
}

impl Endpoint {
    fn find(path: &str) -> Option<Self> {
        match path {
            "/livez" => Some(Self::Livez),
            "/readyz" => Some(Self::Readyz),
            "/metrics" => Some(Self::Metrics),
            "/api/v1/status" => Some(Self::Status),
            "/api/v1/reload" => Some(Self::Reload),
            _ => None,
        }
    }

    /// Probes carry no token, and learn names and yes or no only.
    fn is_open(self) -> bool {
        match self {
            Self::Livez | Self::Readyz => true,
            Self::Metrics | Self::Status | Self::Reload => false,
        }
    }

    fn methods(self) -> &'static str {
        match self {
            Self::Livez | Self::Readyz | Self::Metrics | Self::Status => "GET, HEAD",
            Self::Reload => "POST",
        }
    }

    fn takes(self, method: &Method) -> bool {
        self.methods().split(", ").any(|known| method.as_str() == known)
    }
}

pub(super) async fn answer(request: Request<Incoming>, desk: &Desk) -> Answer {
    let endpoint = Endpoint::find(request.uri().path());
    if !endpoint.is_some_and(Endpoint::is_open) && !desk.gatekeeper.admits(request.headers()) {
        return unauthorized();
    }
    let Some(endpoint) = endpoint else {
        let known = "there are /livez, /readyz, /metrics, /api/v1/status and /api/v1/reload";
        return refusal(StatusCode::NOT_FOUND, known);
    };
    if !endpoint.takes(request.method()) {
        let refused = refusal(StatusCode::METHOD_NOT_ALLOWED, &format!("use {}", endpoint.methods()));
        return with(refused, ALLOW, endpoint.methods());
    }
    if let Err(refused) = drain(request.into_body()).await {
        return refused;
    }
    match endpoint {
        Endpoint::Livez => json(StatusCode::OK, &serde_json::json!({ "live": true })),
        Endpoint::Readyz => readiness(desk),
        Endpoint::Metrics => page(openmetrics::CONTENT_TYPE, desk.bridge.metrics()),
        Endpoint::Status => json(StatusCode::OK, &desk.bridge.status()),
        Endpoint::Reload => reload(desk).await,
    }
}

/// Takes the body in, within its bounds, and forgets it.
async fn drain(body: Incoming) -> Result<(), Answer> {
    match time::timeout(BODY_TIME_MAX, Limited::new(body, BODY_BYTES_MAX).collect()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) => Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, "the body is broken or over 64 KiB; send none")),
        Err(_) => Err(refusal(StatusCode::REQUEST_TIMEOUT, "the body did not come within 5 s; send none")),
    }
}

fn readiness(desk: &Desk) -> Answer {
    let readiness = desk.bridge.readiness();
    let ready = readiness.is_ready();
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::json!({ "ready": ready, "sources": readiness.sources, "clusters": readiness.clusters });
    json(code, &body)
}

async fn reload(desk: &Desk) -> Answer {
    let bridge = desk.bridge.clone();
    match task::spawn_blocking(move || bridge.reload()).await {
        Ok(reply) => json(StatusCode::OK, &reply),
        Err(_) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "the reload broke off; the log has more"),
    }
}

fn unauthorized() -> Answer {
    let refused = refusal(StatusCode::UNAUTHORIZED, "send `Authorization: Bearer TOKEN` with the token of `[admin]`");
    with(refused, WWW_AUTHENTICATE, "Bearer")
}

fn refusal(code: StatusCode, error: &str) -> Answer {
    json(code, &serde_json::json!({ "error": error }))
}

fn json(code: StatusCode, body: &impl Serialize) -> Answer {
    let text = serde_json::to_string(body).expect("our own values have string keys and no failing serializers");
    let mut answer = page("application/json", text + "\n");
    *answer.status_mut() = code;
    answer
}

fn page(content_type: &'static str, text: String) -> Answer {
    let answer = Response::new(Full::new(Bytes::from(text)));
    with(with(answer, CONTENT_TYPE, content_type), CACHE_CONTROL, "no-store")
}

fn with(mut answer: Answer, name: HeaderName, value: &'static str) -> Answer {
    answer.headers_mut().insert(name, HeaderValue::from_static(value));
    answer
}
