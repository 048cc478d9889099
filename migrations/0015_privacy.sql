-- What the people in the database may ask for: consent that is on record, a copy, and to be forgotten.

create table consents (
    id uuid primary key,
    employee_id uuid not null
        constraint consents_employee_id_fkey references employees (id) on delete cascade,
    -- Which text the person agreed to, as the site names its versions.
    text_version text not null check (char_length(text_version) between 1 and 100),
    given_at timestamptz not null,
    -- From then on it holds no more; the row stays, so that it is known what held before.
    withdrawn_at timestamptz,
    constraint consents_withdrawn_check check (given_at <= withdrawn_at)
);
create index consents_employee_id_idx on consents (employee_id);

-- Records that somebody was erased out of, and not whom: the chains then show that nobody else removed them.
create table erasures (
    id uuid primary key,
    -- Passages and changes that do not say any more whom they were about.
    records uuid[] not null,
    erased_at timestamptz not null default clock_timestamp()
);

-- Passages that were purged because their time was over.
create table purges (
    id uuid primary key,
    gate_id uuid not null,
    -- The position of the last; null where all were from before there were chains.
    purged_to bigint,
    passages bigint not null,
    purged_at timestamptz not null default clock_timestamp()
);

create trigger consents_note_change after insert or update or delete on consents
    for each row execute function note_change();
create trigger erasures_note_change after insert or update or delete on erasures
    for each row execute function note_change();
create trigger purges_note_change after insert or update or delete on purges
    for each row execute function note_change();

-- A passage that withdrew a grant may outlive it by a moment.
alter table passages drop constraint passages_replay_of_fkey;
-- The oldest of a gate's chain are looked for by time.
create index passages_gate_id_decided_at_idx on passages (gate_id, decided_at);

create trigger consents_refuse_truncate before truncate on consents
    for each statement execute function refuse_truncate();
create trigger erasures_refuse_truncate before truncate on erasures
    for each statement execute function refuse_truncate();
create trigger purges_refuse_truncate before truncate on purges
    for each statement execute function refuse_truncate();
-- Who has had a badge is looked for when its owner is erased.
create index passages_badge_id_idx on passages (badge_id) where badge_id is not null and employee_id is null;
