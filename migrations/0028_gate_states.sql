-- How each gate fares: what it decided within a day is counted in the index alone. It finds the oldest of a gate's
-- chain as the one before it did.
create index passages_gate_id_decided_at_decision_idx on passages (gate_id, decided_at) include (decision);
drop index passages_gate_id_decided_at_idx;

-- The index alone does only for pages that were vacuumed, and by default a fifth of the trail would have to be new
-- before the trail, to which rows are only ever added, is.
alter table passages set (autovacuum_vacuum_insert_scale_factor = 0.01);
