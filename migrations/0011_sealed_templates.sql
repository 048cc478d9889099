-- Templates are encrypted by Limen under a key that the database does not have: AES-256-GCM, bound to the
-- person, the face, the model and the size, so that a row's bytes open in no other row.

-- A sealed encoding is 37 bytes longer: version 1, key 8, nonce 12, tag 16. The other length is that of an
-- encoding from before, which `limen migrate` seals.
alter table face_encodings
    drop constraint face_encodings_length_check,
    add constraint face_encodings_length_check check (octet_length(encoding) in (size * 4, size * 4 + 37)),
    -- Which key it is sealed under, as its bytes say; null: not sealed. For rotation: what is under which key?
    add column key_id bytea generated always as
        (case when octet_length(encoding) = size * 4 + 37 then substring(encoding from 2 for 8) end) stored;
comment on column face_encodings.encoding is
    'f(x), little-endian f32 of unit length, sealed (src/secrets/sealed.rs, src/store/sealing.rs)';

-- From here on nothing is stored unsealed, also by a replica of an older version. Not valid yet: rows from
-- before stay until `limen migrate` has sealed them, which then validates it. A validated constraint says that
-- this was done: whatever is unsealed beside it was not written by Limen, and is never sealed for whoever wrote it.
alter table face_encodings
    add constraint face_encodings_sealed_check check (key_id is not null) not valid;

-- Counted by key at start and in a rotation.
create index face_encodings_key_id_idx on face_encodings (key_id, id);

-- Sealing, and sealing under another key, change nothing that a replica has in memory, and would have each of
-- them read every person again.
drop trigger face_encodings_notify_gallery on face_encodings;
create trigger face_encodings_notify_gallery
    after insert or delete on face_encodings
    for each row execute function notify_gallery();
create trigger face_encodings_update_notify_gallery
    after update on face_encodings
    for each row
    when (new.key_id is null or old.key_id is not distinct from new.key_id
          or old.employee_id <> new.employee_id or old.model_id <> new.model_id)
    execute function notify_gallery();
