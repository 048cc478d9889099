-- What an explanation of a refusal states beside the distance and the liveness.

alter table passages
    -- Where a face's picture was not good enough: the figure that missed its limit (brightness, sharpness, ...),
    add column quality_figure text,
    -- what was measured,
    add column quality_value real,
    -- and what it had to reach or not to exceed.
    add column quality_limit real,
    -- Where the nearest person could not be told from the next: how near that one is,
    add column second_distance real,
    -- and by how much farther they had to be.
    add column margin real,
    -- The passage of the same person after which this one was one too many. Part of what the commitment covers, for it
    -- tells which passages are one person's: erased with the person. No foreign key: passages are purged.
    add column earlier_passage_id uuid;
