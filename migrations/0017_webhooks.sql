-- Webhooks: whom Limen tells of passages by itself. How: docs/EVENTS.md. There is no queue: a passage's position in
-- its gate's chain says what was delivered and what was not.

create table webhooks (
    id uuid primary key,
    -- Where events are posted to.
    url text not null check (char_length(url) between 1 and 2000),
    -- false: nothing is delivered; what was missed comes once it is switched on again.
    enabled boolean not null default true,
    -- Only events of these gates; of all, where it is empty.
    gate_ids uuid[] not null default '{}',
    -- Only these decisions; all, where it is empty.
    decisions text[] not null default '{}',
    -- Only what raises an alarm.
    alarms boolean not null default false,
    -- What deliveries are signed with: 43 characters, sealed (src/store/webhooks.rs). 37 bytes are the seal's.
    secret bytea not null check (octet_length(secret) = 43 + 37),
    -- Which key it is sealed under, as its bytes say. For rotation: what is under which key?
    key_id bytea not null generated always as (substring(secret from 2 for 8)) stored,
    created_at timestamptz not null default now()
);

-- How far a webhook is with a gate; no row: nothing of a gate that came later than the webhook was delivered yet.
create table webhook_cursors (
    webhook_id uuid not null references webhooks (id) on delete cascade,
    gate_id uuid not null references gates (id) on delete cascade,
    -- Up to here all was delivered, was not asked for, or is a dead letter.
    position bigint not null,
    -- How often the event after it was tried in vain,
    attempts integer not null default 0,
    -- and when it is tried again; null: at once.
    retry_at timestamptz,
    -- When the gate had its last turn: those that have waited longest come first.
    tried_at timestamptz not null default now(),
    primary key (webhook_id, gate_id)
);

-- Events that a webhook did not take after all attempts; those of the gate that came later went on without them.
create table webhook_dead_letters (
    id uuid primary key,
    webhook_id uuid not null references webhooks (id) on delete cascade,
    gate_id uuid not null references gates (id) on delete cascade,
    position bigint not null,
    attempts integer not null,
    -- What went wrong the last time.
    last_error text not null,
    -- When that was.
    failed_at timestamptz not null default now(),
    -- Whether somebody asked that it be tried once more.
    retrying boolean not null default false,
    constraint webhook_dead_letters_event_key unique (webhook_id, gate_id, position)
);
create index webhook_dead_letters_webhook_id_idx on webhook_dead_letters (webhook_id, id);

create trigger webhooks_note_change after insert or update or delete on webhooks
    for each row execute function note_change();
