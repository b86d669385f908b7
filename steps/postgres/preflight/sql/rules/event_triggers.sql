-- Event triggers that fire in ordinary sessions. Reads only.
SELECT format('event trigger %I', e.evtname), e.evtevent::text, '' FROM pg_event_trigger e WHERE e.evtenabled = 'O'
