-- Whom a gate compares with, who needs a badge, and who must never pass.

-- face: with everybody (1:N), whatever badge comes along; badge_and_face: with the badge's owner (1:1);
-- badge_or_face: with the badge's owner where a badge comes along, else with everybody.
alter table gates add column mode text not null default 'badge_or_face'
    check (mode in ('face', 'badge_and_face', 'badge_or_face'));
update gates set mode = 'badge_and_face' where badge_required;
-- A replica from before reads this column and so answers nothing from here on: it knows neither who needs a
-- badge nor who is blocked, and would open.
alter table gates drop column badge_required;

-- As the gate's was at the moment of decision: in the mode face a badge is recorded, but was not looked at.
alter table passages add column mode text
    check (mode in ('face', 'badge_and_face', 'badge_or_face'));

-- Look-alikes: the face alone (1:N) does not open for them.
alter table employees add column badge_required boolean not null default false;

-- The blocklist: whoever they say they are, the gate stays shut and an alarm is raised in silence.
alter table employees drop constraint employees_status_check;
alter table employees add constraint employees_status_check
    check (status in ('active', 'suspended', 'revoked', 'blocked'));
comment on column employees.status is
    'suspended: not now; revoked: not until an administrator says otherwise; blocked: never, with a silent alarm';
