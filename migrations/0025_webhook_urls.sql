-- The URL of a webhook may hold a token, and what was administered more people read than may see webhooks. So of a URL
-- the trail notes the scheme and the host alone, in what is noted from now on: older rows are chained as they are. That
-- a URL was changed shows by its being there, before and after.

create function shorten_webhook_url() returns trigger language plpgsql as $$
declare
    noted jsonb := new.details;
    side text;
    url text;
begin
    foreach side in array '{before, after}'::text[] loop
        url := noted #>> array[side, 'url'];
        if url is not null then
            -- Whatever another client wrote: nothing of it is null, which would take the rest with it.
            noted := jsonb_set(noted, array[side, 'url'], to_jsonb(coalesce(
                regexp_replace(substring(url from '(?i)^[a-z][a-z0-9+.-]*://[^/?#]*'), '//.*@', '//'), '?')));
        end if;
    end loop;
    new.details := noted;
    return new;
end $$;

-- Before it is hashed.
create trigger changes_shorten_webhook_url before insert on changes
    for each row when (new.kind = 'webhooks') execute function shorten_webhook_url();
