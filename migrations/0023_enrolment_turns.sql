-- Whoever enrols reads who was enrolled by other replicas a moment ago, so that of two photos of one person that come
-- at once as two people's the second meets the first.
create index face_encodings_created_at_idx on face_encodings (created_at);

-- Truncated they would leave no trace in the trail.
create trigger webhooks_refuse_truncate before truncate on webhooks
    for each statement execute function refuse_truncate();
create trigger imports_refuse_truncate before truncate on imports
    for each statement execute function refuse_truncate();
