-- A person is compared by one template, the mean of all their faces: a passage rests on several.
alter table passages
    alter column face_id type uuid[] using case when face_id is null then '{}' else array[face_id] end;
alter table passages rename column face_id to face_ids;
alter table passages alter column face_ids set default '{}', alter column face_ids set not null;
comment on column passages.face_ids is 'the faces that the template was fused of; empty where nobody was compared';
