-- Imports: many people and photos in one upload, which can be sent again until all of it is done (docs/IMPORTS.md).

create table imports (
    -- UUIDv7, so that lists page by it.
    id uuid primary key,
    -- The API key that began it; no foreign key, as changes have none.
    created_by uuid,
    -- What the client calls it: an upload with the same key goes on with it, if the same API key sends it: nobody
    -- replaces the rows of another's. Null: nobody can.
    key text check (char_length(key) between 1 and 64),
    -- running; finished: every row has its result; broken: what came could not be read any further; interrupted: it
    -- did not come to its end. One that runs and was not heard of for a while is interrupted too: its replica is gone.
    state text not null default 'running'
        check (state in ('running', 'finished', 'broken', 'interrupted')),
    -- How often it was sent. A replica that was taken for gone and is not can write nothing more into it.
    run integer not null default 1,
    -- Of this run, as far as it came: bytes,
    bytes_read bigint not null default 0,
    -- rows of the list, where that comes first,
    rows_listed bigint,
    -- what became of the rows,
    enrolled bigint not null default 0,
    created bigint not null default 0,
    updated bigint not null default 0,
    unchanged bigint not null default 0,
    refused bigint not null default 0,
    -- and the photos that no row names.
    photos_unnamed bigint not null default 0,
    -- Why it ended where it did: a code and a sentence; null where it is finished, or runs.
    problem_code text,
    problem_detail text,
    started_at timestamptz not null default now(),
    -- When its replica was last heard of.
    heard_at timestamptz not null default now(),
    ended_at timestamptz,
    constraint imports_key_key unique (created_by, key),
    constraint imports_problem_check check ((problem_code is null) = (problem_detail is null))
);

create table import_rows (
    import_id uuid not null references imports (id) on delete cascade,
    -- Where the row stands: the line of the list.
    line bigint not null check (line > 0),
    -- The run that it is of: a row that a later run did not have goes at its end.
    run integer not null,
    -- What the row calls the person by: employee_id, badge or name, in one form. Never anybody else's; goes with
    -- them. Empty: not known, or of somebody who was gone when it was stored.
    person text not null,
    outcome text not null
        check (outcome in ('enrolled', 'created', 'updated', 'unchanged', 'refused')),
    -- Why it was refused.
    reason text,
    detail text,
    -- Whose row it is; no foreign key: the row stays when they are removed, and goes when they are erased.
    employee_id uuid,
    -- Whether the person was created for it, in whichever run.
    created boolean not null default false,
    -- The face that is stored for it.
    face_id uuid,
    -- Whom else the face is like, how, and how near it is.
    looks_like uuid,
    likeness text check (likeness in ('double', 'look_alike')),
    distance real,
    primary key (import_id, line),
    constraint import_rows_refusal_check check ((outcome = 'refused') = (reason is not null)),
    constraint import_rows_resemblance_check check (
        (looks_like is null) = (likeness is null) and (looks_like is null) = (distance is null)
    )
);
-- Whoever is erased is looked for.
create index import_rows_employee_id_idx on import_rows (employee_id) where employee_id is not null;
create index import_rows_looks_like_idx on import_rows (looks_like) where looks_like is not null;
create index import_rows_person_idx on import_rows (lower(person));

-- Who began it. What it changes is noted as any change, with its id in the author's name; its progress is no change.
create trigger imports_note_change after insert on imports
    for each row execute function note_change();
