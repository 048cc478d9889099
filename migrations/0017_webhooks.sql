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

-- As in 0013, with the secrets of webhooks and of devices hidden too.
create or replace function note_change() returns trigger language plpgsql as $$
declare
    -- Secrets, encodings, and what changes with every change.
    hidden constant text[] :=
        '{secret_sha256, secret, signing_secret, encoding, photo_sha256, key_id, updated_at}';
    was jsonb := '{}';
    is_now jsonb := '{}';
    subject jsonb;
    noted jsonb := '{}';
begin
    if tg_op <> 'INSERT' then was := to_jsonb(old) - hidden; end if;
    if tg_op <> 'DELETE' then is_now := to_jsonb(new) - hidden; end if;
    subject := case when tg_op = 'DELETE' then was else is_now end;
    if tg_op = 'UPDATE' then
        select jsonb_object_agg(v.key, v.value), jsonb_object_agg(v.key, is_now -> v.key) into was, is_now
            from jsonb_each(was) v where v.value is distinct from is_now -> v.key;
        if was is null then return null; end if;
    end if;
    if tg_op <> 'INSERT' then noted := jsonb_build_object('before', was); end if;
    if tg_op <> 'DELETE' then noted := noted || jsonb_build_object('after', is_now); end if;
    insert into changes (id, key_id, author, action, kind, subject_id, employee_id, details) values (
        gen_random_uuid(),
        nullif(current_setting('limen.key_id', true), '')::uuid,
        coalesce(nullif(current_setting('limen.author', true), ''), 'database role ' || session_user),
        case tg_op when 'INSERT' then 'created' when 'DELETE' then 'removed' else 'changed' end,
        tg_table_name,
        coalesce(subject ->> 'id', subject ->> 'group_id')::uuid,
        (case when tg_table_name = 'employees' then subject ->> 'id' else subject ->> 'employee_id' end)::uuid,
        noted::text
    );
    return null;
end $$;

create trigger webhooks_note_change after insert or update or delete on webhooks
    for each row execute function note_change();
