-- Where a verifier compares a face with the badge's owner, in the place of the distance (`verify_by` in [matching]),
-- the trail keeps what it found: a grant must be explained by what it was decided by.

-- How likely it found it that the face is the owner's, 0 to 1, and what had to be reached: both or neither. `threshold`
-- is then null, for no τ decided.
alter table passages add column probability real, add column probability_min real;
comment on column passages.probability is
    'how likely a verifier found it that the face is the badge''s owner''s; null where the distance decided';
comment on column passages.probability_min is 'the probability that had to be reached';
