-- The people who may pass, and their faces.

create table employees (
    -- UUIDv7, made by Limen: sorts by creation, so that lists page by it.
    id uuid primary key,
    -- The code on the person's badge, where the site has badges; names one person at most.
    badge_id text constraint employees_badge_id_key unique
        check (char_length(badge_id) between 1 and 64),
    name text not null check (char_length(name) between 1 and 200),
    department text check (char_length(department) between 1 and 200),
    -- Whatever else the site keeps with a person; Limen does not read it.
    metadata jsonb not null default '{}' check (jsonb_typeof(metadata) = 'object'),
    -- From when (inclusive) until when (exclusive) the person may pass; null: without limit.
    valid_from timestamptz,
    valid_until timestamptz,
    -- suspended: not now; revoked: never again. Read under a lock before every grant.
    status text not null default 'active' check (status in ('active', 'suspended', 'revoked')),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint employees_validity_check check (valid_from < valid_until)
);

create table face_encodings (
    id uuid primary key,
    -- Removing a person removes the person's templates with them.
    employee_id uuid not null
        constraint face_encodings_employee_id_fkey references employees (id) on delete cascade,
    -- The network and projection that made it; encodings of different models are never compared.
    model_id text not null,
    -- f(x): little-endian f32, unit length. The photo itself is not kept.
    encoding bytea not null,
    -- How many numbers the encoding has.
    size integer not null check (size > 0),
    -- What was measured of the photo, so that poor enrolments can be found later.
    pupil_distance_px real not null,
    brightness real not null,
    sharpness real not null,
    yaw real not null,
    roll_degrees real not null,
    -- SHA-256 of the photo's bytes: the same photo is enrolled once, and a stopped bulk
    -- enrolment goes on where it was.
    photo_sha256 bytea not null check (octet_length(photo_sha256) = 32),
    created_at timestamptz not null default now(),
    constraint face_encodings_length_check check (octet_length(encoding) = size * 4),
    constraint face_encodings_photo_key unique (employee_id, model_id, photo_sha256)
);

-- The gallery is loaded by model.
create index face_encodings_model_id_idx on face_encodings (model_id);

-- Every replica keeps the gallery in memory. Whoever changes a person or a face, by whatever
-- client, tells all replicas which person to read again.
create function notify_gallery() returns trigger language plpgsql as $$
declare
    person uuid;
begin
    if tg_table_name = 'employees' then
        person := coalesce(new.id, old.id);
    else
        person := coalesce(new.employee_id, old.employee_id);
    end if;
    perform pg_notify('limen_gallery', person::text);
    return null;
end $$;

create trigger employees_notify_gallery
    after update of status or delete on employees
    for each row execute function notify_gallery();

create trigger face_encodings_notify_gallery
    after insert or update or delete on face_encodings
    for each row execute function notify_gallery();
