-- What firmware reports beside passages: the door, the button inside, whether anybody went through. Records of the
-- gate's chain as its passages are, so that the trail tells what came after what.

create table gate_inputs (
    -- UUIDv7: sorts by the time of recording.
    id uuid primary key,
    gate_id uuid not null constraint gate_inputs_gate_id_fkey references gates (id),
    -- The firmware's name for the event; repeating it records nothing.
    event_id text not null,
    -- door_held, door_forced, door_closed, request_to_exit, rotation_done or grant_unused.
    input text not null,
    -- The grant that was used, or was not; none of the other inputs names one. No foreign key: passages are purged.
    passage_id uuid,
    -- When, by the gate's clock,
    happened_at timestamptz not null,
    -- and when it was recorded, by Postgres'.
    recorded_at timestamptz not null,
    -- The key that reported it.
    key_id uuid not null,
    -- Its place in the gate's chain, from 1, and the hash of this record and of all before it.
    position bigint not null,
    hash bytea not null check (octet_length(hash) = 32),
    constraint gate_inputs_passage_check check (
        (passage_id is not null) = (input in ('rotation_done', 'grant_unused'))
    )
);
create unique index gate_inputs_event_key on gate_inputs (gate_id, event_id);
create unique index gate_inputs_position_key on gate_inputs (gate_id, position);
-- A grant is used or it is not.
create unique index gate_inputs_passage_key on gate_inputs (passage_id) where passage_id is not null;
create index gate_inputs_gate_id_idx on gate_inputs (gate_id, id);
create index gate_inputs_input_idx on gate_inputs (input, id);
-- The oldest of a gate's chain are looked for by time.
create index gate_inputs_gate_id_recorded_at_idx on gate_inputs (gate_id, recorded_at);

create trigger gate_inputs_refuse_truncate before truncate on gate_inputs
    for each statement execute function refuse_truncate();

-- A gate's chain as a whole. An input is about nobody: nothing in it is committed to.
create view gate_records as
    select 'passages' as kind, id, gate_id, position, hash, commitment, blind, decided_at as recorded_at from passages
    union all
    select 'gate_inputs', id, gate_id, position, hash, null, null, recorded_at from gate_inputs;

-- Passages alone were ever recorded before there were chains. A replica of before inputs would pass over them, and
-- grant what they settled: without the name that it knows it records nothing, and so opens for nobody.
alter table chains rename column unchained to unchained_passages;

-- Of what was purged, how much were inputs.
alter table purges add column inputs bigint not null default 0;
