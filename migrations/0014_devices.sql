-- Each gate has a credential of its own, under which it signs its requests.

alter table api_keys
    -- The secret that a gate signs with, sealed by Limen (src/store/devices.rs): a signature cannot be checked with a
    -- hash. Null: an API key, which is shown itself. Neither is ever taken for the other.
    add column signing_secret bytea,
    add constraint api_keys_signing_check check (signing_secret is null or gate_id is not null);

-- true: the gate's passages must be signed; an API key alone asks in vain.
alter table gates add column signed_requests boolean not null default false;

-- Of each credential the newest request that was accepted: one that is not newer is a repetition or late. Here, so
-- that it holds for all replicas and after a restart. No trigger of 0008 or 0013: it is written with every request.
create table device_clocks (
    key_id uuid primary key references api_keys (id) on delete cascade,
    -- Microseconds since 1970 by the gate's clock.
    timestamp_us bigint not null
);
