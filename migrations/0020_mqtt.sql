-- MQTT: how far the broker is with each gate's events. How: docs/EVENTS.md.

-- One row, once events have been published for the first time: what is recorded from then on the broker is told of.
create table mqtt_outlet (
    only_one boolean primary key default true check (only_one),
    begun_at timestamptz not null default now()
);

-- How far the broker is with a gate; no row: nothing of a gate that came later was published yet.
create table mqtt_cursors (
    gate_id uuid primary key references gates (id) on delete cascade,
    -- Up to here the broker has taken all.
    position bigint not null
);
