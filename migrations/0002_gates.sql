-- The turnstiles, the keys that open the API, and the record of every decision.

create table gates (
    id uuid primary key,
    -- What people call it.
    name text not null constraint gates_name_key unique check (char_length(name) between 1 and 100),
    -- A disabled gate denies everybody.
    enabled boolean not null default true,
    -- How long the turnstile stays open after a grant.
    open_ms integer not null check (open_ms between 100 and 60000),
    -- The oldest frame accepted, since its capture: bounds what a recorded request is worth.
    frame_age_ms_max integer not null check (frame_age_ms_max between 100 and 600000),
    -- The smallest face accepted, in pixels between the pupils.
    pupil_distance_px_min real not null check (pupil_distance_px_min between 8 and 1000),
    -- true: badge and face (1:1); false: the face alone will do (1:N), a badge narrows it to 1:1.
    badge_required boolean not null,
    -- The liveness that a face must reach; null: liveness is not checked at this gate.
    liveness_threshold real check (liveness_threshold between 0 and 1),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table api_keys (
    -- The public half of the key.
    id uuid primary key,
    -- Who uses it.
    name text not null check (char_length(name) between 1 and 100),
    -- SHA-256 of the secret half. The secret has 256 random bits, so no slow hash is needed.
    secret_sha256 bytea not null check (octet_length(secret_sha256) = 32),
    scopes text[] not null
        check (cardinality(scopes) > 0 and scopes <@ array['gate', 'admin', 'metrics']),
    -- A key that is bound to a gate asks for that gate's passages and for nothing else; it goes with
    -- the gate, which can be removed only while it has no passages.
    gate_id uuid constraint api_keys_gate_id_fkey references gates (id) on delete cascade
        constraint api_keys_gate_scope_check check (gate_id is null or scopes = array['gate']),
    created_at timestamptz not null default now(),
    -- A revoked key stays, so that its passages can be traced to it.
    revoked_at timestamptz
);

create table passages (
    -- UUIDv7: sorts by decision time, so that the trail pages by it.
    id uuid primary key,
    -- A gate with passages cannot be removed, only disabled.
    gate_id uuid not null constraint passages_gate_id_fkey references gates (id),
    -- The firmware's name for the event; repeating it returns this passage.
    event_id text not null,
    captured_at timestamptz not null,
    decided_at timestamptz not null,
    -- Follows from the reason; kept beside it so that the trail can be filtered.
    decision text not null check (decision in ('grant', 'deny', 'retry')),
    reason text not null,
    -- How long the gate was told to open; 0 unless granted.
    open_ms integer not null,
    -- Whose face matched (1:N), or whose badge was shown. No foreign key: the trail outlives people.
    employee_id uuid,
    face_id uuid,
    badge_id text,
    -- The figures the decision rests on; null where the road ended earlier.
    distance real,
    threshold real,
    liveness real,
    liveness_threshold real,
    model_id text,
    frames smallint not null,
    -- SHA-256 over the frames: an event id cannot be reused for another picture.
    frames_sha256 bytea not null check (octet_length(frames_sha256) = 32),
    -- The key that asked.
    key_id uuid not null,
    -- Set when a repeated event lost its grant (the person was revoked meanwhile, say):
    -- the passage that was repeated.
    replay_of uuid references passages (id),
    constraint passages_grant_check check ((decision = 'grant') = (reason = 'granted')),
    constraint passages_open_check check (decision = 'grant' or open_ms = 0)
);

-- One passage for each event of a gate, however often the firmware repeats it.
create unique index passages_event_key on passages (gate_id, event_id) where replay_of is null;

-- The trail of one gate and of one person.
create index passages_gate_id_idx on passages (gate_id, id);
create index passages_employee_id_idx on passages (employee_id, id) where employee_id is not null;
