//! How many connections each address has, so that one cannot take them all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::warn;

/// Counts connections by address.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    max: usize,
    open: Arc<Mutex<HashMap<IpAddr, Connections>>>,
}

/// Those of one address.
#[derive(Clone, Copy, Debug, Default)]
struct Connections {
    open: usize,
    /// Whether one was refused, which is told once until all are gone.
    refused: bool,
}

/// A connection's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    address: IpAddr,
    addresses: Addresses,
}

impl Addresses {
    /// Lets each address have `max` connections at once.
    pub fn new(max: usize) -> Self {
        Self { max, open: Arc::default() }
    }

    /// A place for a connection from `address`; none when it has as many as it may.
    pub fn enter(&self, address: IpAddr) -> Option<Place> {
        let mut open = self.open.lock();
        let connections = open.entry(address).or_default();
        if connections.open >= self.max {
            if !std::mem::replace(&mut connections.refused, true) {
                warn!(
                    %address, connections_per_address_max = self.max,
                    "an address has as many connections as it may; further ones are closed"
                );
            }
            return None;
        }
        connections.open += 1;
        Some(Place { address, addresses: self.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.addresses.open.lock();
        if let Some(connections) = open.get_mut(&self.address) {
            connections.open -= 1;
            // Else every address that ever came would be remembered.
            if connections.open == 0 {
                open.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_places_and_gives_them_back() {
        let addresses = Addresses::new(2);
        let [here, there] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().unwrap());
        let places = [addresses.enter(here).unwrap(), addresses.enter(here).unwrap()];
        assert!(addresses.enter(here).is_none());
        let other = addresses.enter(there).unwrap();
        drop(places);
        assert!(addresses.enter(here).is_some());
        drop(other);
        assert!(addresses.open.lock().is_empty());
    }
}
