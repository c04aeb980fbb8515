CREATE TABLE {schema}.model_calls (
    run_id text COLLATE "C" NOT NULL, seq bigint NOT NULL, ended_at_ms bigint NOT NULL, workflow text NOT NULL,
    version text, model text NOT NULL, input_tokens bigint NOT NULL, output_tokens bigint NOT NULL,
    PRIMARY KEY (run_id, seq, ended_at_ms)
);
CREATE INDEX model_calls_ended ON {schema}.model_calls (ended_at_ms)
    INCLUDE (workflow, version, model, input_tokens, output_tokens);
