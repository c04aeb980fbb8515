CREATE TABLE dbos_migrations (version INTEGER NOT NULL PRIMARY KEY);
INSERT INTO "dbos_migrations" VALUES(125);
CREATE TABLE notifications (
    message_uuid TEXT NOT NULL DEFAULT (hex(randomblob(16))) PRIMARY KEY,
    destination_uuid TEXT NOT NULL,
    topic TEXT,
    message TEXT NOT NULL,
    created_at_epoch_ms INTEGER NOT NULL DEFAULT (strftime('%s','now') * 1000), "serialization" TEXT DEFAULT NULL, "consumed" BOOLEAN NOT NULL DEFAULT FALSE, consumed_by_function_id INTEGER,
    FOREIGN KEY (destination_uuid) REFERENCES workflow_status(workflow_uuid) 
        ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE TABLE "operation_outputs" (
    workflow_uuid TEXT NOT NULL,
    function_id INTEGER NOT NULL,
    function_name TEXT NOT NULL DEFAULT '',
    output TEXT,
    error TEXT,
    child_workflow_id TEXT,
    started_at_epoch_ms INTEGER,
    completed_at_epoch_ms INTEGER,
    serialization TEXT,
    application_name TEXT DEFAULT NULL,
    retention_timestamp INTEGER NOT NULL DEFAULT (strftime('%s','now') * 1000),
    PRIMARY KEY (workflow_uuid, function_id)
);
INSERT INTO "operation_outputs" VALUES('crash-2',1,'work','gASVCgAAAAAAAACMBmJlZm9yZZQu',NULL,NULL,1795868511142,1795868511142,'py_pickle','conformance',1795868511000);
INSERT INTO "operation_outputs" VALUES('simple-1',1,'work','gASVBwAAAAAAAACMA29uZZQu',NULL,NULL,1795868511148,1795868511151,'py_pickle','conformance',1795868511000);
INSERT INTO "operation_outputs" VALUES('family-1',1,'middle',NULL,NULL,'family-1-1',1795868511152,1795868511173,NULL,'conformance',1795868511000);
INSERT INTO "operation_outputs" VALUES('crash-1',1,'work','gASVCgAAAAAAAACMBmJlZm9yZZQu',NULL,NULL,1795868511137,1795868511145,'py_pickle','conformance',1795868511000);
INSERT INTO "operation_outputs" VALUES('suspended-1',1,'work','gASVBwAAAAAAAACMA2Fza5Qu',NULL,NULL,1795868511155,1795868511156,'py_pickle','conformance',1795868511000);
INSERT INTO "operation_outputs" VALUES('retry-1',1,'work','gASVCQAAAAAAAACMBWZpcnN0lC4=',NULL,NULL,1795868511147,1795868511157,'py_pickle','conformance',1795868511000);
INSERT INTO "operation_outputs" VALUES('undone-1',1,'book','gASVCgAAAAAAAACMBmZsaWdodJQu',NULL,NULL,1795868511187,1795868511223,'py_pickle','conformance',1795868511000);
INSERT INTO "operation_outputs" VALUES('simple-1',2,'work','gASVBwAAAAAAAACMA3R3b5Qu',NULL,NULL,1795868511166,1795868511167,'py_pickle','conformance',1795868511000);
INSERT INTO "operation_outputs" VALUES('simple-1',3,'work','gASVCQAAAAAAAACMBXRocmVllC4=',NULL,NULL,1795868511227,1795868511228,'py_pickle','conformance',1795868511000);
INSERT INTO "operation_outputs" VALUES('undone-1',2,'work','gASVCAAAAAAAAACMBHRlbGyULg==',NULL,NULL,1795868511225,1795868511233,'py_pickle','conformance',1795868511000);
INSERT INTO "operation_outputs" VALUES('suspended-1',3,'DBOS.sleep','3372668511.2199745',NULL,NULL,1795868511214,1795868511220,'portable_json','conformance',1795868511000);
INSERT INTO "operation_outputs" VALUES('cancelled-1',1,'work','gASVBwAAAAAAAACMA2Fza5Qu',NULL,NULL,1795868511185,1795868511186,'py_pickle','conformance',1795868511000);
INSERT INTO "operation_outputs" VALUES('undone-1',3,'book','gASVCQAAAAAAAACMBWhvdGVslC4=',NULL,NULL,1795868511240,1795868511259,'py_pickle','conformance',1795868511000);
INSERT INTO "operation_outputs" VALUES('dead-1',1,'work','gASVCgAAAAAAAACMBmJlZm9yZZQu',NULL,NULL,1795868511146,1795868511146,'py_pickle','conformance',1795868511000);
INSERT INTO "operation_outputs" VALUES('undone-1',5,'DBOS.sleep','3372668511.275385',NULL,NULL,1795868511274,1795868511275,'portable_json','conformance',1795868511000);
INSERT INTO "operation_outputs" VALUES('family-1',2,'leaf',NULL,NULL,'family-1-2',1795868511179,1795868511292,NULL,'conformance',1795868511000);
INSERT INTO "operation_outputs" VALUES('family-1-2',1,'work','gASVBQAAAAAAAACMATKULg==',NULL,NULL,1795868511298,1795868511299,'py_pickle','conformance',1795868511000);
INSERT INTO "operation_outputs" VALUES('family-1',3,'DBOS.getResult','gARLAi4=',NULL,'family-1-2',1795868511179,1795868511304,'py_pickle','conformance',1795868511000);
INSERT INTO "operation_outputs" VALUES('cancelled-1',3,'DBOS.sleep','3372668511.254509',NULL,NULL,1795868511254,1795868511254,'portable_json','conformance',1795868511000);
INSERT INTO "operation_outputs" VALUES('attempts-1',1,'flaky','gARLAy4=',NULL,NULL,1795868511149,1795868511189,'py_pickle','conformance',1795868511000);
INSERT INTO "operation_outputs" VALUES('asleep-1',1,'work','gASVCAAAAAAAAACMBG9uY2WULg==',NULL,NULL,1795868511159,1795868511162,'py_pickle','conformance',1795868511000);
INSERT INTO "operation_outputs" VALUES('asleep-1',2,'DBOS.sleep','3372668511.3504305',NULL,NULL,1795868511349,3372668511350,'portable_json','conformance',1795868511000);
INSERT INTO "operation_outputs" VALUES('retry-1',2,'work',NULL,'gASVNwAAAAAAAACMCGJ1aWx0aW5zlIwKVmFsdWVFcnJvcpSTlIwVdGhlIGNhcmQgd2FzIGRlY2xpbmVklIWUUpQu',NULL,1795868511214,1795868511221,'py_pickle','conformance',1795868511000);
INSERT INTO "operation_outputs" VALUES('family-1-1',1,'leaf',NULL,NULL,'family-1-1-1',1795868511425,1795868511427,NULL,'conformance',1795868511000);
INSERT INTO "operation_outputs" VALUES('family-1-1-1',1,'work','gASVBQAAAAAAAACMATGULg==',NULL,NULL,1795868511433,1795868511434,'py_pickle','conformance',1795868511000);
INSERT INTO "operation_outputs" VALUES('family-1-1',2,'DBOS.getResult','gARLAS4=',NULL,'family-1-1-1',1795868511425,1795868511437,'py_pickle','conformance',1795868511000);
INSERT INTO "operation_outputs" VALUES('family-1',4,'DBOS.getResult','gARLAi4=',NULL,'family-1-1',1795868511309,1795868512313,'py_pickle','conformance',1795868512000);
CREATE TABLE queues (
    queue_id TEXT PRIMARY KEY DEFAULT (hex(randomblob(16))),
    name TEXT NOT NULL UNIQUE,
    concurrency INTEGER,
    worker_concurrency INTEGER,
    rate_limit_max INTEGER,
    rate_limit_period_sec REAL,
    priority_enabled BOOLEAN NOT NULL DEFAULT FALSE,
    partition_queue BOOLEAN NOT NULL DEFAULT FALSE,
    polling_interval_sec REAL NOT NULL DEFAULT 1.0,
    created_at INTEGER NOT NULL DEFAULT (strftime('%s','now') * 1000),
    updated_at INTEGER NOT NULL DEFAULT (strftime('%s','now') * 1000)
, "application_name" TEXT DEFAULT NULL, "partition_concurrency" INTEGER DEFAULT NULL, "partition_worker_concurrency" INTEGER DEFAULT NULL, "partition_rate_limit_max" INTEGER DEFAULT NULL, "partition_rate_limit_period_sec" REAL DEFAULT NULL);
INSERT INTO "queues" VALUES('D0820D39722C5B61D6F945DF0606CF55','conformance',NULL,NULL,NULL,NULL,1,0,0.05,1795868509000,1795868509976,'conformance',NULL,NULL,NULL,NULL);
INSERT INTO "queues" VALUES('CE1C90F8FB176BAB7BB9A0DCE3412179','durable.fast',NULL,NULL,NULL,NULL,1,0,0.1,1795868510000,1795868509998,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE streams (
    workflow_uuid TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    "offset" INTEGER NOT NULL, function_id INTEGER NOT NULL DEFAULT 0, "serialization" TEXT DEFAULT NULL,
    PRIMARY KEY (workflow_uuid, key, "offset"),
    FOREIGN KEY (workflow_uuid) REFERENCES workflow_status(workflow_uuid) 
        ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE TABLE workflow_events (
    workflow_uuid TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL, "serialization" TEXT DEFAULT NULL,
    PRIMARY KEY (workflow_uuid, key),
    FOREIGN KEY (workflow_uuid) REFERENCES workflow_status(workflow_uuid) 
        ON UPDATE CASCADE ON DELETE CASCADE
);
INSERT INTO "workflow_events" VALUES('undone-1','durable.undo.1','gASVSAAAAAAAAAB9lCiMBHVuZG+UjA1fX21haW5fXy5ib29rlIwEc3RlcJSMBGJvb2uUjARhcmdzlF2UjAZmbGlnaHSUYYwGa3dhcmdzlH2UdS4=','py_pickle');
INSERT INTO "workflow_events" VALUES('undone-1','durable.undo.3','gASVRwAAAAAAAAB9lCiMBHVuZG+UjA1fX21haW5fXy5ib29rlIwEc3RlcJSMBGJvb2uUjARhcmdzlF2UjAVob3RlbJRhjAZrd2FyZ3OUfZR1Lg==','py_pickle');
CREATE TABLE workflow_events_history (
    workflow_uuid TEXT NOT NULL,
    function_id INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL, "serialization" TEXT DEFAULT NULL,
    PRIMARY KEY (workflow_uuid, function_id, key),
    FOREIGN KEY (workflow_uuid) REFERENCES workflow_status(workflow_uuid)
        ON UPDATE CASCADE ON DELETE CASCADE
);
INSERT INTO "workflow_events_history" VALUES('undone-1',1,'durable.undo.1','gASVSAAAAAAAAAB9lCiMBHVuZG+UjA1fX21haW5fXy5ib29rlIwEc3RlcJSMBGJvb2uUjARhcmdzlF2UjAZmbGlnaHSUYYwGa3dhcmdzlH2UdS4=','py_pickle');
INSERT INTO "workflow_events_history" VALUES('undone-1',3,'durable.undo.3','gASVRwAAAAAAAAB9lCiMBHVuZG+UjA1fX21haW5fXy5ib29rlIwEc3RlcJSMBGJvb2uUjARhcmdzlF2UjAVob3RlbJRhjAZrd2FyZ3OUfZR1Lg==','py_pickle');
CREATE TABLE workflow_input (
    workflow_uuid TEXT NOT NULL PRIMARY KEY,
    inputs TEXT,
    retention_timestamp INTEGER NOT NULL DEFAULT (strftime('%s','now') * 1000)
);
INSERT INTO "workflow_input" VALUES('crash-1','gASVIAAAAAAAAAB9lCiMBGFyZ3OUjARvbmNllIWUjAZrd2FyZ3OUfZR1Lg==',1795868510000);
INSERT INTO "workflow_input" VALUES('crash-2','gASVIQAAAAAAAAB9lCiMBGFyZ3OUjAV0d2ljZZSFlIwGa3dhcmdzlH2UdS4=',1795868510000);
INSERT INTO "workflow_input" VALUES('dead-1','gASVGAAAAAAAAAB9lCiMBGFyZ3OUKYwGa3dhcmdzlH2UdS4=',1795868510000);
INSERT INTO "workflow_input" VALUES('retry-1','gASVGAAAAAAAAAB9lCiMBGFyZ3OUKYwGa3dhcmdzlH2UdS4=',1795868510000);
INSERT INTO "workflow_input" VALUES('simple-1','gASVGAAAAAAAAAB9lCiMBGFyZ3OUKYwGa3dhcmdzlH2UdS4=',1795868510000);
INSERT INTO "workflow_input" VALUES('attempts-1','gASVGAAAAAAAAAB9lCiMBGFyZ3OUKYwGa3dhcmdzlH2UdS4=',1795868510000);
INSERT INTO "workflow_input" VALUES('family-1','gASVGAAAAAAAAAB9lCiMBGFyZ3OUKYwGa3dhcmdzlH2UdS4=',1795868510000);
INSERT INTO "workflow_input" VALUES('suspended-1','gASVGAAAAAAAAAB9lCiMBGFyZ3OUKYwGa3dhcmdzlH2UdS4=',1795868510000);
INSERT INTO "workflow_input" VALUES('asleep-1','gASVGAAAAAAAAAB9lCiMBGFyZ3OUKYwGa3dhcmdzlH2UdS4=',1795868510000);
INSERT INTO "workflow_input" VALUES('cancelled-1','gASVGAAAAAAAAAB9lCiMBGFyZ3OUKYwGa3dhcmdzlH2UdS4=',1795868510000);
INSERT INTO "workflow_input" VALUES('undone-1','gASVGAAAAAAAAAB9lCiMBGFyZ3OUKYwGa3dhcmdzlH2UdS4=',1795868510000);
INSERT INTO "workflow_input" VALUES('family-1-1','gASVGwAAAAAAAAB9lCiMBGFyZ3OUSwGFlIwGa3dhcmdzlH2UdS4=',1795868511000);
INSERT INTO "workflow_input" VALUES('family-1-2','gASVGwAAAAAAAAB9lCiMBGFyZ3OUSwKFlIwGa3dhcmdzlH2UdS4=',1795868511000);
INSERT INTO "workflow_input" VALUES('family-1-1-1','gASVGwAAAAAAAAB9lCiMBGFyZ3OUSwGFlIwGa3dhcmdzlH2UdS4=',1795868511000);
CREATE TABLE workflow_output (
    workflow_uuid TEXT NOT NULL PRIMARY KEY,
    output TEXT,
    error TEXT,
    retention_timestamp INTEGER NOT NULL DEFAULT (strftime('%s','now') * 1000)
);
INSERT INTO "workflow_output" VALUES('simple-1','gASVCAAAAAAAAACMBGRvbmWULg==',NULL,1795868511000);
INSERT INTO "workflow_output" VALUES('family-1-2','gARLAi4=',NULL,1795868511000);
INSERT INTO "workflow_output" VALUES('attempts-1','gARLAy4=',NULL,1795868511000);
INSERT INTO "workflow_output" VALUES('retry-1',NULL,'gASVNwAAAAAAAACMCGJ1aWx0aW5zlIwKVmFsdWVFcnJvcpSTlIwVdGhlIGNhcmQgd2FzIGRlY2xpbmVklIWUUpQu',1795868511000);
INSERT INTO "workflow_output" VALUES('family-1-1-1','gARLAS4=',NULL,1795868511000);
INSERT INTO "workflow_output" VALUES('family-1-1','gARLAi4=',NULL,1795868511000);
INSERT INTO "workflow_output" VALUES('family-1','gARLBC4=',NULL,1795868512000);
CREATE TABLE workflow_schedules (
    schedule_id TEXT PRIMARY KEY,
    schedule_name TEXT NOT NULL UNIQUE,
    workflow_name TEXT NOT NULL,
    workflow_class_name TEXT,
    schedule TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'ACTIVE',
    context TEXT NOT NULL
, "last_fired_at" TEXT DEFAULT NULL, "automatic_backfill" BOOLEAN NOT NULL DEFAULT FALSE, "cron_timezone" TEXT DEFAULT NULL, "queue_name" TEXT DEFAULT NULL, "application_name" TEXT DEFAULT NULL);
CREATE TABLE workflow_status (
    workflow_uuid TEXT PRIMARY KEY,
    status TEXT,
    name TEXT,
    authenticated_user TEXT,
    assumed_role TEXT,
    authenticated_roles TEXT,
    request TEXT,
    output TEXT,
    error TEXT,
    executor_id TEXT,
    created_at INTEGER NOT NULL DEFAULT (strftime('%s','now') * 1000),
    updated_at INTEGER NOT NULL DEFAULT (strftime('%s','now') * 1000),
    application_version TEXT,
    application_id TEXT,
    class_name TEXT DEFAULT NULL,
    config_name TEXT DEFAULT NULL,
    recovery_attempts INTEGER DEFAULT 0,
    queue_name TEXT,
    workflow_timeout_ms INTEGER,
    workflow_deadline_epoch_ms INTEGER,
    inputs TEXT,
    started_at_epoch_ms INTEGER,
    deduplication_id TEXT,
    priority INTEGER NOT NULL DEFAULT 0
, queue_partition_key TEXT, forked_from TEXT, "owner_xid" TEXT DEFAULT NULL, "parent_workflow_id" TEXT DEFAULT NULL, "serialization" TEXT DEFAULT NULL, "delay_until_epoch_ms" BIGINT DEFAULT NULL, "was_forked_from" BOOLEAN NOT NULL DEFAULT FALSE, "rate_limited" BOOLEAN NOT NULL DEFAULT FALSE, "completed_at" BIGINT, "attributes" TEXT, "schedule_name" TEXT, "debounce_deadline_epoch_ms" BIGINT DEFAULT NULL, "is_debounced" BOOLEAN NOT NULL DEFAULT FALSE, "application_name" TEXT DEFAULT NULL, "creator_xid" TEXT DEFAULT NULL);
INSERT INTO "workflow_status" VALUES('crash-1','PENDING','crash',NULL,NULL,NULL,NULL,NULL,NULL,'worker',1795868510000,1795868511000,'v1',NULL,NULL,NULL,1,'durable.fast',NULL,NULL,NULL,1795868511000,NULL,0,NULL,NULL,'7b9339f0-ad9d-4f93-a17c-d91d209145bb',NULL,'py_pickle',NULL,0,0,NULL,'null',NULL,NULL,0,'conformance','ed1f0515-ca4f-44fe-8d0b-682eff44d72e');
INSERT INTO "workflow_status" VALUES('crash-2','PENDING','crash',NULL,NULL,NULL,NULL,NULL,NULL,'worker',1795868510000,1795868511000,'v1',NULL,NULL,NULL,1,'durable.fast',NULL,NULL,NULL,1795868511000,NULL,0,NULL,NULL,'7b9339f0-ad9d-4f93-a17c-d91d209145bb',NULL,'py_pickle',NULL,0,0,NULL,'null',NULL,NULL,0,'conformance','95b5c7b4-7512-4141-b7ad-001b58a4193e');
INSERT INTO "workflow_status" VALUES('dead-1','PENDING','doomed',NULL,NULL,NULL,NULL,NULL,NULL,'worker',1795868510000,1795868511000,'v1',NULL,NULL,NULL,1,'durable.fast',NULL,NULL,NULL,1795868511000,NULL,0,NULL,NULL,'7b9339f0-ad9d-4f93-a17c-d91d209145bb',NULL,'py_pickle',NULL,0,0,NULL,'null',NULL,NULL,0,'conformance','c90062f3-b7a0-413d-a436-5ffe1e900b63');
INSERT INTO "workflow_status" VALUES('retry-1','ERROR','fails',NULL,NULL,NULL,NULL,NULL,NULL,'worker',1795868510000,1795868511000,'v1',NULL,NULL,NULL,1,'durable.fast',NULL,NULL,NULL,1795868511000,NULL,0,NULL,NULL,NULL,NULL,'py_pickle',NULL,0,0,1795868511000,'null',NULL,NULL,0,'conformance','9f354009-45d1-4f26-bf09-79ec22089a38');
INSERT INTO "workflow_status" VALUES('simple-1','SUCCESS','simple',NULL,NULL,NULL,NULL,NULL,NULL,'worker',1795868510000,1795868511000,'v1',NULL,NULL,NULL,1,'durable.fast',NULL,NULL,NULL,1795868511000,NULL,0,NULL,NULL,NULL,NULL,'py_pickle',NULL,0,0,1795868511000,'null',NULL,NULL,0,'conformance','f6a38416-2ba7-443c-9670-693e9eabd89f');
INSERT INTO "workflow_status" VALUES('attempts-1','SUCCESS','retried_step',NULL,NULL,NULL,NULL,NULL,NULL,'worker',1795868510000,1795868511000,'v1',NULL,NULL,NULL,1,'durable.fast',NULL,NULL,NULL,1795868511000,NULL,0,NULL,NULL,NULL,NULL,'py_pickle',NULL,0,0,1795868511000,'null',NULL,NULL,0,'conformance','8fcf97da-b9c8-41a8-bb80-a27d49f330b3');
INSERT INTO "workflow_status" VALUES('family-1','SUCCESS','family',NULL,NULL,NULL,NULL,NULL,NULL,'worker',1795868510000,1795868512000,'v1',NULL,NULL,NULL,1,'durable.fast',NULL,NULL,NULL,1795868511000,NULL,0,NULL,NULL,NULL,NULL,'py_pickle',NULL,0,0,1795868512000,'null',NULL,NULL,0,'conformance','89ff311d-3c2e-48b8-8f71-4af375b23bd8');
INSERT INTO "workflow_status" VALUES('suspended-1','PENDING','suspended',NULL,NULL,NULL,NULL,NULL,NULL,'worker',1795868510000,1795868511000,'v1',NULL,NULL,NULL,1,'durable.fast',NULL,NULL,NULL,1795868511000,NULL,0,NULL,NULL,'7b9339f0-ad9d-4f93-a17c-d91d209145bb',NULL,'py_pickle',NULL,0,0,NULL,'null',NULL,NULL,0,'conformance','d65678e4-9867-44e3-8fc1-40edab2d6697');
INSERT INTO "workflow_status" VALUES('asleep-1','PENDING','asleep',NULL,NULL,NULL,NULL,NULL,NULL,'worker',1795868510000,1795868511000,'v1',NULL,NULL,NULL,1,'durable.fast',NULL,NULL,NULL,1795868511000,NULL,0,NULL,NULL,'7b9339f0-ad9d-4f93-a17c-d91d209145bb',NULL,'py_pickle',NULL,0,0,NULL,'null',NULL,NULL,0,'conformance','7e6632a3-fdda-40c4-b0ab-88ffb7f9d0ae');
INSERT INTO "workflow_status" VALUES('cancelled-1','PENDING','suspended',NULL,NULL,NULL,NULL,NULL,NULL,'worker',1795868510000,1795868511000,'v1',NULL,NULL,NULL,1,'durable.fast',NULL,NULL,NULL,1795868511000,NULL,0,NULL,NULL,'7b9339f0-ad9d-4f93-a17c-d91d209145bb',NULL,'py_pickle',NULL,0,0,NULL,'null',NULL,NULL,0,'conformance','7c13ef75-ecdd-4a99-9946-fc7ae6d32475');
INSERT INTO "workflow_status" VALUES('undone-1','PENDING','saga',NULL,NULL,NULL,NULL,NULL,NULL,'worker',1795868510000,1795868511000,'v1',NULL,NULL,NULL,1,'durable.fast',NULL,NULL,NULL,1795868511000,NULL,0,NULL,NULL,'7b9339f0-ad9d-4f93-a17c-d91d209145bb',NULL,'py_pickle',NULL,0,0,NULL,'null',NULL,NULL,0,'conformance','3fc13c3c-d103-4cfb-b70d-bbde4d656fa3');
INSERT INTO "workflow_status" VALUES('family-1-1','SUCCESS','middle',NULL,NULL,NULL,NULL,NULL,NULL,'worker',1795868511000,1795868511000,'v1','',NULL,NULL,1,'conformance',NULL,NULL,NULL,1795868511000,NULL,0,NULL,NULL,NULL,'family-1','py_pickle',NULL,0,0,1795868511000,'null',NULL,NULL,0,'conformance','16310387-445e-49b7-bb90-4b99d2f5514b');
INSERT INTO "workflow_status" VALUES('family-1-2','SUCCESS','leaf',NULL,NULL,NULL,NULL,NULL,NULL,'worker',1795868511000,1795868511000,'v1','',NULL,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,'family-1','py_pickle',NULL,0,0,1795868511000,'null',NULL,NULL,0,'conformance','b2076c8b-a2bd-4449-9007-751ac99416d6');
INSERT INTO "workflow_status" VALUES('family-1-1-1','SUCCESS','leaf',NULL,NULL,NULL,NULL,NULL,NULL,'worker',1795868511000,1795868511000,'v1','',NULL,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,'family-1-1','py_pickle',NULL,0,0,1795868511000,'null',NULL,NULL,0,'conformance','e9fb55a0-0884-4ab8-ba78-adad85164f8f');
