-- A link with which a person photographs themself, once. How: docs/INVITATIONS.md.
create table invitations (
    id uuid primary key,
    -- Whose face it is for. It goes with the person, and so does what it says of them.
    employee_id uuid not null
        constraint invitations_employee_id_fkey references employees (id) on delete cascade,
    -- The SHA-256 of the token in the link, which is shown once. `note_change` hides a column of this name.
    secret_sha256 bytea not null check (octet_length(secret_sha256) = 32),
    -- The API key that made it, and without which it opens nothing; null: none did.
    created_by uuid,
    -- Which text the person agrees to with the photo; null: none is asked for.
    consent_version text check (char_length(consent_version) between 1 and 100),
    -- Photos that may still be sent: a refused one does not use the invitation up.
    attempts_left integer not null check (attempts_left >= 0),
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    -- When the face was enrolled,
    used_at timestamptz,
    -- or when it was taken back, or another took its place.
    revoked_at timestamptz,
    constraint invitations_expiry_check check (created_at < expires_at),
    constraint invitations_end_check check (used_at is null or revoked_at is null)
);
create unique index invitations_secret_key on invitations (secret_sha256);
-- One at a time: whoever has an older link does not have a newer one as well.
create unique index invitations_open_key on invitations (employee_id)
    where used_at is null and revoked_at is null;
create index invitations_employee_id_idx on invitations (employee_id);
-- The purge looks for the oldest.
create index invitations_expires_at_idx on invitations (expires_at);

-- An attempt is counted, and is no change that anybody made.
create trigger invitations_note_change
    after insert or delete or update of used_at, revoked_at on invitations
    for each row execute function note_change();
create trigger invitations_refuse_truncate before truncate on invitations
    for each statement execute function refuse_truncate();
