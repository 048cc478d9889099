-- Every passage rests on the same few rows: a gate, its zone and site, schedules, a key. Locked row by row for
-- share, passages that overlap never leave a gap for a change to come in, and it starves. This one lock is
-- fair: a passage takes it shared, a change exclusively, and whoever comes after a waiting change waits too.

create function lock_access() returns trigger language plpgsql as $$
begin
    -- ACCESS_LOCK of src/store/ground.rs.
    perform pg_advisory_xact_lock(119200062729729);
    return null;
end $$;

-- Before any row is locked, whatever client changes it. What is inserted takes nothing from anybody; a person
-- who is removed takes their memberships along.
create trigger sites_lock_access before update or delete on sites
    for each statement execute function lock_access();
create trigger zones_lock_access before update or delete on zones
    for each statement execute function lock_access();
create trigger schedules_lock_access before update or delete on schedules
    for each statement execute function lock_access();
create trigger access_groups_lock_access before update or delete on access_groups
    for each statement execute function lock_access();
create trigger access_rules_lock_access before update or delete on access_rules
    for each statement execute function lock_access();
create trigger group_members_lock_access before update or delete on group_members
    for each statement execute function lock_access();
create trigger gates_lock_access before update or delete on gates
    for each statement execute function lock_access();
create trigger api_keys_lock_access before update or delete on api_keys
    for each statement execute function lock_access();
create trigger employees_lock_access before delete on employees
    for each statement execute function lock_access();
