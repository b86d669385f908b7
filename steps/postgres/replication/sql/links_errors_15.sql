-- Failures of the workers that apply changes, by subscription; the view exists from 15 on. $1: the subscriptions' names. Reads only.
SELECT e.subname::text, e.apply_error_count FROM pg_stat_subscription_stats e WHERE e.subname = ANY ($1)
