-- Least privilege for the dashboard and the bridge on Postgres.
--
-- Run it once in the application's database, as an administrator, after DBOS was launched for the first time (so that
-- schema "dbos" exists) and before the bridge and the dashboard start:
--
--   psql "$ADMIN_URL" --single-transaction -f postgres-roles.sql
--
-- "app_worker" stands for the role under which your DBOS workers run and which owns schema "dbos": put its name in.
-- The roles have no passwords yet: give them some (\password durable_viewer), or let them in by pg_hba.conf.

-- 1. A dashboard that only shows. It can change nothing anywhere.
CREATE ROLE durable_viewer LOGIN;

-- 2. A bridge: reads what the engine wrote, and keeps its own notes in schema "durable", which it owns.
CREATE ROLE durable_bridge LOGIN;

-- 3. A dashboard with actions: retry, cancel, undo and the like write to the engine's tables through DBOSClient.
CREATE ROLE durable_operator LOGIN;

-- Our own schema. Its tables are made by the bridge when it first starts.
CREATE SCHEMA durable AUTHORIZATION durable_bridge;
GRANT USAGE ON SCHEMA durable TO durable_viewer, durable_operator, app_worker;
ALTER DEFAULT PRIVILEGES FOR ROLE durable_bridge IN SCHEMA durable
    GRANT SELECT ON TABLES TO durable_viewer;
ALTER DEFAULT PRIVILEGES FOR ROLE durable_bridge IN SCHEMA durable
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO durable_operator, app_worker;

-- The engine's schema: everybody reads it.
GRANT USAGE ON SCHEMA dbos TO durable_viewer, durable_bridge, durable_operator;
GRANT SELECT ON ALL TABLES IN SCHEMA dbos TO durable_viewer, durable_bridge, durable_operator;
ALTER DEFAULT PRIVILEGES FOR ROLE app_worker IN SCHEMA dbos
    GRANT SELECT ON TABLES TO durable_viewer, durable_bridge, durable_operator;

-- Only the operator's dashboard writes to it. Leave this out where nobody may act.
GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA dbos TO durable_operator;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA dbos TO durable_operator;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dbos TO durable_operator;
ALTER DEFAULT PRIVILEGES FOR ROLE app_worker IN SCHEMA dbos
    GRANT INSERT, UPDATE, DELETE ON TABLES TO durable_operator;
ALTER DEFAULT PRIVILEGES FOR ROLE app_worker IN SCHEMA dbos
    GRANT USAGE ON SEQUENCES TO durable_operator;
ALTER DEFAULT PRIVILEGES FOR ROLE app_worker IN SCHEMA dbos
    GRANT EXECUTE ON FUNCTIONS TO durable_operator;
