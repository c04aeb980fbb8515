"""Attribute, event and metric names: one table. Pure constants.

OpenTelemetry has no semantic convention for durable workflows, so our names live under ``durable.``; where a
convention exists (``error.type``, ``exception.*``, ``service.name``) it is used as it is.

Source: https://opentelemetry.io/docs/specs/semconv/general/naming/
"""

from __future__ import annotations

SCOPE_NAME = "otel_bridge"

# -- on every span ---------------------------------------------------------------------------------------
RUN_ID = "durable.run.id"
RUN_URL = "durable.run.url"
WORKFLOW_NAME = "durable.workflow.name"

# -- on roots and retries --------------------------------------------------------------------------------
RUN_STATUS = "durable.run.status"
RUN_GENERATION = "durable.run.generation"
RUN_RECOVERIES = "durable.run.recoveries"
RUN_DEADLINE = "durable.run.deadline"
RUN_TIMED_OUT = "durable.run.timed_out"
WORKFLOW_VERSION = "durable.workflow.version"
WORKFLOW_CLASS = "durable.workflow.class"
APP_NAME = "durable.app.name"
EXECUTOR_ID = "durable.executor.id"
QUEUE_NAME = "durable.queue.name"
QUEUE_PARTITION = "durable.queue.partition"
QUEUE_WAIT_MS = "durable.queue.wait_ms"
PARENT_RUN_ID = "durable.parent.run.id"
FORKED_FROM_RUN_ID = "durable.forked_from.run.id"
UNDOES_RUN_ID = "durable.undoes.run.id"
DEAD_RUN_ID = "durable.dead.run.id"
SCHEDULE_NAME = "durable.schedule.name"
TAGS = "durable.tags"
SEARCH_ATTRIBUTE_PREFIX = "durable.attribute."

# -- on steps --------------------------------------------------------------------------------------------
STEP_SEQ = "durable.step.seq"
STEP_NAME = "durable.step.name"
STEP_KIND = "durable.step.kind"
STEP_STATUS = "durable.step.status"
STEP_UNFINISHED = "durable.step.unfinished"
STEP_HOUSEKEEPING = "durable.step.housekeeping"
STEP_COMPENSATES = "durable.step.compensates"
STEP_COUNT = "durable.step.count"
STEP_KEY = "durable.step.key"
STEP_COLLECT_MS = "durable.step.collect_ms"
STEP_ATTEMPT = "durable.step.attempt"
STEP_ATTEMPTS_MOST = "durable.step.attempts.most"
CHILD_RUN_ID = "durable.child.run.id"
WAIT_ON = "durable.wait.on"

# -- on spans that user code opens in a workflow's body ----------------------------------------------------
REPLAYED = "durable.replayed"

# -- on links --------------------------------------------------------------------------------------------
LINK_KIND = "durable.link"

# -- events ----------------------------------------------------------------------------------------------
EVENT_RECOVERY = "durable.recovery"
EVENT_END_UNSEEN = "durable.end_unseen"
EVENT_EXCEPTION = "exception"

# -- log records of what happened, and when -----------------------------------------------------------------
LOG_RUN_PREFIX = "durable.run."
LOG_STEP_FAILED = "durable.step.failed"
LOG_ACTION = "durable.action"
LOG_STEP_EXCEPTION = "durable.step.exception"
LOG_RUN_EXCEPTION = "durable.run.exception"
LOG_RECORD_UID = "log.record.uid"
WAITS_FOR = "durable.wait.name"
BLOCKED_CODE = "durable.blocked.code"
ACTION_NAME = "durable.action.name"
ACTION_ACTOR = "durable.action.actor"
ACTION_OUTCOME = "durable.action.outcome"

# -- on metrics of what models cost ------------------------------------------------------------------------
COST_CURRENCY = "durable.cost.currency"

# -- OpenTelemetry's own ---------------------------------------------------------------------------------
ERROR_TYPE = "error.type"
EXCEPTION_TYPE = "exception.type"
EXCEPTION_MESSAGE = "exception.message"
EXCEPTION_STACKTRACE = "exception.stacktrace"
SERVICE_NAME = "service.name"
SERVICE_INSTANCE_ID = "service.instance.id"
HOST_NAME = "host.name"

DEAD_ERROR_TYPE = "MaxRecoveryAttemptsExceeded"
UNKNOWN_ERROR_TYPE = "_OTHER"

# -- metrics: durations in seconds, counts in {things}, no unit and no plural in a name ------------------
METRIC_RUN_DURATION = "durable.run.duration"
METRIC_STEP_DURATION = "durable.step.duration"
METRIC_QUEUE_WAIT = "durable.queue.wait"
METRIC_RUN_ACTIVE = "durable.run.active"
METRIC_QUEUE_DEPTH = "durable.queue.depth"
METRIC_QUEUE_OLDEST_AGE = "durable.queue.oldest_age"
METRIC_RECOVERIES = "durable.run.recoveries"
METRIC_DEAD_LETTERS = "durable.run.dead_letters"
METRIC_COST_TOKENS = "durable.run.cost.tokens"
METRIC_COST_AMOUNT = "durable.run.cost.amount"
METRIC_LAG = "durable.bridge.lag"
METRIC_SET_ASIDE = "durable.bridge.run.set_aside"
METRIC_EXPORTED = "durable.bridge.span.exported"
METRIC_REJECTED = "durable.bridge.span.rejected"
