-- Keys of people who sign in by an OpenID provider: one for each, which nobody has the secret half of.
alter table api_keys
    -- The provider's URL, and whom it means; names change, these do not.
    add column oidc_issuer text,
    add column oidc_subject text,
    add constraint api_keys_oidc_check check (
        (oidc_issuer is null) = (oidc_subject is null)
        and (oidc_issuer is null or (gate_id is null and expires_at is null))
        and char_length(oidc_subject) between 1 and 255
    );
create unique index api_keys_oidc_idx on api_keys (oidc_issuer, oidc_subject);
