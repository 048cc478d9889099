//! The service from outside: real networks, a real Postgres and real photos, over HTTP.
//!
//! Every test has a database and a service of its own, so that none sees another's people.

mod access;
mod answer;
mod at_rest;
mod audit;
mod bad_input;
mod blocklist;
mod broker;
mod coherence;
mod connection;
mod contract;
mod database;
mod devices;
mod events;
mod faces;
mod frame;
mod gate_inputs;
mod gates;
mod grants;
mod groups;
mod identity;
mod imports;
mod invitations;
mod keys;
mod load;
mod lookalikes;
mod mqtt;
mod overload;
mod passage;
mod passages;
mod people;
mod photos;
mod privacy;
mod promise;
mod races;
mod risk;
mod roles;
mod schedules;
mod service;
mod shutdown;
mod sites;
mod start;
mod verifier;
mod webhooks;
mod zones;
