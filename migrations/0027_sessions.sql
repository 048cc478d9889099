-- Who is signed in to the console: a cookie in the place of the API key that it was got with.
create table sessions (
    -- The SHA-256 of the cookie's token, which is known to the browser alone.
    token_sha256 bytea primary key check (octet_length(token_sha256) = 32),
    -- The key that was signed in with: a session may what the key may, and no longer than it.
    key_id uuid not null
        constraint sessions_key_id_fkey references api_keys (id) on delete cascade,
    created_at timestamptz not null default now(),
    -- To the minute, so that not every request writes.
    last_used_at timestamptz not null default now(),
    -- From this moment it opens nothing, however much it is used.
    ends_at timestamptz not null,
    constraint sessions_end_check check (created_at < ends_at)
);
-- Signing in removes what is over, and the oldest where a key has too many.
create index sessions_key_id_idx on sessions (key_id, created_at);
create index sessions_ends_at_idx on sessions (ends_at);
