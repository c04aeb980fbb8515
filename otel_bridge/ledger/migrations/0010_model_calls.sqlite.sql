CREATE TABLE model_calls (
    run_id TEXT NOT NULL, seq INTEGER NOT NULL, ended_at_ms INTEGER NOT NULL, workflow TEXT NOT NULL, version TEXT,
    model TEXT NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    PRIMARY KEY (run_id, seq, ended_at_ms)
);
CREATE INDEX model_calls_ended ON model_calls (ended_at_ms, workflow, version, model, input_tokens, output_tokens);
