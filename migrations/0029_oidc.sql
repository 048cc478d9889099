-- Keys of people who sign in by an OpenID provider: one for each, which nobody has the secret half of.
alter table api_keys
    -- The provider's URL, and whom it means; names change, these do not.
    add column oidc_issuer text,
    add column oidc_subject text,
    -- Since when whom a revoked key stood for may sign in again, with another key.
    add column readmitted_at timestamptz,
    add constraint api_keys_oidc_check check (
        (oidc_issuer is null) = (oidc_subject is null)
        and (oidc_issuer is null or (gate_id is null and expires_at is null))
        and char_length(oidc_subject) between 1 and 255
    ),
    add constraint api_keys_readmitted_check check (
        readmitted_at is null or (revoked_at is not null and oidc_issuer is not null)
    );
create unique index api_keys_oidc_idx on api_keys (oidc_issuer, oidc_subject) where readmitted_at is null;
