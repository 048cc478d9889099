-- Where people may go, and when.

create table sites (
    id uuid primary key,
    name text not null constraint sites_name_key unique check (char_length(name) between 1 and 100),
    -- IANA's name, such as Europe/Berlin: the schedules of its zones are read by its clocks.
    time_zone text not null check (char_length(time_zone) between 1 and 64),
    -- Days by the site's calendar on which only those schedules hold that hold on holidays.
    holidays date[] not null default '{}'
        constraint sites_holidays_check check (cardinality(holidays) <= 1000),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table zones (
    id uuid primary key,
    site_id uuid not null constraint zones_site_id_fkey references sites (id),
    name text not null check (char_length(name) between 1 and 100),
    -- What becomes of one who enters twice without leaving, or leaves twice: nothing, reported, refused.
    anti_passback text not null default 'off' check (anti_passback in ('off', 'soft', 'hard')),
    -- After so many seconds nobody knows any more whether a person is inside.
    anti_passback_reset_s integer not null default 43200
        check (anti_passback_reset_s between 60 and 2592000),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint zones_name_key unique (site_id, name)
);

create table schedules (
    id uuid primary key,
    name text not null constraint schedules_name_key unique
        check (char_length(name) between 1 and 100),
    -- [{"days": ["monday", ...], "from": "07:00", "until": "19:00"}, ...]
    hours jsonb not null check (jsonb_typeof(hours) = 'array'),
    -- Whether the hours hold on holidays too.
    on_holidays boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table access_groups (
    id uuid primary key,
    name text not null constraint access_groups_name_key unique
        check (char_length(name) between 1 and 100),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

-- A group's members may enter a zone during a schedule.
create table access_rules (
    group_id uuid not null references access_groups (id) on delete cascade,
    zone_id uuid not null constraint access_rules_zone_id_fkey references zones (id),
    schedule_id uuid not null constraint access_rules_schedule_id_fkey references schedules (id),
    primary key (group_id, zone_id, schedule_id)
);
create index access_rules_zone_id_idx on access_rules (zone_id);
create index access_rules_schedule_id_idx on access_rules (schedule_id);

create table group_members (
    group_id uuid not null
        constraint group_members_group_id_fkey references access_groups (id) on delete cascade,
    employee_id uuid not null
        constraint group_members_employee_id_fkey references employees (id) on delete cascade,
    -- From when (inclusive) until when (exclusive); null: without limit.
    valid_from timestamptz,
    valid_until timestamptz,
    created_at timestamptz not null default now(),
    primary key (group_id, employee_id),
    constraint group_members_validity_check check (valid_from < valid_until)
);
create index group_members_employee_id_idx on group_members (employee_id);

alter table gates
    -- A gate without a zone opens for every employee of good standing.
    add column zone_id uuid constraint gates_zone_id_fkey references zones (id),
    -- Into the zone or out of it.
    add column direction text not null default 'in' check (direction in ('in', 'out')),
    -- For so long a person who passed here passes nowhere else, and here not again; 0: at once.
    add column debounce_ms integer not null default 0 check (debounce_ms between 0 and 600000);
create index gates_zone_id_idx on gates (zone_id);

alter table passages
    -- As the gate's were at the moment of decision.
    add column zone_id uuid,
    add column direction text check (direction in ('in', 'out')),
    -- What a rule that only reports had to say: anti_passback.
    add column notice text;
-- Where a person last passed.
create index passages_granted_idx on passages (employee_id, id) where decision = 'grant';

-- An officer lets a person's way through a zone begin anew.
create table pardons (
    id uuid primary key,
    zone_id uuid not null constraint pardons_zone_id_fkey references zones (id) on delete cascade,
    employee_id uuid not null
        constraint pardons_employee_id_fkey references employees (id) on delete cascade,
    -- The key that asked.
    key_id uuid not null,
    pardoned_at timestamptz not null default now()
);
create index pardons_person_idx on pardons (employee_id, zone_id, pardoned_at);
