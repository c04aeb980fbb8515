"""The ledger's SQL, once for both dialects. Pure: text only.

``:name`` is a parameter. ``{t}`` stands before every table (the schema, on Postgres), ``{now}`` is the clock in
Unix milliseconds, ``{ids}`` tests a column against the list parameter ``:ids``.
"""

from __future__ import annotations

NOW = "SELECT {now}"

# -- lease ------------------------------------------------------------------------------------------------------

# One statement decides who holds the lease. The token grows when the owner changes. A renewal time that lies ahead
# means that the clock was set back: the lease would not expire for as long, so it counts as expired.
ACQUIRE_LEASE = """
    INSERT INTO {t}leases AS l (name, owner, token, renewed_at_ms, expires_at_ms)
    VALUES (:name, :owner, 1, {now}, {now} + :ttl_ms)
    ON CONFLICT (name) DO UPDATE SET
        token = CASE WHEN l.owner = excluded.owner THEN l.token ELSE l.token + 1 END,
        owner = excluded.owner, renewed_at_ms = excluded.renewed_at_ms, expires_at_ms = excluded.expires_at_ms
    WHERE l.owner = excluded.owner OR l.expires_at_ms <= {now} OR l.renewed_at_ms > {now} + 5000
    RETURNING token, expires_at_ms
"""
RELEASE_LEASE = """
    UPDATE {t}leases SET owner = '', renewed_at_ms = 0, expires_at_ms = 0
    WHERE name = :name AND owner = :owner AND token = :token
"""
LEASE_HOLDER = """
    SELECT owner, token, expires_at_ms FROM {t}leases WHERE name = :name AND expires_at_ms > {now}
"""
# On Postgres the row stays locked until the transaction ends, so nobody takes over in its middle.
LEASE_IS_CURRENT = """
    SELECT 1 FROM {t}leases WHERE name = :name AND owner = :owner AND token = :token {for_update}
"""

# -- export -----------------------------------------------------------------------------------------------------

CURSOR = "SELECT steps_ms, runs_ms FROM {t}cursors WHERE name = 'export'"
PUT_CURSOR = """
    INSERT INTO {t}cursors (name, steps_ms, runs_ms) VALUES ('export', :steps_ms, :runs_ms)
    ON CONFLICT (name) DO UPDATE SET steps_ms = excluded.steps_ms, runs_ms = excluded.runs_ms
"""
EXPORTED_COLUMNS = """run_id, generation, ended, steps, first_queue, first_started_at_ms, created_at_ms,
    ended_at_ms, status, workflow, failed_seq, failed_generation"""
EXPORTED = f"SELECT {EXPORTED_COLUMNS} FROM {{t}}exported_runs WHERE run_id {{ids}}"
# The first queue and start stay. A generation that was raised since the exporter read the row wins over what it writes.
PUT_EXPORTED = f"""
    INSERT INTO {{t}}exported_runs AS r ({EXPORTED_COLUMNS})
    VALUES (:run_id, :generation, :ended, :steps, :first_queue, :first_started_at_ms, :created_at_ms,
        :ended_at_ms, :status, :workflow, :failed_seq, :failed_generation)
    ON CONFLICT (run_id) DO UPDATE SET
        ended = CASE WHEN r.generation > excluded.generation THEN r.ended ELSE excluded.ended END,
        generation = CASE WHEN r.generation > excluded.generation THEN r.generation ELSE excluded.generation END,
        steps = excluded.steps,
        first_queue = coalesce(r.first_queue, excluded.first_queue),
        first_started_at_ms = coalesce(r.first_started_at_ms, excluded.first_started_at_ms),
        created_at_ms = coalesce(excluded.created_at_ms, r.created_at_ms),
        ended_at_ms = coalesce(excluded.ended_at_ms, r.ended_at_ms),
        status = coalesce(excluded.status, r.status),
        workflow = coalesce(excluded.workflow, r.workflow),
        failed_seq = coalesce(excluded.failed_seq, r.failed_seq),
        failed_generation = coalesce(excluded.failed_generation, r.failed_generation)
"""
OPEN_EXPORTS = f"""
    SELECT {EXPORTED_COLUMNS} FROM {{t}}exported_runs WHERE ended = 0
    ORDER BY coalesce(created_at_ms, 0), run_id LIMIT :limit
"""
PRUNE_EXPORTED = """
    DELETE FROM {t}exported_runs WHERE run_id IN (
        SELECT run_id FROM {t}exported_runs WHERE ended = 1 AND ended_at_ms < :before_ms LIMIT :limit)
    RETURNING 1
"""
# Facts of runs that are still being told are kept, however old.
PRUNE_FACTS = tuple(
    f"""
    DELETE FROM {{t}}{table} WHERE seen_at_ms < :before_ms
        AND NOT EXISTS (SELECT 1 FROM {{t}}exported_runs e WHERE e.run_id = {table}.run_id)
    """
    for table in ("traces", "queues", "counters", "past_lives")
)

# -- generations ------------------------------------------------------------------------------------------------

BUMP_GENERATION = """
    UPDATE {t}exported_runs SET generation = generation + 1, ended = 0
    WHERE run_id = :run_id AND ended = 1 RETURNING generation
"""
GENERATION = "SELECT generation FROM {t}exported_runs WHERE run_id = :run_id"

KEEP_LIFE = """
    INSERT INTO {t}past_lives (run_id, generation, data, seen_at_ms) VALUES (:run_id, :generation, :data, {now})
    ON CONFLICT (run_id, generation) DO NOTHING
"""
PAST_LIVES = "SELECT run_id, generation, data FROM {t}past_lives WHERE run_id {ids} ORDER BY generation"
FORGET_LIVES = "DELETE FROM {t}past_lives WHERE run_id = :run_id AND generation <= :generation"

# -- facts about runs -------------------------------------------------------------------------------------------

REMEMBER_QUEUE = """
    INSERT INTO {t}queues (run_id, queue, seen_at_ms) VALUES (:run_id, :queue, {now})
    ON CONFLICT (run_id) DO NOTHING
"""
ORIGINAL_QUEUE = """
    SELECT queue FROM {t}queues WHERE run_id = :run_id
    UNION ALL
    SELECT first_queue FROM {t}exported_runs WHERE run_id = :run_id AND first_queue IS NOT NULL
"""
COUNT = "SELECT n FROM {t}counters WHERE run_id = :run_id AND what = :what"
BUMP_COUNT = """
    INSERT INTO {t}counters AS c (run_id, what, n, seen_at_ms) VALUES (:run_id, :what, 1, {now})
    ON CONFLICT (run_id, what) DO UPDATE SET n = c.n + 1, seen_at_ms = excluded.seen_at_ms
    RETURNING n
"""

# -- presence ---------------------------------------------------------------------------------------------------

HEARTBEAT = """
    INSERT INTO {t}executors (instance_id, beat_at_ms, data) VALUES (:instance_id, {now}, :data)
    ON CONFLICT (instance_id) DO UPDATE SET beat_at_ms = excluded.beat_at_ms, data = excluded.data
"""
EXECUTORS = "SELECT beat_at_ms, data FROM {t}executors ORDER BY instance_id"
PRUNE_EXECUTORS = "DELETE FROM {t}executors WHERE beat_at_ms < :before_ms AND NOT instance_id {ids} RETURNING 1"

# -- traces -----------------------------------------------------------------------------------------------------

ADD_TRACE = """
    INSERT INTO {t}traces (trace_id, run_id, seen_at_ms) VALUES (:trace_id, :run_id, {now})
    ON CONFLICT (trace_id) DO NOTHING
"""
RUN_OF_TRACE = "SELECT run_id FROM {t}traces WHERE trace_id = :trace_id"

# -- audit ------------------------------------------------------------------------------------------------------

ADD_AUDIT = """
    INSERT INTO {t}audit (at_ms, actor, action, run_id, outcome, detail, params)
    VALUES (:at_ms, :actor, :action, :run_id, :outcome, :detail, :params) RETURNING id
"""
TRIM_AUDIT = "DELETE FROM {t}audit WHERE id <= :through"
AUDIT_COLUMNS = "id, at_ms, actor, action, run_id, outcome, detail, params"
AUDIT = f"SELECT {AUDIT_COLUMNS} FROM {{t}}audit WHERE id < :before ORDER BY id DESC LIMIT :limit"
AUDIT_OF_RUNS = f"""
    SELECT {AUDIT_COLUMNS} FROM {{t}}audit WHERE run_id {{ids}} AND outcome = 'done' ORDER BY id
"""
AUDIT_OF_RUN = f"""
    SELECT {AUDIT_COLUMNS} FROM {{t}}audit WHERE run_id = :run_id AND id < :before
    ORDER BY id DESC LIMIT :limit
"""

# -- small shared facts -----------------------------------------------------------------------------------------

GET_VALUE = "SELECT value FROM {t}settings WHERE key = :key"
PUT_VALUE = """
    INSERT INTO {t}settings (key, value) VALUES (:key, :value)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value
"""
PUT_VALUE_IF_ABSENT = """
    INSERT INTO {t}settings (key, value) VALUES (:key, :value) ON CONFLICT (key) DO NOTHING
"""
