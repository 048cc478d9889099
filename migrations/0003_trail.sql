-- The trail filtered by what was decided, newest first, without reading all of it.
create index passages_decision_idx on passages (decision, id);
create index passages_reason_idx on passages (reason, id);

-- A repeated event that lost its grant is refused once for each reason, however often it comes.
create unique index passages_replay_key on passages (replay_of, reason) where replay_of is not null;

-- 0001 said "revoked: never again": an administrator can set a person active again.
comment on column employees.status is
    'suspended: not now; revoked: not until an administrator says otherwise';
