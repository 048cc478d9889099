//! What those are told who follow the trail: over streams that they keep open, by webhooks, and
//! through an MQTT broker.
//!
//! There is no queue beside the trail. A passage's position in its gate's chain has no gaps and is committed in
//! order, so whoever remembers the last position of each gate has everything, in order, over restarts and
//! replicas; and a passage waits for nobody who listens.

mod backoff;
mod bell;
mod mqtt;
mod said;
mod view;
mod webhooks;

pub use bell::{Bell, ring};
pub use mqtt::{Broker, MqttSettings, Publisher, TlsError, TlsSettings};
pub use view::EventView;
pub use webhooks::{Deliverer, DeliverySettings, webhook_secret};
