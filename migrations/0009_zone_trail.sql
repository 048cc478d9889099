-- The trail filtered by zone, and by what a rule that only reports had to say, newest first.
create index passages_zone_id_idx on passages (zone_id, id) where zone_id is not null;
create index passages_notice_idx on passages (notice, id) where notice is not null;
