-- Photos, where the site keeps them (`keep` in [photos]): the face and some room around it, so that another model can
-- encode it anew.
create table face_photos (
    -- The face that was enrolled with it. It goes with the face.
    id uuid primary key references face_encodings (id) on delete cascade,
    -- Whose face that is: the photo opens for no other.
    employee_id uuid not null references employees (id) on delete cascade,
    -- The picture as JPEG, sealed (src/store/photos.rs). `note_change` hides a column of this name.
    encoding bytea not null check (octet_length(encoding) > 37),
    -- Which key it is sealed under, as its bytes say. For rotation: what is under which key?
    key_id bytea not null generated always as (substring(encoding from 2 for 8)) stored,
    -- From then on its own time runs.
    created_at timestamptz not null default now()
);
-- A JPEG is compressed already, and nothing sealed can be.
alter table face_photos alter column encoding set storage external;
create index face_photos_employee_id_idx on face_photos (employee_id);
create index face_photos_created_at_idx on face_photos (created_at);
create index face_photos_key_id_idx on face_photos (key_id, id);

-- Sealing under another key is no change that anybody made.
create trigger face_photos_note_change after insert or delete on face_photos
    for each row execute function note_change();
create trigger face_photos_refuse_truncate before truncate on face_photos
    for each statement execute function refuse_truncate();
