-- Proof: what was decided and what was changed is chained, so that whoever alters it later is found out.
-- How, and how it is checked: docs/AUDIT.md. `src/domain/chain.rs` says what a hash covers.

-- One chain for each gate's passages, so that gates do not wait for each other, and one, of the nil UUID, for
-- what was administered.
create table chains (
    stream uuid primary key,
    -- How many records it has had; the last one's position.
    length bigint not null default 0 check (length >= 0),
    -- The hash of the last record.
    hash bytea not null default decode(repeat('00', 32), 'hex') check (octet_length(hash) = 32),
    -- Records up to this position were purged when their time was over,
    purged bigint not null default 0 check (purged between 0 and length),
    -- and this was the hash of the last of them.
    purged_hash bytea not null default decode(repeat('00', 32), 'hex')
        check (octet_length(purged_hash) = 32),
    -- Records from before there were chains.
    unchained bigint not null default 0,
    -- Ed25519, over all of the above; null as long as nothing was chained.
    signature bytea check (octet_length(signature) = 64),
    -- The public key that it was made for.
    signed_by bytea check (octet_length(signed_by) = 32),
    constraint chains_signed_check check ((signature is null) = (signed_by is null))
);

insert into chains (stream) values ('00000000-0000-0000-0000-000000000000');
insert into chains (stream, unchained)
    select id, (select count(*) from passages where gate_id = gates.id) from gates;

create function begin_chain() returns trigger language plpgsql as $$
begin
    insert into chains (stream) values (new.id);
    return null;
end $$;
create function end_chain() returns trigger language plpgsql as $$
begin
    delete from chains where stream = old.id;
    return null;
end $$;
create trigger gates_begin_chain after insert on gates for each row execute function begin_chain();
create trigger gates_end_chain after delete on gates for each row execute function end_chain();

alter table passages
    -- Its place in the gate's chain, from 1; null for passages from before there were chains.
    add column position bigint,
    -- The hash of this record and of all before it.
    add column hash bytea check (octet_length(hash) = 32),
    -- The hash covers whose passage it was by this commitment to the employee, the faces and the badge,
    add column commitment bytea check (octet_length(commitment) = 32),
    -- which nobody can guess without these random bits: when a person is erased they go too.
    add column blind bytea check (octet_length(blind) = 16),
    -- How many administrative changes the policy that decided rested on: their chain's length.
    add column policy_version bigint,
    -- The calibration that τ followed from; null where τ is fixed, or nothing was compared.
    add column calibration text,
    add constraint passages_chain_check check (
        (position is null) = (hash is null) and (position is null) = (commitment is null)
    );
create unique index passages_position_key on passages (gate_id, position);

-- What was administered, by whom and when.
create table changes (
    id uuid primary key,
    changed_at timestamptz not null default clock_timestamp(),
    -- The API key that asked; null for the command line and for other clients of the database.
    key_id uuid,
    -- Who that was: the name of the key, of the command, or of the database's role.
    author text not null,
    -- created, changed or removed,
    action text not null check (action in ('created', 'changed', 'removed')),
    -- what kind of thing: the table's name,
    kind text not null,
    -- and which; of a member, the group.
    subject_id uuid not null,
    -- The person whom it concerns, if anybody.
    employee_id uuid,
    -- {"before": {...}, "after": {...}}: the values that were changed, but for secrets and encodings. Text, so that
    -- what is hashed is what is stored; null once the person was erased.
    details text,
    -- Whether Limen made it: of another client nothing but that is known; null until it is chained.
    by_limen boolean,
    -- As for passages; null until the transaction ends.
    position bigint,
    hash bytea check (octet_length(hash) = 32),
    commitment bytea check (octet_length(commitment) = 32),
    blind bytea check (octet_length(blind) = 16),
    constraint changes_chain_check check (
        (position is null) = (hash is null) and (position is null) = (commitment is null)
    )
);
create unique index changes_position_key on changes (position);
create index changes_subject_id_idx on changes (subject_id, position);
create index changes_employee_id_idx on changes (employee_id, position) where employee_id is not null;
create index changes_key_id_idx on changes (key_id, position) where key_id is not null;
create index changes_unchained_idx on changes (changed_at) where position is null;
create index passages_unchained_idx on passages (gate_id) where position is null;

-- Notes every change of what is administered, by whatever client. Limen says who asked in `limen.author` and
-- `limen.key_id`, and chains what was noted before it commits; what another client changed is chained with the next,
-- and said to be another's.
create function note_change() returns trigger language plpgsql as $$
declare
    -- Secrets, also of tables that come later, encodings, and what changes with every change.
    hidden constant text[] :=
        '{secret_sha256, signing_secret, secret, encoding, photo_sha256, key_id, updated_at}';
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

create trigger employees_note_change after insert or update or delete on employees
    for each row execute function note_change();
create trigger face_encodings_note_change after insert or update or delete on face_encodings
    for each row execute function note_change();
create trigger gates_note_change after insert or update or delete on gates
    for each row execute function note_change();
create trigger api_keys_note_change after insert or update or delete on api_keys
    for each row execute function note_change();
create trigger sites_note_change after insert or update or delete on sites
    for each row execute function note_change();
create trigger zones_note_change after insert or update or delete on zones
    for each row execute function note_change();
create trigger schedules_note_change after insert or update or delete on schedules
    for each row execute function note_change();
create trigger access_groups_note_change after insert or update or delete on access_groups
    for each row execute function note_change();
create trigger access_rules_note_change after insert or update or delete on access_rules
    for each row execute function note_change();
create trigger group_members_note_change after insert or update or delete on group_members
    for each row execute function note_change();
create trigger pardons_note_change after insert or update or delete on pardons
    for each row execute function note_change();

-- Emptied at once, no row is noted and no replica told.
create function refuse_truncate() returns trigger language plpgsql as $$
begin
    raise exception '% is not to be truncated: it would leave no trace in the trail', tg_table_name;
end $$;
create trigger employees_refuse_truncate before truncate on employees
    for each statement execute function refuse_truncate();
create trigger face_encodings_refuse_truncate before truncate on face_encodings
    for each statement execute function refuse_truncate();
create trigger gates_refuse_truncate before truncate on gates
    for each statement execute function refuse_truncate();
create trigger api_keys_refuse_truncate before truncate on api_keys
    for each statement execute function refuse_truncate();
create trigger sites_refuse_truncate before truncate on sites
    for each statement execute function refuse_truncate();
create trigger zones_refuse_truncate before truncate on zones
    for each statement execute function refuse_truncate();
create trigger schedules_refuse_truncate before truncate on schedules
    for each statement execute function refuse_truncate();
create trigger access_groups_refuse_truncate before truncate on access_groups
    for each statement execute function refuse_truncate();
create trigger access_rules_refuse_truncate before truncate on access_rules
    for each statement execute function refuse_truncate();
create trigger group_members_refuse_truncate before truncate on group_members
    for each statement execute function refuse_truncate();
create trigger pardons_refuse_truncate before truncate on pardons
    for each statement execute function refuse_truncate();
create trigger passages_refuse_truncate before truncate on passages
    for each statement execute function refuse_truncate();
create trigger changes_refuse_truncate before truncate on changes
    for each statement execute function refuse_truncate();
create trigger chains_refuse_truncate before truncate on chains
    for each statement execute function refuse_truncate();
