import type { Json } from "../lib/json";
export interface paths {
    "/activity": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["activity"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/alerts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["listAlerts"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/alerts/test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["testAlerts"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/alerts/{alertId}/resolve": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["resolveAlert"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/alerts/{alertId}/snooze": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["snoozeAlert"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["audit"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/bulk": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["listBulks"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/bulk/{action}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["bulkAction"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/bulk/{bulkId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["bulkStatus"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/config": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getConfig"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/errors": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["listErrors"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/errors/{fingerprint}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getError"];
        put?: never;
        post: operations["decideError"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/executors": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["listExecutors"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getHealth"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/inbox": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getInbox"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/inbox/{token}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getQuestion"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getMetrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/queues/{name}/pause": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["pauseQueue"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/queues/{name}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["resumeQueue"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["listRuns"];
        put?: never;
        post: operations["startRun"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/by-id": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["runById"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/facets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["runFacets"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getRun"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["cancel"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}/compare": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["compareRuns"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}/continue": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["continueRun"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}/decision": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["decideRun"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["listEvents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}/events/{key}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getEvent"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}/fork": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["fork"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}/graph": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["runGraph"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}/move": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["move"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}/payload/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getPayload"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}/redispatch": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["redispatch"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}/report": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["runReport"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}/retry": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["retry"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}/retry-with-input": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["retryWithInput"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}/signals/{topic}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["sendSignal"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}/steps/{seq}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getStep"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["streamRun"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}/streams": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["listStreams"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}/streams/{key}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getStream"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}/test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["runTest"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}/timing": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["runTiming"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}/undo": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["undo"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}/updates/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["sendUpdate"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}/usage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["runUsage"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}/waits": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["listWaits"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}/waits/{seq}/assign": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["assign"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}/waits/{seq}/link": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["linkQuestion"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{runId}/wake": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["wakeRun"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/schedules": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["listSchedules"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/schedules/{name}/trigger": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["triggerSchedule"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/schedules/{name}/{action}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["switchSchedule"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["streamRuns"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/topology": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getTopology"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/trace/{traceId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["runOfTrace"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/usage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["usage"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/versions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["listVersions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/views": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["listViews"];
        put?: never;
        post: operations["saveView"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/views/{viewId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["changeView"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/views/{viewId}/delete": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["deleteView"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/webhooks/{token}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["deliverWebhook"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/workers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["listWorkers"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        ActionAnswer: {
            allowed: ("retry" | "redispatch" | "move" | "continue" | "wake" | "signal" | "update" | "cancel" | "cancel_undo" | "fork" | "retry_with_input")[];
            blocked?: components["schemas"]["BlockedView"];
            /** Format: date-time */
            createdAt: string;
            deadLetterId?: string;
            deadRunId?: string;
            /** Format: date-time */
            deadlineAt?: string;
            dealtWith?: components["schemas"]["DealtWithView"];
            durationMs?: number;
            error?: components["schemas"]["ErrorView"];
            executor?: string;
            /** Format: date-time */
            finishedAt?: string;
            forkedFrom?: string;
            id: string;
            namespace?: string;
            notes?: string[];
            parentId?: string;
            queue?: string;
            queueMs?: number;
            recoveryAttempts: number;
            roundedMs?: number;
            runId: string;
            schedule?: string;
            searchAttributes: {
                [key: string]: components["schemas"]["Json"];
            };
            /** Format: date-time */
            startedAt?: string;
            /** @enum {string} */
            status: "pending" | "running" | "suspended" | "cancelling" | "completed" | "failed" | "cancelled" | "dead" | "blocked";
            tags: string[];
            timedOut?: boolean;
            traceId: string;
            undoId?: string;
            undoStuck?: boolean;
            undoesId?: string;
            unreadable?: string;
            /** Format: date-time */
            updatedAt: string;
            waiting?: components["schemas"]["WaitingView"];
            /** Format: date-time */
            wakeAt?: string;
            workflow: string;
            workflowVersion?: string;
        };
        ActivityBucket: {
            /** Format: date-time */
            at: string;
            counts: {
                [key: string]: number;
            };
            exact: boolean;
        };
        ActivityView: {
            bucketMs: number;
            buckets: components["schemas"]["ActivityBucket"][];
            /** Format: date-time */
            since: string;
            /** Format: date-time */
            until: string;
        };
        AlertView: {
            acknowledgedBy?: string;
            /** Format: date-time */
            endedAt?: string;
            endedBy?: string;
            id: string;
            kind: string;
            link: string;
            note?: string;
            /** Format: date-time */
            openedAt: string;
            problem?: string;
            reopened: number;
            rule: string;
            /** Format: date-time */
            seenAt: string;
            /** Format: date-time */
            sentAt?: string;
            sentBy?: string;
            /** Format: date-time */
            snoozedUntil?: string;
            /** @enum {string} */
            state: "open" | "snoozed" | "ended";
            subject: string;
            summary: string;
        };
        AlertsView: {
            alerts: components["schemas"]["AlertView"][];
            /** Format: date-time */
            lookedAt?: string;
            open: number;
            rules: string[];
            targets: string[];
        };
        AssignBody: {
            assignee?: string;
        };
        AttemptLogView: {
            absent?: string;
            attempts: components["schemas"]["StepAttemptView"][];
            leftOut?: number;
        };
        AttemptStep: {
            childRunId?: string;
            durationMs?: number;
            /** Format: date-time */
            endedAt?: string;
            error?: components["schemas"]["ErrorView"];
            housekeeping: boolean;
            /** @enum {string} */
            kind: "local" | "remote" | "sleep" | "signal";
            name: string;
            seq: number;
            /** Format: date-time */
            startedAt?: string;
            /** @enum {string} */
            status: "pending" | "running" | "completed" | "failed" | "cancelled" | "dead" | "interrupted";
        };
        AttemptView: {
            by?: string;
            cause: string;
            /** Format: date-time */
            endedAt?: string;
            /** Format: date-time */
            enqueuedAt?: string;
            error?: components["schemas"]["ErrorView"];
            executor?: string;
            n: number;
            outcome?: string;
            /** Format: date-time */
            startedAt?: string;
            steps?: components["schemas"]["AttemptStep"][];
            stepsTotal?: number;
        };
        AuditView: {
            action: string;
            actor: string;
            /** Format: date-time */
            at: string;
            detail: string;
            id: number;
            outcome: string;
            params: {
                [key: string]: components["schemas"]["Json"];
            };
            runId?: string;
        };
        BlockedView: {
            /** @enum {string} */
            code: "version_gone" | "executor_lost" | "not_driven" | "queue_unpolled" | "workflow_unregistered";
            reason: string;
            remedy: string;
        };
        BulkAnswer: {
            applied?: number;
            boundMs?: number;
            bulkId?: string;
            byStatus?: {
                [key: string]: number;
            };
            digest?: string;
            groups?: components["schemas"]["BulkGroup"][];
            matched: number;
            results?: {
                [key: string]: components["schemas"]["Json"];
            }[];
            sample?: components["schemas"]["RunRow"][];
            skipped?: number;
        };
        BulkBody: {
            boundMs?: number;
            bulkId?: string;
            errors?: string[];
            ids?: string[];
        };
        BulkGroup: {
            count: number;
            fingerprint?: string;
            step?: string;
            template?: string;
            type?: string;
        };
        BulkNow: {
            /** @default 0 */
            cancelled?: number;
            /** @default true */
            exact?: boolean;
            /** @default 0 */
            newError?: number;
            /** @default 0 */
            open?: number;
            /** @default 0 */
            sameError?: number;
            /** @default 0 */
            succeeded?: number;
        };
        BulkStage: {
            runs: number;
            /** @enum {string} */
            state: "waiting" | "at_work" | "watched" | "good" | "stopped";
        };
        BulkStatus: {
            action?: string;
            actor?: string;
            applied: number;
            bulkId: string;
            done: number;
            filter?: {
                [key: string]: components["schemas"]["Json"];
            };
            matched?: number;
            now?: components["schemas"]["BulkNow"];
            params?: {
                [key: string]: components["schemas"]["Json"];
            };
            refused: number;
            results: {
                [key: string]: components["schemas"]["Json"];
            }[];
            skipped?: number;
            stages?: components["schemas"]["BulkStage"][];
            /** Format: date-time */
            startedAt?: string;
            /** @enum {string} */
            status: "pending" | "running" | "suspended" | "cancelling" | "completed" | "failed" | "cancelled" | "dead" | "blocked";
            stopped?: string;
        };
        BulkView: {
            action?: string;
            actor?: string;
            bulkId: string;
            filter?: {
                [key: string]: components["schemas"]["Json"];
            };
            matched?: number;
            params?: {
                [key: string]: components["schemas"]["Json"];
            };
            skipped?: number;
            /** Format: date-time */
            startedAt?: string;
        };
        Changed: {
            id: number;
            left?: boolean;
            run: components["schemas"]["RunRow"];
            runId: string;
            /**
             * @default changed
             * @constant
             */
            type: "changed";
        };
        CompareView: {
            firstDifference?: number;
            input: components["schemas"]["ValueDiff"];
            other: components["schemas"]["ComparedRun"];
            output: components["schemas"]["ValueDiff"];
            rows: components["schemas"]["ComparedRow"][];
            run: components["schemas"]["ComparedRun"];
            stepOutput?: components["schemas"]["ValueDiff"];
            stepsCut: boolean;
        };
        ComparedRow: {
            differs: boolean;
            other?: components["schemas"]["ComparedStep"];
            run?: components["schemas"]["ComparedStep"];
        };
        ComparedRun: {
            attempt?: number;
            /** Format: date-time */
            createdAt: string;
            error?: components["schemas"]["ErrorView"];
            id: string;
            queueMs?: number;
            status: string;
            tookMs?: number;
            workflow: string;
            workflowVersion?: string;
        };
        ComparedStep: {
            durationMs?: number;
            error?: string;
            /** @enum {string} */
            kind: "local" | "remote" | "sleep" | "signal";
            name: string;
            seq: number;
            /** @enum {string} */
            status: "pending" | "running" | "completed" | "failed" | "cancelled" | "dead" | "interrupted";
        };
        CompensationView: {
            attempts?: number;
            childRunId?: string;
            error?: string;
            /** @default false */
            executing?: boolean;
            input?: components["schemas"]["Json"];
            maybe: boolean;
            output?: components["schemas"]["Json"];
            seq: number;
            status?: string;
            step: string;
            undo?: string;
        };
        ConfigView: {
            actor: string;
            api: string;
            base: string;
            capabilities?: string[];
            namespace: string;
            /** @enum {string} */
            role: "viewer" | "operator";
            title: string;
            traceUrl?: string;
            version: string;
        };
        ContinueBody: {
            /** @default  */
            comment?: string;
            payload?: components["schemas"]["Json"];
            seq?: number;
        };
        CountView: {
            count: number;
            value?: string;
        };
        DealtWithView: {
            /** Format: date-time */
            at?: string;
            by?: string;
            /** @enum {string} */
            how: "person" | "error" | "completed" | "undone";
            note?: string;
            /** @enum {string} */
            state: "dealt_with" | "ignored";
        };
        DecisionBody: {
            /** @default  */
            note?: string;
            /** @enum {string} */
            state: "open" | "dealt_with" | "ignored";
        };
        DecisionView: {
            /** Format: date-time */
            at: string;
            by: string;
            note?: string;
            /** @enum {string} */
            state: "open" | "dealt_with" | "ignored";
        };
        DivergenceView: {
            expected: string[];
            recorded: string;
            seq: number;
        };
        ErrorDetail: {
            failures: number;
            group: components["schemas"]["ErrorGroupView"];
            runs: components["schemas"]["RunRow"][];
            shared: components["schemas"]["SharedView"][];
            successes: number;
        };
        ErrorGroupView: {
            buckets: number[];
            count: number;
            decision?: components["schemas"]["DecisionView"];
            fingerprint: string;
            /** Format: date-time */
            firstSeenAt: string;
            frame?: string;
            /** Format: date-time */
            lastSeenAt: string;
            share?: number;
            /** @enum {string} */
            state: "open" | "dealt_with" | "ignored";
            step?: string;
            template: string;
            total: number;
            type: string;
            versions: components["schemas"]["CountView"][];
            workflows: components["schemas"]["CountView"][];
        };
        ErrorView: {
            code?: string;
            fingerprint?: string;
            message: string;
            stack?: string;
            step?: string;
            type?: string;
        };
        ErrorsView: {
            bucketMs: number;
            failures: components["schemas"]["FailureCounts"];
            groups: components["schemas"]["ErrorGroupView"][];
            /** Format: date-time */
            scannedTo?: string;
            /** Format: date-time */
            since: string;
            /** Format: date-time */
            until: string;
        };
        EventView: {
            /** Format: date-time */
            at: string;
            durationMs?: number;
            error?: components["schemas"]["ErrorView"];
            id: number;
            /** @enum {string} */
            kind?: "local" | "remote" | "sleep" | "signal";
            left?: boolean;
            name?: string;
            queueMs?: number;
            run?: components["schemas"]["RunRow"];
            runId: string;
            seq?: number;
            /** @enum {string} */
            status?: "pending" | "running" | "completed" | "failed" | "cancelled" | "dead" | "interrupted";
            step?: components["schemas"]["StepView"];
            /** @enum {string} */
            type: "run.pending" | "run.started" | "run.suspended" | "run.resumed" | "run.completed" | "run.failed" | "run.cancelling" | "run.cancelled" | "run.dead" | "step.started" | "step.completed" | "step.failed";
            workflow: string;
        };
        ExecutorView: {
            appName?: string;
            appVersion?: string;
            executorId: string;
            heldTotal: number;
            host?: string;
            inFlight: components["schemas"]["InFlightView"][];
            inFlightTotal: number;
            instanceId: string;
            /** Format: date-time */
            lastBeatAt: string;
            pid?: number;
            queues: string[];
            sdk?: string;
            /** Format: date-time */
            startedAt: string;
            /** @enum {string} */
            status: "live" | "lost" | "stopped";
            workflows: string[];
        };
        FacetView: {
            count: number;
            exact: boolean;
            origin?: null;
            /** @enum {string} */
            status: "pending" | "running" | "suspended" | "cancelling" | "completed" | "failed" | "cancelled" | "dead" | "blocked";
            workflow?: string;
        };
        FailureCounts: {
            /** @default 0 */
            completed?: number;
            /** @default 0 */
            dealtWith?: number;
            /** @default 0 */
            ignored?: number;
            /** @default 0 */
            open?: number;
            /** @default 0 */
            undone?: number;
        };
        FoldView: {
            byStatus: {
                [key: string]: number;
            };
            count: number;
            /** Format: date-time */
            finishedAt?: string;
            first: number;
            kept: number[];
            last: number;
            maxMs?: number;
            medianMs?: number;
            minMs?: number;
            names: string[];
            slowest?: number;
            /** Format: date-time */
            startedAt?: string;
            turns: number;
        };
        ForkBody: {
            fromSeq: number;
        };
        Graph: {
            edges: components["schemas"]["GraphEdge"][];
            height: number;
            nodes: components["schemas"]["GraphNode"][];
            truncated?: boolean;
            width: number;
        };
        GraphEdge: {
            id: string;
            /**
             * @default next
             * @enum {string}
             */
            kind?: "next" | "fan-out" | "fan-in" | "undo" | "again" | "child";
            source: string;
            target: string;
        };
        GraphNode: {
            attempt?: number;
            byStatus?: {
                [key: string]: number;
            };
            cells?: number;
            childRunId?: string;
            compensates?: number;
            count?: number;
            durationMs?: number;
            expanded?: boolean;
            firstSeq?: number;
            groupId?: string;
            height: number;
            /** @default false */
            housekeeping?: boolean;
            id: string;
            /** @enum {string} */
            kind?: "local" | "remote" | "sleep" | "signal";
            label: string;
            lastSeq?: number;
            ofRun?: string;
            parallelGroup?: number;
            queueMs?: number;
            seq?: number;
            seqs?: number[];
            /** Format: date-time */
            startedAt?: string;
            status: string;
            turns?: number;
            /** @enum {string} */
            type: "start" | "end" | "step" | "group" | "join";
            /** @enum {string} */
            waitsOn?: "signal" | "webhook" | "update" | "breakpoint" | "child" | "sleep" | "queue" | "delay";
            /** Format: date-time */
            wakeAt?: string;
            width: number;
            workerGroup?: string;
            x: number;
            y: number;
        };
        HealthView: {
            liveWorkers?: number;
            lostWorkers?: number;
            problems: string[];
            schemaVersion?: number;
            /** @enum {string} */
            status: "ok" | "degraded";
            store?: string;
            version: string;
            viewers: number;
            warnings: string[];
        };
        Heartbeat: {
            id: number;
            problem?: string;
            /**
             * @default heartbeat
             * @constant
             */
            type: "heartbeat";
        };
        InFlightView: {
            attempt: number;
            name: string;
            runId: string;
            seq?: number;
            /** Format: date-time */
            startedAt: string;
        };
        InboxEntry: {
            ask?: string;
            assignedBy?: string;
            assignee?: string;
            name: string;
            /** @enum {string} */
            on: "breakpoint" | "signal" | "update";
            run: components["schemas"]["RunRow"];
            schema?: {
                [key: string]: components["schemas"]["Json"];
            };
            seq: number;
            /** Format: date-time */
            since: string;
            /** Format: date-time */
            until?: string;
        };
        InboxView: {
            count: number;
            entries: components["schemas"]["InboxEntry"][];
            exact: boolean;
        };
        InputBody: {
            input?: components["schemas"]["Json"];
        };
        Json: Json;
        Lineage: {
            deadLetter?: components["schemas"]["RunRow"];
            deadRun?: components["schemas"]["RunRow"];
            forkedFrom?: components["schemas"]["RunRow"];
            forks: components["schemas"]["RunRow"][];
            forksCut?: boolean;
            parent?: components["schemas"]["RunRow"];
            undo?: components["schemas"]["RunRow"];
            undoes?: components["schemas"]["RunRow"];
        };
        LinkBody: {
            /** @default 604800 */
            expiresInS?: number;
        };
        ListSnapshot: {
            id: number;
            runs: components["schemas"]["RunRow"][];
            /**
             * @default snapshot
             * @constant
             */
            type: "snapshot";
        };
        LongStep: {
            durationMs: number;
            /** @enum {string} */
            kind: "local" | "remote" | "sleep" | "signal";
            name: string;
            seq: number;
            /** Format: date-time */
            startedAt?: string;
            usual?: components["schemas"]["UsualView"];
            /** @enum {string} */
            usualOf?: "runs" | "run";
        };
        ModelUsage: {
            calls: number;
            cost?: number;
            inputTokens: number;
            model: string;
            outputTokens: number;
        };
        MoveAnswer: {
            compared: number;
            divergence?: components["schemas"]["DivergenceView"];
            matches: boolean;
            moved: boolean;
            notes?: string[];
            run: components["schemas"]["RunRow"];
            runId: string;
            version: string;
        };
        MoveBody: {
            /** @default false */
            dryRun?: boolean;
            /** @default false */
            force?: boolean;
            version?: string;
        };
        NewRun: {
            notes?: string[];
            run: components["schemas"]["RunRow"];
            runId: string;
        };
        OpenWaitView: {
            ask?: string;
            name: string;
            /** @enum {string} */
            on: "signal" | "webhook" | "update" | "breakpoint" | "child" | "sleep" | "queue" | "delay";
            schema?: {
                [key: string]: components["schemas"]["Json"];
            };
            seq: number;
        };
        PauseQueueBody: {
            /** @default  */
            comment?: string;
        };
        ProblemDocument: {
            detail: string;
            status: number;
            title: string;
            /** @default about:blank */
            type?: string;
        } & {
            [key: string]: components["schemas"]["Json"];
        };
        PublishedView: {
            key: string;
            truncated?: boolean;
            value?: components["schemas"]["Json"];
        };
        QuestionLink: {
            /** Format: date-time */
            expiresAt: string;
            token: string;
            url: string;
        };
        QueueAnswer: {
            name: string;
            notes?: string[];
            paused: boolean;
        };
        RedispatchAnswer: {
            redispatched: boolean;
            runId: string;
            status: string;
        };
        RedispatchBody: {
            /** @default false */
            force?: boolean;
        };
        ResolveBody: {
            /** @default  */
            note?: string;
        };
        RetryBody: {
            queue?: string;
        };
        RunDetail: {
            attempts: components["schemas"]["AttemptView"][];
            childRuns: components["schemas"]["RunRow"][];
            children: string[];
            childrenTotal: number;
            compensationsTotal?: number;
            folds?: components["schemas"]["FoldView"][];
            lineage: components["schemas"]["Lineage"];
            nextStep?: number;
            run: components["schemas"]["RunView"];
            stepsTotal: number;
            timeline: components["schemas"]["StepView"][];
        };
        RunRow: {
            allowed: ("retry" | "redispatch" | "move" | "continue" | "wake" | "signal" | "update" | "cancel" | "cancel_undo" | "fork" | "retry_with_input")[];
            blocked?: components["schemas"]["BlockedView"];
            /** Format: date-time */
            createdAt: string;
            deadLetterId?: string;
            deadRunId?: string;
            /** Format: date-time */
            deadlineAt?: string;
            dealtWith?: components["schemas"]["DealtWithView"];
            durationMs?: number;
            error?: components["schemas"]["ErrorView"];
            executor?: string;
            /** Format: date-time */
            finishedAt?: string;
            forkedFrom?: string;
            id: string;
            namespace?: string;
            parentId?: string;
            queue?: string;
            queueMs?: number;
            recoveryAttempts: number;
            roundedMs?: number;
            schedule?: string;
            searchAttributes: {
                [key: string]: components["schemas"]["Json"];
            };
            /** Format: date-time */
            startedAt?: string;
            /** @enum {string} */
            status: "pending" | "running" | "suspended" | "cancelling" | "completed" | "failed" | "cancelled" | "dead" | "blocked";
            tags: string[];
            timedOut?: boolean;
            traceId: string;
            undoId?: string;
            undoStuck?: boolean;
            undoesId?: string;
            unreadable?: string;
            /** Format: date-time */
            updatedAt: string;
            waiting?: components["schemas"]["WaitingView"];
            /** Format: date-time */
            wakeAt?: string;
            workflow: string;
            workflowVersion?: string;
        };
        RunSnapshot: {
            detail: components["schemas"]["RunDetail"];
            id: number;
            /**
             * @default snapshot
             * @constant
             */
            type: "snapshot";
        };
        RunUsage: {
            calls: number;
            cost?: number;
            currency?: string;
            inputTokens: number;
            models: components["schemas"]["ModelUsage"][];
            outputTokens: number;
            runId: string;
            unpriced: string[];
        };
        RunView: {
            allowed: ("retry" | "redispatch" | "move" | "continue" | "wake" | "signal" | "update" | "cancel" | "cancel_undo" | "fork" | "retry_with_input")[];
            blocked?: components["schemas"]["BlockedView"];
            /** Format: date-time */
            createdAt: string;
            deadLetterId?: string;
            deadRunId?: string;
            /** Format: date-time */
            deadlineAt?: string;
            dealtWith?: components["schemas"]["DealtWithView"];
            durationMs?: number;
            error?: components["schemas"]["ErrorView"];
            executor?: string;
            /** Format: date-time */
            finishedAt?: string;
            forkedFrom?: string;
            id: string;
            input?: components["schemas"]["Json"];
            namespace?: string;
            output?: components["schemas"]["Json"];
            parentId?: string;
            payloadFormats?: {
                [key: string]: string;
            };
            payloadProblems?: {
                [key: string]: string;
            };
            queue?: string;
            queueMs?: number;
            recoveryAttempts: number;
            roundedMs?: number;
            schedule?: string;
            searchAttributes: {
                [key: string]: components["schemas"]["Json"];
            };
            /** Format: date-time */
            startedAt?: string;
            /** @enum {string} */
            status: "pending" | "running" | "suspended" | "cancelling" | "completed" | "failed" | "cancelled" | "dead" | "blocked";
            tags: string[];
            timedOut?: boolean;
            traceId: string;
            traceUrl?: string;
            truncated?: components["schemas"]["Truncated"];
            undoId?: string;
            undoStuck?: boolean;
            undoesId?: string;
            unreadable?: string;
            /** Format: date-time */
            updatedAt: string;
            waiting?: components["schemas"]["WaitingView"];
            /** Format: date-time */
            wakeAt?: string;
            workflow: string;
            workflowVersion?: string;
        };
        ScheduleAnswer: {
            active: boolean;
            name: string;
        };
        ScheduleView: {
            active: boolean;
            lastFiredAt?: string;
            name: string;
            /** Format: date-time */
            nextAt?: string;
            overdueMs?: number;
            queue?: string;
            schedule: string;
            timezone?: string;
            workflow: string;
        };
        SharedView: {
            count: number;
            key?: string;
            lift?: number;
            otherShare: number;
            share: number;
            value?: components["schemas"]["Json"];
            /** @enum {string} */
            what: "version" | "executor" | "queue" | "namespace" | "step" | "attribute";
        };
        SnoozeBody: {
            /** @default 60 */
            minutes?: number;
            /** @default  */
            note?: string;
        };
        StartBody: {
            attributes?: {
                [key: string]: components["schemas"]["Json"];
            };
            /** @enum {string} */
            format?: "python" | "portable";
            input?: components["schemas"]["Json"];
            queue?: string;
            runId?: string;
            workflow: string;
        };
        StepAttemptView: {
            durationMs?: number;
            /** Format: date-time */
            endedAt?: string;
            error?: components["schemas"]["StepErrorView"];
            execution: number;
            executor?: string;
            logs: components["schemas"]["StepLogView"][];
            n: number;
            /** Format: date-time */
            startedAt: string;
            traceback?: string;
            truncated?: number;
        };
        StepErrorView: {
            message: string;
            type: string;
        };
        StepLogView: {
            /** Format: date-time */
            at: string;
            exception?: string;
            fields?: {
                [key: string]: components["schemas"]["Json"];
            };
            level: string;
            logger: string;
            message: string;
            spanId?: string;
            where?: string;
        };
        StepView: {
            attemptLog?: components["schemas"]["AttemptLogView"];
            attempts: number;
            childRunId?: string;
            collectMs?: number;
            compensates?: number;
            durationMs?: number;
            /** Format: date-time */
            enqueuedAt?: string;
            error?: components["schemas"]["ErrorView"];
            executor?: string;
            /** Format: date-time */
            finishedAt?: string;
            housekeeping: boolean;
            input?: components["schemas"]["Json"];
            key?: string;
            /** @enum {string} */
            kind: "local" | "remote" | "sleep" | "signal";
            name: string;
            output?: components["schemas"]["Json"];
            parallelGroup?: number;
            payloadFormats?: {
                [key: string]: string;
            };
            payloadProblems?: {
                [key: string]: string;
            };
            queueMs?: number;
            runId: string;
            seq: number;
            spanId: string;
            /** Format: date-time */
            startedAt?: string;
            /** @enum {string} */
            status: "pending" | "running" | "completed" | "failed" | "cancelled" | "dead" | "interrupted";
            stepId: string;
            truncated?: components["schemas"]["Truncated"];
            unreadable?: string;
            /** @enum {string} */
            waitsOn?: "signal" | "webhook" | "update" | "breakpoint" | "child" | "sleep" | "queue" | "delay";
            /** Format: date-time */
            wakeAt?: string;
            workerGroup?: string;
        };
        StreamEntryView: {
            closes: boolean;
            offset: number;
            seq?: number;
            truncated?: boolean;
            value?: components["schemas"]["Json"];
        };
        StreamView: {
            closed: boolean;
            count: number;
            key: string;
        };
        TimingView: {
            betweenMs: number;
            criticalPath?: number[];
            /** Format: date-time */
            expectedAt?: string;
            longest: components["schemas"]["LongStep"][];
            queueMs: number;
            stepsRead?: number;
            tookMs: number;
            totalMs: number;
            usual?: components["schemas"]["UsualView"];
            waitingMs: number;
            workMs: number;
        };
        Topology: {
            edges: components["schemas"]["TopologyEdge"][];
            nodes: components["schemas"]["TopologyNode"][];
            /**
             * @default control-plane
             * @constant
             */
            role: "control-plane";
            sampledRuns: number;
        };
        TopologyEdge: {
            count: number;
            source: string;
            target: string;
        };
        TopologyNode: {
            counts: {
                [key: string]: number;
            };
            id: string;
            label: string;
            /** @enum {string} */
            role: "workflow" | "queue" | "worker";
            /** @enum {string} */
            type: "workflow" | "queue" | "executor";
        };
        Truncated: {
            bytes: number;
            fields: string[];
        };
        UndoView: {
            compensations: components["schemas"]["CompensationView"][];
            notes?: string[];
            possible: boolean;
            runId: string;
            status?: string;
            total?: number;
            undoId?: string;
        };
        UpdateAnswer: {
            /**
             * @default true
             * @constant
             */
            accepted: true;
            notes?: string[];
            run: components["schemas"]["RunRow"];
        };
        UpdateRejected: {
            /**
             * @default false
             * @constant
             */
            accepted: false;
            reason: string;
        };
        UsageRow: {
            calls: number;
            cost?: number;
            day?: string;
            inputTokens: number;
            models: components["schemas"]["ModelUsage"][];
            outputTokens: number;
            runId?: string;
            version?: string;
            workflow?: string;
        };
        UsageSum: {
            calls: number;
            cost?: number;
            inputTokens: number;
            models: components["schemas"]["ModelUsage"][];
            outputTokens: number;
        };
        UsageView: {
            currency?: string;
            exact: boolean;
            items: components["schemas"]["UsageRow"][];
            /** Format: date-time */
            since: string;
            total: components["schemas"]["UsageSum"];
            unpriced: string[];
            /** Format: date-time */
            until: string;
        };
        UsualView: {
            count: number;
            medianMs: number;
            p95Ms: number;
        };
        ValueChange: {
            /** @enum {string} */
            kind: "added" | "removed" | "changed";
            other?: components["schemas"]["Json"];
            path: string;
            run?: components["schemas"]["Json"];
        };
        ValueDiff: {
            changes: components["schemas"]["ValueChange"][];
            cut: boolean;
            same: boolean;
        };
        VersionFigures: {
            ended: number;
            failureShare?: number;
            p50Ms?: number;
            p95Ms?: number;
        };
        VersionView: {
            blockedRuns: number;
            drained: boolean;
            figures: components["schemas"]["VersionFigures"];
            /** Format: date-time */
            firstSeenAt: string;
            liveExecutors: number;
            openRuns: number;
            previous?: string;
            previousFigures?: components["schemas"]["VersionFigures"];
            version: string;
        };
        ViewBody: {
            filter?: components["schemas"]["ViewFilter"];
            /** @default false */
            isDefault?: boolean;
            name: string;
        };
        ViewChangeBody: {
            filter?: components["schemas"]["ViewFilter"];
            isDefault?: boolean;
            name?: string;
        };
        ViewFilter: {
            app?: string;
            attr?: string[];
            bulk?: string;
            /** @enum {string} */
            bulkPart?: "applied" | "left_alone" | "succeeded" | "same_error" | "new_error" | "cancelled" | "open";
            error?: string;
            executor?: string;
            minDurationMs?: number;
            namespace?: string;
            origin?: string;
            parent?: string;
            q?: string;
            queue?: string;
            since?: string;
            status?: ("pending" | "running" | "suspended" | "cancelling" | "completed" | "failed" | "cancelled" | "dead" | "blocked")[];
            tag?: string[];
            unattributed?: boolean;
            until?: string;
            version?: string;
            workflow?: string;
        };
        ViewView: {
            actor: string;
            /** Format: date-time */
            at: string;
            filter: {
                [key: string]: components["schemas"]["Json"];
            };
            id: string;
            isDefault: boolean;
            name: string;
        };
        WaitingView: {
            name?: string;
            /** @enum {string} */
            on: "signal" | "webhook" | "update" | "breakpoint" | "child" | "sleep" | "queue" | "delay";
            seq?: number;
            /** Format: date-time */
            since: string;
            /** Format: date-time */
            until?: string;
        };
        WakeBody: {
            /** @default  */
            comment?: string;
            seq?: number;
        };
        WebhookAnswer: {
            /**
             * @default true
             * @constant
             */
            delivered: true;
        };
        WorkerConcurrency: {
            limit: number;
            /**
             * @default fixed
             * @constant
             */
            mode: "fixed";
        };
        WorkerGroup: {
            concurrency?: number;
            depth: number;
            group: string;
            liveWorkers: components["schemas"]["WorkerInstance"][];
            noWorker: boolean;
            oldestMs?: number;
            pauseComment?: string;
            /** @default false */
            paused?: boolean;
            /** Format: date-time */
            pausedAt?: string;
            pausedBy?: string;
            presenceKnown: boolean;
            rateLimitMax?: number;
            rateLimitPeriodS?: number;
            registered: boolean;
            running: number;
            workerConcurrency?: number;
        };
        WorkerInstance: {
            group: string;
            instanceId: string;
            lastBeatAt: number;
            status: components["schemas"]["WorkerStatus"];
        };
        WorkerStatus: {
            concurrency: components["schemas"]["WorkerConcurrency"];
            inFlight: number;
            /**
             * @default live
             * @constant
             */
            state: "live";
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    activity: {
        parameters: {
            query?: {
                status?: ("pending" | "running" | "suspended" | "cancelling" | "completed" | "failed" | "cancelled" | "dead" | "blocked")[];
                workflow?: string;
                q?: string;
                queue?: string;
                executor?: string;
                version?: string;
                tag?: string[];
                attr?: string[];
                since?: string;
                until?: string;
                parent?: string;
                namespace?: string;
                app?: string;
                minDurationMs?: number;
                error?: string;
                bulk?: string;
                bulkPart?: "applied" | "left_alone" | "succeeded" | "same_error" | "new_error" | "cancelled" | "open";
                origin?: string;
                unattributed?: boolean;
                buckets?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ActivityView"];
                };
            };
        };
    };
    listAlerts: {
        parameters: {
            query?: {
                state?: "open" | "snoozed" | "ended";
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlertsView"];
                };
            };
        };
    };
    testAlerts: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlertView"];
                };
            };
        };
    };
    resolveAlert: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                alertId: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["ResolveBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlertView"];
                };
            };
        };
    };
    snoozeAlert: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                alertId: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["SnoozeBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlertView"];
                };
            };
        };
    };
    audit: {
        parameters: {
            query?: {
                run?: string;
                actor?: string;
                action?: string;
                outcome?: string;
                before?: number;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AuditView"][];
                };
            };
        };
    };
    listBulks: {
        parameters: {
            query?: {
                limit?: number;
                before?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BulkView"][];
                };
            };
        };
    };
    bulkAction: {
        parameters: {
            query?: {
                status?: ("pending" | "running" | "suspended" | "cancelling" | "completed" | "failed" | "cancelled" | "dead" | "blocked")[];
                workflow?: string;
                q?: string;
                queue?: string;
                executor?: string;
                version?: string;
                tag?: string[];
                attr?: string[];
                since?: string;
                until?: string;
                parent?: string;
                namespace?: string;
                app?: string;
                minDurationMs?: number;
                error?: string;
                bulk?: string;
                bulkPart?: "applied" | "left_alone" | "succeeded" | "same_error" | "new_error" | "cancelled" | "open";
                origin?: string;
                unattributed?: boolean;
                dryRun?: boolean;
                compensate?: boolean;
                children?: boolean;
                toQueue?: string;
                toVersion?: string;
                canary?: boolean;
                all?: boolean;
            };
            header?: never;
            path: {
                action: "retry" | "cancel" | "move";
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["BulkBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BulkAnswer"];
                };
            };
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BulkAnswer"];
                };
            };
        };
    };
    bulkStatus: {
        parameters: {
            query?: {
                from?: number;
                now?: boolean;
            };
            header?: never;
            path: {
                bulkId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BulkStatus"];
                };
            };
        };
    };
    getConfig: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ConfigView"];
                };
            };
        };
    };
    listErrors: {
        parameters: {
            query?: {
                since?: string;
                until?: string;
                buckets?: number;
                workflow?: string;
                state?: ("open" | "dealt_with" | "ignored")[];
                limit?: number;
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorsView"];
                };
            };
        };
    };
    getError: {
        parameters: {
            query?: {
                since?: string;
                until?: string;
                buckets?: number;
            };
            header?: never;
            path: {
                fingerprint: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorDetail"];
                };
            };
        };
    };
    decideError: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                fingerprint: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["DecisionBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorGroupView"];
                };
            };
        };
    };
    listExecutors: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExecutorView"][];
                };
            };
        };
    };
    getHealth: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["HealthView"];
                };
            };
        };
    };
    getInbox: {
        parameters: {
            query?: {
                assignee?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["InboxView"];
                };
            };
        };
    };
    getQuestion: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                token: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["InboxEntry"];
                };
            };
        };
    };
    getMetrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
        };
    };
    pauseQueue: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["PauseQueueBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["QueueAnswer"];
                };
            };
        };
    };
    resumeQueue: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["QueueAnswer"];
                };
            };
        };
    };
    listRuns: {
        parameters: {
            query?: {
                status?: ("pending" | "running" | "suspended" | "cancelling" | "completed" | "failed" | "cancelled" | "dead" | "blocked")[];
                workflow?: string;
                q?: string;
                queue?: string;
                executor?: string;
                version?: string;
                tag?: string[];
                attr?: string[];
                since?: string;
                until?: string;
                parent?: string;
                namespace?: string;
                app?: string;
                minDurationMs?: number;
                error?: string;
                bulk?: string;
                bulkPart?: "applied" | "left_alone" | "succeeded" | "same_error" | "new_error" | "cancelled" | "open";
                origin?: string;
                unattributed?: boolean;
                limit?: number;
                cursor?: string;
                offset?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunRow"][];
                };
            };
        };
    };
    startRun: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["StartBody"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewRun"];
                };
            };
        };
    };
    runById: {
        parameters: {
            query: {
                from?: number;
                limit?: number;
                fold?: boolean;
                q?: string;
                children?: number;
                id: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunDetail"];
                };
            };
        };
    };
    runFacets: {
        parameters: {
            query?: {
                status?: ("pending" | "running" | "suspended" | "cancelling" | "completed" | "failed" | "cancelled" | "dead" | "blocked")[];
                workflow?: string;
                q?: string;
                queue?: string;
                executor?: string;
                version?: string;
                tag?: string[];
                attr?: string[];
                since?: string;
                until?: string;
                parent?: string;
                namespace?: string;
                app?: string;
                minDurationMs?: number;
                error?: string;
                bulk?: string;
                bulkPart?: "applied" | "left_alone" | "succeeded" | "same_error" | "new_error" | "cancelled" | "open";
                origin?: string;
                unattributed?: boolean;
                by?: "status" | "workflow";
                exact?: boolean;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FacetView"][];
                };
            };
        };
    };
    getRun: {
        parameters: {
            query?: {
                from?: number;
                limit?: number;
                fold?: boolean;
                q?: string;
                children?: number;
            };
            header?: never;
            path: {
                runId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunDetail"];
                };
            };
        };
    };
    cancel: {
        parameters: {
            query?: {
                compensate?: boolean;
                children?: boolean;
            };
            header?: never;
            path: {
                runId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ActionAnswer"];
                };
            };
        };
    };
    compareRuns: {
        parameters: {
            query?: {
                with?: string;
                attempt?: number;
                step?: number;
            };
            header?: never;
            path: {
                runId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CompareView"];
                };
            };
        };
    };
    continueRun: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                runId: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["ContinueBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ActionAnswer"];
                };
            };
        };
    };
    decideRun: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                runId: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["DecisionBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunRow"];
                };
            };
        };
    };
    listEvents: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                runId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PublishedView"][];
                };
            };
        };
    };
    getEvent: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                runId: string;
                key: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Json"];
                };
            };
        };
    };
    fork: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                runId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ForkBody"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewRun"];
                };
            };
        };
    };
    runGraph: {
        parameters: {
            query?: {
                expand?: string[];
                child?: string[];
            };
            header?: never;
            path: {
                runId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Graph"];
                };
            };
        };
    };
    move: {
        parameters: {
            query?: {
                dryRun?: boolean;
            };
            header?: never;
            path: {
                runId: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["MoveBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MoveAnswer"];
                };
            };
        };
    };
    getPayload: {
        parameters: {
            query?: {
                raw?: boolean;
                exact?: boolean;
            };
            header?: never;
            path: {
                runId: string;
                name: "input" | "output" | "error";
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Json"];
                };
            };
        };
    };
    redispatch: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                runId: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["RedispatchBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RedispatchAnswer"];
                };
            };
        };
    };
    runReport: {
        parameters: {
            query?: {
                steps?: number;
            };
            header?: never;
            path: {
                runId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/markdown": string;
                };
            };
        };
    };
    retry: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                runId: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["RetryBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ActionAnswer"];
                };
            };
        };
    };
    retryWithInput: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                runId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["InputBody"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewRun"];
                };
            };
        };
    };
    sendSignal: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                runId: string;
                topic: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": unknown;
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ActionAnswer"];
                };
            };
        };
    };
    getStep: {
        parameters: {
            query?: {
                full?: boolean;
            };
            header?: never;
            path: {
                runId: string;
                seq: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StepView"];
                };
            };
        };
    };
    streamRun: {
        parameters: {
            query?: {
                lastEventId?: number;
                fold?: boolean;
            };
            header?: never;
            path: {
                runId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["RunSnapshot"] | components["schemas"]["EventView"] | components["schemas"]["Changed"] | components["schemas"]["Heartbeat"];
                };
            };
        };
    };
    listStreams: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                runId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StreamView"][];
                };
            };
        };
    };
    getStream: {
        parameters: {
            query?: {
                after?: number;
                limit?: number;
            };
            header?: never;
            path: {
                runId: string;
                key: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StreamEntryView"][];
                };
            };
        };
    };
    runTest: {
        parameters: {
            query?: {
                module?: string;
            };
            header?: never;
            path: {
                runId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/x-python": string;
                };
            };
        };
    };
    runTiming: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                runId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TimingView"];
                };
            };
        };
    };
    undo: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                runId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UndoView"];
                };
            };
        };
    };
    sendUpdate: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                runId: string;
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": unknown;
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UpdateAnswer"];
                };
            };
        };
    };
    runUsage: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                runId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunUsage"];
                };
            };
        };
    };
    listWaits: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                runId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OpenWaitView"][];
                };
            };
        };
    };
    assign: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                runId: string;
                seq: number;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["AssignBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["InboxEntry"];
                };
            };
        };
    };
    linkQuestion: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                runId: string;
                seq: number;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["LinkBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["QuestionLink"];
                };
            };
        };
    };
    wakeRun: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                runId: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["WakeBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ActionAnswer"];
                };
            };
        };
    };
    listSchedules: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ScheduleView"][];
                };
            };
        };
    };
    triggerSchedule: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewRun"];
                };
            };
        };
    };
    switchSchedule: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
                action: "pause" | "resume";
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ScheduleAnswer"];
                };
            };
        };
    };
    streamRuns: {
        parameters: {
            query?: {
                status?: ("pending" | "running" | "suspended" | "cancelling" | "completed" | "failed" | "cancelled" | "dead" | "blocked")[];
                workflow?: string;
                q?: string;
                queue?: string;
                executor?: string;
                version?: string;
                tag?: string[];
                attr?: string[];
                since?: string;
                until?: string;
                parent?: string;
                namespace?: string;
                app?: string;
                minDurationMs?: number;
                error?: string;
                bulk?: string;
                bulkPart?: "applied" | "left_alone" | "succeeded" | "same_error" | "new_error" | "cancelled" | "open";
                origin?: string;
                unattributed?: boolean;
                lastEventId?: number;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["ListSnapshot"] | components["schemas"]["EventView"] | components["schemas"]["Changed"] | components["schemas"]["Heartbeat"];
                };
            };
        };
    };
    getTopology: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Topology"];
                };
            };
        };
    };
    runOfTrace: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                traceId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: never;
    };
    usage: {
        parameters: {
            query?: {
                since?: string;
                until?: string;
                by?: ("workflow" | "version" | "day" | "run")[];
                workflow?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UsageView"];
                };
            };
        };
    };
    listVersions: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["VersionView"][];
                };
            };
        };
    };
    listViews: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ViewView"][];
                };
            };
        };
    };
    saveView: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["ViewBody"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ViewView"];
                };
            };
        };
    };
    changeView: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                viewId: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["ViewChangeBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ViewView"];
                };
            };
        };
    };
    deleteView: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                viewId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ViewView"];
                };
            };
        };
    };
    deliverWebhook: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                token: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WebhookAnswer"];
                };
            };
        };
    };
    listWorkers: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WorkerGroup"][];
                };
            };
        };
    };
}
