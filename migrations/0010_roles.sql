-- Keys for people's roles, that end by themselves, and of which it is known whether they are in use.

alter table api_keys
    drop constraint api_keys_scopes_check,
    add constraint api_keys_scopes_check check (
        cardinality(scopes) > 0
        and scopes <@ array['gate', 'metrics', 'viewer', 'enroller', 'officer', 'admin']
    ),
    -- From this moment the key opens nothing; null: it does not end by itself.
    add column expires_at timestamptz;

-- A table of its own: a change of api_keys waits for all passages (0008), a mere use must not.
create table api_key_uses (
    key_id uuid primary key references api_keys (id) on delete cascade,
    -- To the minute, so that not every request writes.
    last_used_at timestamptz not null
);
