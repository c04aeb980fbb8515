CREATE TABLE dispositions (
    kind TEXT NOT NULL, subject TEXT NOT NULL, state TEXT NOT NULL, actor TEXT NOT NULL, at_ms INTEGER NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (kind, subject)
);
