/** What a worker kept of the attempts at a step, in words. Pure. */
import type { AttemptLog, Step, StepAttempt, StepLog, StepStatus } from "../../api/wire";

/** How an attempt ended. One without an end is under way only while its step is, and only the last one. */
export function endOf(attempt: StepAttempt, step: Step, isLast: boolean): { status: StepStatus; words: string } {
  if (attempt.error) return { status: "failed", words: "failed" };
  if (attempt.endedAt) return { status: "completed", words: "succeeded" };
  return isLast && step.status === "running"
    ? { status: "running", words: "under way" }
    : { status: "interrupted", words: "cut short" };
}

/** "Attempt 2", and of which execution where a run that was recovered or retried executed the step again. */
export function attemptName(attempt: StepAttempt, all: readonly StepAttempt[]): string {
  const several = all.some(({ execution }) => execution !== 1);
  return several ? `Execution ${attempt.execution}, attempt ${attempt.n}` : `Attempt ${attempt.n}`;
}

/** The attempt that a reader looks for first: the last one that failed, else the last one. */
export function firstToRead(attempts: readonly StepAttempt[]): number {
  const failed = attempts.findLastIndex(({ error }) => error !== undefined);
  return failed === -1 ? attempts.length - 1 : failed;
}

/** Whether the step's own error says all that the attempt's would: shown once, not twice. */
export function saidAbove(attempt: StepAttempt, step: Step): boolean {
  const { error, traceback } = attempt;
  if (!error || !step.error || error.message !== step.error.message) return false;
  return traceback === undefined || traceback === step.error.stack;
}

/** "200 of 10,001 records, the first and the last ones"; nothing where all are shown. */
export function leftOutOf({ logs, truncated }: StepAttempt): string | null {
  if (truncated === undefined || truncated === 0) return null;
  const all = logs.length + truncated;
  const n = (count: number): string => count.toLocaleString("en-US");
  return logs.length === 0
    ? `None of ${n(all)} records is kept.`
    : `${n(logs.length)} of ${n(all)} records: the first and the last ones are kept.`;
}

export type Severity = "error" | "warn" | "info" | "debug";

/** How loud a record is, whatever the level is called; a level of one's own is as loud as INFO. */
export function severityOf(level: string): Severity {
  const name = level.toUpperCase();
  if (/^(ERR|CRIT|FATAL|EXC)/.test(name)) return "error";
  if (name.startsWith("WARN")) return "warn";
  return /^(DEBUG|TRACE|NOTSET)/.test(name) ? "debug" : "info";
}

/** "key=value", strings as they are. */
export function fieldTexts({ fields }: StepLog): string[] {
  return Object.entries(fields ?? {}).map(
    ([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
}

/** A record as a line of a log file, with its traceback below it. */
export function recordText(log: StepLog): string {
  const line = [log.at, log.level, `${log.logger}:`, log.message, ...fieldTexts(log)];
  if (log.where !== undefined) line.push(`(${log.where})`);
  return log.exception === undefined ? line.join(" ") : `${line.join(" ")}\n${log.exception}`;
}

/** Records that hold what is sought, in any of their parts. */
export function matching(logs: readonly StepLog[], sought: string): readonly StepLog[] {
  const text = sought.trim().toLowerCase();
  return text === "" ? logs : logs.filter((log) => recordText(log).toLowerCase().includes(text));
}

/** All of it, as text to paste. */
export function logText({ attempts }: AttemptLog, step: Step): string {
  return attempts
    .map((attempt, index) => {
      const { words } = endOf(attempt, step, index === attempts.length - 1);
      const told = attempt.error ? `: ${attempt.error.type}: ${attempt.error.message}` : "";
      const parts = [`${attemptName(attempt, attempts)} ${words}${told}`];
      if (attempt.traceback !== undefined) parts.push(attempt.traceback);
      const cut = leftOutOf(attempt);
      if (cut !== null) parts.push(cut);
      return [...parts, ...attempt.logs.map(recordText)].join("\n");
    })
    .join("\n\n");
}

/** Where the server hid something, in its words. */
const HIDDEN = /(\[redacted\]|\[withheld: [^\]]*\])/;

/** A text in parts: those that were hidden, and those between. */
export function hiddenParts(text: string): { text: string; hidden: boolean }[] {
  return text
    .split(HIDDEN)
    .map((part, index) => ({ text: part, hidden: index % 2 === 1 }))
    .filter((part) => part.text !== "");
}
