//! Logs to an OpenTelemetry collector, over OTLP/HTTP with protobuf (<https://opentelemetry.io/docs/specs/otlp/>): what goes to standard error,
//! with its fields (`job`, `node`, ...) as attributes.
//!
//! In builds with the feature `otlp`. Where to is said by OpenTelemetry's own environment variables
//! (<https://opentelemetry.io/docs/specs/otel/protocol/exporter/>): `OTEL_EXPORTER_OTLP_LOGS_ENDPOINT`, or
//! `OTEL_EXPORTER_OTLP_ENDPOINT` with `/v1/logs` after it; `OTEL_SERVICE_NAME`. Without either nothing is sent.
//!
//! Plain HTTP alone: the collector runs on the same machine, and TLS to elsewhere is its business.

use crate::failure::{Failure, Outcome};

const LOGS_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT";
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// Where logs are sent to, and by which variable.
fn endpoint() -> Outcome<Option<(String, &'static str)>> {
    let read = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let (url, name) = match (read(LOGS_ENDPOINT), read(ENDPOINT)) {
        (Some(url), _) => (url, LOGS_ENDPOINT),
        (None, Some(base)) => (format!("{}/v1/logs", base.trim_end_matches('/')), ENDPOINT),
        (None, None) => return Ok(None),
    };
    if !url.starts_with("http://") {
        return Err(Failure::new(format!(
            "{name} is {url:?}: logs are sent over plain http:// only; run a collector on this machine, and let it send them on over TLS"
        )));
    }
    Ok(Some((url, name)))
}

#[cfg(feature = "otlp")]
pub use export::Export;
#[cfg(not(feature = "otlp"))]
pub use without::Export;

#[cfg(not(feature = "otlp"))]
mod without {
    use tracing_subscriber::layer::Identity;

    use super::{Failure, Outcome, endpoint};

    /// Nothing is sent.
    #[derive(Debug)]
    pub struct Export;

    impl Export {
        /// Refuses if a collector is configured: its operator would wait for logs.
        pub fn start(_: &'static str) -> Outcome<(Self, Identity)> {
            match endpoint()? {
                None => Ok((Self, Identity::new())),
                Some((_, name)) => Err(Failure::new(format!(
                    "{name} is set, and this program was built without OTLP: build it with `--features otlp`, or unset {name}"
                ))),
            }
        }
    }
}

#[cfg(feature = "otlp")]
mod export {
    use std::time::Duration;

    use async_trait::async_trait;
    use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
    use opentelemetry_http::hyper::HyperClient;
    use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
    use opentelemetry_otlp::{LogExporter, Protocol, WithExportConfig as _, WithHttpConfig as _};
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::logs::SdkLoggerProvider;
    use tokio::runtime::{Handle, Runtime};
    use tracing::Subscriber;
    use tracing_subscriber::Layer;
    use tracing_subscriber::filter::FilterFn;
    use tracing_subscriber::registry::LookupSpan;

    use super::{Failure, Outcome, endpoint};

    /// How long the collector may take for what it is sent.
    const PATIENCE: Duration = Duration::from_secs(5);

    /// The way to the collector. Dropping it sends what is left.
    #[derive(Debug)]
    pub struct Export {
        // Its client lives in the runtime: first the one, then the other.
        provider: Option<SdkLoggerProvider>,
        _runtime: Option<Runtime>,
    }

    impl Export {
        /// With the layer that hands over what is logged by this program, if a collector is configured.
        pub fn start<S>(service: &'static str) -> Outcome<(Self, Option<impl Layer<S>>)>
        where
            S: Subscriber + for<'a> LookupSpan<'a>,
        {
            let Some((url, name)) = endpoint()? else {
                return Ok((Self { provider: None, _runtime: None }, None));
            };
            let failed = |problem: String| Failure::new(format!("{name}: {problem}"));
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .thread_name("otlp")
                .enable_all()
                .build()
                .map_err(|e| failed(e.to_string()))?;
            let client = HyperClient::with_default_connector(PATIENCE, None);
            let exporter = LogExporter::builder()
                .with_http()
                .with_http_client(Client { client, runtime: runtime.handle().clone() })
                .with_protocol(Protocol::HttpBinary)
                .with_endpoint(url)
                .with_timeout(PATIENCE)
                .build()
                .map_err(|e| failed(e.to_string()))?;
            let resource = if std::env::var_os("OTEL_SERVICE_NAME").is_some() {
                Resource::builder().build()
            } else {
                Resource::builder().with_service_name(service).build()
            };
            let provider =
                SdkLoggerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
            // What the way to the collector logs itself would never end.
            let ours = FilterFn::new(|event| event.target().starts_with("tacit"));
            let layer = OpenTelemetryTracingBridge::new(&provider).with_filter(ours);
            Ok((Self { provider: Some(provider), _runtime: Some(runtime) }, Some(layer)))
        }
    }

    impl Drop for Export {
        fn drop(&mut self) {
            if let Some(provider) = self.provider.take()
                && let Err(error) = provider.shutdown()
            {
                tracing::warn!(%error, "the last logs did not reach the collector");
            }
        }
    }

    /// Sends from the exporter's own thread, which belongs to no runtime.
    #[derive(Debug)]
    struct Client {
        client: HyperClient,
        runtime: Handle,
    }

    #[async_trait]
    impl HttpClient for Client {
        async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
            let client = self.client.clone();
            self.runtime.spawn(async move { client.send_bytes(request).await }).await?
        }
    }
}
