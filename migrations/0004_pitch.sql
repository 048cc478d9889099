-- How far the head was bent down (over 0) or up when the photo was taken; 0 for faces enrolled before
-- it was measured.
alter table face_encodings add column pitch real not null default 0;
