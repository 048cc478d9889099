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

-- As in 0013, with one more name that is hidden.
create or replace function note_change() returns trigger language plpgsql as $$
declare
    -- Secrets, encodings, and what changes with every change.
    hidden constant text[] := '{secret_sha256, signing_secret, encoding, photo_sha256, key_id, updated_at}';
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
