import { useId, useMemo, useState } from "react";
import type { AttemptLog, Step, StepAttempt, StepLog } from "../../api/wire";
import { Stack } from "../../features/error/ErrorView";
import { formatDuration, formatExact, formatInstant, parseTime } from "../../lib/time";
import { useZone } from "../../lib/zone";
import { Clock, Since } from "../../ui/Ago";
import { CopyButton } from "../../ui/CopyButton";
import { Glyph, StatusIcon } from "../../ui/icons";
import {
  attemptName,
  endOf,
  fieldTexts,
  firstToRead,
  hiddenParts,
  leftOutOf,
  logText,
  matching,
  recordText,
  saidAbove,
  severityOf,
} from "./attemptLog";
import css from "./StepAttempts.module.css";

/** So many records of an attempt are drawn at first. */
const FIRST_RECORDS = 50;
/** Fewer are seen at a glance. */
const SEARCHED_FROM = 12;

/** What is known of each attempt at a step that the engine itself forgets: errors, stacks, and what was logged. */
export function StepAttempts({ log, step }: { log: AttemptLog; step: Step }) {
  const { attempts } = log;
  const [sought, setSought] = useState("");
  const records = attempts.reduce((sum, { logs }) => sum + logs.length, 0);
  const searched = sought.trim() !== "";
  return (
    <section className="panel-part" aria-label="Attempts and logs">
      <h3>
        Attempts and logs
        {attempts.length > 0 ? <CopyButton text={logText(log, step)} label="Copy the attempts and logs" /> : null}
      </h3>
      {attempts.length === 0 ? <p className="muted small">{log.absent ?? "Nothing is kept of them."}</p> : null}
      {records >= SEARCHED_FROM ? (
        <input
          type="search"
          className="input"
          value={sought}
          placeholder="Find in the logs"
          aria-label="Find in the logs"
          spellCheck={false}
          autoComplete="off"
          onChange={(event) => setSought(event.target.value)}
        />
      ) : null}
      {log.leftOut ? (
        <p className="muted small">
          {log.leftOut === 1 ? "An older attempt is" : `${log.leftOut} older attempts are`} left out.
        </p>
      ) : null}
      <ol className={css.attempts}>
        {attempts.map((attempt, index) => (
          <Attempt
            key={`${attempt.execution}.${attempt.n}`}
            attempt={attempt}
            name={attemptName(attempt, attempts)}
            step={step}
            isLast={index === attempts.length - 1}
            repeated={attempts.length === 1 && saidAbove(attempt, step)}
            open={searched || index === firstToRead(attempts)}
            sought={sought}
          />
        ))}
      </ol>
    </section>
  );
}

interface AttemptProps {
  attempt: StepAttempt;
  name: string;
  step: Step;
  isLast: boolean;
  /** The step's error stands above and is this attempt's. */
  repeated: boolean;
  /** Until the reader says otherwise. */
  open: boolean;
  sought: string;
}

function Attempt({ attempt, name, step, isLast, repeated, open, sought }: AttemptProps) {
  const [chosen, setChosen] = useState<boolean | null>(null);
  const expanded = chosen ?? open;
  const body = useId();
  const { status, words } = endOf(attempt, step, isLast);
  const { error, durationMs, logs } = attempt;
  return (
    <li className={css.attempt} data-status={status}>
      <button
        type="button"
        className={css.head}
        aria-expanded={expanded}
        aria-controls={body}
        onClick={() => setChosen(!expanded)}
      >
        <Glyph name="chevron" size={12} />
        <StatusIcon status={status} size={14} />
        <strong>{name}</strong>
        <span className={css.outcome}>{words}</span>
        <span className="muted">
          {durationMs !== undefined ? (
            formatDuration(durationMs)
          ) : status === "running" ? (
            <Since at={attempt.startedAt} />
          ) : null}
        </span>
        {error && !expanded ? <span className={css.brief}>{`${error.type}: ${error.message}`}</span> : null}
      </button>
      {expanded ? (
        <div id={body} className={css.body}>
          <p className="muted small">
            began <Clock at={attempt.startedAt} />
            {attempt.executor ? (
              <>
                {" on "}
                <span className="mono">{attempt.executor}</span>
              </>
            ) : null}
          </p>
          {error && !repeated ? (
            <div className="error-view">
              <p className="pre">
                <strong className="mono">{error.type}</strong>
                {error.message === "" ? null : ": "}
                <Told text={error.message} />
              </p>
              <Stack text={attempt.traceback} />
            </div>
          ) : null}
          <Records logs={logs} sought={sought} name={name} cut={leftOutOf(attempt)} growing={status === "running"} />
        </div>
      ) : null}
    </li>
  );
}

interface RecordsProps {
  logs: readonly StepLog[];
  sought: string;
  name: string;
  /** How many of how many these are, where some are left out. */
  cut: string | null;
  /** More are to come: the last ones are what is looked at. */
  growing: boolean;
}

function Records({ logs, sought, name, cut, growing }: RecordsProps) {
  const [all, setAll] = useState(false);
  const found = useMemo(() => matching(logs, sought), [logs, sought]);
  const shown = all ? found : growing ? found.slice(-FIRST_RECORDS) : found.slice(0, FIRST_RECORDS);
  if (logs.length === 0) return <p className="muted small">{cut ?? "It logged nothing."}</p>;
  const searched = sought.trim() !== "";
  const rest =
    found.length > shown.length ? (
      <button type="button" className="j-more" onClick={() => setAll(true)}>
        {found.length - shown.length} {growing ? "earlier" : "more"} records
      </button>
    ) : null;
  return (
    <div className={css.records}>
      <p className={`muted small ${css.count}`}>
        {cut ?? `${logs.length} log record${logs.length === 1 ? "" : "s"}`}
        {searched ? ` ${found.length} found.` : ""}
        <CopyButton text={logs.map(recordText).join("\n")} label={`Copy the log of ${name.toLowerCase()}`} />
      </p>
      {growing ? rest : null}
      {shown.length > 0 ? (
        <ol className={css.log} aria-label={`Log of ${name.toLowerCase()}`}>
          {shown.map((log, index) => (
            <LogRecord key={index} log={log} />
          ))}
        </ol>
      ) : null}
      {growing ? null : rest}
    </div>
  );
}

function LogRecord({ log }: { log: StepLog }) {
  useZone();
  const at = parseTime(log.at);
  const fields = fieldTexts(log);
  const origin = [log.logger, log.where].filter(Boolean).join(" · ");
  return (
    <li className={css.record} data-severity={severityOf(log.level)}>
      <time dateTime={log.at} title={formatExact(log.at)}>
        {at === null ? "" : formatInstant(at)}
      </time>
      <span className={css.level}>{log.level}</span>
      <div className={css.message}>
        <Told text={log.message} />
      </div>
      {fields.length > 0 ? (
        <div className={css.fields}>
          {fields.map((field) => (
            <span key={field}>
              <Told text={field} />
            </span>
          ))}
        </div>
      ) : null}
      <div className={css.origin} title={origin}>
        {origin}
      </div>
      {log.exception ? (
        <div className={css.exception}>
          <Stack text={log.exception} />
        </div>
      ) : null}
    </li>
  );
}

/** A text, with what the server hid in it marked. */
function Told({ text }: { text: string }) {
  return hiddenParts(text).map((part, index) =>
    part.hidden ? (
      <span key={index} className={css.hidden} title="Hidden by the redaction rules">
        {part.text}
      </span>
    ) : (
      part.text
    ),
  );
}
