-- What bounds the transaction of a check. $1 is the timeout in milliseconds, as text. Says whether the role is a superuser.
SELECT pg_catalog.set_config('statement_timeout', $1, true), pg_catalog.set_config('lock_timeout', $1, true),
       pg_catalog.set_config('application_name', 'gitover analysis', true),
       pg_catalog.current_setting('is_superuser') = 'on'
