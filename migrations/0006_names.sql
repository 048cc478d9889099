-- Enrolment in bulk looks people up by name, however it is capitalised: `ada_lovelace.jpg` is a photo of
-- Ada Lovelace, not of somebody new.
create index employees_name_idx on employees (lower(name));
